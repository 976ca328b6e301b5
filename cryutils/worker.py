"""Execute one notebook with papermill in a process of its own, for `course.run`.

papermill is unsafe in threads and on ipc transport, so each notebook has a process, and
kernels keep Jupyter's default, tcp. A process whose parent is killed ends too, and its
kernel with it.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from cryutils.errors import InputError

__all__ = ["Outcome", "execute", "parameters", "source_text", "watch"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "librosa", "tensorflow", "keras", "av", "pandas")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended: the error in one line or None, wall time in s, peak memory in MiB."""

    error: str | None
    seconds: float
    peak_mib: float
    versions: dict[str, str] = field(default_factory=dict)


def watch() -> None:
    """End this process as soon as the one that started it is gone, however that went."""
    import multiprocessing

    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def source_text(path: Path) -> str:
    """Return the text of all cells of the notebook at `path`, without outputs."""
    import nbformat

    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def parameters(path: Path) -> dict[str, Any]:
    """Return the parameters of the notebook at `path` with their embedded values.

    Raises InputError where it has no cell tagged `parameters`.
    """
    import nbformat

    for cell in nbformat.read(path, as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", []):
            return {
                target.id: ast.literal_eval(line.value)
                for line in ast.parse(cell.source).body
                if isinstance(line, ast.Assign)
                for target in line.targets
                if isinstance(target, ast.Name)
            }
    raise InputError(f"{path}: no cell is tagged 'parameters'.")


def execute(
    name: str, source: Path, folder: Path, values: dict[str, Any], start: str, progress: Any
) -> Outcome:
    """Execute the notebook `source` into the run's `folder`; `progress` is a queue.

    A failed notebook is kept, with its error, as `<name>.failed.ipynb`.
    """
    import papermill
    from papermill.exceptions import PapermillException

    os.environ |= {
        "CRYUTILS_RUN_DIR": str(folder),
        "CRYUTILS_START_DIR": start,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    target = folder / "notebooks" / f"{name}.ipynb"
    failed = target.with_suffix(".failed.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    _announce(name, progress)
    log = folder / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # The kernel inherits stderr, and libraries write there what no reader can act on.
    with log.open("w") as noise:
        os.dup2(noise.fileno(), 2)
    try:
        papermill.execute_notebook(
            str(source),
            str(failed),
            parameters=values,
            kernel_name="python3",
            engine_name="cryutils",
            cwd=str(source.parent),
            progress_bar=False,
            log_output=False,
        )
    except PapermillException as error:
        return Outcome(_one_line(error, failed), time.monotonic() - started, _peak_mib())
    failed.replace(target)
    versions = {package: metadata.version(package) for package in _PACKAGES}
    versions["python"] = ".".join(map(str, sys.version_info[:3]))
    return Outcome(None, time.monotonic() - started, _peak_mib(), versions)


def _announce(name: str, progress: Any) -> None:
    """Register a papermill engine that puts (name, "running", share of cells) on the queue."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **options: Any) -> Any:
            complete = nb_man.cell_complete

            def cell_complete(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
                complete(cell, cell_index, **rest)
                progress.put((name, "running", ((cell_index or 0) + 1) / len(nb_man.nb.cells)))

            nb_man.cell_complete = cell_complete
            progress.put((name, "running", 0.0))
            return super().execute_managed_notebook(nb_man, *args, **options)

    papermill_engines.register("cryutils", Engine)


def _one_line(error: Exception, kept: Path) -> str:
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        what = f"{error.ename}: {error.evalue}" if error.ename != "InputError" else error.evalue
        what = re.sub(r"\x1b\[[0-9;]*m", "", what).strip().splitlines()[0]
        return f"cell {error.exec_count}: {what} (kept as {kept})"
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def _peak_mib() -> float:
    """Return the largest memory of any process this one waited for: the kernel, or its workers."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 2**20
