"""The benchmark of representations: folds, representations, scores, and tables of others."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from cryutils import datasets
from cryutils.claims import benchmark
from cryutils.datasets import Corpus
from cryutils.errors import InputError

COMMITTED = Path(__file__).resolve().parents[2] / benchmark.COMMITTED / "donateacry.csv"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return datasets.load(
        "synthetic", classes=["hungry", "tired"], infants=10, clips_per_infant=4, duration_s=0.5
    )


@pytest.fixture(scope="module")
def splits(corpus: Corpus) -> pd.DataFrame:
    return benchmark.divide(corpus, repeats=2).query("task in ('reason', 'infant')")


@pytest.fixture(scope="module")
def predictions(corpus: Corpus, splits: pd.DataFrame) -> pd.DataFrame:
    random = np.random.default_rng(0)
    known = (corpus.labels == "tired")[:, None] + random.normal(0, 0.1, (len(corpus), 3))
    noise = random.normal(size=(len(corpus), 3))
    rows = {"known": known.astype(np.float32), "noise": noise.astype(np.float32)}
    return benchmark.predict(splits, corpus, rows)


# Folds


def digits(column: pd.Series) -> np.ndarray:
    return np.array([list(map(int, text)) for text in column]).T


@pytest.mark.parametrize("task", list(benchmark.TASKS))
def test_the_committed_folds_keep_what_they_promise(task: str) -> None:
    rows = benchmark.read_splits(COMMITTED).query("task == @task")
    assert not rows["clip"].duplicated().any()
    for column in ("random", "leak_free"):
        for fold in digits(rows[column]):
            assert set(fold) == set(range(2 if task == "infant" else 5))
            for k in set(fold):
                assert set(rows.truth[fold != k]) == set(rows.truth), "a class without training"
    for fold in digits(rows.leak_free):
        of_infant = pd.Series(fold, rows.infant).groupby(level=0).nunique()
        assert of_infant.max() == (2 if task == "infant" else 1)
    mixed = [
        pd.Series(fold, rows.infant).groupby(level=0).nunique().max()
        for fold in digits(rows.random)
    ]
    assert min(mixed) > 1


def test_folds_are_read_again_as_they_were_written(
    corpus: Corpus, splits: pd.DataFrame, tmp_path: Path
) -> None:
    splits.to_csv(tmp_path / "folds.csv", index=False)
    again = benchmark.splits_of(corpus, tmp_path / "folds.csv")
    pd.testing.assert_frame_equal(again, splits.reset_index(drop=True))
    splits.assign(clip="x").to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"other\.csv: synthetic has no clip x\."):
        benchmark.splits_of(corpus, tmp_path / "other.csv")
    with pytest.raises(InputError, match="give the columns task, clip"):
        splits.drop(columns="truth").to_csv(tmp_path / "less.csv", index=False)
        benchmark.read_splits(tmp_path / "less.csv")


# Representations


def test_a_representation_can_be_a_table(corpus: Corpus, tmp_path: Path) -> None:
    table = pd.DataFrame({"clip": [clip.id for clip in corpus], "a": range(len(corpus)), "b": 1.0})
    table.iloc[::-1].to_csv(tmp_path / "mine.csv", index=False)
    x = benchmark.represent(str(tmp_path / "mine.csv"), corpus)
    np.testing.assert_array_equal(x[:, 0], np.arange(len(corpus)))
    table.iloc[1:].to_parquet(tmp_path / "less.parquet")
    with pytest.raises(InputError, match=f"no complete row of numbers for {corpus[0].id}"):
        benchmark.represent(str(tmp_path / "less.parquet"), corpus)


def test_mfcc_and_stft_have_mean_and_deviation_of_each_coefficient(corpus: Corpus) -> None:
    widths = [benchmark.represent(name, corpus).shape[1] for name in ("mfcc", "stft")]
    assert widths == [2 * 20, 2 * 129]


# Scores


def test_a_head_learns_what_is_there_and_nothing_else(predictions: pd.DataFrame) -> None:
    scores = benchmark.score(predictions).query("task == 'reason'").set_index(["feature", "model"])
    for head in benchmark.HEADS:
        assert scores.infant["known", head] == 1
        assert scores.infant_low["known", head] > 0.5
        assert scores.infant["noise", head] < 0.8
    assert set(scores.chance) == {0.5}


def test_scores_are_balanced_accuracies_of_the_repeats(predictions: pd.DataFrame) -> None:
    part = predictions.query("task == 'reason' and feature == 'noise' and model == 'linear'")
    row = benchmark.score(part).iloc[0]
    by_hand = {
        split: np.mean([
            balanced_accuracy_score(repeat.truth, repeat.predicted)
            for _, repeat in each.groupby("repeat")
        ])
        for split, each in part.groupby("split")
    }  # fmt: skip
    assert row["clip"] == pytest.approx(by_hand["clip"])
    assert row.infant == pytest.approx(by_hand["infant"])
    assert row.gap == pytest.approx(by_hand["clip"] - by_hand["infant"])


def test_who_cries_is_a_mean_over_infants(predictions: pd.DataFrame) -> None:
    part = predictions.query("task == 'infant' and feature == 'noise' and model == 'linear'")
    row = benchmark.score(part).iloc[0]
    free = part[part.split == "infant"]
    right = (free.predicted == free.truth).groupby(free.infant).mean()
    assert row.infant == pytest.approx(right.mean())
    assert row.chance == 0.1 and row.n_infants == 10


def test_heads_are_compared_on_the_same_answers(predictions: pd.DataFrame) -> None:
    scores = benchmark.score(predictions).set_index(["task", "feature", "model"])
    for row in benchmark.differences(predictions).itertuples():
        values = [
            scores.loc[(row.task, row.feature, head), row.split] for head in ("network", "linear")
        ]
        assert row.value == pytest.approx(values[0] - values[1])


# Predictions of others


def of_others(predictions: pd.DataFrame) -> pd.DataFrame:
    chosen = "task == 'reason' and feature == 'known' and model == 'linear'"
    return predictions.query(chosen).assign(model="mine").drop(columns=["task", "feature"])


def test_predictions_of_others_are_scored_like_ours(
    predictions: pd.DataFrame, splits: pd.DataFrame
) -> None:
    joined = benchmark.with_predictions(predictions, of_others(predictions), splits, "reason")
    scores = benchmark.score(joined).set_index(["task", "feature", "model"])
    columns = ["clip", "infant", "gap", "infant_low", "infant_high"]
    mine = scores.loc[("reason", "predictions", "mine"), columns]
    ours = scores.loc[("reason", "known", "linear"), columns]
    assert mine.tolist() == ours.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[t["clip"] != t["clip"].iloc[0]], "differ in clip infant-000-00"),
        (lambda t: t.assign(truth=t.truth[::-1].to_numpy()), "another truth of clip"),
        (lambda t: t.assign(infant="someone"), "another infant of clip"),
        (lambda t: t.assign(split=""), "name no split"),
        (lambda t: t.assign(fold=np.arange(len(t)) % 5), "in two folds of the leak-free split"),
    ],
)
def test_other_clips_labels_or_leaks_are_refused(
    change, words: str, predictions: pd.DataFrame, splits: pd.DataFrame
) -> None:
    with pytest.raises(InputError, match=words):
        benchmark.with_predictions(predictions, change(of_others(predictions)), splits, "reason")


def test_the_results_are_a_page_and_tables(
    predictions: pd.DataFrame, splits: pd.DataFrame, tmp_path: Path
) -> None:
    scores = benchmark.score(predictions)
    page = benchmark.write(scores, predictions, splits, tmp_path / "new", "synthetic")
    text = page.read_text()
    assert "no evidence about real infants" in text
    assert len(re.findall("<svg", text)) == 8, "two tasks, two representations, two heads"
    stored = pd.read_csv(tmp_path / "new" / "synthetic.csv")
    assert len(stored) == len(benchmark.summary(stored)) == 8
    assert len(pd.read_parquet(tmp_path / "new" / "synthetic_predictions.parquet")) == len(
        predictions
    )
    again = benchmark.read_splits(tmp_path / "new" / "synthetic_splits.csv")
    assert len(again) == len(splits)
