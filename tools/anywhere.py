"""Run the tests as on other machines: `make test-anywhere`, within an hour on two quiet cores.

    python tools/anywhere.py                  every pass, and a table at the end
    python tools/anywhere.py --list           what each pass simulates
    python tools/anywhere.py --only NAME      one pass; may be repeated

Settings that change the last bits of features and trained networks simulate other processors. Low
priority next to two busy loops simulates a slow machine. Neither may change the output of a
compared cell of a notebook, or whether a test passes.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
NBVAL = (
    "--nbval --nbval-current-env --nbval-sanitize-with tests/notebooks/sanitize.cfg"
    " -p tests.notebooks.counting"
    " -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder"
)
SUITE = "-n logical --maxprocesses 4 --dist worksteal tests"
# Extensions that NumPy uses on this processor, beyond those that it always needs.
SIMD = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
BUSY = 2
NICENESS = 1  # next to two loops on two cores, this leaves less than half of the time


@dataclass(frozen=True)
class Pass:
    """One run of the tests: what it simulates, and how it differs from `make test`."""

    name: str
    meaning: str
    variables: dict[str, str] = field(default_factory=dict)
    caches: Sequence[str] = ("cold",)  # of each run of the notebooks
    busy: Sequence[str] = ()  # which of these runs are next to busy loops
    backwards: bool = False  # run the notebooks in reverse order
    cores: int | None = None
    suite: bool = False  # run the tests of the library, not the notebooks


PASSES = (
    Pass(
        "sse41",
        "a processor of 2008; then on a busy machine, with the caches of the first time",
        {"ONEDNN_MAX_CPU_ISA": "SSE41", "NPY_DISABLE_CPU_FEATURES": " ".join(SIMD)},
        caches=("cold", "warm"),
        busy=("warm",),
    ),
    Pass(
        "avx2",
        "a processor of 2013, in oneDNN and in NumPy's products; the last notebook first",
        {"ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"},
        backwards=True,
    ),
    Pass(
        "one-core",
        "one processor core; TensorFlow without oneDNN, as on a Mac",
        {"TF_ENABLE_ONEDNN_OPTS": "0"},
        cores=1,
    ),
    Pass(
        "suite",
        "every other test, large where they have a size, without oneDNN",
        {"TF_ENABLE_ONEDNN_OPTS": "0", "CRYUTILS_TEST_LARGE": "1"},
        # The setting with the largest effect: 143 of 589 scores of `quick` changed by over 0.005.
        suite=True,
    ),
)
# Each prints a setting that its kernel sees, to check that the pass really applies it.
SEEN = {
    "variables": "import os\nprint({{name: os.environ.get(name) for name in {names}}})",
    "cores": "import psutil\nprint(len(getattr(psutil.Process(), 'cpu_affinity', list)()))",
    "niceness": "print(os.nice(0))",
    "cache": "from pathlib import Path\nprint(Path(os.environ['CRYUTILS_CACHE_DIR']).exists())",
    "progress": "print('CRYUTILS_PROGRESS_FILE' in os.environ)",
}


def notebook_of_what_is_seen(path: Path, expected: dict[str, object], names: Sequence[str]) -> Path:
    """Write a notebook that fails in nbval unless its kernel sees the `expected` settings."""
    notebook = nbformat.v4.new_notebook()
    for name, source in SEEN.items():
        output = nbformat.v4.new_output("stream", name="stdout", text=f"{expected[name]}\n")
        source = source.format(names=list(names)) if name == "variables" else source
        cell = nbformat.v4.new_code_cell(source, outputs=[output], execution_count=1)
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    return path


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Run `count` busy processes meanwhile; they end with this process, even if it is killed."""
    loop = f"import os\nwhile os.getppid() == {os.getpid()}:\n    sum(range(100_000))"
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", loop]))
            stack.callback(process.kill)
        yield


def command(chosen: Pass, folder: Path, niceness: int) -> list[str]:
    """Return the command for the tests of a pass; kernels inherit its cores and priority."""
    start = ["taskset", "-c", f"0-{chosen.cores - 1}"] if chosen.cores else []
    start += ["nice", "-n", str(niceness)] if niceness else []
    start += [sys.executable, "-m", "pytest"]
    if chosen.suite:
        return [*start, *shlex.split(SUITE)]
    notebooks = sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")), reverse=chosen.backwards)
    return [*start, *shlex.split(NBVAL), str(folder / "seen.ipynb"), *notebooks]


def passes(chosen: Pass) -> bool:
    """Run a pass; return whether all its tests passed."""
    import psutil

    cores = chosen.cores or len(getattr(psutil.Process(), "cpu_affinity", list)())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            **os.environ,
            **chosen.variables,
            "CRYUTILS_TEST_CACHE": str(folder / "cache"),
        }
        codes = []
        for cache in chosen.caches:
            busy = cache in chosen.busy
            niceness = min(19, os.nice(0) + busy * NICENESS)
            expected = (chosen.variables, cores, niceness, cache == "warm", True)
            notebook_of_what_is_seen(
                folder / "seen.ipynb",
                dict(zip(SEEN, expected, strict=True)),
                list(chosen.variables),
            )
            beside = f", beside {BUSY} busy loops" if busy else ""
            variables = json.dumps(chosen.variables)
            print(f"\n{chosen.name}, {cache} caches{beside}: {variables}", flush=True)
            arguments = command(chosen, folder, busy * NICENESS)
            with busy_loops(BUSY * busy):
                done = subprocess.run(arguments, cwd=ROOT, env=environment, check=False)
            codes.append(done.returncode)
    return not any(codes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected passes one after the other; return 1 if one failed."""
    names = [each.name for each in PASSES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="say what each pass stands in for")
    parser.add_argument("--only", action="append", choices=names, help="one pass; may be repeated")
    asked = parser.parse_args(arguments)
    chosen = [each for each in PASSES if not asked.only or each.name in asked.only]
    if asked.list:
        for each in chosen:
            print(f"{each.name:10} {each.meaning}")
        return 0
    rows, failed, total_s = [], False, 0.0
    for each in chosen:
        if each.cores and not shutil.which("taskset"):
            rows.append(f"{each.name:10} left out: there is no taskset here to choose cores with")
            continue
        begun = time.monotonic()
        passed = passes(each)
        failed |= not passed
        seconds = time.monotonic() - begun
        total_s += seconds
        rows.append(f"{each.name:10} {seconds:6.0f} s  {'passed' if passed else 'FAILED'}")
    print("", *rows, f"{'in all':10} {total_s / 60:6.1f} min", sep="\n")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
