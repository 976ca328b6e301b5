"""Checks of the exercises in notebooks: a hint for every answer, and never an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cryutils._io.paths import project_dir
from cryutils.claims import records


@contextmanager
def check(needed: str = "one number, such as 0.25", **answers: object) -> Iterator[None]:
    """Print what an exercise needs, instead of an error, if its check cannot use an answer.

    needed: what the answers should be. answers: the reader's answers, by their names.

    >>> share = np.array([0.2, 0.3])
    >>> with check(share=share):
    ...     if abs(share - 0.25) < 0.01:
    ...         print("Right")
    `share` is an array of shape (2,). Needed: one number, such as 0.25.
    """
    try:
        yield
    except Exception:
        kinds = [f"`{name}` is {_kind(answer)}" for name, answer in answers.items()]
        print(f"{', '.join(kinds)}. Needed: {needed}.")


def run_check(notebook: str, number: int, names: dict[str, Any]) -> None:
    """Run a check of the course's own copy of a notebook; the students' edition does not show it.

    number: of the exercise, from 1. names: the reader's `globals()`.
    """
    cells = records.cells(project_dir() / "notebooks" / f"{notebook}.ipynb")
    checks = [cell["source"] for cell in cells if "check" in cell["metadata"].get("tags", ())]
    exec(checks[number - 1], names)


def _kind(answer: object) -> str:
    if isinstance(answer, str):
        return f"the text {answer!r}"
    if shape := np.shape(answer) if isinstance(answer, np.ndarray | list | tuple) else ():
        return f"an array of shape {shape}"
    return "a function" if callable(answer) else f"{answer!r:.60}"
