"""Paper A's Table 2: its classes, draws and scores; notebook 03 compares them with work by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made_corpus import corpus
from sklearn.neighbors import KNeighborsClassifier

import cryutils
from cryutils import claims
from cryutils.evaluation import Split
from cryutils.papers import table2

FOUR = ["pain", "belly_pain", "discomfort", "tired"]


def test_the_printed_tables_are_those_of_the_ledger() -> None:
    rows = claims.published().query("study == 'table1'").set_index(["condition", "metric"]).value
    for label, row in table2.table1().iterrows():
        assert rows[label, "count"] == row["count"] and rows[label, "test_count"] == row.test_count
    printed = table2.published(claims.published())
    assert printed["mfcc", "rf"] == 0.8333 and len(printed) == 12


@pytest.mark.parametrize(
    ("labels", "options", "chosen", "counted"),
    [
        ([*FOUR, "hungry"], {}, FOUR, True),
        ([*FOUR[1:], "hungry", "burping"], {}, ["hungry", *FOUR[1:]], True),
        ([*FOUR, "colic"], {"stand_in": "colic"}, ["colic", *FOUR[1:]], True),
        ([*FOUR, "hungry"], {"classes": ["hungry", "tired"]}, ["hungry", "tired"], False),
        (["warm", "cold"], {}, ["warm", "cold"], False),
    ],
)
def test_classes_of_table_1(
    labels: list[str], options: dict[str, str], chosen: list[str], counted: bool
) -> None:
    clips, counts = table2.select(corpus(labels), **options)
    assert set(clips.labels) == set(chosen)
    assert list(counts) == (chosen if counted else [])


@pytest.fixture(scope="module", name="study")
def small_study() -> table2.Table2:
    voices = cryutils.load("synthetic", infants=8, clips_per_infant=3, duration_s=0.5, sr=4000)
    sound = {"mfcc": {"n_fft": 256, "hop_length": 128, "n_mfcc": 5, "n_mels": 20}}
    return table2.Table2(clips=voices, sr=4000, sound=sound, n_folds=2, repeats=2)


def test_every_drawn_clip_is_answered_by_a_model_of_other_infants(study: table2.Table2) -> None:
    knn = study.cross_validate(["knn"])[Split.LEAK_FREE]["mfcc", "knn"]
    features = study.features()["mfcc"]
    for repeat, drawn in enumerate(study.draws):
        assert len(drawn) == sum(study.taken.values())
        for train, test in study.folds[Split.LEAK_FREE][repeat]:
            assert not set(study.clips.infants[train]) & set(study.clips.infants[test])
            X, y = features(train), knn.truth
            by_hand = KNeighborsClassifier().fit(X[train], y[train]).predict(X[test])
            np.testing.assert_array_equal(knn.predicted[repeat, test], by_hand)


def test_the_table_has_scores_intervals_and_adjusted_p_values(study: table2.Table2) -> None:
    scored = study.cross_validate(["svm", "nb", "rf", "dt", "knn"])
    tests = study.test(scored, permutations=9)
    table = study.table(scored, tests)
    assert table.index[0] == "MFCC · SVM" and len(table) == 5
    assert table.published.isna().all(), "the paper's classes are others"
    interval = scored[Split.RANDOM]["mfcc", "nb"].interval("accuracy")
    row = table.loc["MFCC · Naïve Bayes"]
    ends = [interval.value, interval.low, interval.high]
    assert row[["random", "random_low", "random_high"]].tolist() == ends
    assert row.leak_free_p == tests[Split.LEAK_FREE].adjusted["mfcc", "nb"]


def test_a_study_without_an_infant(study: table2.Table2) -> None:
    infant = study.clips[0].infant
    rest = study.without(infant)
    assert rest is None or infant not in set(rest.clips.infants)
    few = table2.Table2(clips=corpus(["a", "a", "b", "b"], ["x", "y", "x", "y"]), n_folds=2)
    assert few.without("x") is None
