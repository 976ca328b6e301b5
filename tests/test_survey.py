"""The survey of public projects: settled second readings, and the table in the docs."""

from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

DATA = Path(__file__).resolve().parents[1] / "data"
SURVEY = pd.read_csv(DATA / "survey.csv", dtype=str, keep_default_na=False)
SECOND = pd.read_csv(DATA / "survey_second.csv", dtype=str, keep_default_na=False)
PROJECTS = SURVEY[SURVEY.included == "yes"]


def test_a_third_was_read_twice_and_the_survey_has_the_settled_answers() -> None:
    twice = PROJECTS[PROJECTS.second == "yes"].set_index("project")
    assert set(SECOND.project) == set(twice.index) and len(twice) == 25
    for row in SECOND.itertuples():
        assert twice.loc[row.project, row.column] == row.settled
        assert bool(row.why) == (row.first != row.second)


def test_the_table_in_the_docs_has_the_shares_and_their_exact_intervals() -> None:
    page = (DATA.parent / "docs" / "survey.md").read_text(encoding="utf-8")
    tested = PROJECTS[PROJECTS.split != "none"]
    reason = tested[tested.task == "reason"]
    for kind in set(tested.split):
        cells = []
        for part in (tested, reason, reason[reason.data.str.contains("donateacry")]):
            share = binomtest(int((part.split == kind).sum()), len(part))
            ends = (share.statistic, *share.proportion_ci(method="exact"))
            middle, low, high = (f"{100 * end:.0f}" for end in ends)
            cells.append(f"{share.k}: {middle} % [{low}, {high}]")
        assert f"| {kind} | {' | '.join(cells)} |" in page
