"""Execute one notebook with papermill in its own process: `execute`, for `course.runner`.

The notebook writes into a staging folder, which `run_folder.finish` puts in the place of earlier
results. The process ends, and its kernel with it, when the process that started it ends or the
run is stopped. No notebook walks this module.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.claims import run_folder
from cryutils.claims.run_folder import Staging
from cryutils.course.fingerprint import versions
from cryutils.errors import InputError

__all__ = ["Outcome", "execute", "source_text"]

_STARTS = 3  # of a kernel, before its notebook has failed
_TICK_S = 0.5  # from one look at what ends the process to the next


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended: the error in one line or None, wall time in s, peak memory in MiB."""

    error: str | None
    seconds: float = 0.0
    peak_mib: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)


def source_text(path: Path) -> str:
    """Return the text of all cells of the notebook at `path`, without outputs."""
    return "\n\n".join(_cells(path))


def _cells(path: Path) -> list[str]:
    """Return the text of each cell; read as the JSON it is, since nbformat takes a second."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: not a notebook of format 4, or damaged.") from error


def execute(
    source: Path,
    folder: Path,
    values: Mapping[str, Any],
    environment: Mapping[str, str],
) -> tuple[Staging, Outcome]:
    """Execute the notebook `source` for the run `folder`, in a new process.

    An executor calls it, here or on a worker that shares the run's folder. A worker that is lost
    may call it again: each call has its own staging folder.

    Parameters
    ----------
    source : Path
        The notebook.
    folder : Path
        Of the run.
    values : mapping
        Parameters that replace the notebook's own.
    environment : mapping
        Variables that the notebook's process has beside those of this one.
    """
    staging = run_folder.stage(folder, source.stem)
    order = {
        "source": str(source), "notebook": str(staging.notebook), "values": dict(values),
        "share_file": str(run_folder.share_file(folder, source.stem)),
        "alive_file": str(staging.alive),
    }  # fmt: skip
    home = {
        "CRYUTILS_RUN_DIR": str(staging.path),
        "CRYUTILS_OUTPUTS_DIR": str(folder.parent),
        "CRYUTILS_PROGRESS_FILE": str(run_folder.news_file(folder, source.stem)),
    }
    with (
        staging.log.open("w") as log,  # what libraries print helps no reader
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment, **home},
            start_new_session=True,  # a terminal's Ctrl-C reaches the command alone
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{json.dumps(order)}\n")
        process.stdin.flush()  # and open as long as this process lives
        answer = process.stdout.read()
    if answer:
        return staging, Outcome(**json.loads(answer))
    broke = process.returncode == 1  # by an error, not a signal
    what = "broke" if broke else "was killed, as happens when memory runs out"
    return staging, Outcome(f"its process {what}")


def main() -> None:
    """Do what `execute` orders on stdin; the Outcome goes to stdout."""
    order = json.loads(sys.stdin.readline())
    watch = partial(_end_with_parent, Path(order["alive_file"]))
    threading.Thread(target=watch, daemon=True).start()
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print there as well
    try:
        outcome = _run(
            Path(order["source"]),
            Path(order["notebook"]),
            order["values"],
            share_file=Path(order["share_file"]),
        )
    except OSError as error:  # a full disk
        outcome = Outcome(_one_line(error))
    json.dump(asdict(outcome), answer)
    answer.close()


def _end_with_parent(alive: Path) -> None:
    """End this process and its kernel when stdin closes or the file `alive` is removed."""
    import psutil

    while alive.is_file() and not select.select([sys.stdin], [], [], _TICK_S)[0]:
        pass
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def _run(source: Path, target: Path, values: dict[str, Any], *, share_file: Path) -> Outcome:
    """Execute the notebook `source` into `target`, and write the share of cells that are done."""
    from papermill.exceptions import PapermillException

    from cryutils.claims import notebook_page

    total = len(_cells(source)) + bool(values)  # papermill adds a cell with the values

    def report(*, cell_index: int, **_: Any) -> None:
        with writing(share_file) as part:
            part.write_text(str((cell_index + 1) / total), encoding="utf-8")

    report(cell_index=-1)
    started = time.monotonic()
    try:
        _papermill(source, target, values, on_cell_executed=report)
    except (PapermillException, RuntimeError) as failure:  # a DeadKernelError is such
        error = _one_line(failure)
        return Outcome(error, time.monotonic() - started, _peak_mib(), _versions())
    seconds = time.monotonic() - started
    notebook_page.write(target)
    return Outcome(None, seconds, _peak_mib(), _versions())


def _papermill(source: Path, target: Path, values: dict[str, Any], **options: Any) -> None:
    """Call papermill, again where the kernel died before its first reply.

    Jupyter chooses a kernel's ports before the kernel takes them, so another program may be faster.
    """
    import papermill
    from traitlets.config import Config

    # The key to the kernel is written where a kill leaves nothing.
    connection = {"connection_file": str(target.parents[2] / "kernel.json")}
    for attempt in range(1, _STARTS + 1):
        try:
            papermill.execute_notebook(
                _literal(source),
                _literal(target),
                parameters=values,
                kernel_name="python3",
                language="python",  # else a notebook that doesn't name its language is refused
                cwd=str(source.parent),
                start_timeout=600,  # s; a slow machine under load needs more than one minute
                progress_bar=False,
                config=Config({"KernelManager": connection}),
                **options,
            )
        except RuntimeError as error:
            if "before replying" not in str(error) or attempt == _STARTS:
                raise
        else:
            return


def _literal(path: Path) -> str:
    """Return `path` for papermill, which would fill in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _one_line(error: Exception) -> str:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, DeadKernelError):
        return "its kernel was killed, as happens when memory runs out"
    if isinstance(error, PapermillExecutionError):
        message = error.evalue if error.ename == "InputError" else f"{error.ename}: {error.evalue}"
        return f"cell {error.exec_count}: {_first_line(message)}"
    return f"{type(error).__name__}: {_first_line(str(error))}"


def _first_line(text: str) -> str:
    return (re.sub(r"\x1b\[[0-9;]*m", "", text).strip().splitlines() or [""])[0]


def _versions() -> dict[str, str]:
    return {**versions(), "python": ".".join(map(str, sys.version_info[:3]))}


def _peak_mib() -> float:
    """Return the largest memory of any process this one waited for: the kernel, or its workers."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 2**20


if __name__ == "__main__":
    main()
