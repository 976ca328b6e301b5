"""The slides of `make docs` fit the screen, and load nothing from another server."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser
from sizes import large

pytest.importorskip("sphinx_revealjs", reason="the extra docs is not installed")


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import conf

    folder = tmp_path_factory.mktemp("site")
    conf.write_slides(SimpleNamespace(outdir=str(folder)), None)
    return folder / "slides"


@large
@pytest.mark.parametrize("name", ["00_start_here", "03_feature_validation", "10_leakage_audit"])
def test_each_slide_is_a_section_or_a_figure_that_fits(name: str, slides: Path, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 1100, "height": 700})
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto((slides / f"{name}.html").as_uri())
    count = page.evaluate("Reveal.getTotalSlides()")
    assert count >= 10
    for number in range(count):
        page.evaluate(f"Reveal.slide({number})")
        height = page.evaluate("document.querySelector('section.present').scrollHeight")
        assert 30 < height <= 700, f"slide {number + 1}"
    text = "\n".join(page.locator("section").evaluate_all("all => all.map(s => s.textContent)"))
    assert not re.search(r"#@title|Solution|<details>|\$", text)
    pictures = page.locator("section img")
    assert pictures.count() >= 1
    assert all(len(image.get_attribute("alt") or "") > 20 for image in pictures.all())
    page.close()
    assert not failed
