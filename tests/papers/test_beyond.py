"""Representations and networks on leak-free folds: what they are trained on, and their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryutils import datasets
from cryutils.datasets import Corpus
from cryutils.models import temporal, training
from cryutils.models.inputs import Examples
from cryutils.papers import benchmark, beyond


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return datasets.load(
        "synthetic", classes=["hungry", "tired"], infants=10, clips_per_infant=4, duration_s=0.5
    )


@pytest.fixture(scope="module")
def splits(corpus: Corpus) -> pd.DataFrame:
    return benchmark.divide(corpus, repeats=2).query("task in ('reason', 'infant')")


@pytest.fixture(scope="module")
def windows(corpus: Corpus) -> Examples:
    """Two windows of each clip, in which the label raises one coefficient."""
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(len(corpus)), 2)
    x = rng.normal(size=(len(clip), 16, 8)).astype(np.float32)
    x[:, :, 0] += 6 * (corpus.labels == "tired")[clip][:, None]
    return Examples(x, clip)


def test_a_representation_never_gets_the_infants_of_the_test(
    corpus: Corpus, splits: pd.DataFrame
) -> None:
    given: list[tuple[frozenset[int], int]] = []

    def represent(clips: np.ndarray, seed: int) -> np.ndarray:
        given.append((frozenset(clips.tolist()), seed))
        return (corpus.labels == "tired").astype(np.float32)[:, None]

    answers = beyond.probe(splits.query("task == 'reason'"), corpus, {"known": represent})
    assert (answers.predicted == answers.truth).all() and len(answers) == 2 * len(corpus)
    assert len(given) == 2 * 5 and len({seed for _, seed in given}) == 2, "one seed a repeat"
    for (repeat, fold), rows in answers.groupby(["repeat", "fold"]):
        clips, _ = given[5 * int(repeat) + int(fold)]
        seen = {corpus[k].infant for k in clips}
        assert not seen & set(rows.infant) and len(clips) + len(rows) == len(corpus)


def test_the_infant_is_tested_on_other_days(corpus: Corpus, splits: pd.DataFrame) -> None:
    one_hot = np.eye(10, dtype=np.float32)[np.unique(corpus.infants, return_inverse=True)[1]]
    answers = beyond.probe(
        splits.query("task == 'infant'"), corpus, {"known": lambda clips, seed: one_hot}
    )
    assert (answers.predicted == answers.truth).all()
    sessions = pd.Series({clip.id: clip.session for clip in corpus})
    for _, rows in answers.groupby(["repeat", "infant"]):
        by_fold = sessions[rows["clip"]].groupby(rows.fold.to_numpy()).agg(set)
        assert not by_fold[0] & by_fold[1]


def test_networks_answer_on_the_same_folds(
    corpus: Corpus, splits: pd.DataFrame, windows: Examples
) -> None:
    def network(shape: tuple[int, ...], classes: int, s: training.Settings) -> Any:
        return temporal.build(shape, classes, units=8, learning_rate=s.learning_rate)

    networks = {"mean": (windows, network)}
    settings = training.Settings(epochs=15, learning_rate=2e-2, patience=15)
    answers = beyond.train(splits, corpus, networks, settings=settings)
    reason = answers[answers.task == "reason"]
    assert (reason.predicted == reason.truth).mean() > 0.9
    other = beyond.probe(splits, corpus, {"x": lambda clips, seed: np.ones((len(corpus), 1))})
    columns = ["task", "repeat", "fold", "clip", "infant", "truth", "split"]
    both = [table[columns].sort_values(columns, ignore_index=True) for table in (answers, other)]
    pd.testing.assert_frame_equal(*both)
    assert set(answers.model) == {"labels"} and set(answers.feature) == {"mean"}


def test_attention_is_of_test_windows_by_four_networks(
    corpus: Corpus, splits: pd.DataFrame, windows: Examples
) -> None:
    def network(shape: tuple[int, ...], classes: int, s: training.Settings) -> Any:
        return temporal.build(shape, classes, pooling="attention", units=8)

    task = splits.query("task == 'reason'")
    settings = training.Settings(epochs=2)
    weights, rows = beyond.attentions(task, corpus, windows, network, settings=settings)
    tested = task.leak_free.str[0].to_numpy() == task.leak_free.str[0].min()
    assert set(windows.clip[rows]) == set(np.flatnonzero(tested))
    assert len(weights) == 4
    for each in weights.values():
        assert each.shape == (len(rows), 4)
        np.testing.assert_allclose(each.sum(axis=1), 1, rtol=1e-5)
    assert len({each.tobytes() for each in weights.values()}) == 4
    _, other_rows = beyond.attentions(task, corpus, windows, network, settings=settings, repeat=1)
    assert not np.array_equal(rows, other_rows)


def test_other_windows_are_answered_by_the_same_network(
    corpus: Corpus, splits: pd.DataFrame
) -> None:
    """The label is seen in a clip's last frame only, so only its answer can be right."""
    y = (corpus.labels == "tired").astype(int)
    frames = np.random.default_rng(0).normal(0, 0.1, (len(y), 8, 1, 2)).astype(np.float32)
    frames[np.arange(len(y)), -1, 0, y] += 3
    frames[np.arange(len(y)), :-1, 0, 1 - y] += 1  # misleading
    last, every = (Examples.of(list(part)) for part in (frames[:, -1:], frames))

    def network(shape: tuple[int, ...], classes: int, s: training.Settings) -> Any:
        return temporal.build(shape, classes, together=1, units=8, learning_rate=s.learning_rate)

    answers = beyond.train(
        splits.query("task == 'reason'"), corpus, {"last": (last, network)},
        settings=training.Settings(epochs=30, patience=30, learning_rate=2e-2),
        others={"again": ("last", last), "every": ("last", every)},
    )  # fmt: skip
    right = (answers.predicted == answers.truth).groupby(answers.feature).mean()
    assert set(right.index) == {"last", "again", "every"}
    assert right["last"] == right["again"] > 0.9 > 0.5 > right["every"]
