"""Texts call nothing planned that is here."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from cryutils import course

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = course.notebooks(ROOT / "notebooks")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "data/README.md")),
    ROOT / "outputs" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *NOTEBOOKS.values(),
]
PLANNED = re.compile(
    r"\b(planned|later|upcoming|to come|will (come|follow)|not (here|there|in this repository) yet|"
    r"not yet (here|there|in this repository))\b",
    re.IGNORECASE,
)
# 10 and more may count anything: a notebook's number is of no week, and no noun follows it.
ALONE = r"(?<![\d.,])(?<!week ){}(?=\s+(?:and|or|to|is|are|will)\b|\s*(?:[,;:.()](?!\d)|$))"


def markdown(page: Path) -> list[str]:
    """Return a page's texts: a file's, or each text cell's of a notebook."""
    if page.suffix == ".md":
        return [page.read_text()]
    cells = nbformat.read(page, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def statements(text: str) -> list[str]:
    """Return rows of tables, sentences, and week headings with the notebooks named below them."""
    headings = re.findall(r"^### .*\n+- \*\*Notebook.*$", text, flags=re.MULTILINE)
    blocks = re.split(r"\n\s*\n|\n(?=[|#>-])", text)
    rows = [block for block in blocks if block.startswith("|")]
    prose = [block for block in blocks if not block.startswith("|")]
    return headings + rows + [s for block in prose for s in re.split(r"(?<=[.!?])\s+", block)]


def named(statement: str, names: list[str]) -> list[str]:
    """Return those of `names` that a statement names: 04_cry2, 04 `cry2`, 04, 03-05 or 12."""
    ranges = re.findall(r"\b(\d\d)(?:-| to )(\d\d)\b", statement)
    return [
        name
        for name in names
        for number, title in [name.split("_", 1)]
        if re.search(rf"\b{number}[_ ]`?{title}\b", statement)
        or re.search(
            rf"(?<![\d.,]){number}\b" if number < "10" else ALONE.format(number), statement
        )
        or any(first <= number <= last for first, last in ranges)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_that_is_here_is_called_planned(page: Path) -> None:
    for text in markdown(page):
        for statement in statements(text):
            if PLANNED.search(statement):
                assert not named(statement, list(NOTEBOOKS)), statement


@pytest.mark.parametrize(
    "text",
    [
        "| 04 `cry2` | Paper B's network for sound | planned |",
        "**Next** 04 takes up Paper B: a network for sound (planned).",
        "**Planned, not here yet:** 03_feature_validation,\n04_cry2 and 14_scoreboard.",
        "| 9 | Leakage and robustness | 03-05, later |",
        "### Week 6 (later). Sound and face\n\n- **Notebooks** 04_cry2, 05_image.",
        "1. One idea; the next free number from 15 on (12 and 13 are planned);",
    ],
)
def test_each_way_to_call_a_notebook_planned_is_seen(text: str) -> None:
    names = ["04_cry2", "13_live_and_deployment"]
    assert any(PLANNED.search(s) and named(s, names) for s in statements(text))


def test_the_map_in_00_links_to_every_notebook_that_is_here() -> None:
    (text,) = [t for t in markdown(NOTEBOOKS["00_start_here"]) if "The map of the course" in t]
    for name in list(NOTEBOOKS)[1:]:
        assert f"({name}.ipynb)" in text, name
