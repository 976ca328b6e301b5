"""The report in a real browser: it fits a phone, and nothing in it is executed."""

from __future__ import annotations

from pathlib import Path

import nbformat
from playwright.sync_api import Browser

from cryutils.course import cli

ROOT = Path(__file__).resolve().parents[2]
# What reaches beyond the window without a box in which it scrolls.
BEYOND = """() => [...document.querySelectorAll("p, a, h1, h2, h3, table")].filter(
  e => e.getBoundingClientRect().right > innerWidth + 1).filter(e => {
    while ((e = e.parentElement)) if (/auto|scroll/.test(getComputedStyle(e).overflowX)
      && e.getBoundingClientRect().right <= innerWidth + 1) return false;
    return true; }).map(e => e.outerHTML.slice(0, 200))"""

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
# Outputs of somebody else's notebook: what is seen and heard remains, what would run does not.
FOREIGN = (
    (
        "text/html",
        "<audio controls src='data:audio/wav;base64,UklGRg=='></audio>"
        f"<img src='{PIXEL}' onload='window.ran = 1'><script>window.ran = 2</script>",
    ),
    ("application/javascript", "window.ran = 3"),
    ("text/html", "<script type='text/x-mathjax-config'>window.ran = 4</script>"),
)


def test_the_report_fits_a_phone_and_runs_nothing(chromium: Browser, apart: Path) -> None:
    run = apart / "outputs" / "quick"
    (run / "notebooks").mkdir(parents=True)
    notebook = nbformat.read(ROOT / "notebooks" / "14_scoreboard.ipynb", as_version=4)
    cell = nbformat.v4.new_code_cell("1 + 1")
    cell.outputs = [nbformat.v4.new_output("display_data", {kind: text}) for kind, text in FOREIGN]
    notebook.cells.append(cell)
    nbformat.write(notebook, run / "notebooks" / "14_scoreboard.ipynb")
    cli.write_report(run)
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(30_000)
    page.goto((run / "report.html").as_uri())
    page.get_by_role("heading", name="14 · The scoreboard").first.wait_for()
    assert page.evaluate(BEYOND) == []
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert page.locator("a[href='notebooks/09_ensemble.ipynb']").count() >= 1
    assert page.evaluate("window.ran") is None, "an output's script was executed"
    page.close()
