"""Keep the committed notebooks in order.

    python tools/notebooks.py refresh [NAME...]   execute in place, store clean outputs
    python tools/notebooks.py clean [NAME...]     strip what differs from machine to machine,
                                                  set the links to the site and to Colab
    python tools/notebooks.py students DIR        write an edition without outputs, answers and solutions
    python tools/notebooks.py solved DIR          write an edition in which each exercise is solved
    python tools/notebooks.py contents            write what follows from notebooks/contents.yml: the map
                                                  in lesson 1, each time and Next, the table of the syllabus

NAME is a notebook's name or an unambiguous beginning of it, such as 03. `refresh` runs each
notebook with its embedded parameters, as `nbval` does in the tests; those on DonateACry need its
recordings in `CRYUTILS_DATA_DIR`. Real recordings are drawn in the stored outputs, never kept.
`Repository` in `pyproject.toml` is the address in all links; `make owner NAME=...` changes it.

CONTRIBUTING.md describes exercises, checks, solutions and quizzes.
"""

import argparse
import base64
import io
import itertools
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image
from project import NAME, OWNER, REPOSITORY, ROOT, SITE

from cryutils.course import runner as course
from cryutils.errors import InputError

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
TITLE = "#@title Setup\n"
# Loads what the course needs in the browser: in the setup cell, or in a later one if it may wait.
INSTALL = """if sys.platform == "emscripten":
    %pip install --quiet cryutils_browser
"""
# The beginning of each setup cell. In Colab and on the site it installs the course, once a session.
SETUP = f"""{TITLE}import importlib.util
import sys
from pathlib import Path

{INSTALL}elif importlib.util.find_spec("cryutils") is None:
    if "google.colab" not in sys.modules:
        raise SystemExit("not installed: run `pip install -e '.[course]'` in your clone.")
    !test -d /content/course || git clone --quiet --depth 1 {REPOSITORY} /content/course
    if not Path("/content/course").is_dir():
        raise SystemExit("the course was not downloaded: check the address above and the network.")
    %cd /content/course/notebooks
    %pip install --quiet -e '..[course]'
    sys.path.append("/content/course")
import cryutils"""


def links(name: str) -> str:
    """Return links that run the notebook `name`, in the browser if it can, and in Colab."""
    row = next(row for row in course.contents() if row["name"] == name)
    lite = f"{SITE}/lite/notebooks/index.html?path={name}.ipynb"
    browser = f"[Run in the browser]({lite}) · " if row.get("browser") else ""
    colab = f"https://colab.research.google.com/github/{OWNER}/{NAME}/blob/HEAD/notebooks/{name}.ipynb"
    return f"{browser}[Open in Colab]({colab})"


def setup(notebook: nbformat.NotebookNode) -> str:
    """Return the beginning of the setup cell of a notebook."""
    others = [cell.source for cell in notebook.cells if not cell.source.startswith(TITLE)]
    is_later = any(INSTALL in source for source in others)
    return SETUP.replace(f"{INSTALL}el", "") if is_later else SETUP


def with_address(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Set the line of links below the title of the notebook `name`, and the beginning of its setup cell."""
    title, _, rest = notebook.cells[0].source.partition("\n\n")
    rest = re.sub(r"^\[(Run in the browser|Open in Colab)\].*\n\n", "", rest)
    notebook.cells[0].source = f"{title}\n\n{links(name)}\n\n{rest}"
    beginning = setup(notebook)
    for cell in notebook.cells:
        if cell.source.startswith(TITLE):
            cell.source = re.sub(r"(?sm)^.*?import cryutils$", lambda _: beginning, cell.source, count=1)
    return notebook


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove ids, times and widget state, which differ at each run; collapse marked cells."""
    notebook.metadata = nbformat.from_dict(METADATA)
    count = itertools.count(1)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        if "hide-cell" in tags:
            cell.metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}  # for Colab
        cell.execution_count = next(count)  # nbval regards a cell without a count as never run
        # Messages of libraries on stderr depend on the machine and are not part of the lesson.
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        if "display_quiz(" in cell.source:  # the code of jupyterquiz
            cell.outputs = []
        for output in cell.outputs:
            clean_output(output, cell.execution_count, tags)
    return notebook


def clean_output(output: nbformat.NotebookNode, count: int, tags: list[str]) -> None:
    """Remove from an output what differs at each run, real recordings, and views of widgets."""
    if "execution_count" in output:
        output.execution_count = count
    if "metadata" in output:
        output.metadata = {k: v for k, v in output.metadata.items() if k == "image/png"}
    data = output.get("data", {})
    if "image/png" in data:
        data["image/png"] = smaller(data["image/png"])
    if "synthetic voices" not in data.get("text/html", "synthetic voices"):  # real recordings
        replaced = "<em>Run the cell to hear it.</em>"
        data["text/html"] = re.sub(r"(?s)<audio .*?</audio>", replaced, data["text/html"])
    # A widget shows nothing without its kernel; keep only its picture.
    view = data.pop("application/vnd.jupyter.widget-view+json", None)
    if view and "nbval-ignore-output" in tags and set(data) == {"text/plain"}:
        data["text/plain"] = "(a widget: run the cell to use it)"


def smaller(png: str) -> str:
    """Return a base64 PNG with a palette of 256 colours: a third of the size, same to the eye."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "P":
        return png
    buffer = io.BytesIO()
    few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def link(row: dict[str, Any]) -> str:
    """Return a link to a notebook, with its number and title."""
    number = re.match(r"lesson_\d|\d*", row["name"]).group().replace("lesson_", "Lesson ")
    return f"[{' · '.join(filter(None, [number, row['title']]))}]({row['name']}.ipynb)"


def with_contents(rows: list[dict[str, Any]]) -> dict[Path, str]:
    """Return the syllabus and the notebooks, by path, with what follows from the list of notebooks."""
    numbered = [row for row in rows if row["part"] != "Appendices"]
    following = {a["name"]: link(b) for a, b in itertools.pairwise([*numbered, rows[0]])}
    course = [row for row in rows if row["part"] == "The course"]
    lessons = [f"{n}. [{row['title']}]({row['name']}.ipynb)" for n, row in enumerate(course, start=1)]
    after = "Then comes [the replication of both papers](../docs/syllabus.md#the-notebooks)."
    course_map = "\n".join(["## The map of the course\n", *lessons, f"\n{after}"])
    table = "| notebook | question | minutes | of these, exercises |\n|---|---|---|---|\n"
    texts: dict[Path, str] = {}
    for row in rows:
        path = ROOT / "notebooks" / f"{row['name']}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.source.startswith("## The map of the course"):
                cell.source = course_map
            if next_link := following.get(row["name"]):
                cell.source = re.sub(r"(?m)^\*\*Next\*\*.*$", f"**Next** {next_link}", cell.source)
        first = notebook.cells[0]
        first.source = re.sub(r"(?<=\*\*Time\*\* )[\w ]*(?= minutes)", str(row["minutes"]), first.source)
        texts[path] = nbformat.writes(notebook) + "\n"
        stars = "".join(re.findall(r"\*\*Exercise \d+\*\* (★+)", texts[path]))
        time = f"{row['minutes']} | {5 * len(stars)}"  # five minutes a star
        table += f"| [{row['name']}](../notebooks/{path.name}) | {row['question']} | {time} |\n"
    syllabus = ROOT / "docs" / "syllabus.md"
    before = r"(?s)(?<=## The notebooks\n\n).*?\n(?=\n)"
    return texts | {syllabus: re.sub(before, lambda _: table, syllabus.read_text("utf-8"))}


STUDENTS_CHECK = """\
#@title Check {number}
from cryutils.course.exercises import run_check
run_check("{name}", {number}, globals())"""
WRONG_ANSWERS = """
import contextlib, io
for _wrong in (np.zeros(20), "25 %", None):
    globals().update(dict.fromkeys({names}, _wrong))
    with contextlib.redirect_stdout(io.StringIO()) as _printed:
        exec({source!r})
    assert _printed.getvalue() and not _printed.getvalue().startswith("Right"), (_wrong, _printed.getvalue())
"""


def solutions(name: str) -> list[str]:
    """Return the solutions of the exercises in the notebook `name`, in their order."""
    file = ROOT / "notebooks" / "solutions" / f"{name}.py"
    parts = file.read_text(encoding="utf-8").split("# %%")[1:] if file.is_file() else []
    return [part.partition("\n")[2].strip() for part in parts]


def edition(path: Path, folder: Path, *, solved: bool) -> None:
    """Write a copy of the notebook at `path` into `folder`.

    `solved` fills each exercise with its solution, and marks its check, for the tests. The check is
    then run again with answers that nobody can use. Otherwise the copy is for students: it has no
    outputs, and a check runs from the installed course, without showing the answer.
    """
    notebook = clean(nbformat.read(path, as_version=4))
    answers, numbers = iter(solutions(path.stem)), itertools.count(1)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if solved and "exercise" in tags:
            cell.source = next(answers)
        if solved and {"exercise", "check"} & {*tags}:
            tags += ["nbval-ignore-output", "solved"]
        asked = re.findall(r"^with check\(.*", cell.source, re.MULTILINE) if solved else []
        if names := re.findall(r"(\w+)=\1\b", "".join(asked)):
            cell.source += WRONG_ANSWERS.format(names=names, source=cell.source)
        if not solved and cell.cell_type == "code":
            cell.outputs = []
            if "check" in tags:
                cell.source = STUDENTS_CHECK.format(name=path.stem, number=next(numbers))
    nbformat.write(notebook, folder / path.name)


def main(arguments: list[str] | None = None) -> None:
    """Run one of the five commands; see the module docstring."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("command", choices=["refresh", "clean", "contents", "students", "solved"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args(arguments)
    if chosen.command == "contents":
        for path, text in with_contents(course.contents()).items():
            path.write_text(text, encoding="utf-8")
        return
    if chosen.command in ("students", "solved"):
        if len(chosen.names) != 1:
            parser.error(f"{chosen.command}: give one folder.")
        folder = Path(chosen.names[0])
        folder.mkdir(parents=True, exist_ok=True)
        for path in course.notebooks().values():
            edition(path, folder, solved=chosen.command == "solved")
        return
    try:
        paths = course.chosen(chosen.names) or course.notebooks()
    except InputError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as scratch:  # notebooks find networks trained by others there
        os.environ |= {"CRYUTILS_RUN_DIR": scratch, "CRYUTILS_CACHE_DIR": f"{scratch}/cache"}
        os.environ |= {"CRYUTILS_OFFLINE": "1", "TQDM_DISABLE": "1"}
        for name, path in paths.items():
            print(name, flush=True)
            notebook = nbformat.read(path, as_version=4)
            if chosen.command == "refresh":
                client = NotebookClient(notebook, timeout=None, kernel_name="python3")
                client.execute(cwd=str(path.parent))
            nbformat.write(clean(with_address(notebook, name)), path)


if __name__ == "__main__":
    main()
