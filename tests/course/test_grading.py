"""Submitted notebooks are graded in the course's own copy, one point for each right answer."""

import csv
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from refusals import Command, mistake, success

from cryutils._io.paths import project_dir
from cryutils.course.exercises import run_check

DOTS = ("half = ...", "double = ...")
RIGHT = ("half = whole / 2", "double = 2 * whole")
CHECK = """\
#@title Check {number}
with check({name}={name}):
    print("Right: fine." if {name} == {factor} * whole else "Use `whole`.")
"""
CHECKS = [CHECK.format(number=1, name="half", factor=0.5), CHECK.format(number=2, name="double", factor=2)]


def submission(path: Path, *answers: str, checks: list[str] = CHECKS, start: str = "whole = 8") -> None:
    """Write a notebook with two exercises, answered; each answer may have several cells."""
    tagged = {"exercise": {"tags": ["exercise"]}, "check": {"tags": ["check"]}}
    cells = [new_code_cell(f"from cryutils.course.exercises import check\n{start}")]
    for answer, check in zip(answers, checks, strict=True):
        first, *added = answer.split("\n\n")
        cells += [new_code_cell(first, metadata=tagged["exercise"]), *map(new_code_cell, added)]
        cells.append(new_code_cell(check, metadata=tagged["check"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)


@pytest.fixture(autouse=True)
def course(project: Path) -> None:
    submission(project / "notebooks" / "01_first.ipynb", *DOTS)


def graded(command: Command, *options: str) -> dict[tuple[str, str], tuple[int, str]]:
    success(command("grade", "handed-in", *options))
    rows = list(csv.DictReader(Path("grades.csv").read_text("utf-8").splitlines()))
    return {(row["student"], row["exercise"]): (int(row["points"]), row["reason"]) for row in rows}


def test_right_untouched_cheating_and_broken_notebooks_get_their_points(
    command: Command, apart: Path
) -> None:
    handed_in = apart / "handed-in"
    submission(handed_in / "ada" / "01_first (2).ipynb", *RIGHT)
    submission(handed_in / "ben_01_first.ipynb", *DOTS)
    cheats = ["check = None\nprint = lambda *_: __import__('sys').stdout.write('Right')\nhalf = 1", DOTS[1]]
    submission(
        handed_in / "=cem" / "01_first.ipynb", *cheats, checks=["print('Right')"] * 2, start="whole = 2"
    )
    submission(handed_in / "dora" / "01_first.ipynb", "half = 1 / 0", "w = whole\n\ndouble = 2 * w")
    fay = handed_in / "fay" / "01_first.ipynb"
    submission(fay, *RIGHT)
    notebook = nbformat.read(fay, as_version=4)
    nbformat.write(new_notebook(cells=[notebook.cells[k] for k in (0, 3, 4)]), fay)  # without exercise 1
    (handed_in / "emil").mkdir()
    (handed_in / "emil" / "01_first.ipynb").write_text('{"cells": [3]}')
    assert graded(command) == {
        ("ada", "1"): (1, "Right: fine."),
        ("ada", "2"): (1, "Right: fine."),
        ("ben_01_first.ipynb", "1"): (0, "not answered"),
        ("ben_01_first.ipynb", "2"): (0, "not answered"),
        ("'=cem", "1"): (0, "Use `whole`."),
        ("'=cem", "2"): (0, "Use `whole`."),
        ("dora", "1"): (0, "ZeroDivisionError: division by zero"),
        ("dora", "2"): (1, "Right: fine."),
        ("emil", "1"): (0, "cannot be read: ValidationError"),
        ("emil", "2"): (0, "cannot be read: ValidationError"),
        ("fay", "1"): (0, "Use `whole`."),
        ("fay", "2"): (1, "Right: fine."),
    }


def test_endless_and_fatal_answers_cost_their_own_points(command: Command, apart: Path) -> None:
    submission(apart / "handed-in" / "ada" / "01_first.ipynb", "while True: pass", RIGHT[1])
    submission(apart / "handed-in" / "ben" / "01_first.ipynb", RIGHT[0], "import os; os._exit(1)")
    table = graded(command, "--limit", "5")
    assert [points for points, _ in table.values()] == [0, 1, 1, 0]
    assert table["ada", "1"][1] == "it takes longer than the limit"
    assert table["ben", "2"][1].startswith("its process died")


def test_a_folder_or_a_machine_that_cannot_be_graded_is_one_line(command: Command, apart: Path) -> None:
    (apart / "handed-in").mkdir()
    assert "no submitted notebook" in mistake(command("grade", "handed-in"))
    submission(project_dir() / "notebooks" / "01_first.ipynb", *DOTS, start="whole = missing")
    submission(apart / "handed-in" / "ada" / "01_first.ipynb", *RIGHT)
    assert "a cell of the course fails on this machine" in mistake(command("grade", "handed-in"))


def test_a_check_runs_from_the_course_where_the_edition_does_not_show_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from cryutils.course.exercises import check

    run_check("01_first", 2, {"check": check, "whole": 3, "double": 6})
    run_check("01_first", 2, {"check": check, "whole": 3, "double": 5})
    assert capsys.readouterr().out == "Right: fine.\nUse `whole`.\n"
