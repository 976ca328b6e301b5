"""The benchmark: its folds and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from cryutils import claims, datasets, evaluation
from cryutils.claims import audit
from cryutils.datasets import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.intervals import mean_interval
from cryutils.models.classical import baselines
from cryutils.papers import benchmark
from cryutils.papers.scored import answer_rows

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
    mixed = [
        pd.Series(fold, rows.infant).groupby(level=0).nunique().max()
        for fold in digits(rows.random)
    ]
    assert min(mixed) > 1


# Answers of others: `.github/workflows/benchmark.yml` runs these tests alone


def check(path: Path) -> None:
    """Raise InputError unless a file `<method>/<task>` has one model's answers and nothing else."""
    table = audit.read(path)
    audit.check_folds(table, COMMITTED)
    clips = pd.read_csv(COMMITTED, dtype=str).query("task == @path.stem")
    if len(table.merge(clips, on=["clip", "infant", "truth"])) < len(table):
        raise InputError(f"{path}: clip, infant and truth must be those of the task {path.stem}.")
    allowed = {"clip", "infant", "truth", "predicted", "repeat", "fold", "split", "model", "device"}
    others = sorted(x for x in table if x not in allowed and not x.startswith("p_"))
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
        (lambda table: table.assign(infant="one"), "constant/sex.csv", "infant"),
        (lambda table: table.assign(model=table.split), "constant/sex.csv", "several models"),
        (lambda table: table.assign(fold=0), "constant/sex.csv", "folds"),
        (lambda table: table, "constant/age.csv", "age"),
        (lambda table: table, "nameless/sex.csv", "nameless"),
    ],
)
def test_answers_that_may_not_join_are_refused(
    change, file: str, word: str, tmp_path: Path
) -> None:
    table = change(pd.read_parquet(DATA / "answers" / "constant" / "sex.parquet"))
    path = tmp_path / file
    path.parent.mkdir()
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    with pytest.raises(InputError, match=word):
        check(path)


# Scores


@pytest.fixture(scope="module")
def answers(corpus: Corpus) -> pd.DataFrame:
    """Answers from what is known of the label, and from noise, with both splits."""
    splits = benchmark.divide(corpus, repeats=2).query("task in ('reason', 'infant')")
    random, head = np.random.default_rng(0), baselines()["logistic"]
    place = {clip.id: k for k, clip in enumerate(corpus)}
    known = (corpus.labels == "tired")[:, None] + random.normal(0, 0.1, (len(corpus), 3))
    tables = []
    for feature, x in {"known": known, "noise": random.normal(size=known.shape)}.items():
        for task, part in splits.groupby("task"):
            rows, truth = [place[clip] for clip in part["clip"]], part.truth.to_numpy(str)
            for split in ("random", "leak_free"):
                folds = benchmark.divisions(part, split)
                predicted = evaluation.cross_predict(head, x[rows], truth, folds)
                table = answer_rows(predicted, folds, list(part["clip"]), list(part.infant), truth)
                about = {"task": task, "feature": feature, "model": "linear", "split": split}
                tables.append(table.assign(**about))
    return pd.concat(tables, ignore_index=True)


def test_scores_are_balanced_accuracies_of_the_repeats(answers: pd.DataFrame) -> None:
    scores = benchmark.scores(answers).set_index(["condition", "feature", "split"])
    assert scores.value["reason", "known", "leak_free"] == 1
    part = answers.query("task == 'reason' and feature == 'noise' and split == 'leak_free'")
    by_hand = [
        balanced_accuracy_score(repeat.truth, repeat.predicted)
        for _, repeat in part.groupby("repeat")
    ]
    row = scores.loc["reason", "noise", "leak_free"]
    assert row.value == pytest.approx(np.mean(by_hand)) and row.low < row.value < row.high
    assert (row.n, row.trainings, row.n_infants) == (40, 2, 10)
    assert scores.value["reason", "guessing", "leak_free"] == 0.5


def test_the_score_of_who_cries_is_a_mean_over_infants(answers: pd.DataFrame) -> None:
    part = answers.query("task == 'infant' and feature == 'noise' and split == 'leak_free'")
    scores = benchmark.scores(part).set_index("feature")
    shares = (part.predicted == part.truth).astype(float)
    shares = shares.groupby([part.repeat, part.infant]).mean().unstack()
    expected = mean_interval(shares.to_numpy(), list(shares.columns), limits=(0, 1))
    row = scores.loc["noise"]
    assert (row.value, row.low, row.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert scores.value["guessing"] == 0.1


def test_differences_are_of_the_same_clips_in_any_order(answers: pd.DataFrame) -> None:
    scores = benchmark.scores(answers).set_index(["condition", "split", "feature"]).sort_index()
    shuffled = answers.sample(frac=1, random_state=0)
    gains = benchmark.gains(shuffled, [("known", "noise"), ("known", "absent")])
    assert len(gains) == 4, "two tasks, two splits"
    for row in gains.itertuples():
        values = scores.value.xs((row.condition, row.split))
        assert row.value == pytest.approx(values["known"] - values["noise"])
        assert row.low <= row.value <= row.high


def test_a_table_shows_leak_free_scores_by_task(answers: pd.DataFrame) -> None:
    names = {"guessing": "guessing", "known": "the label itself", "absent": "absent"}
    table = benchmark.by_task(benchmark.scores(answers), names)
    assert list(table.index) == list(names.values())
    reason = table[benchmark.TASKS["reason"]]
    assert reason["guessing"] == "50" and reason["absent"] == "–"
    assert reason["the label itself"].startswith("100 [")


def test_the_stored_transfer_is_between_other_infants_and_scored_from_its_answers() -> None:
    rows = claims.load_predictions("reference/judged", study="transfer", feature="mfcc")
    rows = rows.rename(columns={"condition": "task"})
    tested = [set(part.infant) for _, part in rows.groupby("task")]
    assert len(tested) == 2 and tested[0].isdisjoint(tested[1])
    scores = benchmark.scores(rows).query("feature == 'mfcc'").set_index("condition")
    stored = claims.load_results("reference/judged", study="transfer", feature="mfcc", rival="")
    stored = stored.set_index("condition")
    for name in ("value", "low", "high"):
        assert scores[name].to_dict() == pytest.approx(stored[name].to_dict())
