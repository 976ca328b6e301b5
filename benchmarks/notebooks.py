"""Measure the time and memory of the notebooks in `quick`, run one after the other.

    cryutils bench notebooks

The results are compared with a budget on 2 cores (90 s for 00-03, 120 s for 04-06, 120 s for 07-09,
90 s for 10-11; below 3 GiB).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET_S = {"00-03": 90, "04-06": 120, "07-09": 120, "10-11": 90}
BUDGET_MIB = 3 * 1024


def main() -> None:
    """Run every notebook with empty caches, and print times, memory and budgets."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        command = [str(Path(sys.executable).with_name("cryutils")), "run", "--profile", "quick"]
        command += ["--jobs", "1", "--fresh", "--outputs", str(home / "outputs")]
        environment = {"CRYUTILS_CACHE_DIR": str(home / "cache"), "CRYUTILS_OFFLINE": "1"}
        begun = time.monotonic()
        subprocess.run(command, check=True, env=_environment() | environment)
        wall = time.monotonic() - begun
        states = sorted((home / "outputs" / "quick" / "state").glob("*.json"))
        state_by_notebook = {path.stem: json.loads(path.read_text()) for path in states}
    for name, state in state_by_notebook.items():
        print(f"{name}: {state['seconds']:.0f} s, {state['peak_mib']:.0f} MiB")
    for span, budget in BUDGET_S.items():
        first, last = span.split("-")
        total = sum(
            s["seconds"] for name, s in state_by_notebook.items() if first <= name[:2] <= last
        )
        if total:
            print(
                f"notebooks {span}: {total:.0f} s of {budget} s, {budget / total:.1f} times within"
            )
    print(f"the whole command, with its own start and the report: {wall:.0f} s")
    peak = max(state["peak_mib"] for state in state_by_notebook.values())
    print(f"peak memory: {peak:.0f} MiB of {BUDGET_MIB} MiB")


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "CRYUTILS_DATA_DIR"}


if __name__ == "__main__":
    main()
