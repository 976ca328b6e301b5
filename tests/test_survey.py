"""The survey of public projects: allowed answers, evidence for each, settled second readings."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest

DATA = Path(__file__).resolve().parents[1] / "data"
SURVEY = pd.read_csv(DATA / "survey.csv", dtype=str, keep_default_na=False)
SECOND = pd.read_csv(DATA / "survey_second.csv", dtype=str, keep_default_na=False)
PROJECTS = SURVEY[SURVEY.included == "yes"]
OPEN = {"yes", "no", "cannot tell"}
ANSWERS = {
    "task": {"reason", "presence", "identity", "health", "other"},
    "split": {"random clips", "random windows", "folders", "file order", "by infant", "none", "cannot tell"},
    "copies": OPEN,
    "fitted": OPEN,
    "chosen": OPEN,
    "constant": OPEN,
    "balanced": OPEN,
}
REASONS = {"no training code", "other subject", "same owner", "copy", "not available"}
# A path and its line or lines; in a notebook too long to count, a cell.
LINE = re.compile(r".+:(\d+(-\d+)?|cell \w+)")


def test_each_repository_has_one_row_and_each_one_left_out_a_reason() -> None:
    assert SURVEY.order.astype(int).tolist() == list(range(1, 161))
    assert SURVEY.project.str.lower().is_unique
    assert SURVEY.project.str.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+").all()
    assert set(SURVEY.reason[SURVEY.included == "no"]) <= REASONS
    assert not PROJECTS.reason.any() and len(PROJECTS) >= 60
    owners = PROJECTS.project.str.lower().str.split("/").str[3]
    assert owners.is_unique
    assert PROJECTS.commit.str.fullmatch("[0-9a-f]{40}").all()


@pytest.mark.parametrize("column", ANSWERS)
def test_answers_are_allowed_and_have_a_path_and_a_line(column: str) -> None:
    assert set(PROJECTS[column]) <= ANSWERS[column]
    for row in PROJECTS[PROJECTS[column] != "cannot tell"].itertuples():
        evidence = getattr(row, f"{column}_at").split("; ")
        assert any(map(LINE.fullmatch, evidence)), (row.project, evidence)


def test_other_answers_have_evidence_and_scores_are_percentages() -> None:
    for column in ("data", "classes", "score"):
        told = ~PROJECTS[column].isin({"", "cannot tell"})
        assert PROJECTS[f"{column}_at"][told].all(), column
    data = {name for names in PROJECTS.data for name in names.split("+")}
    assert data <= {"donateacry", "esc50", "own", "other", "cannot tell"}
    scores = PROJECTS.score[PROJECTS.score != ""].astype(float)
    assert scores.between(0, 100).all()
    assert ((PROJECTS.score != "") == (PROJECTS.metric != "")).all()


def test_a_third_was_read_twice_and_the_survey_has_the_settled_answers() -> None:
    twice = PROJECTS[PROJECTS.second == "yes"].set_index("project")
    assert set(SECOND.project) == set(twice.index) and len(twice) == 25
    for row in SECOND.itertuples():
        assert twice.loc[row.project, row.column] == row.settled
        assert bool(row.why) == (row.first != row.second)


def test_the_table_in_the_docs_has_the_shares_and_their_exact_intervals() -> None:
    page = (DATA.parent / "docs" / "survey.md").read_text(encoding="utf-8")
    tested = PROJECTS[PROJECTS.split != "none"]
    for kind in ANSWERS["split"] & set(tested.split):
        cells = []
        for part in (tested, tested[tested.task == "reason"]):
            share = binomtest(int((part.split == kind).sum()), len(part))
            ends = (share.statistic, *share.proportion_ci(method="exact"))
            middle, low, high = (f"{100 * end:.0f}" for end in ends)
            cells.append(f"{share.k}: {middle} % [{low}, {high}]")
        assert f"| {kind} | {cells[0]} | {cells[1]} |" in page
