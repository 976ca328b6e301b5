"""The documentation site is complete, needs no network, and all its links work.

It is built once, in half a minute; no notebook is executed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("myst_nb", reason="the extra docs is not installed")
from bs4 import BeautifulSoup
from sizes import large

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; warnings of the build are errors."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "--quiet",
            "--fail-on-warning",
            "--keep-going",
            "-c",
            "docs",
            "-d",
            str(folder / "doctrees"),
            ".",
            str(folder / "html"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@cache
def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


@large
def test_nothing_is_loaded_from_another_server(site: Path) -> None:
    loaded = []
    for path in pages(site):
        tags = page(path).select("script[src], img[src], audio[src], source[src], iframe[src]")
        loaded += [(path.name, tag["src"]) for tag in tags]
        loaded += [(path.name, tag["href"]) for tag in page(path).select("link[href]")]
        styles = " ".join(tag.text for tag in page(path).select("style"))
        loaded += [(path.name, url) for url in urls(styles)]
    for path in site.rglob("*.css"):
        loaded += [(path.name, url) for url in urls(path.read_text(encoding="utf-8"))]
    assert len(loaded) > 500
    assert not [(name, url[:80]) for name, url in loaded if re.match(r"(?:https?:)?//", url)]


def urls(css: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import\s)\s*["']?([^"')\s]+)""", css)


@large
def test_every_internal_link_and_anchor_exists(site: Path) -> None:
    broken = []
    for path in pages(site):
        for tag in page(path).select("a[href], img[src], link[href], script[src]"):
            target = urlsplit(str(tag.get("href") or tag.get("src")))
            if target.scheme or target.path == "#":
                continue
            file = (path.parent / unquote(target.path)).resolve() if target.path else path
            anchor = unquote(target.fragment)
            if not file.is_file() or (anchor and anchor not in anchors(file)):
                broken.append(f"{path.relative_to(site)}: {target.geturl()}")
    assert not broken


@cache
def anchors(path: Path) -> set[str]:
    return {str(tag["id"]) for tag in page(path).select("[id]")}


@large
def test_a_page_has_its_quiz_and_folded_solutions_without_a_kernel(site: Path) -> None:
    built = page(site / "notebooks" / "03b_a_network_learns.html")
    titles = {" ".join(tag.text.split()) for tag in built.select("summary")}
    assert any("Solution" in title for title in titles)
    assert any("Setup" in title for title in titles)
    assert "Which pairs change their order?" in str(built), "feedback of a quiz"
