"""The survey of public projects: settled second readings, and the table in the docs."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from cryutils.claims import audit
from cryutils.evaluation import intervals

DATA = Path(__file__).resolve().parents[1] / "data"
SURVEY = pd.read_csv(DATA / "survey.csv", dtype=str, keep_default_na=False)
SECOND = pd.read_csv(DATA / "survey_second.csv", dtype=str, keep_default_na=False)
PROJECTS = SURVEY[SURVEY.included == "yes"]
CODE = DATA.parent / "outputs" / "reference" / "public_code"
HUBS = pd.read_csv(DATA / "hub_models.csv", dtype=str, keep_default_na=False)
HUBS_SECOND = pd.read_csv(DATA / "hub_models_second.csv", dtype=str, keep_default_na=False)
STATED = {
    "a score": "metric",
    "its classes": "classes",
    "the data it was trained on": "data",
    "how many clips it was tested on": "clips",
    "how the test clips were chosen": "split",
    "how many infants": "infants",
    "that the infants of the test are new": "new_infants",
    "licence": "licence",
}
RUNS = pd.read_csv(CODE / "projects.csv", dtype=str, keep_default_na=False).set_index("project")
ANSWERS = pd.read_parquet(CODE / "answers.parquet").astype(str)
CONDITIONS = ["as_is", "new_infants", "train_copies"]


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


def test_each_model_of_a_hub_has_a_source_and_no_fact_that_was_not_read() -> None:
    assert HUBS.address.is_unique and HUBS.ne("").drop(columns=["value", "precision", "f1"]).all(axis=None)
    addresses = HUBS.sources.str.split("; ").explode()
    assert addresses.str.fullmatch(
        r"https://(huggingface\.co|components\.espressif\.com|github\.com)/\S+"
    ).all()
    unread = HUBS[HUBS.card.isin(["none", "not stored"])]
    assert (
        unread[["data", "clips", "infants", "split", "new_infants", "metric"]]
        .isin(["not stated", "not read"])
        .all(axis=None)
    )
    assert (HUBS.value == "").equals(HUBS.metric.isin(["not stated", "not read"]))


def test_the_counts_of_models_in_the_docs_follow_from_the_file() -> None:
    page = (DATA.parent / "docs" / "survey.md").read_text(encoding="utf-8")
    read = HUBS[~HUBS.card.isin(["none", "not stored"])]
    for words, column in STATED.items():
        missing, unread = ((read[column] == answer).sum() for answer in ("not stated", "not read"))
        assert f"| {words} | {len(read) - missing - unread} | {missing} | {unread} |" in page
    cards = HUBS.card.value_counts()
    assert f"{len(HUBS)} models of {HUBS.name.str.split('/').str[0].nunique()} accounts" in page
    assert (cards["none"], cards["not stored"]) == (3, 6)
    assert f"the other {len(read)} cards: {cards['whole']} were" in page
    assert f"{cards['part']} in part and {cards['older']} in an older version" in page
    accuracy = HUBS.value[HUBS.metric == "accuracy"].astype(float)
    assert f"the {len(accuracy)} cards" in page
    assert f"{accuracy.median():.2f} ({accuracy.min():.2f} to {accuracy.max():.2f})" in page
    full = HUBS.loc[HUBS.precision != "", ["value", "precision", "f1"]].astype(float)
    constant = (full.precision - full.value**2).abs() + (
        full.f1 - 2 * full.value**2 / (1 + full.value)
    ).abs() < 3e-4
    assert len(full) == 10 and f"In {constant.sum()} of them, from two accounts" in page
    assert HUBS.name[full.index[constant]].str.split("/").str[0].nunique() == 2


def test_the_agreement_on_models_of_hubs_is_that_of_the_second_reading() -> None:
    page = " ".join((DATA.parent / "docs" / "survey.md").read_text(encoding="utf-8").split())
    names = sorted(HUBS.name)[::3]
    assert list(HUBS_SECOND.name.unique()) == names and f"{len(names)} of the {len(HUBS)}, was" in page
    kept = HUBS.set_index("name")
    for row in HUBS_SECOND.itertuples():
        assert kept.loc[row.name, row.column] == row.settled
        assert (row.same == "yes") == (row.why == "")
    same = HUBS_SECOND.same == "yes"
    nothing = HUBS_SECOND[["first", "second"]].isin(["", "not stated", "not read"]).all(axis=1)
    assert f"{same.sum()} of {len(same)} cells" in page and f"all {(~same).sum()} differences" in page
    assert f"In {(same & nothing).sum()} of the {same.sum()}, both" in page
    assert (HUBS_SECOND["first"] != HUBS_SECOND.settled).sum() == 7
    rows = HUBS_SECOND.loc[HUBS_SECOND.column.isin(STATED.values()), ["first", "second"]]
    rows = rows.where(rows.isin(["not stated", "not read"]), "stated")
    assert f"In {(rows['first'] == rows.second).sum()} of the {len(rows)} cells behind" in page
    assert f"(Cohen's κ {cohen_kappa_score(rows['first'], rows.second):.2f})" in page
    for column, words in (("card", "for how much of the card"), ("task", "for the task")):
        part = HUBS_SECOND[HUBS_SECOND.column == column]
        assert f"is {cohen_kappa_score(part['first'], part.second):.2f} {words}" in page


def test_public_code_has_all_projects_of_the_protocol_and_the_answers_of_those_that_ran() -> None:
    tested = PROJECTS[(PROJECTS.task == "reason") & (PROJECTS.split != "none")]
    wanted = tested[tested.data.str.contains("donateacry")].set_index("project")
    assert list(RUNS.index) == list(wanted.index) and len(RUNS) == 31
    assert list(RUNS.commit) == list(wanted.commit)
    ran = RUNS[RUNS.status == "ran"]
    assert set(ANSWERS.project) == set(ran.index)
    for project, part in ANSWERS.groupby("project"):
        last = "train_copies" if ran.has_copies[project] == "yes" else "new_infants"
        assert {"as_is", last} <= set(part.split) and part.split.max() == last
        seeds = part.groupby("split").repeat.nunique()
        assert seeds["as_is"] in (3, 5)
        assert (seeds == seeds["as_is"]).all() or "SMOTE stops" in ran.note[project]
        assert part.groupby("clip")[["truth", "infant"]].nunique().eq(1).all(axis=None)
        copies = part["clip"].str.contains("#")
        assert ran.has_copies[project] == "no" or not copies[part.split == last].any()


def balanced(part: pd.DataFrame) -> float:
    return float((part.predicted == part.truth).groupby(part.truth).mean().mean())


def change(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Return the change of the balanced accuracy in points, with a jackknife interval over infants."""
    infants = sorted({*before.infant, *after.infant})
    ends = before, after
    value = 100 * (balanced(after) - balanced(before))
    if min(end.groupby("truth").infant.nunique().min() for end in ends) < 2:
        return f"{value:.1f}"
    without = [balanced(after[after.infant != i]) - balanced(before[before.infant != i]) for i in infants]
    clips = [pd.crosstab(end.infant, end.truth).reindex(infants, fill_value=0) for end in ends]
    df = min(intervals.part_degrees(n.to_numpy(float)).min() for n in clips)
    half = 100 * intervals.t_quantile(df) * np.sqrt((len(infants) - 1) * np.var(without))
    return f"{value:.1f} [{value - half:.1f}, {value + half:.1f}]"


def test_an_audit_of_public_code_gives_the_scores_and_changes_in_the_docs(tmp_path: Path) -> None:
    page = (DATA.parent / "docs" / "public_code.md").read_text(encoding="utf-8").replace("−", "-")
    for project, part in ANSWERS.groupby("project"):
        path = tmp_path / "answers.csv"
        part.drop(columns="project").rename(columns={"split": "model"}).to_csv(path, index=False)
        table = audit.audit(audit.read(path), permutations=1).scores
        scores = 100 * table.set_index(["model", "metric"]).value
        cells = [project.removeprefix("https://github.com/"), RUNS.has_copies[project]]
        for split in CONDITIONS:
            cells.append(f"{scores[split, 'balanced accuracy']:.0f}" if split in set(part.split) else "–")
        last = part.split.max()
        after = part[part.split == last]
        constant = 100 * after.truth.value_counts(normalize=True).max()
        cells += [change(part[part.split == "as_is"], after), f"{scores['as_is', 'accuracy']:.0f}"]
        cells += [f"{scores[last, 'accuracy']:.0f}", f"{constant:.0f}"]
        assert f"| {' | '.join(cells)} |" in page, " | ".join(cells)
