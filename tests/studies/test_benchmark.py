"""The benchmark: its folds, and answers of others on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils import datasets
from cryutils.claims import audit
from cryutils.datasets import Corpus
from cryutils.errors import InputError
from cryutils.studies import benchmark

DATA = Path(__file__).resolve().parents[2] / "data" / "benchmark"
COMMITTED = DATA / "donateacry.csv"


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
    rows = pd.read_csv(COMMITTED, dtype=str).query("task == @task")
    assert not rows["clip"].duplicated().any()
    for column in ("random", "leak_free"):
        for fold in digits(rows[column]):
            assert set(fold) == set(range(2 if task == "infant" else 5))
            for k in set(fold):
                assert set(rows.truth[fold != k]) == set(rows.truth), "a class without training"
    for fold in digits(rows.leak_free):
        of_infant = pd.Series(fold, rows.infant).groupby(level=0).nunique()
        assert of_infant.max() == (2 if task == "infant" else 1)
    mixed = [pd.Series(fold, rows.infant).groupby(level=0).nunique().max() for fold in digits(rows.random)]
    assert min(mixed) > 1


# Answers of others: `.github/workflows/benchmark.yml` runs these tests alone


def check(path: Path) -> None:
    """Raise InputError unless a file `<method>/<task>` has one model's answers and nothing else."""
    table = audit.read(path)
    audit.check_folds(table, COMMITTED)
    clips = pd.read_csv(COMMITTED, dtype=str).query("task == @path.stem")
    if len(table.merge(clips, on=["clip", "infant", "truth"])) < len(table):
        raise InputError(f"{path}: clip, infant and truth must be those of the task {path.stem}.")
    others = table.attrs["unused"]
    if others or table.model.nunique() > 1:
        raise InputError(f"{path}: {others or 'several models'}; give one model's answers only.")
    methods = pd.read_csv(DATA / "methods.csv").dropna()
    if methods.name.tolist().count(path.parent.name) != 1:
        raise InputError(f"{path}: methods.csv needs one line for {path.parent.name}.")


JOINED = sorted((DATA / "answers").glob("*/*"))


@pytest.mark.parametrize("path", JOINED, ids=[f"{x.parent.name}/{x.name}" for x in JOINED])
def test_answers_that_joined_are_on_the_folds_without_recordings(path: Path) -> None:
    check(path)


@pytest.mark.parametrize(
    ("change", "file", "word"),
    [
        (lambda table: table.assign(audio=b"RIFF"), "constant/sex.parquet", "audio"),
        (lambda table: table.assign(fold=0), "constant/sex.csv", "folds"),
        (lambda table: table, "nameless/sex.csv", "nameless"),
    ],
)
def test_answers_that_may_not_join_are_refused(change, file: str, word: str, tmp_path: Path) -> None:
    table = change(pd.read_parquet(DATA / "answers" / "constant" / "sex.parquet"))
    path = tmp_path / file
    path.parent.mkdir()
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    with pytest.raises(InputError, match=word):
        check(path)


# Experiments on the folds


@pytest.mark.parametrize("name", ["reason", "infant"])
def test_a_task_has_the_fixed_folds_of_its_clips(corpus: Corpus, name: str) -> None:
    clips, where, folds = benchmark.task(corpus, name, repeats=2)
    assert [clip.id for clip in clips] == [corpus[k].id for k in where.tolist()]
    truth = corpus.infants if name == "infant" else corpus.labels
    assert clips.labels.tolist() == truth[where].tolist()
    wholes = {"reason": clips.infants, "infant": np.char.add(clips.infants, clips.sessions)}
    for repeat in folds["leak_free"]:
        for train, test in repeat:
            assert not {*wholes[name][train]} & {*wholes[name][test]}
            assert name != "infant" or {*clips.infants[train]} == {*clips.infants[test]}
    assert [len(folds[split]) for split in ("random", "leak_free")] == [2, 2]
    with pytest.raises(InputError, match=r"raeson.*reason"):
        benchmark.task(corpus, "raeson")
