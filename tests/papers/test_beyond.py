"""Representations and networks on leak-free folds: what they are trained on, and their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryutils import datasets
from cryutils.datasets import Corpus
from cryutils.models import backbones, backend, small_cnn, temporal, training
from cryutils.models.backbones import Backbone
from cryutils.models.inputs import Examples
from cryutils.models.training import Settings, cross_fit
from cryutils.papers import benchmark, beyond, embeddings
from cryutils.papers.embeddings import FrameInput


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


# Faces

FACES = FrameInput(fps=2.0, size=64, crop="face")


@pytest.fixture(scope="module")
def films() -> Corpus:
    loaded = embeddings.load(
        "synthetic", infants=12, clips_per_infant=3, duration_s=1.5, fps=4.0, size=96
    )
    return loaded.having(sound=False, pictures=True)


def test_a_clip_is_the_mean_and_deviation_of_its_frames() -> None:
    frames = [np.array([[1, 2], [3, 6]], np.float32), np.empty((0, 2), np.float32)]
    rows = beyond.clip_vectors(frames)
    np.testing.assert_array_equal(rows, [[2, 4, 1, 2], [np.nan] * 4])


def test_untrained_copies_are_drawn_again_in_each_repeat(films: Corpus) -> None:
    random = backbones.base("MobileNetV3Small", input_shape=FACES.shape, weights="random")
    networks = {"small": (small_cnn.small(), FACES), "random": (random, FACES)}
    made = beyond.face_representations(films, networks)
    assert list(made) == ["small", "small_untrained", "random_untrained"]
    some, others = np.arange(4), np.arange(4, 8)
    pooled = embeddings.embed(films, small_cnn.small(), FACES)
    np.testing.assert_array_equal(made["small"](some, 0), beyond.clip_vectors(pooled))
    for name, represent in made.items():
        x = represent(some, 0)
        assert np.isfinite(x).all() and len(x) == len(films)
        np.testing.assert_array_equal(x, represent(others, 0))
        assert np.array_equal(x, represent(some, 1)) == (name == "small"), name


def test_a_rolling_average_is_answered_from_the_last_frames(films: Corpus) -> None:
    """The state is seen in a clip's last frame only, so only its answer can be right."""
    y = np.unique(films.labels, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    frames = [rng.normal(0, 0.1, (8, 3)).astype(np.float32) for _ in y]
    for rows, label in zip(frames, y, strict=True):
        rows[-1, label] += 3
        rows[:-1, (label + 1) % 3] += 1  # misleading
    single = beyond.face_networks(frames, length=8, units=8)["single"]
    (examples, network), last = single, beyond.last_frames(single[0], 1)
    given = {"shown": (beyond.last_frames(examples, 1), network)}
    splits = benchmark.divide(films, repeats=1).query("task == 'reason'")
    settings = training.Settings(epochs=30, patience=30, learning_rate=2e-2)
    answers = beyond.train(
        splits, films, given, settings=settings,
        others={"last": ("shown", last), "all": ("shown", examples)},
    )  # fmt: skip
    right = (answers.predicted == answers.truth).groupby(answers.feature).mean()
    assert set(right.index) == {"shown", "last", "all"}
    assert right["shown"] == right["last"] > 0.9 > 0.5 > right["all"]


# Frozen and fine-tuned

SHAPE = (32, 32, 3)
STATES = ("hug", "hungry", "sleepy")


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    """A frozen backbone with a batch normalisation whose statistics are those of no batch."""
    keras = backend.keras()
    layers = keras.layers
    pixels = keras.Input(SHAPE)
    h = layers.Conv2D(8, 3, strides=4, use_bias=False)(layers.Rescaling(1 / 127.5, -1.0)(pixels))
    model = keras.Model(pixels, layers.ReLU()(layers.BatchNormalization()(h)))
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.normal(0, 0.3, w.shape) if w.ndim > 1 else 1 + rng.random(w.shape) / 4
         for w in model.get_weights()]
    )  # fmt: skip
    model.trainable = False
    return Backbone(model, "tiny", "random weights (seed 0)", "none")


@pytest.fixture(scope="module")
def data() -> tuple[Examples, list[str], list[str]]:
    """18 clips of 6 infants, two frames each; red, green or blue is a little brighter."""
    rng = np.random.default_rng(1)
    labels = [STATES[n % 3] for n in range(18)]
    clips = []
    for label in labels:
        x = rng.integers(0, 200, (2, *SHAPE))
        x[..., STATES.index(label)] += 40
        clips.append(x.astype(np.uint8))
    return Examples.of(clips), labels, [f"i{n // 3}" for n in range(18)]


SETTINGS = Settings(epochs=3, batch_size=8, learning_rate=1e-2, dropout=0.0)
FOLDS = [
    (np.arange(6, 18), np.arange(6)), (np.r_[0:6, 12:18], np.arange(6, 12)),
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted(
    brief: None, tiny: Backbone, data: tuple[Examples, list[str], list[str]]
) -> dict[str, Any]:
    networks = beyond.frozen_and_finetuned(tiny, units=8)
    return {
        way: cross_fit(
            lambda s, build=build: build(SHAPE, 3, s), *data, [FOLDS], split="leak_free",
            settings=SETTINGS,
        )
        for way, build in networks.items()
    }  # fmt: skip


def backbone_weights(model: Any) -> list[np.ndarray]:
    (inner,) = [layer for layer in model.layers if hasattr(layer, "layers")]
    return list(inner.get_weights())


def test_frozen_keeps_every_weight_and_fine_tuned_changes_the_kernels(
    tiny: Backbone, fitted: dict[str, Any]
) -> None:
    before = tiny.model.get_weights()
    for fit in fitted["frozen"].fits:
        for ours, theirs in zip(backbone_weights(fit.model), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for fit in fitted["finetuned"].fits:
        after = backbone_weights(fit.model)
        assert not np.array_equal(after[0], before[0])
        for ours, theirs in zip(after[1:], before[1:], strict=True):
            np.testing.assert_array_equal(ours, theirs)  # the batch normalisation's
