"""An executed notebook as a page: formulas without a script, contents, no other host."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from html_page import Page
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cryutils.claims import notebook_page

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def written(folder: Path, *cells: nbformat.NotebookNode) -> str:
    """Return the page of a notebook with these cells and the state of a widget."""
    state = {"version_major": 2, "version_minor": 0, "state": {}}
    notebook = new_notebook(cells=list(cells), metadata={"widgets": {STATE: state}})
    path = folder / "03_x.ipynb"
    nbformat.write(notebook, path)
    notebook_page.write(path)
    return path.with_suffix(".html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "mathml"),
    [
        ("As $x^2$ shows", r"<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"$$\frac{a}{b}$$", r'display="block".*<mfrac>.*<mi>a</mi>.*<mi>b</mi>.*</mfrac>'),
        (r"$$x < 3$$", "<mi>x</mi><mo>&lt;</mo><mn>3</mn>"),
        (
            "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
            r'display="block".*<mtable.*(<mtr>.*){2}',
        ),
    ],
)
def test_formulas_are_mathml(text: str, mathml: str, tmp_path: Path) -> None:
    page = written(tmp_path, new_markdown_cell(text))
    assert re.search(mathml, page, re.DOTALL)
    assert "$" not in page[page.index("<main>") : page.index("<script>")]


def test_dollars_in_code_are_no_formula_and_what_cannot_be_converted_shows_its_source(
    tmp_path: Path,
) -> None:
    page = written(tmp_path, new_markdown_cell("Type `$HOME` or `$PATH`."))
    assert "<code>$HOME</code> or <code>$PATH</code>" in page
    assert "<math" not in page
    page = written(tmp_path, new_markdown_cell(r"Half of $a_b_c < 1$ and all of $d$."))
    assert "Half of <code>a_b_c &lt; 1</code> and all of <math" in page


def test_outputs_in_latex_and_markdown_are_drawn(tmp_path: Path) -> None:
    data = [{"text/latex": r"$\displaystyle y_1$"}, {"text/markdown": "See **this**: $z_2$"}]
    outputs = [new_output("display_data", data=each) for each in data]
    page = written(tmp_path, new_code_cell("shown", outputs=outputs))
    assert re.search(r"<msub><mi>y</mi><mn>1</mn></msub>", page)
    assert re.search(r"See <strong>this</strong>: <math.*<mi>z</mi><mn>2</mn>", page)


def test_contents_list_the_headings_and_lead_to_them(tmp_path: Path) -> None:
    texts = ("# 03 · The *title*\n\n## Setup", "## `cry2` & more\n\nText\n\n### A detail")
    written(tmp_path, *map(new_markdown_cell, texts))
    page = Page(tmp_path / "03_x.html")
    links = re.findall(r'--depth: (\d)"><a href="#([^"]+)">([^<]+)</a>', page.source)
    assert [(depth, words) for depth, _, words in links] == [
        ("0", "03 · The title"), ("1", "Setup"), ("1", "cry2 &amp; more"), ("2", "A detail"),
    ]  # fmt: skip
    ids = [attributes.get("id") for _, attributes in page.tags]
    assert [ids.count(anchor.replace("&amp;", "&")) for _, anchor, _ in links] == [1, 1, 1, 1]
    assert {"href": "../report.html"} in page.all("a")


def test_a_page_names_no_other_host_and_keeps_what_a_widget_shows_without_scripts(
    tmp_path: Path,
) -> None:
    data = {VIEW: {"model_id": "1"}, "text/plain": "Player"}
    shown = new_output("display_data", data=data)
    page = written(tmp_path, new_code_cell("player", outputs=[shown]), new_markdown_cell("$x^2$"))
    addresses = re.findall(r"""["'(](https?://[^"')]+)""", page)
    assert {address for address in addresses if "www.w3.org" not in address} == set()
    assert "Player" in page
