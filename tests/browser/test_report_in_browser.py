"""Report and notebook pages in a real browser: they fit a phone and need no network."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from frontends import CONTRAST, HANG_S
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Page, Route

from cryutils import claims, course, plots
from cryutils.claims import notebook_page, report
from cryutils.claims.tables import ENSEMBLES, PAIRS
from cryutils.models.classical import CLASSIFIERS

NAME = "03_feature_validation"
# Tables that are wider than their box, and whatever else reaches beyond the window.
BEYOND = """() => [...document.querySelectorAll("table, img, pre, p, th, td")].filter(
  e => e.scrollWidth > e.clientWidth + 1 && e.tagName === "TABLE" ||
       e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""
# The sizes of letters in tables: a cell's own text, not its padding or pictures.
LETTERS = """() => [...document.querySelectorAll("table, table *")].filter(
  e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
).map(e => parseFloat(getComputedStyle(e).fontSize))"""
UNEVEN = """() => {
  const columns = row => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0);
  return [...document.querySelectorAll("tbody tr")].filter(
    row => columns(row) !== columns(row.closest("table").tHead.rows[0])).map(row => row.innerText);
}"""
OPEN = "document.querySelectorAll('details').forEach(e => { e.open = true; })"
CONTRASTS = f"""() => {{
  {CONTRAST}
  const texts = document.querySelectorAll("a, p, th, td, caption, summary, figcaption, .soft");
  return [...texts].map(textContrast);
}}"""

FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)
# How many elements each entry of the contents leads to.
TARGETS = """() => [...document.querySelectorAll(".contents li a")].map(
  a => [...document.querySelectorAll("[id]")].filter(e => "#" + e.id === a.getAttribute("href"))
    .length)"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every table at its widest, claims, a figure and long parameters, as a page."""
    run = tmp_path_factory.mktemp("outputs") / "my-recordings-quick"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_RUN_DIR", str(run))
        claims.begin(NAME, seed=0)
        data: dict[str, Any] = {"data": "synthetic"}
        sure: dict[str, Any] = {"low": 1.0, "high": 1.0, "n": 1000, "n_infants": 1000, **data}
        for label in ("pain", "belly_pain", "discomfort", "tired"):
            for metric in ("count", "test_count"):
                claims.record(1000, study="table1", condition=label, metric=metric, **data)
        models = [dict(study="feature_validation", feature=feature, model=model)
                  for feature in ("stft", "mfcc") for model in CLASSIFIERS]  # fmt: skip
        models += [dict(study="table3", condition=pair, model=model)
                   for pair in PAIRS for model in ENSEMBLES]  # fmt: skip
        models += [dict(study="cry2", model="cry2"), dict(study="cry2", model="boosting")]
        for model in [*models, dict(study="full", model="full")]:
            for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
                for split in ("frame", "clip", "infant"):
                    claims.record(1.0, metric=metric, split=split, **model, **sure)
            claims.record(0.001, metric="p_value", split="infant", **model, **data)
        table3 = {"study": "table3", "metric": "accuracy", "split": "infant", **data}
        for pair in PAIRS:
            claims.record(0.5, condition=pair, model="majority", **table3)
        for rival in ("svm", "ae_dnn"):
            claims.record(-0.25, low=-0.5, high=-0.1, condition="total", model="proposed",
                          rival=rival, **table3)  # fmt: skip
        claims.write()
        claims.merge(run, [NAME])
        figure = Figure(figsize=(12, 3))
        figure.subplots()
        plots.save(
            figure, "wide", "none", caption="An empty pair of axes, wider than any telephone."
        )
    (run / "state").mkdir()
    parameters = {"states": ["hungry", "belly_pain", "discomfort"], "data": 3 * "a_long_folder/"}
    state = {"fingerprint": "", "parameters": parameters, "seconds": 12345, "peak_mib": 12345,
             "versions": {"ai-edge-litert": "2.3.0"}}  # fmt: skip
    (run / "state" / f"{NAME}.json").write_text(json.dumps(state))
    cells = [
        nbformat.v4.new_markdown_cell("Try first"),
        nbformat.v4.new_code_cell("answer = 42", metadata={"tags": ["solution"]}),
    ]
    (run / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), run / "notebooks" / f"{NAME}.ipynb")
    return report.write(run)


@pytest.fixture(scope="module")
def opened(chromium: Browser, written: Path) -> Iterator[Page]:
    """The report with everything unfolded, in a window whose size and theme a test sets."""
    page = chromium.new_page()
    page.set_default_timeout(1000 * HANG_S)
    page.goto(written.as_uri())
    page.evaluate(OPEN)
    yield page
    page.close()


@pytest.fixture
def phone(chromium: Browser, written: Path) -> Iterator[Page]:
    """The report as a telephone opens it."""
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(1000 * HANG_S)
    page.goto(written.as_uri())
    yield page
    page.close()


@pytest.mark.parametrize("width", [320, 390, 740, 800, 1000, 1200])
def test_nothing_is_wider_than_the_window(width: int, opened: Page) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    assert opened.locator("table:visible").count() >= 8
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate(BEYOND) == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_numbers_that_can_be_read_and_no_charts(width: int, opened: Page) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    assert min(opened.evaluate(LETTERS)) >= 10
    assert opened.locator("td.chart").count() > 8
    assert opened.locator("td.chart:visible").count() == 0
    words = opened.locator("main").inner_text()
    assert "How to read a row" in words
    assert not re.findall(r"\b(?:diamond|bar|dashed)\b", words), (
        "words about charts that are hidden"
    )
    for table in opened.locator("table.scores").all():
        number = table.locator("td").first
        assert re.match(r"\d+\s%|–", number.inner_text())
        box = number.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width


def test_every_row_has_the_columns_of_its_head(opened: Page) -> None:
    assert opened.evaluate(UNEVEN) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(theme: Any, opened: Page) -> None:
    opened.set_viewport_size({"width": 1200, "height": 800})
    opened.emulate_media(color_scheme=theme)
    assert min(opened.evaluate(CONTRASTS)) >= 4.5


def test_contents_lead_to_their_sections(phone: Page) -> None:
    phone.get_by_role("navigation").get_by_role("link", name="How it was made").click()
    assert phone.url.endswith("#made")
    phone.wait_for_function(
        "Math.abs(document.querySelector('#made').getBoundingClientRect().top) < 800"
    )


def test_figures_are_folded_and_unfold_with_their_caption(phone: Page) -> None:
    picture = phone.get_by_role("img", name="An empty pair of axes, wider than any telephone.")
    assert not picture.is_visible()
    phone.get_by_text(f"{NAME}: 1 figure").click()
    picture.wait_for(state="visible")


def test_a_notebooks_page_folds_its_solutions(phone: Page) -> None:
    phone.get_by_role("link", name=NAME).click()
    phone.get_by_text("Try first").wait_for()
    answer = phone.locator(".celltag_solution")
    assert not answer.is_visible()
    phone.get_by_text("Solution", exact=True).click()
    answer.wait_for(state="visible")
    assert "answer = 42" in answer.inner_text()


@pytest.mark.parametrize("name", sorted(course.notebooks()))
def test_a_notebooks_page_is_complete_without_a_network(
    name: str, chromium: Browser, tmp_path: Path
) -> None:
    notebook = Path(shutil.copy(course.notebooks()[name], tmp_path))
    notebook_page.write(notebook)
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(1000 * HANG_S)
    elsewhere: list[str] = []

    def watch(route: Route) -> None:
        elsewhere.append(route.request.url)
        route.abort()

    page.route(re.compile("^(?!file:|data:|blob:)"), watch)
    page.goto(notebook.with_suffix(".html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cells = nbformat.read(notebook, as_version=4).cells
    formulas = sum(len(FORMULA.findall(c.source)) for c in cells if c.cell_type == "markdown")
    assert page.locator(".jp-MarkdownCell math:visible").count() == formulas
    assert not page.locator(".jp-MarkdownCell code", has_text="\\").count(), "LaTeX as source"
    links = page.locator(".contents li a")
    assert links.count() >= 3
    assert page.evaluate(TARGETS) == [1] * links.count()
    page.get_by_text("Contents", exact=True).click()
    links.last.click()
    page.wait_for_function(
        "Math.abs(document.querySelector(':target').getBoundingClientRect().top) < 800"
    )
    assert elsewhere == []
    page.close()


def test_a_notebooks_page_leads_back_to_the_report(phone: Page, written: Path) -> None:
    phone.get_by_role("link", name=NAME).click()
    phone.get_by_role("link", name="Report of this run").click()
    phone.wait_for_url(written.as_uri())
