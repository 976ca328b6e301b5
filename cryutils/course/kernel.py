"""A kernel forked from the process that executes its notebook, for `course.execute`.

It needn't import what that process has imported already (`course._preload`). No notebook walks this
module.
"""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import psutil

__all__ = ["FORKED", "prepare"]

FORKED = sys.platform == "linux"  # elsewhere system libraries may have threads
_LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]


class _Kernel(psutil.Process):
    """What Jupyter wants to know of a kernel's process, as `subprocess.Popen` says it."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        try:
            return self.wait(timeout=0)
        except psutil.TimeoutExpired:
            return None


def prepare(leave: Callable[[], None]) -> None:
    """Fork a process in which this one's first kernel will run, if it is an ordinary one.

    Call it where `FORKED`, and before any thread is started. `leave()` is called in the new
    process, to close what nobody but this one should hold.
    """
    from jupyter_client.provisioning import local_provisioner

    reader, writer = os.pipe()
    number = os.fork()
    if not number:
        os.close(writer)
        leave()
        _run(reader)
    os.close(reader)
    os.setpgid(number, number)  # Jupyter ends a kernel with its group, which must not be ours
    starter: Any = local_provisioner  # the one place where jupyter_client starts a process
    launch_anew = starter.launch_kernel

    def launch(command: list[str], **options: Any) -> Any:
        starter.launch_kernel = launch_anew
        with os.fdopen(writer, "wb") as pipe:
            if command[:3] == _LAUNCHER:
                # With whom it ends; IPython has looked that up when it was imported.
                arguments = [*command[3:], f"--IPKernelApp.parent_handle={os.getpid()}"]
                folder = str(options.get("cwd") or Path.cwd())
                pipe.write(pickle.dumps((arguments, options["env"], folder)))
                return _Kernel(number)
        return launch_anew(command, **options)  # a kernel of the user's own

    starter.launch_kernel = launch


def _run(reader: int) -> NoReturn:
    """Wait to be told what to run, and be that kernel until it ends."""
    code = 1
    try:
        with os.fdopen(reader, "rb") as pipe:
            order = pipe.read()
        code = _serve(*pickle.loads(order)) if order else 0  # nothing: another kernel runs
    except Exception:  # nobody is left to hear it: Jupyter sees the code, the log says why
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # which `os._exit` leaves out, such as the end of temporary files
        os._exit(code)


def _serve(arguments: list[str], environment: Mapping[str, str], folder: str) -> int:
    import numpy as np
    from ipykernel.kernelapp import launch_new_instance

    os.environ.clear()
    os.environ |= environment
    os.chdir(folder)
    np.random.seed()  # Python's own numbers begin anew in a fork, these don't
    sys.argv = ["ipykernel_launcher", *arguments]
    try:
        launch_new_instance(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0
