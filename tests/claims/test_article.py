"""The article is one whole page, with every row of the ledger once, real and synthetic apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from html_page import Page

from cryutils import claims
from cryutils.claims import article, ledger, report, scoreboard, tables

CLONE = Path(__file__).resolve().parents[2]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def runs() -> dict[str, pd.DataFrame]:
    home = CLONE / "outputs" / "reference"
    return {
        f"reference/{path.parent.name}": claims.table(claims.read_results(path))
        for path in sorted(home.glob("*/results.json"))
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, pd.DataFrame]) -> Page:
    target = tmp_path_factory.mktemp("outputs") / "article" / "index.html"
    return Page(article.write(target, runs, {"donateacry": PNG, "synthetic": PNG}))


def judged_on_donateacry(runs: dict[str, pd.DataFrame]) -> str:
    """The run whose Table 2 is shown."""
    board = scoreboard.board(runs, [tables.TABLE2])
    return str(board[board.data == "donateacry"].run.iloc[0])


def section(page: Page, name: str) -> str:
    (text,) = re.findall(rf'<section id="{name}">.*?</section>', page.source, flags=re.DOTALL)
    return text


def test_every_row_of_the_ledger_stands_there_once(
    page: Page, runs: dict[str, pd.DataFrame]
) -> None:
    judged = ledger.of_runs(runs)
    rows = Counter(attributes["id"] for attributes in page.all("tr") if "id" in attributes)
    wanted = [id + (f"--{data}" if data else "") for id, data in judged[["id", "data"]].to_numpy()]
    assert set(judged.id) == set(ledger.ledger().id)
    assert rows == Counter(set(wanted))


def test_no_synthetic_value_stands_in_a_table_of_real_recordings(page: Page) -> None:
    for name in ("real", "numbers"):
        text = section(page, name)
        assert "synthetic" not in re.sub(r"needs [^<]*", "", text), name
        assert not re.search(r"in simulation\b", text)
    for name in ("simulation", "numbers-simulation"):
        text = section(page, name)
        assert "evidence about real" in text
        assert "donateacry" not in text.lower()
        assert not re.search(r"(?<!not )\breproduced\b(?! here)", text)


def test_it_says_what_it_is_no_evidence_of_what_stands_in_and_which_rules_are_younger(
    page: Page,
) -> None:
    assert "This is no medical device" in page.text
    assert "synthetic infants are never evidence about real ones" in page.text
    methods = section(page, "methods")
    assert "hungry for Table 2's pain" in methods
    assert "were written when results on the same recordings were known" in methods
    assert "(hungry stands in for pain)" in section(page, "concluded")


def test_it_has_the_parts_of_a_replication_report(page: Page) -> None:
    sections = [attributes.get("id") for attributes in page.all("section")]
    assert sections == [
        "abstract", "methods", "real", "numbers", "simulation", "numbers-simulation", "verdicts",
        "concluded", "deviations", "limits",
    ]  # fmt: skip
    assert page.text.count("Figure 1.") == page.text.count("Figure 2.") == 1
    choices = [
        row.choice for study in article.STUDIES for row in ledger.unstated(study).itertuples()
    ]
    assert all(" ".join(choice.split()) in page.text for choice in choices)
    dated = re.findall(
        r"^\| (\d{4}-\d\d-\d\d) \|", (CLONE / "docs/deviations.md").read_text(), re.M
    )
    assert section(page, "deviations").count("<tr>") == 1 + len(dated)


def test_the_numbers_are_those_of_the_results(page: Page, runs: dict[str, pd.DataFrame]) -> None:
    real = runs[judged_on_donateacry(runs)]
    row = real[(real.key == "feature_validation.stft.svm.accuracy") & (real.split == "clip")]
    (low, value, high) = (round(100 * row[name].iloc[0]) for name in ("low", "value", "high"))
    (cells,) = re.findall(r'<tr id="A-T2-stft-svm--donateacry">.*?</tr>', page.source, re.DOTALL)
    assert "45.83 %" in cells
    assert f"{value} [{low}, {high}] %" in cells


def test_it_stands_alone(page: Page) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            address = attributes.get(name) or ""
            assert not re.match(r"(https?:)?//", address) or tag == "a"
    assert all((image["src"] or "").startswith("data:") for image in page.all("img"))


def test_without_a_run_there_is_a_page_that_says_so(apart: Path) -> None:
    page = Page(article.write(apart / "index.html", {}, {}))
    assert "No run has measured a table of a paper on real recordings." in page.text


def test_the_scoreboards_page_shows_both_halves_and_names_the_runs(
    apart: Path, runs: dict[str, pd.DataFrame]
) -> None:
    run = apart / "outputs" / "mine"
    run.mkdir(parents=True)
    measured = CLONE / "outputs" / judged_on_donateacry(runs) / "results.json"
    rows = json.loads(measured.read_text())
    (run / "results.json").write_text(json.dumps(rows))
    page = Page(report.write_scoreboard(apart / "outputs"))
    assert page.source.index('<section id="concluded">') < page.source.index('<section id="real">')
    assert f"All runs: mine, {', '.join(runs)}." in page.text
    assert "<b>mine</b>" in section(page, "real")  # as many clips, and it is newer
    assert "synthetic" not in section(page, "real")
    for sentence in page.text.split(str(scoreboard.About.SIMULATION))[0].splitlines():
        assert "On synthetic" not in sentence
