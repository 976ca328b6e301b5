"""The scoreboard has every score once, and its counts are those made by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from measured import result

from cryutils import claims
from cryutils.claims import board

pytestmark = pytest.mark.usefixtures("apart")

STAND_IN = ("hungry", "belly_pain", "discomfort", "tired")


def results(
    rows: list[tuple[Any, ...]], data: str = "donateacry", n: int = 76, **fields: Any
) -> pd.DataFrame:
    """Results of a run from (columns, split, value) or (columns, split, value, low, high)."""
    measured = [
        result(
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
    table = board.scores({"real": results(REAL)}).set_index("key")
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


def test_published_figures_are_shown_only_next_to_the_papers_classes() -> None:
    others = [(columns.replace("hungry", "a").replace("tired", "b"), *row) for columns, *row in REAL]
    table = board.scores({"other": results(others)})
    assert table.published.isna().all()


def test_guessing_in_balanced_accuracy_depends_on_the_classes_in_use() -> None:
    for rows, guessing in ((REAL, 1 / 4), (REAL[:2] + REAL[3:], 1 / 3)):
        table = board.scores({"real": results(rows)}).set_index("metric").commonest
        assert set(table["balanced_accuracy"]) == {guessing}
        assert set(table["accuracy"]) == {0.25}


@pytest.mark.parametrize(("first", "second", "run"), [(76, 76, "new"), (76, 400, "old")])
def test_the_run_that_tested_most_clips_counts_and_else_the_first(first, second, run) -> None:
    both = {"new": results(REAL, n=first), "old": results(REAL, n=second)}
    assert set(board.scores(both).run) == {run}


def test_real_and_synthetic_recordings_are_apart_whatever_the_order_of_runs() -> None:
    table = board.scores({"quick": results(SYNTHETIC, "synthetic"), "real": results(REAL)})
    assert list(table.data.unique()) == ["donateacry", "synthetic"]
    assert set(table.run[table.data == "synthetic"]) == {"quick"}
    real, simulated = (board.of_corpus(table, name) for name in ("donateacry", "synthetic"))
    assert board.note(real) == "DonateACry; measured by real"
    assert "no evidence about real infants" in board.note(simulated)
    assert board.of_corpus(table, "recordings/synthetic").equals(simulated)
    assert board.of_corpus(table, "unknown").equals(real), "the first corpus"
    assert board.scores({}).empty


def test_the_conclusions_are_those_counted_by_hand() -> None:
    runs = {"quick": results(SYNTHETIC, "synthetic"), "real": results(REAL)}
    table = board.conclusions(board.scores(runs))
    assert table.loc["DonateACry"].tolist() == [2, 1, 1, 2, 1, 0.04]
    assert table.loc["synthetic infants"].tolist()[:5] == [1, 1, 1, 0, 0]


def test_conclusions_count_an_svm_once_and_no_test_of_a_model_chosen_by_its_score() -> None:
    rows = []
    for model, p in {"svm": 0.03, "svm_stop": 0.02, "proposed": 0.01, "phone": 0.01}.items():
        about = f"study=table3 condition=total model={model} metric="
        rows += [
            (f"{about}accuracy", "leak_free", 0.9, 0.8, 1.0),
            (f"{about}balanced_accuracy", "leak_free", 0.5, 0.4, 0.6),
            (f"{about}p_value", "leak_free", p),
        ]
    rows.append(("study=table3 condition=total model=majority metric=accuracy", "leak_free", 0.3))
    table = board.scores({"uploads": results(rows, "donateacry-uploads")})
    assert "phone type alone" in set(table.model)
    (counted,) = board.conclusions(table).to_numpy().tolist()
    assert counted == [2, 2, 2, 1, 1, 0.03]


def test_gaps_are_paired_and_models_without_stored_predictions_have_none() -> None:
    judged = claims.load_results("reference/judged", study="cry2")
    gaps = board.gaps(board.scores({"reference/judged": judged})).set_index("name")
    assert gaps.value["cry2"] == pytest.approx(gaps.random["cry2"] - gaps.leak_free["cry2"], abs=1e-12)
    assert board.gaps(board.scores({"elsewhere": judged})).empty


def test_stored_runs_are_shown_with_both_splits() -> None:
    words = board.reference({"uploads": "all three states"}, board.TABLE3)
    row = words.loc["DonateACry's original uploads", "all three states", "ensemble"]
    assert row["balanced accuracy"].to_dict() == {"random split": "48 [39, 59]", "leak-free": "36 [29, 46]"}
    assert row["p"].item() == "0.888"
