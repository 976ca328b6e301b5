"""Write an executed notebook as one HTML page that needs no network.

nbconvert makes the page. This module adds formulas as MathML, which browsers draw without a
script, a table of contents, and a link to the run's report. No notebook uses this module.
"""

from __future__ import annotations

import re
import shutil
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from jinja2 import pass_context
from latex2mathml import converter
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from cryutils._io.paths import writing

__all__ = ["write"]

_TEMPLATE = Path(__file__).parent / "templates" / "notebook.html"
_WIDGET = "application/vnd.jupyter.widget-view+json"


class _Heading(NamedTuple):
    level: int
    anchor: str
    html: str


class _Renderer(IPythonRenderer):
    """Renders Markdown as HTML with formulas as MathML, and collects the headings."""

    def __init__(self, **options: Any) -> None:
        super().__init__(escape=False, **options)
        self.headings: list[_Heading] = []

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        html = super().heading(text, level, **attrs)
        if anchor := re.search(r' id="([^"]+)"', html):
            self.headings.append(_Heading(level, anchor[1], text))
        return html

    def inline_math(self, body: str) -> str:
        return _mathml(body, display="inline")

    def block_math(self, body: str) -> str:
        return _mathml(body, display="block")

    def latex_environment(self, name: str, body: str) -> str:
        return _mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", display="block")


class _Exporter(HTMLExporter):
    """nbconvert's HTML exporter with this module's template and Markdown renderer."""

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        return MarkdownWithMath(renderer=_Renderer(attachments=attachments)).render(source)


def write(notebook: Path) -> None:
    """Write the executed `notebook` as HTML next to it, unless it cannot be read."""
    try:
        executed = nbformat.read(notebook, as_version=4)
        nbformat.validate(executed)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError,
            nbformat.ValidationError):  # fmt: skip
        return
    for cell in executed.cells:  # a widget's other output formats need no script
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(_WIDGET, None)
    executed.metadata.pop("widgets", None)
    resources = {"metadata": {"name": notebook.stem}, "headings": _headings(executed)}
    page, _ = _exporter().from_notebook_node(executed, resources)
    # Make links between notebooks lead to their pages.
    page = re.sub(r'(<a href="[\w.]+)\.ipynb"', r'\1.html"', page)
    with writing(notebook.with_suffix(".html")) as part:
        part.write_text(page, encoding="utf-8")
        shutil.copystat(notebook, part)  # `report` compares the times of notebook and page


@cache
def _exporter() -> _Exporter:
    # Compiling nbconvert's templates takes longer than writing a page.
    return _Exporter(raw_template=_TEMPLATE.read_text(encoding="utf-8"))


def _headings(notebook: nbformat.NotebookNode) -> list[_Heading]:
    """Return the headings of the Markdown cells, for the table of contents."""
    renderer = _Renderer()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            MarkdownWithMath(renderer=renderer).render(cell.source)
    return renderer.headings


def _mathml(formula: str, *, display: str) -> str:
    """Return a LaTeX formula as MathML, or its source if it cannot be converted."""
    try:
        return converter.convert(formula, display=display)
    except Exception:  # the converter's errors have no common base class
        return f"<code>{escape(formula)}</code>"
