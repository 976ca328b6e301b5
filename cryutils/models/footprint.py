"""Size, latency and memory of an exported network: `footprint`.

Used in notebook 13_live_and_deployment (Paper B §3, deployment strategy). Latency and memory are
measured in a separate process that imports nothing else, as on a device.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryutils.errors import InputError
from cryutils.models.export import FORMATS

__all__ = ["Footprint", "footprint"]

_FORMAT_OF = {form.suffix: form for form in FORMATS.values()}
_WARM_UP = 20
_SCRIPT = "import sys; from cryutils.models import footprint; footprint.measure(*sys.argv[1:])"


@dataclass(frozen=True, slots=True)
class Footprint:
    """Size of the files in kB (1000 bytes), latency of one example in ms, peak memory in MB.

    latency_ms: the median over calls; latency_p95_ms: the 95th percentile. memory_mb: of the whole
    process, including Python, NumPy and the runtime.
    """

    size_kb: float
    latency_ms: float
    latency_p95_ms: float
    memory_mb: float


def footprint(path: Path, *, threads: int = 1, calls: int = 300) -> Footprint:
    """Return the footprint of the exported network at `path` on `threads` threads.

    calls: number of timed calls with one example each, after a warm-up. Raises InputError if the
    network cannot be run.
    """
    arguments = [str(path), str(threads), str(calls)]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise InputError(f"{path}: cannot be measured ({last}).")
    median, p95, memory = json.loads(done.stdout)
    size = sum(file.stat().st_size for file in _FORMAT_OF[path.suffix].files(path))
    return Footprint(size / 1000, median, p95, memory)


def measure(path: str, threads: str, calls: str) -> None:
    """Print the median and 95th percentile of the latency (ms) and peak memory (MB) as JSON."""
    network = _FORMAT_OF[Path(path).suffix].open(path, threads=int(threads))
    example = np.zeros((1, *network.shape), network.dtype)
    spent = []
    for _ in range(_WARM_UP + int(calls)):
        begun = time.perf_counter()
        network.predict(example)
        spent.append(1000 * (time.perf_counter() - begun))
    median, p95 = np.percentile(spent[_WARM_UP:], [50, 95])
    print(json.dumps([float(median), float(p95), _peak_mb()]))


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, where getrusage would include the parent's memory
        (line,) = [row for row in status.read_text().splitlines() if row.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if os.uname().sysname == "Darwin" else peak * 1024 / 1e6
