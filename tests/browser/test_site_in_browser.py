"""The site is built without a warning, needs no network, and its links open pages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("myst_nb", reason="the dependency group docs is not installed")
import lite
from bs4 import BeautifulSoup
from frontends import HANG_S, serving
from playwright.sync_api import Browser, Page
from sizes import large

ROOT = Path(__file__).resolve().parents[2]
LINKS = "all => all.map(a => a.getAttribute('href')).filter(to => /^[^:#]+[.]html/.test(to))"


def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@large
def test_the_site_is_built_without_a_warning_and_needs_no_other_server(
    chromium: Browser, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs"]
    command += ["-d", str(tmp_path / "doctrees"), ".", str(tmp_path / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    site, loaded = tmp_path / "html", []
    for path in site.rglob("*.html"):
        built = page(path)
        tags = built.select("script[src], img[src], audio[src], source[src], iframe[src]")
        loaded += [(path.name, tag["src"]) for tag in tags]
        loaded += [(path.name, tag["href"]) for tag in built.select("link[href]")]
        styles = " ".join(tag.text for tag in built.select("style"))
        loaded += [(path.name, url) for url in urls(styles)]
    for path in site.rglob("*.css"):
        loaded += [(path.name, url) for url in urls(path.read_text(encoding="utf-8"))]
    assert len(loaded) > 500
    assert not [(name, url[:80]) for name, url in loaded if re.match(r"(?:https?:)?//", url)]

    assert (site / "check.html").is_file() and (site / "translator.html").is_file()
    assert page(site / "docs" / "application.html").select("video[poster] > source[src$='application.webm']")
    assert page(site / "docs" / "audit.html").select("a[href='../check.html']")
    assert page(site / "notebooks" / "lesson_1_start_here.html").select("input#slider-signal")
    notes = {"lesson_2_cry_or_not": "sliders above", "lesson_4_who_is_in_the_data": "player with all clips"}
    for lesson, widget in notes.items():
        built = page(site / "notebooks" / f"{lesson}.html")
        assert widget in built.text, "nothing says that it needs a kernel"
    built = page(site / "notebooks" / "lesson_5_how_a_network_learns.html")
    titles = {" ".join(tag.text.split()) for tag in built.select("summary")}
    assert not any("Check" in title for title in titles), "a check shows the answer"
    assert any("Setup" in title for title in titles)
    assert "Which pairs change their order?" in str(built), "feedback of a quiz"

    lite.build(site, "./none.mjs")  # no kernel
    with serving(site) as url, chromium.new_page() as opened:
        click_links(opened, url)


def click_links(page: Page, url: str) -> None:
    """Click each link to the site on its own pages, and one from a notebook in the browser to another."""
    for start in ("index.html", "check.html", "translator.html"):
        page.goto(url + start)
        links = {*page.locator("a:visible").evaluate_all(LINKS)}
        assert len(links) > 5
        for link in sorted(links):
            page.goto(url + start)
            with page.expect_navigation(wait_until="domcontentloaded") as opened:
                page.locator(f"a[href='{link}']:visible").first.click()
            assert opened.value.status == 200, link
            assert page.evaluate("!location.hash || document.querySelector(location.hash) !== null"), link
    page.set_default_timeout(1000 * HANG_S)
    page.goto(f"{url}lite/notebooks/index.html?path=lesson_3_what_a_cry_is.ipynb")
    with page.expect_popup() as popup:
        page.locator(".jp-RenderedMarkdown").get_by_role("link", name="Lesson 2").first.click()
    popup.value.wait_for_url("**/lite/notebooks/index.html?path=lesson_2_cry_or_not.ipynb")


def urls(css: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import\s)\s*["']?([^"')\s]+)""", css)
