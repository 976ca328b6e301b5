"""Keep the committed notebooks in order.

    python tools/notebooks.py refresh [NAME...]   execute in place, store clean outputs
    python tools/notebooks.py clean [NAME...]     strip what differs from machine to machine,
                                                  set the links to Colab and Binder
    python tools/notebooks.py students DIR        write an edition without the solutions

NAME is a notebook's name or an unambiguous beginning of it, such as 03. `refresh` runs each
notebook with its embedded parameters, as `nbval` does in the tests; those on DonateACry need its
recordings in `CRYUTILS_DATA_DIR`. Real recordings are drawn in the stored outputs, never kept.
`Repository` in `pyproject.toml` is the address in all links.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
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
    owner = REPOSITORY.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/HEAD/notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{owner}/HEAD?labpath=notebooks/{name}.ipynb"
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
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = without_recordings(output.data["text/html"])
            # A widget shows nothing without its kernel; keep only its picture.
            view = output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            if view and "nbval-ignore-output" in tags and set(output.data) == {"text/plain"}:
                output.data["text/plain"] = "(a widget: run the cell to use it)"
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
    os.environ |= {"CRYUTILS_RUN_DIR": scratch, "CRYUTILS_OFFLINE": "1"}
    os.environ["CRYUTILS_CACHE_DIR"] = str(Path(scratch) / "cache")
    # Write progress to a file, as in the tests, so that no progress bar is stored.
    os.environ["CRYUTILS_PROGRESS_FILE"] = str(Path(scratch) / "progress")
    client = NotebookClient(notebook, timeout=None, kernel_name="python3")
    client.execute(cwd=str(path.parent))
    nbformat.write(clean(with_address(notebook, path.stem)), path)


def students(path: Path, folder: Path) -> None:
    """Write a copy of `path` without solutions and outputs into `folder`."""
    notebook = clean(nbformat.read(path, as_version=4))
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.source = "# Your solution" if cell.cell_type == "code" else "*Your answer*"
            cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags})
        if cell.cell_type == "code":
            cell.outputs = []
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / path.name)


def main(arguments: list[str]) -> int:
    """Run one of the three commands; see the module docstring."""
    if not arguments or arguments[0] not in ("refresh", "clean", "students"):
        print(__doc__, file=sys.stderr)
        return 2
    command, *rest = arguments
    paths = course.notebooks(ROOT / "notebooks")
    try:
        names = {course.notebook_name(text, paths) for text in rest if command != "students"}
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
                students(path, Path(rest[0]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
