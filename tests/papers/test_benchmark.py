"""The benchmark of representations: its folds and representations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils import datasets
from cryutils.datasets import Corpus
from cryutils.errors import InputError
from cryutils.papers import benchmark

COMMITTED = Path(__file__).resolve().parents[2] / benchmark.COMMITTED / "donateacry.csv"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return datasets.load(
        "synthetic", classes=["hungry", "tired"], infants=10, clips_per_infant=4, duration_s=0.5
    )


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


def test_folds_are_read_again_as_they_were_written(corpus: Corpus, tmp_path: Path) -> None:
    splits = benchmark.divide(corpus, repeats=2)
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
