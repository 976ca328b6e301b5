"""Execute one notebook with papermill in its own process: `execute`, for `course.runner`.

The process and its kernel end when the process that started them ends or the run is stopped.
papermill is unsafe in threads.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from cryutils._io import extras
from cryutils._io.paths import cache_dir, file_digest, keras_home, scratch_dir, writable
from cryutils.claims import run_folder

__all__ = ["digests", "execute", "installation", "versions"]

_TICK_S = 0.5  # between checks whether the process must end
# The user's settings, which would change what a notebook computes and shows.
_FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
_FILES = ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH", "MATPLOTLIBRC", "PYTHONSTARTUP")


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below `folder`, by its path from the folder's parent."""
    names = {path: path.relative_to(folder.parent).as_posix() for path in sorted(folder.rglob("*"))}
    return {
        name: file_digest(path)
        for path, name in names.items()
        if path.is_file() and not re.search(r"/(\.|__pycache__)", name)
    }


def versions(project: Path) -> dict[str, str]:
    """Return the versions of Python, of cryutils and of what it needs, and `project`'s commit.

    The commit is that of a clone, with "-dirty" at its end if tracked files have been changed.
    """
    found = {"cryutils": metadata.version("cryutils"), "python": platform.python_version()}
    for name in extras.packages():
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    if (project / ".git").exists():  # a wheel may be inside somebody else's repository
        describe = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        with suppress(OSError, subprocess.CalledProcessError):
            output = subprocess.run(describe, cwd=project, capture_output=True, check=True)
            found["commit"] = output.stdout.decode().strip()
    return found


def installation(project: Path, token: Path) -> dict[str, str]:
    """Return what a worker must have in common with the machine that sends it notebooks.

    These are `versions`, a digest of the library's files, and whether the folder that contains
    the new folder `token` is the same one and can be written to.
    """
    library = json.dumps(digests(Path(__file__).parents[1]))
    return versions(project) | {
        "cryutils' files": hashlib.sha256(library.encode()).hexdigest()[:12],
        str(token.parent): "writable" if token.is_dir() and writable(token) else "missing",
    }


def execute(
    folder: Path, source: Path, values: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Path, str, float]:
    """Execute the notebook `source` in a new process, with `values` for its parameters.

    Called here or on a worker that shares the run's `folder`. If a worker is lost, the call is
    repeated, so each call has its own staging folder. Its removal ends the execution.

    Returns the staging folder, the error in one line or "", and the seconds, 0 if the process ended
    early.
    """
    staging, began = run_folder.stage(folder, source.stem), time.monotonic()
    own = {
        "CRYUTILS_RUN_DIR": str(staging),
        "CRYUTILS_OUTPUTS_DIR": str(folder.parent),
        "TQDM_DISABLE": "1",  # no output that depends on the time a cell takes
    }
    target, log = staging / "notebooks" / source.name, staging / "logs" / f"{source.stem}.log"
    request = [str(source), str(target), str(log), dict(values), os.getpid()]
    with log.open("w") as output:  # of libraries
        process = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            check=False,
            env={**os.environ, **environment, **own},
            start_new_session=True,  # a terminal's Ctrl-C reaches only the command
        )
    if process.returncode and not process.stdout:
        return staging, "its process ended early, as happens when memory runs out", 0.0
    return staging, process.stdout, time.monotonic() - began


def main() -> None:
    """Execute the notebook that `execute` describes on stdin; print its error in one line, if any.

    The kernel is reached through sockets in a folder of this process. Jupyter chooses ports before
    the kernel opens them, and a kernel whose port another program has taken hangs.
    """
    import papermill
    from papermill.exceptions import PapermillException
    from traitlets.config import Config

    source, target, log, values, parent = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=(Path(log), parent), daemon=True).start()
    _leave_out_settings()
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep libraries' output out of the answer
    place = {"connection_file": str(scratch_dir() / "kernel.json"), "transport": "ipc"}
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=values,
            kernel_name="python3",
            language="python",  # otherwise papermill rejects notebooks without a language
            cwd=str(Path(source).parent),
            start_timeout=600,  # s; a slow machine under load needs more than one minute
            progress_bar=False,
            config=Config({"KernelManager": place}),
        )
    # DeadKernelError is a RuntimeError, a full disk an OSError.
    except (PapermillException, RuntimeError, OSError) as failure:
        os.write(answer, _one_line(failure).encode())


def _leave_out_settings() -> None:
    """Let this process and its kernel find none of the user's settings for libraries.

    Folders of settings are new and empty. Font lists and compiled functions, which take seconds,
    are kept in the cache.
    """
    folder, cache = scratch_dir(), cache_dir() if writable(cache_dir()) else scratch_dir()
    for name in _FILES:
        os.environ.pop(name, None)
    for name in _FOLDERS:
        os.environ[name] = str(folder / name.lower())
    os.environ["KERAS_HOME"] = str(keras_home())
    os.environ["MPLCONFIGDIR"] = str(cache / "matplotlib")
    os.environ["NUMBA_CACHE_DIR"] = str(cache / "numba")


def _end_with(log: Path, parent: int) -> None:
    """End this process and its kernel when the process `parent` ends or `log` is removed."""
    import psutil

    while log.is_file() and os.getppid() == parent:
        time.sleep(_TICK_S)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            child.kill()
    shutil.rmtree(scratch_dir(), ignore_errors=True)  # the kernel's sockets and key
    os._exit(1)


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


if __name__ == "__main__":
    main()
