"""Execute one notebook with papermill in its own process: `execute`, for `course.runner`.

The notebook writes to a staging folder, with which `run_folder.finish` replaces earlier results.
The process and its kernel end when the process that started them ends or the run is stopped. No
notebook uses this module.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cryutils._io.paths import scratch_dir, writing
from cryutils.claims import run_folder
from cryutils.claims.run_folder import Staging
from cryutils.course.fingerprint import versions
from cryutils.errors import InputError

__all__ = ["Outcome", "cells", "execute", "source_text"]

_TICK_S = 0.5  # between checks whether the process must end


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended: the error in one line or None, wall time in s, peak memory in MiB.

    The time is 0 if the process was killed.
    """

    error: str | None
    seconds: float = 0.0
    peak_mib: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)


def source_text(path: Path) -> str:
    """Return the text of all cells of the notebook at `path`, without outputs."""
    return "\n\n".join(cell["source"] for cell in cells(path))


def cells(path: Path) -> list[dict[str, Any]]:
    """Return the cells of the notebook at `path`. Raises InputError if it is not a notebook."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{"metadata": {}, **cell, "source": "".join(cell["source"])} for cell in found]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a notebook of format 4, or damaged.") from error


def execute(
    folder: Path,
    alive: Path,
    environment: Mapping[str, str],
    source: Path,
    values: Mapping[str, Any],
) -> tuple[Staging, Outcome]:
    """Execute the notebook `source` in a new process, with `values` for its parameters.

    Called by an executor, here or on a worker that shares the run's `folder`. If a worker is lost,
    the call is repeated, so each call has its own staging folder. Removing the file `alive` ends
    the execution. `environment` has variables to add to those of this process.

    Returns the staging folder and how the execution ended.
    """
    staging = run_folder.stage(folder, source.stem)
    order = [str(source), str(staging.notebook), dict(values), str(alive), os.getpid()]
    own = {
        "CRYUTILS_RUN_DIR": str(staging.path),
        "CRYUTILS_OUTPUTS_DIR": str(folder.parent),
        "TQDM_DISABLE": "1",  # no output that depends on the time a cell takes
    }
    with staging.log.open("w") as log:  # for the output of libraries
        process = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=False,
            env={**os.environ, **environment, **own},
            start_new_session=True,  # a terminal's Ctrl-C reaches only the command
        )
    if process.stdout:
        return staging, Outcome(**json.loads(process.stdout))
    is_error = process.returncode == 1  # not a signal
    what = "broke" if is_error else "was killed, as happens when memory runs out"
    return staging, Outcome(f"its process {what}")


def main() -> None:
    """Execute the notebook that `execute` describes on stdin; print the Outcome as JSON."""
    from papermill.exceptions import PapermillException

    source, target, values, alive, parent = json.load(sys.stdin)
    threading.Thread(target=_end_with_run, args=(Path(alive), parent), daemon=True).start()
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep libraries' output out of the answer
    error, started = None, time.monotonic()
    try:
        _run(Path(source), Path(target), values)
    # DeadKernelError is a RuntimeError, a full disk an OSError.
    except (PapermillException, RuntimeError, OSError) as failure:
        error = _one_line(failure)
    outcome = Outcome(error, time.monotonic() - started, _peak_mib(), versions())
    json.dump(asdict(outcome), answer)
    answer.close()


def _end_with_run(alive: Path, parent: int) -> None:
    """End this process and its kernel when the process `parent` ends or `alive` is removed."""
    import psutil

    while alive.is_file() and os.getppid() == parent:
        time.sleep(_TICK_S)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    shutil.rmtree(scratch_dir(), ignore_errors=True)  # the kernel's sockets and key
    os._exit(1)


def _run(source: Path, target: Path, values: dict[str, Any]) -> None:
    """Execute the notebook `source` into `target`, and write its page.

    The share of executed cells is written to the file that `run_folder.progress` reads. The kernel
    is reached through sockets in a folder of this process, not through ports: Jupyter chooses ports
    before the kernel opens them, and a kernel whose port another program has taken hangs.
    """
    import papermill
    from traitlets.config import Config

    from cryutils.claims import notebook_page

    home = target.parents[2]
    total = len(cells(source)) + bool(values)  # papermill adds a cell with the values

    def report(*, cell_index: int, **_: Any) -> None:
        (home / "count").unlink(missing_ok=True)  # the previous cell's progress
        with writing(home / "share") as part:
            part.write_text(str((cell_index + 1) / total), encoding="utf-8")

    report(cell_index=-1)
    place = {"connection_file": str(scratch_dir() / "kernel.json"), "transport": "ipc"}
    papermill.execute_notebook(
        _literal(source),
        _literal(target),
        parameters=values,
        kernel_name="python3",
        language="python",  # otherwise papermill rejects notebooks without a language
        cwd=str(source.parent),
        start_timeout=600,  # s; a slow machine under load needs more than one minute
        progress_bar=False,
        config=Config({"KernelManager": place}),
        on_cell_executed=report,
    )
    notebook_page.write(target)


def _literal(path: Path) -> str:
    """Return `path` with braces escaped, because papermill replaces names in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _one_line(error: Exception) -> str:
    from click import unstyle
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, DeadKernelError):
        return "its kernel was killed, as happens when memory runs out"
    cell, kind, message = "", type(error).__name__, str(error)
    if isinstance(error, PapermillExecutionError):
        cell, kind, message = f"cell {error.exec_count}: ", error.ename, error.evalue
    if kind != "InputError":
        message = f"{kind}: {message.strip()}"
    return cell + unstyle(message).strip().partition("\n")[0]


def _peak_mib() -> float:
    """Return the peak memory in MiB of the largest child process: the kernel or a worker."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 2**20


if __name__ == "__main__":
    main()
