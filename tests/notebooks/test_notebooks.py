"""Every notebook has the form that readers, the runner and the lecturer rely on."""

import ast
import inspect
import json
import re
import runpy
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

import cryutils
from cryutils.claims import records
from cryutils.course import runner as course

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = course.notebooks()
TOOL = runpy.run_path(str(ROOT / "tools" / "notebooks.py"))
LECTURES = [name for name in NOTEBOOKS if not name.startswith("appendix_")]


@cache
def read(name: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    nbformat.validate(notebook)
    notebook["name"] = name
    return notebook


@pytest.fixture(params=sorted(NOTEBOOKS), name="notebook")
def read_notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return read(request.param)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def test_opening_closing_and_data_are_named(notebook) -> None:
    opening = notebook.cells[0].source
    closing = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"][-1]
    is_lecture = notebook.name in LECTURES
    number = re.match(r"lesson_\d|\d*", notebook.name).group().replace("lesson_", "Lesson ")
    assert opening.startswith(f"# {number} · " if is_lecture else "# Appendix · ")
    for word in ("What you will learn", "Time", "Paper", "Modules"):
        assert f"**{word}" in opening, word
    assert not is_lecture or ("## Takeaways" in closing and "**Next**" in closing)
    text = NOTEBOOKS[notebook.name].read_text()
    assert "no evidence about real infants" in text or "(real recordings)" in text


def test_at_most_twelve_parameters_of_literals_with_data_and_seed(notebook) -> None:
    (cell,) = tagged(notebook, "parameters")
    shown = ast.parse(cell.source).body
    assert len(shown) == len(records.defaults(NOTEBOOKS[notebook.name])) <= 12
    assert {"data", "seed"} <= {statement.targets[0].id for statement in shown}


def code_of(notebook: nbformat.NotebookNode) -> str:
    """Return the code of all cells; IPython turns lines with `!` and `%` into Python."""
    sources = [c.source for c in notebook.cells if c.cell_type == "code"]
    return "".join(map(TransformerManager().transform_cell, sources))


def named(node: ast.AST, names: dict[str, Any]) -> Any:
    """Return what an expression names in the library's modules, or None."""
    if isinstance(node, ast.Attribute) and inspect.ismodule(module := named(node.value, names)):
        return getattr(module, node.attr)
    return names.get(node.id) if isinstance(node, ast.Name) else None


def test_what_it_takes_from_the_library_exists_with_these_arguments(notebook) -> None:
    """`make test` does not run every notebook."""
    nodes = [*ast.walk(ast.parse(code_of(notebook)))]
    names, checked = dict[str, Any](), 0
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cryutils"):
            exec(ast.unparse(node), names)
    own = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    names = {"cryutils": cryutils} | {name: value for name, value in names.items() if name not in own}
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        function = named(call.func, names)
        if callable(function) and function is not cryutils.InputError:  # has no signature
            given = [value for value in call.args if not isinstance(value, ast.Starred)]
            options = {option.arg: option for option in call.keywords if option.arg}
            signature, checked = inspect.signature(function), checked + 1
            is_whole = len(given) == len(call.args) and len(options) == len(call.keywords)
            (signature.bind if is_whole else signature.bind_partial)(*given, **options)
    assert checked > 3


def test_no_path_depends_on_the_working_folder(notebook) -> None:
    texts = [node.value for node in ast.walk(ast.parse(code_of(notebook))) if isinstance(node, ast.Constant)]
    texts = [text for text in texts if isinstance(text, str) and len(text) < 200]
    assert not [text for text in texts for folder in (ROOT, ROOT / "notebooks") if (folder / text).is_file()]
    assert not [text for text in texts if text.startswith(("./", "../"))]


def test_plain_papermill_runs_a_notebook_from_the_root(tmp_path: Path) -> None:
    words = f"-m papermill notebooks/appendix_survey.ipynb {tmp_path}/out.ipynb -p seed 1".split()
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    assert "seed = 1" in (tmp_path / "out.ipynb").read_text()


def test_results_name_their_notebook(notebook) -> None:
    assert re.findall(r'claims\.begin\("(\w+)"', code_of(notebook)) == [notebook.name]


def test_figures_have_alternative_text_and_tables_show_long_texts_whole(notebook) -> None:
    for output in [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]:
        if "image/png" in output.get("data", {}):
            assert output.metadata["image/png"]["alt"], output.data["text/plain"]
        assert "...</td>" not in output.get("data", {}).get("text/html", "")


def test_nbval_compares_enough_text(notebook) -> None:
    """A notebook whose cells are all tagged `nbval-ignore-output` would pass whatever it prints."""
    printing = [cell for cell in notebook.cells if any(map(has_text, cell.get("outputs", [])))]
    tags = [cell.metadata.get("tags", []) for cell in printing]
    compared = ["nbval-ignore-output" not in each for each in tags if "check" not in each]
    least = 5 if notebook.name in LECTURES else 1
    assert sum(compared) >= max(least, len(compared) / 2)


def has_text(output: nbformat.NotebookNode) -> bool:
    """Return whether nbval compares an output; it does not compare pictures."""
    if output.output_type == "stream":
        return bool(output.text.strip())
    return "image/png" not in output.data and bool({"text/plain", "text/html"} & {*output.data})


def test_the_committed_figures_are_small() -> None:
    cells = [c for name in NOTEBOOKS for c in read(name).cells if c.cell_type == "code"]
    pictures = [o.get("data", {}).get("image/png", "") for c in cells for o in c.outputs]
    assert sum(map(len, pictures)) < 4e6, "a clone, and a report of the same figures, grow with it"


@pytest.mark.parametrize("name", LECTURES)
def test_each_of_two_to_four_exercises_has_a_check_and_a_solution(name: str) -> None:
    """That the solutions are right is tested where the solved notebooks are run."""
    notebook = read(name)
    kinds = [{"exercise", "check"} & {*c.metadata.get("tags", [])} for c in notebook.cells]
    kinds = [kind.pop() for kind in kinds if kind]
    assert kinds == ["exercise", "check"] * (len(kinds) // 2)
    assert 2 <= len(kinds) // 2 <= 4
    assert len(TOOL["solutions"](name)) == len(kinds) // 2


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "quiz").glob("*.json")))
def test_a_quiz_has_one_right_answer_and_feedback_for_each(path: Path) -> None:
    questions = json.loads(path.read_text(encoding="utf-8"))
    assert 2 <= len(questions) <= 6
    for question in questions:
        answers = question["answers"]
        assert question["type"] == "multiple_choice" and len(answers) >= 2
        assert [answer["correct"] for answer in answers].count(True) == 1
        assert all(answer["feedback"] for answer in answers)
    last = [cell.source for cell in read(path.stem).cells if cell.cell_type == "code"][-1]
    assert f'display_quiz(f"{{project_dir()}}/notebooks/quiz/{path.name}")' in last, "after all results"


def test_committed_clean_and_executed(notebook) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs and "error" not in {output.output_type for output in outputs}
    cleaned = TOOL["clean"](deepcopy(notebook))
    assert cleaned.metadata == notebook.metadata
    for clean, cell in zip(cleaned.cells, notebook.cells, strict=True):
        assert clean | {"id": cell.id} == cell


def test_map_times_next_and_syllabus_follow_from_the_list_of_notebooks() -> None:
    """After a change of notebooks/contents.yml: run `python tools/notebooks.py contents`."""
    assert set(NOTEBOOKS) == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    for path, text in TOOL["with_contents"](course.contents()).items():
        assert path.read_text(encoding="utf-8") == text, path


def test_no_notebook_shows_an_output_widget(notebook) -> None:
    """nbclient, and papermill with it, can wait forever for one: use `knobs`."""
    assert not re.search(r"\binteract(?:ive)?\b|widgets\.Output\b", code_of(notebook))


def test_students_edition_has_no_solution_and_no_output(tmp_path: Path) -> None:
    TOOL["main"](["students", str(tmp_path)])
    assert sorted(p.stem for p in tmp_path.glob("*.ipynb")) == sorted(NOTEBOOKS)
    for name, path in NOTEBOOKS.items():
        stripped = nbformat.read(tmp_path / path.name, as_version=4)
        nbformat.validate(stripped)
        for cell in stripped.cells:
            assert not cell.get("outputs")
            assert "check" not in cell.metadata.get("tags", []) or "if" not in cell.source, (
                "no answer in a check"
            )
        for solution in TOOL["solutions"](name):
            assert solution not in "".join(cell.source for cell in stripped.cells)
