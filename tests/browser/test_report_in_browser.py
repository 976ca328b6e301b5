"""The report in a real browser: its index fits a phone and leads to the notebooks' pages."""

from __future__ import annotations

from pathlib import Path

import nbformat
from frontends import HANG_S
from measured import result, write_run
from playwright.sync_api import Browser

from cryutils import claims
from cryutils.claims import report

# What reaches beyond the window; wide tables scroll in their own box.
BEYOND = """() => [...document.querySelectorAll("p, a, h1, h2, h3, table")].filter(
  e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""

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


def test_the_report_fits_a_phone_and_leads_to_each_notebook(chromium: Browser, tmp_path: Path) -> None:
    columns = "study=table3 condition=total model=proposed_unweighted metric=accuracy"
    rows = [
        result(columns, 1.0, low=1.0, high=1.0, split=split, data="synthetic")
        for split in ("random_frames", "random", "leak_free")
    ]
    run = write_run(tmp_path / "quick", rows)
    cells = [nbformat.v4.new_markdown_cell("# The end"), nbformat.v4.new_code_cell("1 + 1")]
    cells[1].outputs = [nbformat.v4.new_output("display_data", {kind: text}) for kind, text in FOREIGN]
    (run / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), run / "notebooks" / "14_scoreboard.ipynb")
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(1000 * HANG_S)
    page.goto(report.write(tmp_path, claims.every_run(tmp_path)).as_uri())
    assert page.evaluate(BEYOND) == []
    assert page.get_by_text("100 [100, 100]").count() == 3
    page.get_by_role("link", name="14_scoreboard").click()
    page.get_by_role("heading", name="The end").wait_for()
    page.locator("img").wait_for()
    assert page.locator("audio").count() == 1
    assert page.evaluate("document.querySelector('img').naturalWidth") == 1
    assert page.evaluate("window.ran") is None, "an output's script was executed"
    page.close()
