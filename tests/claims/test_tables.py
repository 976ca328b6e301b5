"""The ledger is whole, each verdict comes where it should, and the scoreboard has every score once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from measured import result as stored
from scipy.stats import norm

from cryutils import claims, evaluation
from cryutils.claims import tables
from cryutils.claims.records import Result
from cryutils.claims.tables import Verdict

CLONE = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("apart")

# The papers' figures, typed from the papers a second time.

TABLE_1 = {"pain": (38, 20), "belly_pain": (16, 16), "discomfort": (27, 20), "tired": (24, 20)}
TABLE_2 = {
    "svm": (45.83, 66.67),
    "nb": (75.83, 77.50),
    "rf": (79.17, 83.33),
    "dt": (79.17, 79.17),
    "knn": (54.17, 50.00),
    "dnn": (85.59, 84.49),
}
TABLE_3 = {
    "sleepy_hungry": (80.92, 97.14, 97.14),
    "sleepy_hugging": (68.42, 100, 100),
    "hugging_hungry": (66.66, 80, 86.67),
    "total": (65.51, 93.75, 97.41),
}


@pytest.mark.parametrize(
    ("rows", "form", "columns", "scale"),
    [
        (TABLE_1, "table1.{0}.{1}", ("count", "test_count"), 1),
        (TABLE_2, "feature_validation.{1}.{0}.accuracy", ("stft", "mfcc"), 100),
        (TABLE_3, "table3.{0}.{1}.accuracy", ("svm", "ae_dnn", "proposed"), 100),
    ],
)
def test_the_ledger_holds_the_figures_of_paper_a(rows, form, columns, scale) -> None:
    values = claims.published().set_index("key").value
    for name, printed in rows.items():
        keys = [form.format(name, column) for column in columns]
        assert scale * values[keys].to_numpy() == pytest.approx(printed, abs=1e-9)


# The table itself


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
        filled = [
            {
                "id": f"A-{k}",
                "paper": "A",
                "where": "§1",
                "kind": "claim",
                "claim": "words",
                "metric": "score" if "study" in row else "",
                **row,
            }
            for k, row in enumerate(rows)
        ]
        pd.DataFrame(filled, columns=names.drop("key")).to_csv(folder / "claims.csv", index=False)
        monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(tmp_path / "project"))

    return write


def result(
    study: str, value: float, low: float | None = None, high: float | None = None, **fields: Any
) -> Result:
    about = {"metric": "score", "split": "leak_free", "data": "mine", "notebook": "03", "n": 10}
    return Result(study=study, value=value, low=low, high=high, **{**about, **fields})


def judge(*rows: Result) -> pd.DataFrame:
    return tables.judge(claims.table(rows))


def judged(*rows: Result) -> list[tuple[str, str]]:
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
    both = [result("k", (low + high) / 2, low, high, split=s) for s in ("random", "leak_free")]
    assert judged(*both) == [(verdict, verdict)]
    simulated = judge(*(replace(row, data="synthetic") for row in both))
    for split in evaluation.SPLITS:
        assert simulated[f"{split}_verdict"].tolist() == [Verdict.IN_SIMULATION]
        assert simulated[f"{split}_reason"].tolist() == [in_simulation]


PUBLISHED = {
    "kind": "number",
    "study": "k",
    "metric": "accuracy",
    "value": 0.8,
    "rule": "published",
    "margin": 0.05,
    "data_required": "mine",
}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 0.79996, "reproduced"),  # which is printed as 80.00 %
        (0.2, 0.7999, "not reproduced"),
        (0.81, 0.9, "not reproduced"),
    ],
)
def test_a_published_score_is_judged_by_single_hold_outs(book, low, high, verdict) -> None:
    book(PUBLISHED)
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


def test_table_2_is_judged_only_where_its_classes_are(book) -> None:
    real = reference("judged")
    table = tables.judge(real)
    figures = table[(table["where"] == "Table 2") & (table.data == "donateacry")]
    assert len(figures) == 12
    assert set(figures.random_verdict) == {"not reproduced with a substitute class"}
    assert set(figures.leak_free_verdict) == {Verdict.CANNOT_BE_TESTED}
    for reason in figures.leak_free_reason:
        assert "; lower here: " in reason and reason.endswith("hungry stands for pain")
    others = real[(real.study != "table1") | (real.condition != "tired")]
    table = tables.judge(others)
    figures = table[(table["where"] == "Table 2") & (table.data == "donateacry")]
    assert set(figures.random_verdict) == {Verdict.CANNOT_BE_TESTED}


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
    assert judged(replace(row, data="synthetic")) == [("in simulation", "cannot be tested")]
    assert judged(replace(row, split="random"))[0][1] == "cannot be tested"


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
    assert judged(replace(against, data="synthetic"))[0][1] == "in simulation"
    faces = result("ablation", 0.5, feature="image", metric="accuracy")
    assert judged(against, faces)[0][1] == "not reproduced"


# How often a network was trained


@pytest.mark.parametrize(("trainings", "verdict"), [(5, "reproduced"), (4, "not shown")])
def test_a_network_is_judged_by_five_trainings(book, trainings, verdict) -> None:
    book({"study": "k", "rule": "low > margin", "margin": 0})
    assert judged(result("k", 0.8, 0.76, 0.84, trainings=trainings))[0][1] == verdict


# Claims of several comparisons


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


def interval_of(p: float) -> tuple[float, float, float]:
    """Return a value below 0 and the 95 % interval whose two-sided p-value against 0 is `p`."""
    half = norm.ppf(0.975) / norm.isf(p / 2)
    return -1.0, -1 - half, -1 + half


@pytest.mark.parametrize(("n", "p", "verdict"), [(10, 0.006, "not shown"), (10, 0.004, "not reproduced")])
def test_one_contradiction_is_corrected_for_how_many_were_tried(book, n, p, verdict) -> None:
    book(*parts(n))
    rows = [result("k0", *interval_of(p)), *(result(f"k{k}", 1, 0.5, 1.5) for k in range(1, n))]
    (_, whole), (_, first), *_ = judged(*rows)
    assert (whole, first) == (verdict, "not reproduced")
    assert judge(*rows).leak_free_against[1] == pytest.approx(p)


# All runs


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
    once, often = (claims.table([result("k", 1, 0.5, 2, trainings=n)]) for n in (1, 5))
    assert tables.judge_runs({"once": once, "often": often}).run[0] == "often"


# The ledger against the runs that git keeps


def test_a_verdict_and_its_reason_stand_in_every_row_of_the_reference_runs() -> None:
    table = tables.judge_runs({name: reference(name) for name in ("judged", "simulated")})
    assert set(table.id) == set(tables.ledger().id)
    assert {*table.random_verdict, *table.leak_free_verdict} <= set(Verdict)
    for split in evaluation.SPLITS:
        bare = table[table[f"{split}_reason"] == ""]
        assert bare.empty, bare[["id", f"{split}_verdict"]].to_numpy().tolist()
    synthetic = table[table.data == "synthetic"]
    verdicts = {*synthetic.random_verdict, *synthetic.leak_free_verdict}
    assert verdicts <= {Verdict.IN_SIMULATION, Verdict.CANNOT_BE_TESTED}
    simulated = synthetic[synthetic.leak_free_verdict == Verdict.IN_SIMULATION].leak_free_reason
    assert set(simulated.str.partition(":")[0]) == {"holds", "does not hold", "not shown"}


# The scoreboard

STAND_IN = ("hungry", "belly_pain", "discomfort", "tired")


def results(
    rows: list[tuple[Any, ...]], data: str = "donateacry", n: int = 76, **fields: Any
) -> pd.DataFrame:
    """Results of a run from (columns, split, value) or (columns, split, value, low, high)."""
    measured = [
        stored(
            columns,
            value,
            split=split,
            data=data,
            n=n,
            n_infants=46,
            **dict(zip(("low", "high"), interval, strict=False)),
            **fields,
        )
        for columns, split, value, *interval in rows
    ]
    return claims.table(measured)


SVM = "study=feature_validation feature=stft model=svm metric="
KNN = "study=feature_validation feature=mfcc model=knn metric="
MAJORITY = "study=feature_validation model=majority metric="
REAL = [
    *((f"study=table1 condition={label} metric=test_count", "", 20) for label in STAND_IN),
    (f"{SVM}accuracy", "random", 0.30, 0.20, 0.40),
    (f"{SVM}accuracy", "leak_free", 0.20, 0.10, 0.35),
    (f"{SVM}holdout_accuracy", "random", 0.30, 0.20, 0.42),
    (f"{SVM}balanced_accuracy", "random", 0.30, 0.20, 0.40),
    (f"{SVM}balanced_accuracy", "leak_free", 0.20, 0.10, 0.30),
    (f"{SVM}p_value", "leak_free", 0.9),
    (f"{KNN}accuracy", "random", 0.45, 0.35, 0.55),
    (f"{KNN}accuracy", "leak_free", 0.42, 0.40, 0.50),
    (f"{KNN}balanced_accuracy", "leak_free", 0.42, 0.30, 0.50),
    (f"{KNN}p_value", "leak_free", 0.04),
    (f"{MAJORITY}accuracy", "random", 0.26),
    (f"{MAJORITY}accuracy", "leak_free", 0.25),
]
PROPOSED = "study=table3 condition=total model=proposed metric="
SYNTHETIC = [
    (f"{PROPOSED}accuracy", "random", 0.9, 0.8, 1.0),
    (f"{PROPOSED}accuracy", "leak_free", 0.6, 0.5, 0.7),
    ("study=table3 condition=total model=majority metric=accuracy", "leak_free", 0.33),
]


def test_every_score_is_shown_once_next_to_the_published_one_and_the_commonest_class() -> None:
    table = tables.scores({"real": results(REAL)}).set_index("key")
    assert table.index.is_unique and len(table) == 5, "hold-outs are no score"
    row = table.loc["feature_validation.stft.svm.accuracy"]
    assert (row.table, row.data, row.run) == ("Paper A, Table 2", "donateacry", "real")
    assert (row.group, row.model, row.metric) == ("STFT", "SVM", "accuracy")
    assert (row.published, row.random, row.leak_free) == (0.4583, 0.30, 0.20)
    assert (row.random_low, row.random_high) == (0.20, 0.40)
    assert (row.leak_free_low, row.leak_free_high) == (0.10, 0.35)
    assert (row.commonest, row.n, row.n_infants) == (0.25, 76, 46)
    assert table.p_value["feature_validation.mfcc.knn.balanced_accuracy"] == 0.04
    assert pd.isna(row.random_frames)


def test_real_and_synthetic_recordings_are_apart_whatever_the_order_of_runs() -> None:
    table = tables.scores({"quick": results(SYNTHETIC, "synthetic"), "real": results(REAL)})
    assert list(table.data.unique()) == ["donateacry", "synthetic"]
    assert set(table.run[table.data == "synthetic"]) == {"quick"}
    real, simulated = (table[table.data == name] for name in ("donateacry", "synthetic"))
    assert tables.note(real) == "DonateACry; measured by real"
    assert "no evidence about real infants" in tables.note(simulated)
    assert tables.scores({}).empty


# Random minus leak-free


def test_a_gap_is_the_paired_difference_between_the_splits() -> None:
    answers = claims.load_predictions("reference/judged", study="cry2", model="cry2", condition="")
    (row,) = claims.split_gaps("reference/judged", study="cry2", model="cry2", condition="").itertuples()
    random, free = (answers[answers.split == split] for split in evaluation.SPLITS)
    gap = evaluation.difference(random, free)
    assert (row.value, row.low, row.high) == pytest.approx((gap.value, gap.low, gap.high))
    assert (row.n, row.n_infants, row.data) == (449, 220, "donateacry")
    assert claims.split_gaps(answers[answers.split == "random"]).empty
    assert claims.split_gaps(answers.assign(predicted="hungry")).empty, "always the same answer"


# As text


def test_the_printed_scoreboard_fits_80_columns() -> None:
    runs = {f"reference/{name}": claims.load_results(f"reference/{name}") for name in ("judged", "simulated")}
    lines = list(tables.scoreboard_lines(tables.scores(runs)))
    rows = [line for line in lines if not line.startswith("Paper")]
    assert max(map(len, rows)) <= 80
    assert any("27 [17, 39]" in line and "46" in line for line in rows)
    assert "Synthetic infants: no evidence about real infants." in lines


def test_every_row_of_the_ledger_is_printed_once_for_each_corpus() -> None:
    judged = tables.judge_runs({"judged": claims.load_results("reference/judged")})
    lines = list(tables.claim_lines(judged))
    rows = [line for line in lines if line.startswith("- ")]
    assert len(rows) == len(judged) and pd.Series(rows).nunique() <= len(tables.ledger())
    assert any(line.startswith("  random split: 27 [17, 39] %; not reproduced") for line in lines)
