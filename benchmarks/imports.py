"""Compare the time of `import cryutils` with `import numpy, pandas`, which most notebooks need.

Both run interleaved in fresh processes, so a busy machine slows them alike. The package is imported
with `load` and with both libraries, since otherwise modules that it imports lazily would not count.
Exits with 1 if the ratio of the medians is above the promise.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15
PROMISE = 1.5
STATEMENTS = {
    "numpy, pandas": "import numpy, pandas",
    "all with load": "import numpy, pandas; from cryutils import load",
    "cryutils alone": "import cryutils",
}


def seconds(statement: str) -> float:
    """Return the wall time of a fresh process that executes `statement`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main() -> int:
    """Print medians and ratios; return the exit code."""
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS + 1):
        for name, statement in STATEMENTS.items():
            taken[name].append(seconds(statement))
    # Skip the first round, which reads the files from disk and writes their bytecode.
    median = {name: statistics.median(times[1:]) for name, times in taken.items()}
    for name, value in median.items():
        print(f"{name:15} {1000 * value:6.0f} ms")
    ratio = median["all with load"] / median["numpy, pandas"]
    alone = median["cryutils alone"] / median["numpy, pandas"]
    print(f"import cryutils: {alone:.2f} times numpy and pandas; with them and load {ratio:.2f}")
    print(f"promised: {PROMISE} at most, of either")
    return int(ratio > PROMISE)


if __name__ == "__main__":
    sys.exit(main())
