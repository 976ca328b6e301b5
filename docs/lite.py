"""Build the course in the browser: JupyterLite, the notebooks and the packages that they need.

    python docs/lite.py SITE [PYODIDE]

writes SITE/lite. PYODIDE is the address of `pyodide.mjs`, by default the public one; a school that
has no internet names its own copy, such as ../pyodide/pyodide.mjs. Nothing is downloaded here:
pure packages are packed again from where they are installed, in the versions of constraints.txt.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import nbformat
import pandas as pd
from browser.fastparquet import packed

from cryutils.course import runner as course
from cryutils.course.execution import without_course_data

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
from project import PROJECT, REPOSITORY, ROOT, SITE

LINK = re.compile(r"(?<=\]\()((?:\.\./)*)([\w/]+)\.(md|ipynb|py)(?=[#)])")
RUN_HERE = re.compile(r"\[Run in the browser\]\([^)]*\)")
PYODIDE = "https://cdn.jsdelivr.net/pyodide/v314.0.3/full/pyodide.mjs"
# Loaded while the page opens: what the kernel and a first sound need. `NEEDED` is loaded later.
PRELOADED = [
    "asttokens",
    "decorator",
    "executing",
    "matplotlib-inline",
    "micropip",
    "numpy",
    "prompt_toolkit",
    "pygments",
    "stack-data",
    "tqdm",
    "traitlets",
]
# Loaded with them, from the site. jedi is empty: Pyodide's would be 5 MB, and the kernel requires one.
OWN = ["comm", "cryutils", "ipython", "ipywidgets", "jedi"]
WHEELS = "../../../../pypi"  # from the kernel's script
VARIABLES = {
    "CRYUTILS_CACHE_DIR": "~/cache",  # else pooch chooses it, which is loaded later
    "CRYUTILS_DATA_DIR": "/drive/recordings",  # of the page, so that they stay
    "CRYUTILS_OUTPUTS_DIR": "~/outputs",  # else each file becomes a file of the page
    "PYTHONWARNINGS": "ignore:JsProxy:RuntimeWarning",  # Pyodide's own, by threadpoolctl
}
# Parts of the names of the real recordings that a reader can load.
CLEAR = ["1436936185", "1434296505682", "1437188766"]
REAL = {"lesson_1_start_here": CLEAR, "lesson_3_what_a_cry_is": CLEAR}
OFFER = "from cryutils.widgets.recordings import offer\n\ndata = offer({})  # loads nothing before a click"
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
# What Pyodide lacks. comm starts the kernel.
PACKED = [
    "anywidget",
    "comm",
    "ipython",
    "ipywidgets",
    "jupyterlab-widgets",
    "jupyterquiz",
    "librosa",
    "pooch",
    "psygnal",
    "seaborn",
]
# What is replaced in files of them: numba has no wheel for the browser, and requests nothing to do. No
# quiz has a formula, for which it would take JupyterLab's MathJax, which it cannot call, and load another
# from a server. IPython completes names without jedi, but the kernel tells it to use jedi.
EDITED = {
    "ipython": ("completer.py", rb"if self\.use_jedi:", b"if False:"),
    "jupyterquiz": (".js", rb"typeof MathJax !==? 'undefined'", b"false"),
    "librosa": ("METADATA", rb"(?m)^Requires-Dist: .*\n", b""),
    "pooch": ("METADATA", rb"(?m)^Requires-Dist: requests.*\n", b""),
}
# Parameters there, besides `data`: a browser needs several times as long.
SHORTER = {"appendix_table2": {"repeats": "2"}}
# What is left out of the course's wheel: networks, the caregiver application, and the answers of all runs
# but `judged`, whose answers notebooks read.
UNREAD = re.compile(r"\.(npz|tflite)$|/application\.png$|^crydecode/|/reference/(?!judged/)\w+/predictions/")
# What the course needs there.
NEEDED = [
    *PROJECT["dependencies"],
    "anywidget",
    "cryutils_answers",
    "decorator",
    "ipywidgets",
    "jupyterquiz",
    "lazy-loader",
    "librosa",
    "msgpack",
    "soxr",
]


def pack(name: str, folder: Path) -> Path:
    """Write the wheel of an installed package of pure Python into `folder`, and return its path."""
    edit, installed = EDITED.get(name), distribution(name)
    path = folder / f"{name.replace('-', '_')}-{installed.version}-py3-none-any.whl"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in installed.files or ():
            if ".." in file.parts or file.suffix in (".pyc", ".so"):
                continue
            text = Path(str(file.locate())).read_bytes()
            if edit and file.name.endswith(edit[0]):
                text = re.sub(*edit[1:], text)
            archive.writestr(str(file), text)
    return path


def own_wheel(folder: Path) -> None:
    """Write the course's wheel into `folder`, with the notebooks' code and without their outputs.

    Stored answers are in a wheel of their own, for which a first sound need not wait.
    """
    answers: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        built = next(Path(scratch).glob("*.whl"))
        with ZipFile(built) as full, ZipFile(folder / built.name, "w", ZIP_DEFLATED) as light:
            for name in full.namelist():
                if UNREAD.search(name):
                    continue
                text = full.read(name)
                if name.endswith(".ipynb"):
                    notebook = json.loads(text)
                    for cell in notebook["cells"]:
                        cell |= {"outputs": []} if cell["cell_type"] == "code" else {}
                    text = json.dumps(notebook).encode()
                if name.endswith(".parquet"):
                    answers[name] = packed(pd.read_parquet(BytesIO(text)))
                else:
                    light.writestr(name, text)
    wheel_of(folder, "cryutils_answers", answers)


def wheel_of(folder: Path, name: str, files: dict[str, Any], needs: Iterable[str] = ()) -> Path:
    """Write a wheel of files, given by path with their content, into `folder`, and return its path."""
    path, info = folder / f"{name}-0-py3-none-any.whl", f"{name}-0.dist-info"
    about = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        "Version: 0",
        *(f"Requires-Dist: {n}" for n in needs),
        "",
    ]
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        archive.writestr(f"{info}/METADATA", "\n".join(about))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def new_wheel(folder: Path, name: str, modules: dict[str, str], needs: Iterable[str] = ()) -> Path:
    """Write a wheel of modules, given by name with their text, into `folder`, and return its path."""
    return wheel_of(folder, name, {f"{module}.py": text for module, text in modules.items()}, needs)


def stand_ins(folder: Path) -> Path:
    """Write the wheel of what librosa and pandas import and the browser lacks; return its path.

    It requires what the course needs.
    """
    modules = dict.fromkeys(["audioread", "soundfile"], "")
    modules |= {path.stem: path.read_text("utf-8") for path in (ROOT / "docs" / "browser").glob("*.py")}
    return new_wheel(folder, "cryutils_browser", modules, NEEDED)


def as_text(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a cell that needs Keras as text: its code, and what it shows elsewhere."""
    parts, text, pictures = [f"```python\n{cell.source}\n```"], "", {}
    parts += ["*This cell needs Keras, which the browser lacks. On a computer or in Colab it shows:*"]
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text")})
        if "image/png" in data:
            pictures = {"figure.png": {"image/png": data["image/png"]}}
            parts.append("![figure](attachment:figure.png)")
        else:
            text += data["text/plain"]
    parts += [f"```text\n{text.strip()}\n```"] if text else []
    return nbformat.v4.new_markdown_cell("\n\n".join(parts), id=cell.id, attachments=pictures)


def for_browser(row: dict[str, Any]) -> nbformat.NotebookNode:
    """Return a notebook of the list as the browser shows it.

    A browser has no real recordings before a click: the sounds are synthetic, and the text about
    DonateACry is left out, as in each run with other recordings. It has no Keras: cells tagged `keras`
    become text. JupyterLite opens only its own files: other links lead to the site, or to the repository.
    The link *Run in the browser* would lead to the same page again.
    """
    notebook = nbformat.read(ROOT / "notebooks" / f"{row['name']}.ipynb", as_version=4)
    listed = [f"{other['name']}.ipynb" for other in course.contents() if other.get("browser")]
    stored = f"[Read its stored results]({SITE}/notebooks/{row['name']}.html)"

    def address(link: re.Match[str]) -> str:
        up, path, kind = link.groups()
        if f"{path}.{kind}" in listed:
            return link[0]
        page = path if up else f"notebooks/{path}"
        if kind == "py":
            return f"{REPOSITORY}/blob/HEAD/{page}.py"
        return f"{SITE}/{page}.html"

    real, values = row.get("needs", {}).get("sound"), SHORTER.get(row["name"], {})
    if real:
        values = values | {"data": '"synthetic"'}
        notebook.cells = without_course_data(notebook.cells, "DonateACry")
    for number, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            cell.source = RUN_HERE.sub(
                f"This notebook runs here, in your browser · {stored}", LINK.sub(address, cell.source)
            )
        elif "keras" in tags:
            notebook.cells[number] = as_text(cell)
        elif "parameters" in tags:
            parameters = number
            for parameter, value in values.items():
                cell.source = re.sub(rf"(?m)^{parameter} = \S+", f"{parameter} = {value}", cell.source)
        elif real:
            cell.outputs = [output for output in cell.outputs if "synthetic voices" in str(output)]
    if parts := REAL.get(row["name"]):
        call = OFFER.format(", ".join(["data", *map(repr, parts)]))
        notebook.cells.insert(parameters + 1, nbformat.v4.new_code_cell(call))
    return notebook


def build(site: Path, pyodide: str = PYODIDE) -> None:
    """Write the folder `lite` into the folder `site`."""
    with tempfile.TemporaryDirectory() as scratch:
        home, wheels = Path(scratch), Path(scratch, "pypi")
        (home / "contents").mkdir()
        wheels.mkdir()
        for row in course.contents():
            if row.get("browser"):
                # Not nbformat.write: JupyterLab's table of contents cannot read a list of lines.
                file = home / "contents" / f"{row['name']}.ipynb"
                file.write_text(json.dumps(for_browser(row)), encoding="utf-8")
        for name in PACKED:
            pack(name, wheels)
        stand_ins(wheels)
        new_wheel(wheels, "jedi", {})
        own_wheel(wheels)
        own = [f"{WHEELS}/{next(wheels.glob(f'{name}-*.whl')).name}" for name in OWN]
        settings = {"pyodideUrl": pyodide, "disablePyPIFallback": True}
        settings["loadPyodideOptions"] = {"packages": [*own, *PRELOADED], "env": VARIABLES}
        config = {"litePluginSettings": {KERNEL: settings}, "appName": "cryutils"}
        about = {"jupyter-lite-schema-version": 0, "jupyter-config-data": config}
        (home / "jupyter-lite.json").write_text(json.dumps(about))
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--contents", "contents"]
        command += ["--no-sourcemaps"]
        command += ["--apps", "notebooks", "--apps", "tree", "--output-dir", str(site.resolve() / "lite")]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
    message = (ROOT / "docs" / "browser" / "no_python.html").read_text("utf-8").replace("PYODIDE", pyodide)
    page = site / "lite" / "notebooks" / "index.html"
    page.write_text(page.read_text("utf-8").replace("</body>", f"{message}</body>"), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]), *sys.argv[2:])
