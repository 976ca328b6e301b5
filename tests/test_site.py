"""The documentation site is complete, needs no network, and all its links work.

It is built once, in half a minute; no notebook is executed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("myst_nb", reason="the extra docs is not installed")
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; warnings of the build are errors."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going",
         "-c", "docs", "-d", str(folder / "doctrees"), ".", str(folder / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


@cache
def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def cells(notebook: Path, tag: str) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if tag in cell["metadata"].get("tags", [])]


def test_the_sidebar_has_every_page_under_a_short_title(site: Path) -> None:
    start = page(site / "docs" / "index.html")
    links = start.select("nav.bd-docs-nav a.reference.internal")
    listed = {(site / "docs" / str(link["href"])).resolve(): link.text for link in links}
    sources = [*NOTEBOOKS, *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("api/*.rst")]
    expected = {site / path.relative_to(ROOT).with_suffix(".html") for path in sources}
    assert expected - {site / "docs" / "index.html"} <= set(listed)
    assert max(map(len, listed.values())) <= 36
    captions = [caption.text for caption in start.select("nav.bd-docs-nav .caption")]
    appendices = any(path.stem.startswith("appendix") for path in NOTEBOOKS)
    assert captions == ["Notebooks", *["Appendices"] * appendices, "Background", "Guides"]


def test_each_notebook_leads_to_the_next_and_back(site: Path) -> None:
    built = [site / "notebooks" / f"{path.stem}.html" for path in NOTEBOOKS]
    for earlier, later in pairwise(built):
        assert page(earlier).select_one("a.right-next")["href"] == later.name
        assert page(later).select_one("a.left-prev")["href"] == earlier.name


def test_every_public_package_has_an_api_page() -> None:
    packages = {path.parent.name for path in (ROOT / "cryutils").glob("*/__init__.pyi")}
    assert {path.stem for path in (ROOT / "docs" / "api").glob("*.rst")} == packages


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


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_solutions_are_collapsed_with_their_outputs(site: Path, notebook: Path) -> None:
    built = page(site / "notebooks" / f"{notebook.stem}.html")
    solutions = [c for c in cells(notebook, "solution") if c["cell_type"] == "code"]
    shown = built.select("div.cell.tag_solution")
    assert len(shown) == len(solutions)
    for cell in shown:
        assert [child.name for child in cell.find_all(recursive=False)] == ["details"]
        assert not cell.details.has_attr("open")
        assert "Solution" in cell.summary.text


def test_every_image_is_described(site: Path) -> None:
    images = [(path.name, tag) for path in pages(site) for tag in page(path).select("article img")]
    assert len(images) > 80
    assert not [
        (name, tag.get("src"))
        for name, tag in images
        if not tag.get("alt") or re.search(r"\.(?:png|jpe?g|svg)$", str(tag["alt"]))
    ]
    article = page(site / "notebooks" / "11_robustness.html").select("article img")
    texts = " ".join(str(image["alt"]) for image in article)
    assert "as sound gets worse" in texts and "as pictures get worse" in texts


def test_no_link_leads_to_the_placeholder_of_the_address(site: Path) -> None:
    links = [str(tag["href"]) for path in pages(site) for tag in page(path).select("a[href]")]
    assert not [link for link in links if "/OWNER/" in link]


def test_a_notebook_with_slides_links_to_them(site: Path) -> None:
    decks = {path.stem for path in (site / "slides").glob("*.html")}
    assert decks == {path.stem for path in NOTEBOOKS if cells(path, "slide")}
    assert {"00_start_here", "03_feature_validation", "10_leakage_audit"} <= decks
    for name in decks:
        links = page(site / "notebooks" / f"{name}.html").select("a[href*='/slides/']")
        assert [link["href"] for link in links] == [f"../slides/{name}.html"]


def test_formulas_are_mathml(site: Path) -> None:
    built = page(site / "notebooks" / "02_audio_features.html")
    assert built.select("math[display=block] mfrac") and built.select("math[display=inline]")
    texts = [page(path).select_one("article") for path in pages(site)]
    assert not [text for text in texts if text and re.search(r"\\frac|\\sum", text.text)]


@pytest.mark.parametrize(
    ("repository", "link", "expected"),
    [
        ("", "[data](data.md#formats)", "[data](data.md#formats)"),
        ("", "[power.txt](../outputs/power.txt)", "`outputs/power.txt`"),
        ("", '`features["mfcc"](train)`', '`features["mfcc"](train)`'),
        ("", "[the README](../README.md#data)", "the README (`README.md`)"),
        ("https://x.org/c", "[it](../README.md#data)", "[it](https://x.org/c/blob/HEAD/README.md#data)"),
    ],
)  # fmt: skip
def test_links_to_other_files_lead_to_the_repository_or_name_the_file(
    repository: str, link: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import conf

    monkeypatch.setattr(conf, "REPOSITORY", repository)
    monkeypatch.setattr(conf, "PUBLISHED", bool(repository))
    assert conf.with_outside_links(link, "docs") == expected
