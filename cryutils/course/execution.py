"""One notebook in its own process, which `runner.execute` starts; it loads little beside papermill."""

import json
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryutils._io.paths import keras_home, scratch_dir

# What a page on other recordings has in place of the course's text, and before its stored tables.
TEXT = "*The course's text speaks of other recordings here.*"
RESULTS = "*The next cell shows stored results of other recordings.*"


def main() -> None:
    """Execute the notebook that `runner.execute` describes on stdin; print its error in one line, if any.

    The kernel is reached through sockets in a folder of this process. Jupyter chooses ports before
    the kernel opens them, and a kernel whose port another program has taken hangs.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillException
    from traitlets.config import Config

    source, target, log, values, parent, is_other_data = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=(Path(log), parent), daemon=True).start()
    os.environ["KERAS_HOME"] = str(keras_home())
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep libraries' output out of the answer
    place = {"connection_file": str(scratch_dir() / "kernel.json"), "transport": "ipc"}
    notebook = nbformat.read(source, as_version=4)
    if is_other_data:
        notebook.cells = [each for cell in notebook.cells for each in about_other_data(cell)]
    try:
        papermill.execute_notebook(
            notebook,
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


def about_other_data(cell: Any) -> list[Any]:
    """Return what stands for `cell` if it has the tag `course-data`, else the cell itself.

    Cells with this tag describe or show results of the recordings that the notebook uses by default.
    """
    from nbformat.v4 import new_markdown_cell

    if "course-data" not in cell.metadata.get("tags", ()):
        return [cell]
    if cell.cell_type == "markdown":
        return [new_markdown_cell(TEXT)]
    return [new_markdown_cell(RESULTS), cell]


def _end_with(log: Path, parent: int) -> None:
    """End this process and its kernel when the process `parent` ends or `log` is removed."""
    import psutil

    while log.is_file() and os.getppid() == parent:
        time.sleep(0.5)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            child.kill()
    shutil.rmtree(scratch_dir(), ignore_errors=True)  # the kernel's sockets and key
    os._exit(1)


def _one_line(error: Exception) -> str:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, DeadKernelError):
        return "its kernel was killed, as happens when memory runs out"
    cell, kind, message = "", type(error).__name__, str(error)
    if isinstance(error, PapermillExecutionError):
        cell, kind, message = f"cell {error.exec_count}: ", error.ename, error.evalue
    if kind != "InputError":
        message = f"{kind}: {message.strip()}"
    return cell + message.strip().partition("\n")[0]


if __name__ == "__main__":
    main()
