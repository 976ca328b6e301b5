"""Representations and networks on leak-free folds: what they are trained on, and their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryutils import audio, datasets
from cryutils.datasets import Corpus
from cryutils.errors import InputError
from cryutils.models import contrastive, inputs, temporal, training
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


def test_a_clip_without_a_vector_is_named(corpus: Corpus, splits: pd.DataFrame) -> None:
    x = np.ones((len(corpus), 2), np.float32)
    x[3] = np.nan
    with pytest.raises(InputError, match=f"{corpus[3].id}: no usable sound or picture"):
        beyond.probe(splits, corpus, {"incomplete": lambda clips, seed: x})


def test_fewer_labels_are_of_fewer_infants_of_each_class() -> None:
    infants = np.repeat([f"i{k}" for k in range(12)], 3)
    truth = np.where(np.arange(36) < 27, "a", "b")
    train = np.arange(2, 36)
    everything = beyond.with_labels(train, truth, infants, 1.0, 0)
    np.testing.assert_array_equal(everything, train)
    half = beyond.with_labels(train, truth, infants, 0.5, 0)
    assert len(set(infants[half][truth[half] == "a"])) == 4
    assert len(set(infants[half][truth[half] == "b"])) == 2
    least = beyond.with_labels(train, truth, infants, 0.01, 0)
    assert set(least) < set(half) and set(truth[least]) == {"a", "b"}
    assert len(set(infants[least])) == 2


def test_labels_of_fewer_infants_train_the_head(corpus: Corpus, splits: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    x = (corpus.labels == "tired")[:, None] + rng.normal(0, 1.0, (len(corpus), 6))
    task = splits.query("task == 'reason'")

    def right(share: float) -> float:
        given = {"noisy": lambda clips, seed: x.astype(np.float32)}
        answers = beyond.probe(task, corpus, given, labelled=share)
        return float((answers.predicted == answers.truth).mean())

    assert right(0.01) < right(1.0) > 0.8


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


def test_the_encoders_differ_in_what_they_are_trained_on(corpus: Corpus, windows: Examples) -> None:
    voices = Examples(windows.x[::-1].copy(), windows.clip)
    settings = contrastive.Settings(filters=(4,), epochs=1, batch_size=8)
    made = beyond.representations(windows, len(corpus), voices=voices, settings=settings)
    assert set(made) == {name for name in beyond.NAMES if name.startswith(("un", "contrastive"))}
    some, others = np.arange(20), np.arange(20, 40)
    for name, represent in made.items():
        x = represent(some, 0)
        assert x.shape[0] == len(corpus) and np.isfinite(x).all()
        np.testing.assert_array_equal(x, represent(some, 0))
        assert not np.array_equal(x, represent(some, 1)), "another seed"
        depends = not np.array_equal(x, represent(others, 0))
        assert depends == (name in ("untrained", "contrastive")), name


def test_attention_is_compared_by_ranks() -> None:
    trained = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]], np.float32)
    same = np.array([[1.0, 4.0, 9.0], [0.0, 0.1, 0.2], [1.0, 2.0, 3.0]], np.float32)
    some = np.array([[1.0, 4.0, 9.0], [2.0, 3.0, 1.0], [1.0, 2.0, 3.0]], np.float32)
    runs = [{"trained": trained, "same": same, "some": some}]
    agreement = beyond.agreement([*runs, {**runs[0], "same": -same}])
    assert dict(beyond.agreement(runs).round(6)) == {"same": 1, "some": (1 - 0.5) / 2}
    assert dict(agreement.round(6)) == {"same": 0, "some": 0.25}, "the mean over runs"


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


def test_the_networks_get_windows_sequences_or_bursts(windows: Examples) -> None:
    sequences = Examples(np.repeat(windows.x, 2, axis=1), windows.clip)
    bursts = Examples(windows.x[:, :4], windows.clip)
    made = beyond.networks(windows, sequences, bursts, filters=(4,), units=6)
    assert list(made) == ["cry2", *temporal.POOLINGS, *(f"burst_{n}" for n in temporal.POOLINGS)]
    assert set(made) < set(beyond.NAMES)
    for name, (examples, network) in made.items():
        inputs = {"cry2": windows, "burst": bursts}.get(name.split("_")[0], sequences)
        assert examples is inputs
        model = network(examples.x.shape[1:], 3, training.Settings(learning_rate=0.5))
        assert model.input_shape[1:] == examples.x.shape[1:] and model.output_shape[-1] == 3
        assert model.name == name.removeprefix("burst_")
        assert float(model.optimizer.learning_rate) == 0.5


def test_bursts_lie_four_by_four(corpus: Corpus) -> None:
    sounds = audio.signals(corpus, sr=8000)
    beeps = np.tile(np.r_[np.zeros(2400), np.sin(np.arange(2400) * 0.3)], 5).astype(np.float32)
    hearing = inputs.SoundInput(kind="mfcc", n_mfcc=3)
    made = beyond.bursts([*sounds, beeps], hearing)
    assert set(made.clip) == set(range(len(corpus) + 1)) and made.x.shape[1:] == (4, 2 * 3 + 2)
    of_beeps = made.x[made.clip == len(corpus)]  # five bursts: the last four are a row as well
    assert len(of_beeps) == 1 or np.array_equal(of_beeps[0][1:], of_beeps[1][:3])
    np.testing.assert_allclose(2 ** of_beeps[0][:, -2], 0.3, atol=0.04)
