"""Execute one notebook with papermill in a process of its own, for `course.runner`.

papermill is unsafe in threads and on ipc transport, so each notebook has a process, and
kernels keep Jupyter's default, tcp. A process whose parent is killed ends too, and its
kernel with it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cryutils.claims.run_folder import Staging, networks_file
from cryutils.course.fingerprint import versions
from cryutils.errors import InputError

__all__ = ["Outcome", "execute", "source_text", "work"]

_STARTS = 3  # of a kernel, before its notebook has failed


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended: the error in one line or None, wall time in s, peak memory in MiB.

    `cells` holds the seconds from the start to the end of each cell.
    """

    error: str | None
    seconds: float = 0.0
    peak_mib: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    cells: tuple[float, ...] = ()


def work(
    sender: Connection,
    source: Path,
    staging: Staging,
    values: dict[str, Any],
    start: str,
    cores: int,
    environment: Mapping[str, str],
) -> None:
    """Do what `execute` does, as a process: send its news, then the Outcome.

    `environment` is the run's; the server that forks this process may have an earlier one's.
    """
    os.environ.clear()
    os.environ |= environment
    lock = threading.Lock()  # news come from two threads

    def send(news: float | str | Outcome) -> None:
        with lock:
            sender.send(news)

    try:
        news = _prepare_kernel(staging, start, cores)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        outcome = execute(source, staging, values, news, send)
    except OSError as error:  # a full disk
        outcome = Outcome(_one_line(error))
    send(outcome)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def source_text(path: Path) -> str:
    """Return the text of all cells of the notebook at `path`, without outputs."""
    return "\n\n".join(source for source, _ in _cells(path))


def _cells(path: Path) -> list[tuple[str, list[str]]]:
    """Return text and tags of each cell; read as the JSON it is, since nbformat takes a second."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [("".join(c["source"]), c["metadata"].get("tags", [])) for c in cells]
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: not a notebook of format 4, or damaged.") from error


def execute(
    source: Path,
    staging: Staging,
    values: dict[str, Any],
    news: Path,
    report: Callable[[float | str], None],
) -> Outcome:
    """Execute the notebook `source` into `staging`; `report(share)` after each cell.

    Within a long cell `report(text)` tells what `progress.counting` counts there, left at `news`.
    """
    import papermill
    from papermill.exceptions import PapermillException
    from traitlets.config import Config

    from cryutils.claims import notebook_page

    threading.Thread(target=_relay, args=(news, report), daemon=True).start()
    started = time.monotonic()
    cells: list[float] = []

    def done(share: float) -> None:
        if share:
            cells.append(round(time.monotonic() - started, 1))
        report(share)

    _announce(done)
    error = None
    try:
        papermill.execute_notebook(
            _literal(source),
            _literal(staging.notebook),
            parameters=values,
            kernel_name="python3",
            language="python",  # else a notebook that doesn't name its language is refused
            engine_name="cryutils",
            cwd=str(source.parent),
            start_timeout=600,  # s; a slow machine under load needs more than one minute
            progress_bar=False,
            log_output=False,
            # s; half to leave by itself, which a kernel with TensorFlow doesn't, and then SIGTERM.
            config=Config(
                {
                    "KernelManager": {
                        "shutdown_wait_time": 1.0,
                        # Where it goes even if this process is killed.
                        "connection_file": str(staging.path.parent / "kernel.json"),
                    }
                }
            ),
        )
    except (PapermillException, RuntimeError) as failure:  # a DeadKernelError is such
        error = _one_line(failure)
    seconds = time.monotonic() - started
    if error is None:
        notebook_page.write(staging.notebook)
    return Outcome(error, seconds, _peak_mib(), _versions(), tuple(cells))


def _prepare_kernel(staging: Staging, start: str, cores: int) -> Path:
    """Set what the kernel inherits from this process, its environment and stderr.

    It starts no more than `cores` processes of its own. Returns where it leaves its news.
    """
    news = staging.path.parent / "news"
    # Notebooks run side by side, so a second thread or process of one takes a core from another;
    # and as with TensorFlow's threads, no number depends on how many cores there are.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", str(cores))  # joblib's processes
    os.environ |= {
        "CRYUTILS_RUN_DIR": str(staging.path),
        "CRYUTILS_OUTPUTS_DIR": str(staging.folder.parent),
        "CRYUTILS_START_DIR": start,
        "CRYUTILS_PROGRESS_FILE": str(news),
        "CRYUTILS_NETWORKS_FILE": str(networks_file(staging.folder, staging.name)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    for path in (staging.notebook, staging.log):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Libraries write to stderr what no reader can act on.
    with staging.log.open("w") as noise:
        os.dup2(noise.fileno(), 2)
    return news


def _relay(path: Path, report: Callable[[float | str], None]) -> None:
    """Report each new text that the kernel leaves at `path`, until this process ends."""
    last = ""
    while True:
        time.sleep(1)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        if text != last:
            report(text)
            last = text


def _literal(path: Path) -> str:
    """Return `path` for papermill, which would fill in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _announce(report: Callable[[float], None]) -> None:
    """Register a papermill engine that reports the share of cells done."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **options: Any) -> Any:
            complete = nb_man.cell_complete

            def cell_complete(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
                complete(cell, cell_index, **rest)
                report(((cell_index or 0) + 1) / len(nb_man.nb.cells))

            nb_man.cell_complete = cell_complete
            save = nb_man.save
            # Written twice a cell, a notebook full of pictures costs seconds, and a run that
            # is killed starts this notebook anew anyway; papermill writes it once at its end.
            nb_man.save = lambda **_: None
            report(0.0)
            try:
                return _with_kernel(super().execute_managed_notebook, nb_man, *args, **options)
            finally:
                nb_man.save = save

    papermill_engines.register("cryutils", Engine)


def _with_kernel(run: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what `run` does, tried again where its kernel never began.

    Jupyter chooses a kernel's ports before the kernel takes them, so another program may be faster.
    """
    for attempt in range(1, _STARTS + 1):
        try:
            return run(*args, **options)
        except RuntimeError as error:
            if "before replying" not in str(error) or attempt == _STARTS:
                raise


def _one_line(error: Exception) -> str:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, DeadKernelError):
        what = "its kernel was killed, as happens when memory runs out"
    elif isinstance(error, PapermillExecutionError):
        message = error.evalue if error.ename == "InputError" else f"{error.ename}: {error.evalue}"
        what = f"cell {error.exec_count}: {_first_line(message)}"
    else:
        what = f"{type(error).__name__}: {_first_line(str(error))}"
    return what


def _first_line(text: str) -> str:
    return (re.sub(r"\x1b\[[0-9;]*m", "", text).strip().splitlines() or [""])[0]


def _versions() -> dict[str, str]:
    return {**versions(), "python": ".".join(map(str, sys.version_info[:3]))}


def _peak_mib() -> float:
    """Return the largest memory of any process this one waited for: the kernel, or its workers."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 2**20
