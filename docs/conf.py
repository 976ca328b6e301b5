"""Settings of the documentation site, which `make docs` builds. Notebooks are not executed.

The source folder is the repository, so that links between pages and notebooks work unchanged.
"""

import importlib
import importlib.resources
import json
import logging
import pkgutil
import posixpath
import re
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
from docutils import nodes
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyterquiz import display_quiz
from latex2mathml import converter
from nbconvert import SlidesExporter
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import cryutils
from cryutils.course import runner as course

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
import front_page
from project import PROJECT, REPOSITORY, ROOT

InteractiveShell.instance()  # captures what a quiz displays
PUBLISHED = "/OWNER/" not in REPOSITORY  # otherwise a link would lead nowhere

project = PROJECT["name"]
release = cryutils.__version__
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb"]
exclude_patterns = [".*", "build", "crydecode", "cryutils", "outputs", "tests"]
templates_path = ["_templates"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
suppress_warnings = ["ref.python"]  # two classes are called `Settings`
# There may be no appendix.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", "") != "empty_glob"
)

default_role = "code"  # docstrings mark code with single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings state types that say something
maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 6
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the {type} of the cell"
nb_code_prompt_hide = "Hide the {type} of the cell"
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_copy_source = False
html_sidebars = {"**": ["contents.html"]}
html_theme_options = {
    "article_header_start": [],
    "footer_end": [],
    "footer_start": ["copyright"],
    "navbar_center": [],
    "secondary_sidebar_items": ["page-toc"],
}

LINK = re.compile(r"(?<![!\w])\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
SITE_LINK = re.compile(r"\[([^\]]*)\]\(https://[\w-]+\.github\.io/cryutils/([^)\s]*)\)")
FILM = re.compile(r"^\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\.webm\)$", re.MULTILINE)
OPEN_IN = re.compile(r"^\[(?:Run in the browser|Open in Colab)\].*\n\n", re.MULTILINE)


def prepare(app: Sphinx, name: str, source: list[str]) -> None:
    """Adapt the text of a page before it is parsed."""
    if name.startswith("docs/api/"):
        source[0] = api_page(name.rpartition("/")[2])
    elif name.startswith("notebooks/"):
        notebook = json.loads(source[0])
        where, file, links = "../lite/notebooks/index.html?path=", Path(name).name, []
        if any(row["name"] == file and row.get("browser") for row in course.contents()):
            links += [f'<a href="{where}{file}.ipynb">Run in the browser</a>']
        if file.startswith("lesson"):
            links += [f'<a href="../slides/{file}.html">Slides of this notebook</a>']
        if links:
            notebook["cells"].insert(1, nbformat.v4.new_markdown_cell(f"<p>{' · '.join(links)}</p>"))
        notebook = without_kernel(with_quiz(notebook, Path(name).name))
        source[0] = json.dumps(adapted(notebook))
    else:
        if name == "docs/application":
            source[0] = FILM.sub(lambda _: front_page.film_alone(Path(app.outdir)), source[0])
        source[0] = SITE_LINK.sub(r'<a href="../\2">\1</a>', with_outside_links(source[0], "docs"))


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def with_quiz(notebook: dict, name: str) -> dict:
    """Show the quiz of the notebook `name`, and no checks: nothing runs here."""
    notebook["cells"] = [cell for cell in notebook["cells"] if "check" not in tags(cell)]
    for cell in notebook["cells"]:
        if "display_quiz(" in "".join(cell["source"]):
            with capture_output() as captured:
                display_quiz(str(ROOT / "notebooks" / "quiz" / f"{name}.json"))
            outputs = [nbformat.v4.new_output("display_data", o.data) for o in captured.outputs]
            cell |= {"outputs": outputs, "metadata": {"tags": ["remove-input"]}}
    return notebook


def without_kernel(notebook: dict) -> dict:
    """Let the sliders of lesson 1 show computed scores, and say that other widgets need a kernel."""
    missing = {"Knobs(": "sliders above this picture appear", "CryPlayer(": "player with all clips appears"}
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        if "knobs(scored," in "".join(cell["source"]):
            html = front_page.sliders_alone()
            outputs[:] = [nbformat.v4.new_output("display_data", {"text/html": html})]
            continue
        shown = "".join("".join(output.get("data", {}).get("text/plain", "")) for output in outputs)
        for words in (words for name, words in missing.items() if name in shown):
            note = f"<p><em>The {words} where the notebook runs.</em></p>"
            outputs.append(nbformat.v4.new_output("display_data", {"text/html": note}))
    return notebook


def adapted(notebook: dict) -> dict:
    """Name figures and folded cells, and put the parts of a notebook below its title."""
    heading, in_part = "", False
    notebook["cells"] = [part for cell in notebook["cells"] for part in figures_apart(cell)]
    for number, cell in enumerate(notebook["cells"]):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = [heading, *re.findall("^#+ (.+)", text, re.MULTILINE)][-1]
            in_part |= number > 0 and re.search("^# ", text, re.MULTILINE) is not None
            if in_part:
                text = re.sub("^(?=#+ )", "#", text, flags=re.MULTILINE)
            if not PUBLISHED:
                text = OPEN_IN.sub("", text)
            text = with_outside_links(text, "notebooks")
            cell["source"] = text
        else:
            captions = [o.get("metadata", {}).get("image/png", {}) for o in cell["outputs"]]
            alt = next((c["alt"] for c in captions if c), f"Figure in the section “{heading}”")
            cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
            if title := re.search("^#@title (.+)", text):  # of a folded cell
                prompts = dict.fromkeys(["code_prompt_show", "code_prompt_hide"], title[1])
                cell["metadata"]["mystnb"] |= prompts
    return notebook


def figures_apart(cell: dict) -> list[dict]:
    """Return `cell`, and a cell for each further figure: a cell has one alternative text."""
    outputs = cell.get("outputs", [])
    figures = [k for k, output in enumerate(outputs) if "image/png" in output.get("data", {})]
    if len(figures) < 2:
        return [cell]
    parts = [outputs[start:end] for start, end in pairwise([0, *figures[1:], len(outputs)])]
    more = [
        cell | {"id": f"{cell['id']}-{k}", "metadata": {"tags": ["remove-input"]}, "outputs": part}
        for k, part in enumerate(parts[1:], start=1)
    ]
    return [cell | {"outputs": parts[0]}, *more]


def with_outside_links(text: str, folder: str) -> str:
    """Point links to files outside the site to the repository, or name the file."""

    def replace(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[2]))
        if re.fullmatch(r"docs/\w[\w-]*\.md|notebooks/\w+\.ipynb", path):
            return link[0]
        if PUBLISHED:
            return f"[{link[1]}]({REPOSITORY}/blob/HEAD/{path}{link[3] or ''})"
        return f"`{path}`" if path.endswith(link[1]) else f"{link[1]} (`{path}`)"

    return LINK.sub(replace, text)


def api_page(package: str) -> str:
    """Return a page on a package: what it exports, then each of its public modules."""
    module = importlib.import_module(f"cryutils.{package}")
    modules = [part.name for part in pkgutil.iter_modules(module.__path__) if part.name[0] != "_"]
    public = {name: value for name, value in vars(module).items() if name[0] != "_"}
    names = ", ".join(n for n, value in public.items() if not isinstance(value, ModuleType))
    parts = [section(package, "=", f":members: {names}\n   :imported-members:" if names else "")]
    for name in modules:
        parts.append(section(f"{package}.{name}", "-", f":members:\n   :exclude-members: {names}"))
    return "\n".join(parts)


def section(name: str, underline: str, options: str) -> str:
    return f"{name}\n{underline * len(name)}\n\n.. automodule:: cryutils.{name}\n   {options}\n"


def plain(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make a docstring valid reStructuredText."""
    text = "\n".join(lines)
    text = re.sub(r"(?m:^)\*\*(?=\w+ :)|(?<=, )\*(?=\w+\))", r"\\\g<0>", text)  # **columns, *shape
    lines[:] = re.sub(r"`(\S+?)`s\b", r"`\1`\\ s", text).split("\n")


def shorten(app: Sphinx, doctree: nodes.document) -> None:
    """Name a notebook in the sidebar by the first words of its title."""
    name = app.env.docname
    if name.startswith("notebooks/"):
        title = app.env.titles[name].astext().removeprefix("Appendix · ")
        short = nodes.Text(re.split("[:,]", title)[0])
        app.env.titles[name] = nodes.title("", "", short)
        next(iter(app.env.tocs[name].findall(nodes.reference))).children = [short]


def inline_math(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(converter.convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def block_math(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(converter.convert(node.astext(), display="block"))
    raise nodes.SkipNode


def link_logo(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Let the logo lead to the site's first page."""
    context["theme_logo_link"] = context["pathto"]("index.html", resource=True)


def write_front_page(app: Sphinx, error: Exception | None) -> None:
    front_page.write(Path(app.outdir))


def write_slides(app: Sphinx, error: Exception | None) -> None:
    """Write the lessons as slides, with the reveal.js of sphinx-revealjs."""
    folder = Path(app.outdir) / "slides"
    reveal = importlib.resources.files("sphinx_revealjs") / "_static" / "revealjs" / "dist"
    with importlib.resources.as_file(reveal) as source:
        unneeded = shutil.ignore_patterns("*.map")
        shutil.copytree(source, folder / "dist", ignore=unneeded, dirs_exist_ok=True)
    exporter = SlidesExporter(template_file=str(ROOT / "docs" / "_templates" / "slides.html.j2"))
    exporter.exclude_input = exporter.exclude_anchor_links = True
    exporter.exclude_output_prompt = True
    exporter.reveal_theme, exporter.reveal_url_prefix = "white", "."
    for path in (ROOT / "notebooks").glob("lesson*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = list(slides(notebook))
        page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")


def slides(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells of the slides: a section of text, the code of a cell tagged `slide`, outputs."""
    heading, hidden = "", {"hide-cell", "exercise"}
    for cell in notebook.cells:
        outputs = [o for o in cell.get("outputs", []) if "un the cell to" not in str(o)]  # a sound, a widget
        code = f"```python\n{cell.source}\n```" if "slide" in tags(cell) else ""
        if hidden.intersection(tags(cell)) or (cell.cell_type == "code" and not outputs and not code):
            continue
        text = for_slides(cell.source) if cell.cell_type == "markdown" else ""
        for section in [code, ""][: 1 + bool(outputs)] if code else re.split(r"\n+(?=#+ )", text):
            own = re.match("#+ (.+)", section)
            heading = own[1] if own else heading
            if heading != "Quiz":
                yield slide("" if own else f"##### {heading}", "slide")
                yield slide(section, "-")
        if outputs and heading != "Quiz":
            figures = [o for o in outputs if "image/png" in o.get("data", {})]
            yield nbformat.v4.new_code_cell(outputs=figures or outputs)


def slide(text: str, kind: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}})


def for_slides(text: str) -> str:
    """Return text with links from the folder of the slides, and with formulas as MathML."""
    text = OPEN_IN.sub("", text).partition("**Time**")[0]  # the rest is for readers
    text = with_outside_links(text, "notebooks")
    text = re.sub(r"\]\((\w+)\.ipynb", r"](../notebooks/\1.html", text)
    text = re.sub(r"\]\((\.\./docs/[\w-]+)\.md", r"](\1.html", text)
    return re.sub(r"\$+([^$]+)\$+", lambda formula: converter.convert(formula[1]), text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.connect("source-read", prepare)
    app.connect("autodoc-process-docstring", plain)
    app.connect("doctree-read", shorten, priority=900)
    app.connect("html-page-context", link_logo)
    app.connect("build-finished", write_front_page)
    app.connect("build-finished", write_slides)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
