"""The documentation site is built without a warning and needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("myst_nb", reason="the extra docs is not installed")
from bs4 import BeautifulSoup
from sizes import large

ROOT = Path(__file__).resolve().parent.parent


def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@large
def test_the_site_is_built_without_a_warning_and_needs_no_other_server(tmp_path: Path) -> None:
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


def urls(css: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import\s)\s*["']?([^"')\s]+)""", css)
