"""One notebook in its own process, which `runner.execute` starts; it loads little beside papermill."""

import json
import os
import re
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryutils._io.paths import keras_home, scratch_dir

# What a page on other recordings has in place of the course's text and stored results.
TEXT = "*The course's text about {} is left out here.*"


def main() -> None:
    """Execute the notebook that `runner.execute` describes on stdin; print its error in one line, if any.

    The kernel is reached through sockets in a folder of this process. Jupyter chooses ports before
    the kernel opens them, and a kernel whose port another program has taken hangs.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillException
    from traitlets.config import Config

    source, target, log, values, parent, described = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=(Path(log), parent), daemon=True).start()
    os.environ["KERAS_HOME"] = str(keras_home())
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep libraries' output out of the answer
    place = {"connection_file": str(scratch_dir() / "kernel.json"), "transport": "ipc"}
    notebook = nbformat.read(source, as_version=4)
    if described:
        notebook.cells = without_course_data(notebook.cells, described)
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


def without_course_data(cells: list[Any], described: str) -> list[Any]:
    """Return the cells for other recordings, without those tagged `course-data`.

    These describe or show results of the recordings that the notebook uses by default, named `described`,
    or of DonateACry. Under each heading, `TEXT` takes the place of the first; a tagged heading has none.
    """
    from nbformat.v4 import new_markdown_cell

    shown: list[Any] = []
    is_said = False
    for cell in cells:
        is_tagged = "course-data" in cell.metadata.get("tags", ())
        if cell.cell_type == "markdown" and re.search(r"^#+ ", cell.source, re.MULTILINE):
            is_said = is_tagged
        if not is_tagged:
            shown.append(cell)
        elif not is_said:
            name = "DonateACry" if "DonateACry" in cell.source else described
            shown.append(new_markdown_cell(TEXT.format(name)))
            is_said = True
    return shown


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
