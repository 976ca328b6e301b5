"""The ledger is whole, each verdict comes where it should, and the scoreboard has every score once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import norm

from cryutils import claims, evaluation
from cryutils.claims import records, tables
from cryutils.claims.tables import Verdict

CLONE = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("apart")

# The papers' figures, typed from the papers a second time.

FIGURES = {
    "table1.pain": {"count": 38, "test_count": 20},
    "table1.belly_pain": {"count": 16, "test_count": 16},
    "table1.discomfort": {"count": 27, "test_count": 20},
    "table1.tired": {"count": 24, "test_count": 20},
    "feature_validation.stft": dict(svm=45.83, nb=75.83, rf=79.17, dt=79.17, knn=54.17, dnn=85.59),
    "feature_validation.mfcc": dict(svm=66.67, nb=77.50, rf=83.33, dt=79.17, knn=50.00, dnn=84.49),
    "table3.sleepy_hungry": {"svm": 80.92, "ae_dnn": 97.14, "proposed": 97.14},
    "table3.sleepy_hugging": {"svm": 68.42, "ae_dnn": 100, "proposed": 100},
    "table3.hugging_hungry": {"svm": 66.66, "ae_dnn": 80, "proposed": 86.67},
    "table3.total": {"svm": 65.51, "ae_dnn": 93.75, "proposed": 97.41},
}


def test_the_ledger_holds_the_figures_of_paper_a() -> None:
    values = claims.published().set_index("key").value
    for row, figures in FIGURES.items():
        scale, end = (1, "") if row.startswith("table1") else (100, ".accuracy")
        printed = [scale * values[f"{row}.{column}{end}"] for column in figures]
        assert printed == pytest.approx([*figures.values()], abs=1e-9)


def test_every_row_has_an_id_a_paper_words_and_a_rule_a_verdict_or_what_it_lacks() -> None:
    book = tables.ledger()
    assert book.id.is_unique
    assert set(book.paper) == {"A", "B"} and (book.id.str[0] == book.paper).all()
    assert (book.claim != "").all() and (book["where"] != "").all()
    read = book[book.verdict != ""]
    assert set(read.kind) == {"arithmetic", "figure", "citation"} and (read.rule == "").all()
    assert set(read.verdict) <= set(Verdict) and read.reason.str.endswith(".").all()
    bare = book[(book.rule == "") & (book.verdict == "")]
    assert (bare.data_required != "").all(), bare[bare.data_required == ""].id.tolist()
    numbers = book[(book.kind == "number") & (book.rule != "")]
    assert set(numbers.rule) == {"published", "count == value"} and (numbers.data_required != "").all()
    judged = book[(book.kind == "claim") & (book.rule != "")]
    compared = {"low > margin", "high < margin", "count > margin", "count < margin", "cited"}
    assert set(judged.rule) == compared | {"every"}
    assert ((judged.rule == "every") == judged.margin.isna()).all()
    assert set(book.id[book.rule == "every"]) == set(book.part_of) - {""}
    assert (book[book.part_of != ""].groupby("part_of").size() >= 2).all()


def reference(run: str) -> pd.DataFrame:
    path = CLONE / "outputs" / "reference" / run / "results.json"
    return claims.table(claims.read_results(path))


# Verdicts, by ledgers of a few rows

Book = Callable[..., None]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """`book({...}, ...)` makes these rows the ledger."""

    def write(*rows: dict[str, Any]) -> None:
        names = tables.ledger().columns
        folder = tmp_path / "project" / "data"
        folder.mkdir(parents=True, exist_ok=True)
        about = {"paper": "A", "where": "§1", "kind": "claim", "claim": "words"}
        filled = [
            {"id": f"A-{k}", **about, "metric": "score" if "study" in row else "", **row}
            for k, row in enumerate(rows)
        ]
        pd.DataFrame(filled, columns=names.drop("key")).to_csv(folder / "claims.csv", index=False)
        monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(tmp_path / "project"))

    return write


def result(
    study: str, value: float, low: float | None = None, high: float | None = None, **fields: Any
) -> dict[str, Any]:
    row = {"study": study, "value": value, "low": low, "high": high, "n": 10, "notebook": "03"}
    return records.checked({**row, "metric": "score", "split": "leak_free", "data": "mine", **fields})


def judge(*rows: dict[str, Any]) -> pd.DataFrame:
    return tables.judge(claims.table(rows))


def judged(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    """Return both verdicts on each row of the ledger; none is without its reason."""
    table = judge(*rows)
    assert (table[["random_reason", "leak_free_reason"]] != "").all(axis=None)
    return [(str(a), str(b)) for a, b in table[["random_verdict", "leak_free_verdict"]].to_numpy()]


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict", "in_simulation"),
    [
        ("low > margin", 0.11, 0.3, "reproduced", "holds: the interval lies above 0.1"),
        ("low > margin", 0.1, 0.3, "not shown", "not shown: the interval reaches across 0.1"),
        ("high < margin", -0.3, 0.09, "reproduced", "holds: the interval lies below 0.1"),
        ("high < margin", 0.11, 0.3, "not reproduced", "does not hold: the interval lies above 0.1"),
        ("cited", 0.11, 0.3, "not shown", "not shown: the paper only cites it; the interval lies above 0.1"),
    ],
)
def test_a_claim_is_judged_by_its_interval(book, rule, low, high, verdict, in_simulation) -> None:
    book({"study": "k", "rule": rule, "margin": 0.1})
    row = result("k", (low + high) / 2, low, high, trainings=5)
    random = row | {"split": "random"}
    assert judged(row, random) == [(verdict, verdict)]
    simulated = judge(*(each | {"data": "synthetic"} for each in (row, random)))
    for split in evaluation.SPLITS:
        assert simulated[f"{split}_verdict"].tolist() == [Verdict.IN_SIMULATION]
        assert simulated[f"{split}_reason"].tolist() == [in_simulation]
    assert judged(row | {"trainings": 4})[0][1] == "not shown", "five are needed"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 0.79996, "reproduced"),  # which is printed as 80.00 %
        (0.2, 0.7999, "not reproduced"),
        (0.81, 0.9, "not reproduced"),
    ],
)
def test_a_published_score_is_judged_by_single_hold_outs(book, low, high, verdict) -> None:
    about = {"kind": "number", "study": "k", "metric": "accuracy", "data_required": "mine"}
    book({**about, "value": 0.8, "rule": "published", "margin": 0.05})
    rows = [
        result("k", 0.8, 0.79, 0.81, split="random", metric="accuracy"),
        result("k", 0.4, 0.3, 0.5, metric="accuracy"),
    ]
    assert judged(*rows) == [("cannot be tested", "cannot be tested")], "no hold-outs"
    rows.append(result("k", 0.5, low, high, split="random", metric="holdout_accuracy"))
    rows.append(result("k", 0.0003, split="random", metric="share_above_published"))
    assert judged(*rows) == [(verdict, "cannot be tested")]
    table = judge(*rows)
    assert "reached by 0.03 % of hold-outs" in table.random_reason[0]
    assert "lower here: the interval lies below 0.75" in table.leak_free_reason[0]


def test_table_2_is_judged_only_where_its_classes_are() -> None:
    def figures(results: pd.DataFrame) -> pd.DataFrame:
        table = tables.judge(results)
        return table[(table["where"] == "Table 2") & (table.data == "donateacry")]

    real = reference("judged")
    table = figures(real)
    assert len(table) == 12 and set(table.leak_free_verdict) == {Verdict.CANNOT_BE_TESTED}
    assert set(table.random_verdict) == {"not reproduced with a substitute class"}
    reasons = table.leak_free_reason
    assert (
        reasons.str.contains("; lower here: ").all() and reasons.str.endswith("hungry stands for pain").all()
    )
    table = figures(real[(real.study != "table1") | (real.condition != "tired")])
    assert set(table.random_verdict) == {Verdict.CANNOT_BE_TESTED}


@pytest.mark.parametrize(
    ("rule", "measured", "verdict"),
    [
        ("count == value", 100, "reproduced"),
        ("count < margin", 99, "reproduced"),
        ("count > margin", 100, "not reproduced"),
    ],
)
def test_a_number_without_a_split_is_compared_with_the_figure_or_margin(
    book, rule, measured, verdict
) -> None:
    book({"study": "t", "rule": rule, "value": 100, "margin": 100, "data_required": "mine"})
    row = result("t", measured, split="")
    assert judged(row) == [(verdict, "cannot be tested")]
    assert judged(row | {"data": "synthetic"}) == [("in simulation", "cannot be tested")]
    assert judged(row | {"split": "random"})[0][1] == "cannot be tested"


@pytest.mark.parametrize(
    ("p_values", "verdict", "reason"),
    [
        ({"mine": 0.05}, "reproduced", "the interval lies above 0"),
        ({"mine": 0.97}, "not shown", "that model itself is at chance, p = 0.97"),
        ({"yours": 0.01}, "not shown", "that model isn't tested against chance"),
    ],
)
def test_of_two_models_at_chance_none_beats_the_other(book, p_values, verdict, reason) -> None:
    book({"study": "full", "rival": "audio", "rule": "low > margin", "margin": 0, "winner": "full"})
    rows = [result("full", 0.06, 0.01, 0.1, rival="audio")]
    rows += [result("full", p, metric="p_value", data=data) for data, p in p_values.items()]
    rows.append(result("full", 0.001, split="random", metric="p_value"))
    row = judge(*rows).iloc[0]
    assert (row.leak_free_verdict, row.leak_free_reason) == (verdict, reason)


def test_a_claim_about_sound_and_face_cannot_be_tested_by_real_recordings_without_faces(book) -> None:
    needs = {"data_required": tables._FACES, "rule": "low > margin", "margin": 0}
    book({"kind": "claim", "rule": "every"}, {"study": "k", "part_of": "A-0", **needs})
    against = result("k", -1, -1.5, -0.5)
    whole, part = judge(against).itertuples()
    assert whole.leak_free_verdict == part.leak_free_verdict == "cannot be tested"
    reason = "needs recordings of sound and face; on mine the interval lies below 0"
    assert part.leak_free_reason == reason
    assert whole.leak_free_reason == "1 of 1 comparisons cannot be tested"
    assert judged(against | {"data": "synthetic"})[0][1] == "in simulation"
    faces = result("ablation", 0.5, feature="image", metric="accuracy")
    assert judged(against, faces)[0][1] == "not reproduced"


def parts(n: int) -> list[dict[str, Any]]:
    rows = [{"study": f"k{k}", "rule": "low > margin", "margin": 0, "part_of": "A-0"} for k in range(n)]
    return [{"rule": "every"}, *rows]


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(0.1, 0.3), (0.01, 0.2)], "reproduced"),
        ([(0.1, 0.3), (0.0, 0.2)], "not shown"),
        ([(0.1, 0.3), (-0.5, -0.3)], "not reproduced"),
        ([(0.1, 0.3), None], "cannot be tested"),
        ([None, (-0.5, -0.3)], "not reproduced"),  # one is enough, whatever the others are
        ([(0.1, 0.3), (0.1, 0.3, 1)], "not shown"),
        ([(0.1, 0.3, 1), (-0.5, -0.3, 1)], "not shown"),  # what isn't judged contradicts nothing
        ([(0.1, 0.3, 1), (-0.5, -0.3, 5)], "not reproduced"),
    ],
)
def test_every_comparison_means_each_one(book, intervals, verdict) -> None:
    book(*parts(2))
    rows = [
        result(f"k{k}", (low + high) / 2, low, high, trainings=trainings[0] if trainings else None)
        for k, (low, high, *trainings) in enumerate(filter(None, intervals))
    ]
    assert judged(*rows)[0][1] == verdict


@pytest.mark.parametrize(("p", "verdict"), [(0.006, "not shown"), (0.004, "not reproduced")])
def test_one_contradiction_of_ten_is_corrected_for_how_many_were_tried(book, p, verdict) -> None:
    book(*parts(10))
    half = norm.ppf(0.975) / norm.isf(p / 2)  # of the interval around -1 whose p-value against 0 is `p`
    rows = [result("k0", -1, -1 - half, -1 + half), *(result(f"k{k}", 1, 0.5, 1.5) for k in range(1, 10))]
    (_, whole), (_, first), *_ = judged(*rows)
    assert (whole, first) == (verdict, "not reproduced")
    assert judge(*rows).leak_free_against[1] == pytest.approx(p)


def test_of_several_runs_the_one_that_tested_most_clips_counts(book) -> None:
    book({"study": "k", "rule": "low > margin", "margin": 0}, {"data_required": "a survey"})
    runs = {
        "small": claims.table([result("k", 1, 0.5, 2, n=9), result("k", 1, 1, 2, data="yours")]),
        "large": claims.table([result("k", -1, -2, -0.5, n=90)]),
        "as large": claims.table([result("k", 0, -1, 1, n=90)]),
        "without": claims.table([result("x", 0)]),
    }
    table = tables.judge_runs(runs)
    shown = table[["id", "data", "run", "leak_free_verdict"]].to_numpy().tolist()
    assert [[*map(str, row)] for row in shown] == [
        ["A-0", "mine", "large", "not reproduced"],
        ["A-0", "yours", "small", "reproduced"],
        ["A-1", "", "", "cannot be tested"],
    ]
    assert tables.judge_runs({}).id.tolist() == ["A-0", "A-1"]
    trained = {f"{n} times": claims.table([result("k", 1, 0.5, 2, trainings=n)]) for n in (1, 5)}
    assert tables.judge_runs(trained).run[0] == "5 times"


def test_every_score_is_shown_once_next_to_the_published_one_and_the_commonest_class() -> None:
    runs = {run: reference(run) for run in ("simulated", "judged")}
    table = tables.scores(runs)
    assert list(table.data.unique()) == ["donateacry", "synthetic"], "apart, whatever the order of runs"
    real, simulated = (table[table.data == name].set_index("key") for name in table.data.unique())
    assert real.index.is_unique and set(real.metric) <= set(tables.METRICS), "hold-outs are no score"
    assert set(simulated.run) == {"simulated"}
    row = real.loc["feature_validation.stft.svm.accuracy"]
    assert (row.table, row.group, row.model) == ("Paper A, Table 2", "STFT", "SVM")
    assert row.published == 0.4583 and pd.isna(row.random_frames)
    stored = runs["judged"][runs["judged"].data == "donateacry"].set_index(["key", "split"])
    for split in evaluation.SPLITS:
        of_row = stored.loc[(row.name, split)]
        shown = row[[split, f"{split}_low", f"{split}_high"]]
        assert shown.tolist() == of_row[["value", "low", "high"]].tolist()
    assert (row.n, row.n_infants) == (of_row.n, of_row.n_infants)
    assert row.commonest == stored.value["feature_validation.majority.accuracy", "leak_free"]
    p_value = stored.value["feature_validation.stft.svm.p_value", "leak_free"]
    assert real.p_value["feature_validation.stft.svm.balanced_accuracy"] == p_value
    assert tables.scores({}).empty


def test_a_gap_is_the_paired_difference_between_the_splits() -> None:
    answers = claims.load_predictions("reference/judged", study="cry2", model="cry2", condition="")
    (row,) = claims.split_gaps("reference/judged", study="cry2", model="cry2", condition="").itertuples()
    random, free = (answers[answers.split == split] for split in evaluation.SPLITS)
    gap = evaluation.difference(random, free)
    assert (row.value, row.low, row.high) == pytest.approx((gap.value, gap.low, gap.high))
    assert (row.n, row.n_infants, row.data) == (449, 220, "donateacry")
    assert claims.split_gaps(answers[answers.split == "random"]).empty
    assert claims.split_gaps(answers.assign(predicted="hungry")).empty, "always the same answer"


def test_the_printed_scoreboard_fits_80_columns() -> None:
    runs = {run: reference(run) for run in ("judged", "simulated")}
    lines = list(tables.scoreboard_lines(tables.scores(runs)))
    assert max(len(line) for line in lines if not line.startswith("Paper")) <= 80
    assert any("27 [17, 39]" in line and "46" in line for line in lines)
    assert "Synthetic infants: no evidence about real infants." in lines


def test_every_row_of_the_ledger_has_verdicts_with_reasons_and_is_printed_once() -> None:
    judged = tables.judge_runs({run: reference(run) for run in ("judged", "simulated")})
    assert set(judged.id) == set(tables.ledger().id)
    assert (judged[["random_reason", "leak_free_reason"]] != "").all(axis=None)
    synthetic = judged[judged.data == "synthetic"]
    verdicts = {*synthetic.random_verdict, *synthetic.leak_free_verdict}
    assert verdicts == {Verdict.IN_SIMULATION, Verdict.CANNOT_BE_TESTED}
    simulated = synthetic[synthetic.leak_free_verdict == Verdict.IN_SIMULATION].leak_free_reason
    assert set(simulated.str.partition(":")[0]) == {"holds", "does not hold", "not shown"}
    lines = list(tables.claim_lines(judged))
    assert sum(line.startswith("- ") for line in lines) == len(judged)
    assert any(line.startswith("  random split: 27 [17, 39] %; not reproduced") for line in lines)
