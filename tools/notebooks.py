"""Keep the committed notebooks in order.

    python tools/notebooks.py refresh [NAME...]   execute in place, store clean outputs
    python tools/notebooks.py clean [NAME...]     strip what differs from machine to machine,
                                                  set the links to Colab and Binder
    python tools/notebooks.py students DIR        write an edition without the solutions
    python tools/notebooks.py nbgrader DIR        write an edition that nbgrader can grade

NAME is a notebook's name or an unambiguous beginning of it, such as 03. `refresh` runs each
notebook with its embedded parameters, as `nbval` does in the tests; those on DonateACry need its
recordings in `CRYUTILS_DATA_DIR`. Real recordings are drawn in the stored outputs, never kept.
`Repository` in `pyproject.toml` is the address in all links.

`nbgrader` makes each notebook with exercises an assignment. A solution cell tagged `answer-gap` is
graded automatically: the comment on the line that assigns `gap` tells students what to store in
it, and a hidden test runs the solution again and compares. Other solutions are graded by hand.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
import textwrap
import tomllib
from pathlib import Path

import nbformat
import oxipng
from nbclient import NotebookClient
from PIL import Image

from cryutils import course
from cryutils._io.pictures import few_colours
from cryutils.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
NBGRADER_CONFIG = """\
# Run nbgrader in this folder, with a kernel named python3 that has cryutils.
c = get_config()
c.CourseDirectory.course_id = "cryutils"
c.Execute.timeout = 1800  # s, for each cell
c.ClearSolutions.code_stub = {"python": ""}  # a comment already says what to do
"""
GIVEN = """\
# The tests of the exercises start from the variables as they are here, so a solution may use a
# name again. But changing an object in place, or a variable that a function uses, breaks a test.
_given = dict(globals())"""
TEST = """\
# Test of exercise {number}: compares `{answer}` with a solution. Decimal numbers may differ by 1 %.
### BEGIN HIDDEN TESTS
import numpy
from IPython.utils.capture import capture_output

_reference = dict(_given)
with capture_output():
    exec(r'''
{solution}
''', _reference)
_expected = _reference["{answer}"]
assert numpy.shape({answer}) == numpy.shape(_expected)
if numpy.asarray(_expected).dtype.kind == "f":
    numpy.testing.assert_allclose({answer}, _expected, rtol=0.01, atol=0.001)
else:  # counts and texts
    numpy.testing.assert_array_equal({answer}, _expected)
### END HIDDEN TESTS"""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
# The beginning of each setup cell. In Colab it installs the course, once a session.
SETUP = f"""#@title Setup
import importlib.util
import sys

if importlib.util.find_spec("cryutils") is None:
    if "google.colab" not in sys.modules:
        raise SystemExit("cryutils isn't installed: run `pip install -e .` in your clone.")
    !test -d /content/course || git clone --quiet --depth 1 {REPOSITORY} /content/course
    %cd /content/course/notebooks
    %pip install --quiet -e ..
    sys.path.append("/content/course")
import cryutils

"""


def links(name: str) -> str:
    """Return links that open the notebook `name` in Colab and in Binder."""
    owner, page = REPOSITORY.removeprefix("https://github.com/"), f"notebooks/{name}.ipynb"
    colab = f"https://colab.research.google.com/github/{owner}/blob/HEAD/{page}"
    binder = f"https://mybinder.org/v2/gh/{owner}/HEAD?labpath={page}"
    return f"[Open in Colab]({colab}) · [Open in Binder]({binder})"


def with_address(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Set the links below the title of the notebook `name`, and the beginning of its setup cell."""
    title, _, rest = notebook.cells[0].source.partition("\n\n")
    rest = re.sub(r"^\[Open in Colab\].*\n\n", "", rest)
    notebook.cells[0].source = f"{title}\n\n{links(name)}\n\n{rest}"
    for cell in notebook.cells:
        if cell.source.startswith("#@title Setup"):
            cell.source = re.sub(r"(?s)^.*?import cryutils\n\n", lambda _: SETUP, cell.source)
    return notebook


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove ids, times and widget state, which differ at each run; collapse marked cells."""
    notebook.metadata = nbformat.from_dict(METADATA)
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        allowed = {"tags", "jupyter", "cellView"}
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in allowed})
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        if {"solution", "hide-cell"} & {*tags}:
            cell.metadata.jupyter = {"source_hidden": True}
            cell.metadata.cellView = "form"  # for Colab
        if "solution" in tags:
            # JupyterLab reads `outputs_hidden`, Colab and the classic notebook `collapsed`.
            cell.metadata.jupyter["outputs_hidden"] = True
            cell.metadata.collapsed = True
        # nbval regards a cell without a count as never run.
        count += 1
        cell.execution_count = count
        # Messages of libraries on stderr depend on the machine and are not part of the lesson.
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        for output in cell.outputs:
            output.pop("execution_count", None)
            if output.output_type == "execute_result":
                output.execution_count = count
            if "metadata" in output:
                output.metadata = {k: v for k, v in output.metadata.items() if k == "image/png"}
            data = output.get("data", {})
            for kind, shorter in {"image/png": smaller, "text/html": without_recordings}.items():
                if kind in data:
                    data[kind] = shorter(data[kind])
            # A widget shows nothing without its kernel; keep only its picture.
            view = data.pop("application/vnd.jupyter.widget-view+json", None)
            if view and "nbval-ignore-output" in tags and set(data) == {"text/plain"}:
                data["text/plain"] = "(a widget: run the cell to use it)"
    return notebook


def without_recordings(page: str) -> str:
    """Return HTML in which a sentence replaces each sound, unless the sounds are synthetic."""
    if "synthetic voices" in page:
        return page
    return re.sub(r"<audio .*?</audio>", "<em>Run the cell to hear it.</em>", page, flags=re.DOTALL)


def smaller(png: str) -> str:
    """Return a base64 PNG with a palette of 256 colours: a third of the size, same to the eye."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "P":
        return png
    buffer = io.BytesIO()
    few_colours(image).save(buffer, "PNG")
    # A fifth smaller than with Pillow's own optimizer, with the same pixels.
    return base64.b64encode(oxipng.optimize_from_memory(buffer.getvalue(), level=4)).decode()


def refresh(path: Path, scratch: str) -> None:
    """Execute the notebook at `path` as the tests do and write it back, clean.

    Results and caches are in `scratch`, where notebooks find networks trained by other notebooks.
    """
    notebook = nbformat.read(path, as_version=4)
    os.environ |= {"CRYUTILS_RUN_DIR": scratch, "CRYUTILS_CACHE_DIR": f"{scratch}/cache",
                   "CRYUTILS_OFFLINE": "1", "TQDM_DISABLE": "1"}  # fmt: skip
    NotebookClient(notebook, timeout=None, kernel_name="python3").execute(cwd=str(path.parent))
    nbformat.write(clean(with_address(notebook, path.stem)), path)


def students(path: Path, folder: Path) -> None:
    """Write a copy of `path` without solutions and outputs into `folder`."""
    notebook = clean(nbformat.read(path, as_version=4))
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.source = blank(cell) if cell.cell_type == "code" else "*Your answer*"
            cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags})
        if cell.cell_type == "code":
            cell.outputs = []
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / path.name)


def exercise(cell: nbformat.NotebookNode) -> tuple[str, str]:
    """Return the number of a solution's exercise and the variable to grade, each "" if missing."""
    number = re.findall(r"^#@title Solution (\d+)", cell.source)
    answer = [tag.removeprefix("answer-") for tag in cell.metadata.tags if "answer-" in tag]
    return "".join(number), "".join(answer)


def blank(cell: nbformat.NotebookNode) -> str:
    """Return the comment that students find in place of a solution's code."""
    number, answer = exercise(cell)
    words = f"# Exercise {number}. " if number else "# "
    if answer:
        (value,) = re.findall(rf"^{answer} = .*?  # (.+)$", cell.source, re.MULTILINE)
        words += f"Store in `{answer}` {value}."
    else:
        words += "Your solution"
    return textwrap.fill(words, 100, subsequent_indent="# ", break_on_hyphens=False)


def nbgrader(path: Path, folder: Path) -> None:
    """Write the notebook at `path` into an nbgrader course in `folder` if it has exercises."""
    notebook = clean(nbformat.read(path, as_version=4))
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    cells: list[nbformat.NotebookNode] = []
    for cell in notebook.cells:
        if "solution" not in cell.metadata.get("tags", []):
            cells.append(cell)
            continue
        if not any("nbgrader" in before.metadata for before in cells):
            cells.append(assigned(GIVEN, "given"))
        number, answer = exercise(cell)
        title = re.search(rf"^\*\*{number}\b.*?(★+)", texts, re.MULTILINE)
        assert title, f"{path.stem}: exercise {number} has no stars"
        points = len(title[1])
        solution = cell.source.partition("\n")[2]  # without #@title
        source = f"{blank(cell)}\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
        if not answer:
            cells.append(assigned(source, f"manual-{number}", points))
            continue
        test = TEST.format(number=number, answer=answer, solution=solution)
        cells.append(assigned(source, f"solution-{number}"))
        cells.append(assigned(test, f"test-{number}", points))
    if len(cells) == len(notebook.cells):
        return
    notebook.cells = cells
    target = folder / "source" / path.stem / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    (folder / "nbgrader_config.py").write_text(NBGRADER_CONFIG)


def assigned(source: str, name: str, points: int = 0) -> nbformat.NotebookNode:
    """Return a code cell with nbgrader's metadata: a solution, a test, or a cell of both kinds."""
    kind = name.partition("-")[0]
    about = {
        "schema_version": 3, "grade_id": name, "grade": points > 0, "task": False,
        "solution": kind in ("solution", "manual"), "locked": kind in ("given", "test"),
        **({"points": points} if points else {}),
    }  # fmt: skip
    return nbformat.v4.new_code_cell(source, id=name, metadata={"nbgrader": about})


def main(arguments: list[str]) -> int:
    """Run one of the four commands; see the module docstring."""
    command, *rest = arguments or [""]
    editions = command in ("students", "nbgrader")
    if command not in ("refresh", "clean") and not (editions and len(rest) == 1):
        print(__doc__, file=sys.stderr)
        return 2
    paths = course.notebooks(ROOT / "notebooks")
    try:
        names = course.chosen([] if editions else rest)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        for path in [paths[name] for name in paths if not names or name in names]:
            print(path.stem, flush=True)
            if command == "refresh":
                refresh(path, scratch)
            elif command == "clean":
                notebook = with_address(nbformat.read(path, as_version=4), path.stem)
                nbformat.write(clean(notebook), path)
            else:
                (students if command == "students" else nbgrader)(path, Path(rest[0]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
