"""The edition for nbgrader: nbgrader itself makes the assignments and grades submissions."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from sizes import large

from cryutils import course

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = course.notebooks(ROOT / "notebooks")


def solutions(path: Path) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if "solution" in cell.metadata.get("tags", [])]


def assigned(source: str) -> set[str]:
    nodes = ast.walk(ast.parse(TransformerManager().transform_cell(source)))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


# nbgrader's own, with the newest SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <Submitted")
QUICK = ("00", "01", "02", "10", "14", "appendix")  # each takes half a minute at most
EXERCISES = [name for name, path in NOTEBOOKS.items() if solutions(path)]


@pytest.mark.parametrize("name", EXERCISES)
def test_an_answer_is_assigned_and_described_in_its_solution_alone(
    name: str, tool: ModuleType
) -> None:
    cells = nbformat.read(NOTEBOOKS[name], as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    graded = [(tool.exercise(cell)[1], cell) for cell in solutions(NOTEBOOKS[name])]
    graded = [(answer, cell) for answer, cell in graded if answer]
    assert graded, "at least one exercise is graded automatically"
    for answer, solution in graded:
        assert f" Store in `{answer}` " in tool.blank(solution)
        # Assigned elsewhere, it would be the answer of a student who gave none.
        assert [cell.id for cell in code if answer in assigned(cell.source)] == [solution.id]


@pytest.mark.parametrize("name", EXERCISES)
def test_hidden_tests_run_the_solutions_as_they_are(
    name: str, tool: ModuleType, tmp_path: Path
) -> None:
    tool.nbgrader(NOTEBOOKS[name], tmp_path)
    source = nbformat.read(tmp_path / "source" / name / f"{name}.ipynb", as_version=4)
    nbformat.validate(source)
    run = []
    for cell in source.cells:
        if cell.id.startswith("test-"):
            calls = [
                node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)
            ]
            run += [c.args[0].value for c in calls if ast.unparse(c.func) == "exec"]
    whole = [c.source for c in solutions(NOTEBOOKS[name]) if tool.exercise(c)[1]]
    assert run == [f"\n{code.partition(chr(10))[2]}\n" for code in whole]


def test_a_notebook_without_exercises_is_no_assignment(tool: ModuleType, tmp_path: Path) -> None:
    (name, *_) = set(NOTEBOOKS) - set(EXERCISES)
    tool.nbgrader(NOTEBOOKS[name], tmp_path)
    assert not list(tmp_path.iterdir())


TINY = """\
import numpy as np
values = np.array([0.5, 1.5, 3.0])

#@title Solution 1
total = values.sum()  # the sum
print("in total", total)

#@title Solution 2
found = []  # how many values are above 0, 1 and 2, times 100
for limit in (0, 1, 2):
    found.append(100 * np.sum(values > limit))

#@title Solution 3
largest = "third" if values.argmax() == 2 else "other"  # the largest: "third" or "other"

#@title Solution 4
# Because nobody measured them."""
ANSWERS = {
    # Within 1 %, as a tuple, and with a variable of the notebook used again.
    "right": {"solution-1": "total = values = 5.01", "solution-2": "found = 300, 200, 100",
              "solution-3": "largest = 'third'", "manual-4": "# Luck"},
    # 2 % off, a count that is 1 off, and nothing.
    "wrong": {"solution-1": "total = 5.1", "solution-2": "found = [300, 201, 100]"},
    # Numbers that numpy would compare with one number, or with any.
    "shape": {"solution-1": "total = []", "solution-2": "found = 300",
              "solution-3": "largest = ['third']"},
    "empty": {},
}  # fmt: skip
POINTS = {"right": 6, "wrong": 0, "shape": 0, "empty": 0}


def tiny(folder: Path) -> Path:
    """Write a notebook with exercises of 1, 2, 3 and 1 stars."""
    notebook = nbformat.v4.new_notebook()
    for source in TINY.split("\n\n"):
        tags = ["solution"] if source.startswith("#@title") else []
        if assigned(source) - {"values"}:
            tags += [f"answer-{source.splitlines()[1].split()[0]}"]
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    exercises = "## Exercises\n\n**1.** (★) a\n\n**2 ★★ b**\n\n**3. c (★★★).**\n\n**4.** ★ d"
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(exercises))
    path = folder / "00_tiny.ipynb"
    nbformat.write(notebook, path)
    return path


def graded(folder: Path, name: str, answers: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    """Make the assignment `name`, submit answers to its cells, and return the points."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    api = NbGraderAPI(config=config)
    made = api.generate_assignment(name)
    assert made["success"], made["log"]
    points = {}
    for student, texts in answers.items():
        notebook = nbformat.read(folder / "release" / name / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            cell.source = texts.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        path = folder / "submitted" / student / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        done = api.autograde(name, student)
        assert done["success"], done["log"]
        with api.gradebook as gradebook:
            points[student] = gradebook.find_submission(name, student).score
    return points


@pytest.fixture
def place(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a course; nbgrader finds the command `alembic`, which it calls."""
    pytest.importorskip("nbgrader", reason="the extra grading is not installed")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    return apart / "course"


def test_nbgrader_gives_points_for_right_answers_alone(
    tool: ModuleType, place: Path, tmp_path: Path
) -> None:
    tool.nbgrader(tiny(tmp_path), place)
    assert graded(place, "00_tiny", ANSWERS) == POINTS
    release = (place / "release" / "00_tiny" / "00_tiny.ipynb").read_text()
    assert "Store in `found` how many values" in release
    for secret in ("values.sum()", "found.append", "argmax", "measured", "HIDDEN", "_reference"):
        assert secret not in release


@large
@pytest.mark.parametrize("name", [name for name in EXERCISES if name.startswith(QUICK)])
def test_the_solutions_of_a_notebook_get_all_points(
    name: str, tool: ModuleType, donateacry: Path, place: Path
) -> None:
    tool.nbgrader(NOTEBOOKS[name], place)
    source = nbformat.read(place / "source" / name / f"{name}.ipynb", as_version=4)
    cells = {cell.id: cell for cell in source.cells if "nbgrader" in cell.metadata}
    points = sum(c.metadata.nbgrader.points for key, c in cells.items() if key.startswith("test-"))
    answers = {key: c.source for key, c in cells.items() if c.metadata.nbgrader.solution}
    assert graded(place, name, {"solution": answers}) == {"solution": points}
