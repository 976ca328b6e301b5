"""The report and the slides in a real browser: they fit, and nothing in the report is executed."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from frontends import BEYOND, PHONE
from playwright.sync_api import Browser
from sizes import large

from cryutils.course import report

ROOT = Path(__file__).resolve().parents[2]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
# Outputs of somebody else's notebook: what is seen and heard remains, what would run does not.
FOREIGN = (
    ("text/html", f"<img alt='' src='{PIXEL}' onload='window.ran = 1'><script>window.ran = 2</script>"),
    ("text/html", "<audio controls src='data:audio/wav;base64,UklGRg=='></audio>"),
    ("text/html", "<a href='../data/of/somebody.wav'>a link to this machine</a>"),
    ("application/javascript", "window.ran = 3"),
    ("text/html", "<script type='text/x-mathjax-config'>window.ran = 4</script>"),
)


def test_the_report_fits_a_phone_and_runs_nothing(chromium: Browser, apart: Path) -> None:
    run = apart / "outputs" / "quick"
    (run / "notebooks").mkdir(parents=True)
    notebook = nbformat.read(ROOT / "notebooks" / "14_scoreboard.ipynb", as_version=4)
    cell = nbformat.v4.new_code_cell("secret = 1 + 1", metadata={"tags": ["appendix"]})
    cell.outputs = [nbformat.v4.new_output("display_data", {kind: text}) for kind, text in FOREIGN]
    notebook.cells.append(cell)
    nbformat.write(notebook, run / "notebooks" / "14_scoreboard.ipynb")
    for is_shared in (False, True):
        path = report.write(run, share=is_shared)
        page = chromium.new_page(viewport=PHONE)
        page.goto(path.as_uri())
        page.get_by_role("heading", name="A dozen claims").wait_for()
        assert page.evaluate(BEYOND) == []
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.locator("audio").count() == (not is_shared)
        local = page.locator("a[href]:not([href^='#'], [href^='http'])").count()
        assert (local > 0) is not is_shared
        assert page.evaluate("window.ran") is None, "an output's script was executed"
        assert "secret" not in page.content() and "Diamond and orange" not in page.content()
        page.close()
    assert path.stat().st_size < 3e6


@large
def test_each_slide_is_a_section_or_a_figure_that_fits(tmp_path: Path, chromium: Browser) -> None:
    pytest.importorskip("sphinx_revealjs", reason="the extra docs is not installed")
    import conf

    conf.write_slides(SimpleNamespace(outdir=str(tmp_path)), None)
    page = chromium.new_page(viewport={"width": 1100, "height": 700})
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    for path in sorted((tmp_path / "slides").glob("*.html")):
        page.goto(path.as_uri())
        count = page.evaluate("Reveal.getTotalSlides()")
        assert count >= 10
        for number in range(count):
            page.evaluate(f"Reveal.slide({number})")
            height = page.evaluate("document.querySelector('section.present').scrollHeight")
            assert 30 < height <= 700, f"{path.stem}, slide {number + 1}"
        texts = page.locator("section").evaluate_all("all => all.map(s => s.textContent)")
        assert not re.search(r"#@title|Solution|<details>|\$", "\n".join(texts))
        pictures = page.locator("section img").all()
        assert pictures and all(len(image.get_attribute("alt") or "") > 20 for image in pictures)
    page.close()
    assert not failed
