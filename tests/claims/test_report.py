"""The report: what it prints, its index, and the pages of executed notebooks."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from measured import result, write_run

from cryutils import claims
from cryutils.claims import board, ledger, report

NAME = "01 <b>"


@pytest.fixture
def home(apart: Path) -> Path:
    """An outputs folder with one run: two results and two executed notebooks."""
    columns = "study=table3 condition=total model=svm metric="
    rows = [
        result(f"{columns}{metric}", 0.5, low=0.4, high=0.6, split=split, data="synthetic")
        for metric in ("accuracy", "balanced_accuracy")
        for split in ("random", "leak_free")
    ]
    run = write_run(apart / "outputs" / "quick", rows)
    (run / "notebooks").mkdir()
    for name, text in ((NAME, "See [14](14_scoreboard.ipynb), $x^2$."), ("14_scoreboard", "# End")):
        cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("1 + 1")]
        seen = {"text/plain": "<seen>", "application/vnd.jupyter.widget-view+json": {}}
        cells[1].outputs = [nbformat.v4.new_output("display_data", seen)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), run / "notebooks" / f"{name}.ipynb")
    return apart / "outputs"


def test_the_index_has_the_scoreboard_and_links_each_page_14_first(home: Path) -> None:
    index = report.write(home, claims.every_run(home))
    text = index.read_text()
    assert index == home / "report" / "index.html"
    assert text.index("14_scoreboard") < text.index("01 &lt;b&gt;"), "and names are no markup"
    assert "50 [40, 60]" in text and "Synthetic infants: no evidence about real infants" in text
    page = home / "report" / "quick" / f"{NAME}.html"
    assert 'href="14_scoreboard.html"' in page.read_text() and "&lt;seen&gt;" in page.read_text()


def test_only_pages_older_than_their_notebook_are_made_again(home: Path) -> None:
    runs = claims.every_run(home)
    pages = [report.write(home, runs).parent / "quick" / f"{n}.html" for n in (NAME, "14_scoreboard")]
    before = [page.stat().st_ino for page in pages]
    os.utime(home / "quick" / "notebooks" / "14_scoreboard.ipynb")
    report.write(home, runs)
    after = [page.stat().st_ino for page in pages]
    assert before[0] == after[0] and before[1] != after[1]


def test_a_page_that_somebody_has_prepared_is_made_again(home: Path) -> None:
    runs = claims.every_run(home)
    page = report.write(home, runs).parent / "quick" / f"{NAME}.html"
    text = page.read_text()
    page.write_text(text.replace("<head>", "<head><script>alert(1)</script>"))
    report.write(home, runs)
    assert page.read_text() == text


def test_every_run_is_read_newest_first_and_the_reference_last(home: Path) -> None:
    older = write_run(home / "older", [result("study=a metric=n", 1)])
    os.utime(older / "results.json", (1, 1))
    write_run(home / "damaged", [])
    (home / "damaged" / "results.json").write_text("{")
    names = list(claims.every_run(home))
    assert names[:2] == ["quick", "older"] and "damaged" not in names
    assert all(name.startswith("reference/") for name in names[2:])


def test_the_printed_scoreboard_fits_80_columns() -> None:
    runs = {f"reference/{name}": claims.load_results(f"reference/{name}") for name in ("judged", "simulated")}
    lines = list(report.scoreboard_lines(board.scores(runs)))
    tables = [line for line in lines if not line.startswith("Paper")]
    assert max(map(len, tables)) <= 80
    assert any("27 [17, 39]" in line and "46" in line for line in tables)
    assert "Synthetic infants: no evidence about real infants." in lines


def test_every_row_of_the_ledger_is_printed_once_for_each_corpus() -> None:
    judged = ledger.of_runs({"judged": claims.load_results("reference/judged")})
    lines = list(report.claim_lines(judged))
    rows = [line for line in lines if line.startswith("- ")]
    assert len(rows) == len(judged) and pd.Series(rows).nunique() <= len(ledger.ledger())
    assert any(line.startswith("  random split: 27 [17, 39] %; not reproduced") for line in lines)
