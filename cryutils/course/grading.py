"""Grade submitted notebooks. Each answer runs in the course's own copy, so a changed check changes nothing.

A notebook has its own process and a time limit for each cell. Nothing else protects this machine
from the answers, which are programs of other people (docs/syllabus.md, "Grading").
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from traitlets.config import Config

from cryutils.course import runner
from cryutils.errors import InputError

# An answer may have given these names another meaning.
_RESTORED = "from builtins import print\nfrom cryutils.course.exercises import check\n"
Verdict = tuple[int, str]  # points, and the reason


def grade(path: Path, *, limit_s: int) -> tuple[str, list[Verdict]]:
    """Return which notebook the file `path` is, and for each of its exercises 0 or 1 points and a reason.

    The file's name contains the notebook's; "" and no verdicts if it does not. limit_s: seconds for
    each cell. Raises InputError if the course's own cells fail on this machine.
    """
    courses = runner.notebooks()
    name = next((name for name in courses if name in path.stem), "")
    if not name:
        return "", []
    notebook = nbformat.read(courses[name], as_version=4)
    exercises, checks = ([c for c in notebook.cells if tag in _tags(c)] for tag in ("exercise", "check"))
    empty = [cell.source.strip() for cell in exercises]
    try:
        answers = _answers(nbformat.read(path, as_version=4))
    except Exception as error:  # whatever the file holds
        return name, [(0, f"cannot be read: {type(error).__name__}")] * len(checks)
    if not answers:
        return name, [(0, "no exercise found: its cells have lost their tags")] * len(checks)
    answers = dict(enumerate(empty, 1)) | answers
    if [*answers.values()] == empty:
        return name, [(0, "not answered")] * len(checks)
    for number, (exercise, check) in enumerate(zip(exercises, checks, strict=True), 1):
        exercise.source, check.source = answers[number], _RESTORED + check.source
    notebook.cells = notebook.cells[: notebook.cells.index(checks[-1]) + 1]
    died = _execute(notebook, limit_s)
    return name, _verdicts([cell for cell in notebook.cells if cell.cell_type == "code"], died)


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", ()))


def _answers(notebook: nbformat.NotebookNode) -> dict[int, str]:
    """Return the code from each exercise to its check, with the cells that the student has added.

    The number of an answer is that in the title of its check, if it has one: a cell may be missing.
    """
    answers, number, is_open = dict[int, str](), 0, False
    for cell in notebook.cells:
        if "check" in _tags(cell):
            title = re.match(r"#@title Check (\d+)", cell.source)
            last, number = number, int(title[1]) if title else number
            if is_open:
                answers[number] = answers.pop(last)
            is_open = False
        elif "exercise" in _tags(cell) and not is_open:
            number, is_open = number + 1, True
            answers[number] = ""
        if is_open and cell.cell_type == "code":
            answers[number] = f"{answers[number]}\n{cell.source}".strip()
    return answers


def _execute(notebook: nbformat.NotebookNode, limit_s: int) -> str:
    """Execute a notebook; return why it ended early, or ""."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Config({"KernelManager": {"connection_file": f"{scratch}/kernel.json", "transport": "ipc"}})
        options: Any = {"timeout": limit_s, "interrupt_on_timeout": True, "allow_errors": True}
        client = NotebookClient(notebook, kernel_name="python3", config=config, **options)
        places = {"CRYUTILS_RUN_DIR": scratch, "CRYUTILS_OFFLINE": "1", "TQDM_DISABLE": "1"}
        try:
            client.execute(cwd=scratch, env=os.environ | places)
        except DeadKernelError:
            return "its process died, as happens when memory runs out"
    return ""


def _verdicts(cells: list[nbformat.NotebookNode], died: str) -> list[Verdict]:
    """Return points and a reason for each check among executed cells."""
    verdicts, own, failed = list[Verdict](), "", ""
    for cell in cells:
        error = next((f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"), "")
        error = error.replace("KeyboardInterrupt: ", "it takes longer than the limit")
        if "exercise" in _tags(cell):
            own = error
        elif "check" in _tags(cell):
            said = " ".join(" ".join(o.get("text", "") for o in cell.outputs).split())
            is_right = said.startswith("Right") and not error
            verdicts.append((int(is_right), said if is_right else failed or own or said or error or died))
        elif error and not verdicts:
            raise InputError(f"a cell of the course fails on this machine: {error}")
        elif error:
            failed = failed or f"after an answer, a cell of the course fails: {error}"
    return verdicts
