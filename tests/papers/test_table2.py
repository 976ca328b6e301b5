"""Paper A's Table 2: its classes, draws and scores; notebook 03 compares them with work by hand."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from made_corpus import corpus
from sklearn.neighbors import KNeighborsClassifier

import cryutils
from cryutils import claims
from cryutils.datasets.corpus import Clip, Corpus
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


def corpus_of_tones(folder: Path, pitches: dict[str, list[float]], sr: int = 4000) -> Corpus:
    """Return a corpus of noisy tones, one pitch in Hz and one infant a clip."""
    rng = np.random.default_rng(0)
    clips = []
    for label, row in pitches.items():
        for k, pitch in enumerate(row):
            path, infant = folder / f"{label}{k}.wav", f"{label}-{k}"
            x = np.sin(2 * np.pi * pitch * np.arange(sr // 2) / sr) + rng.normal(0, 0.05, sr // 2)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, sr, len(x), "NONE", ""))
                file.writeframes((x * 8000).astype("<i2").tobytes())
            clips.append(
                Clip(path.stem, path, label, infant, f"{infant}/1", None, 0.5, True, False)
            )
    return Corpus(clips, name="made", note="")


def test_a_clip_that_is_used_twice_is_on_both_sides_unless_infants_are_whole(apart: Path) -> None:
    rng = np.random.default_rng(1)
    pitches = {label: list(rng.uniform(300, 1800, 8)) for label in ("hungry", "tired")}
    clips = corpus_of_tones(apart, pitches)
    sound = {"mfcc": {"n_fft": 128, "hop_length": 64, "n_mels": 20, "n_mfcc": 5}}

    def accuracies(count: int, copied_to: int = 0) -> dict[str, float]:
        counts = dict.fromkeys(pitches, count)
        study = table2.Table2(clips=clips, counts=counts, sr=4000, sound=sound)
        scores = study.holdouts(["dt"], splits=12, test_size=0.3, copied_to=copied_to)
        return dict(scores.groupby("split").accuracy.mean())

    assert abs(accuracies(8)["random"] - 0.5) < 0.25
    for twice in (accuracies(24), accuracies(8, copied_to=24)):
        assert twice["random"] > 0.9
        assert twice["leak_free"] < 0.75
