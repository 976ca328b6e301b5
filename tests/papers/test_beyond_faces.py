"""Faces as frozen descriptions and as sequences: shapes, what copies have, what is averaged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cryutils.datasets import Corpus
from cryutils.models import backbones, small_cnn, temporal, training
from cryutils.papers import benchmark, beyond, beyond_faces, embeddings
from cryutils.papers.embeddings import FrameInput

FACES = FrameInput(fps=2.0, size=64, crop="face")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    loaded = embeddings.load(
        "synthetic", infants=12, clips_per_infant=3, duration_s=1.5, fps=4.0, size=96
    )
    return loaded.having(sound=False, pictures=True)


def test_histograms_of_gradients_count_the_directions_of_edges(corpus: Corpus) -> None:
    described = beyond_faces.hog(corpus.take([0, 1]), FACES)
    face = next(iter(FACES.frames(embeddings.pictures_of(corpus[0]))))
    assert [rows.shape for rows in described] == [(3, 1764)] * 2  # 7 x 7 blocks, 4 cells, 9 bins
    # The first cell by hand: gradients of a stripe that rises to the right point one way.
    cells = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
    rising = np.tile(np.arange(64, dtype=np.uint8) * 2, (64, 1))
    histogram = cells.compute(rising)[:9]
    assert histogram[[0, 8]].sum() == pytest.approx(histogram.sum())
    np.testing.assert_allclose(
        described[0][0], cells.compute(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)), atol=1e-6
    )


def test_a_clip_is_the_mean_and_deviation_of_its_frames() -> None:
    frames = [np.array([[1, 2], [3, 6]], np.float32), np.empty((0, 2), np.float32)]
    rows = beyond_faces.clip_vectors(frames)
    np.testing.assert_array_equal(rows, [[2, 4, 1, 2], [np.nan] * 4])


def test_untrained_copies_are_drawn_again_in_each_repeat(corpus: Corpus) -> None:
    random = backbones.base("MobileNetV3Small", input_shape=FACES.shape, weights="random")
    networks = {"small": (small_cnn.small(), FACES), "random": (random, FACES)}
    made = beyond_faces.representations(corpus, networks)
    assert list(made) == ["small", "small_untrained", "random_untrained"]
    some, others = np.arange(4), np.arange(4, 8)
    pooled = embeddings.embed(corpus, small_cnn.small(), FACES)
    np.testing.assert_array_equal(made["small"](some, 0), beyond_faces.clip_vectors(pooled))
    for name, represent in made.items():
        x = represent(some, 0)
        assert np.isfinite(x).all() and len(x) == len(corpus)
        np.testing.assert_array_equal(x, represent(others, 0))
        assert np.array_equal(x, represent(some, 1)) == (name == "small"), name


def test_sequences_lie_side_by_side_and_a_short_clip_is_padded() -> None:
    frames = [np.arange(n * 2, dtype=np.float32).reshape(n, 2) for n in (4, 1, 0)]
    made = beyond_faces.sequences(frames, 2)
    assert made.clip.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(made.x[:2].reshape(4, 2), frames[0])
    np.testing.assert_array_equal(made.x[2], [[0, 1], [0, 1]])


def test_the_last_frames_are_those_of_each_clip() -> None:
    frames = [np.arange(n, dtype=np.float32)[:, None] + 10 * n for n in (5, 2)]
    made = beyond_faces.last_frames(beyond_faces.sequences(frames, 1), 3)
    assert (
        made.x.ravel().tolist() == [52, 53, 54, 20, 21] and made.clip.tolist() == [0] * 3 + [1] * 2
    )


def test_networks_over_time_get_sequences_and_single_ones_frames() -> None:
    frames = [np.ones((6, 3), np.float32)] * 2
    made = beyond_faces.over_time(frames, length=3, units=4)
    assert list(made) == ["single", *temporal.POOLINGS]
    for name, (examples, network) in made.items():
        assert examples.x.shape == ((12, 1, 3) if name == "single" else (4, 3, 3))
        model = network(examples.x.shape[1:], 2, training.Settings())
        assert model.get_layer("shorter").pool_size == (1,)


def test_a_rolling_average_is_answered_from_the_last_frames(corpus: Corpus) -> None:
    """The state is seen in a clip's last frame only, so only its answer can be right."""
    y = np.unique(corpus.labels, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    frames = [rng.normal(0, 0.1, (8, 3)).astype(np.float32) for _ in y]
    for rows, label in zip(frames, y, strict=True):
        rows[-1, label] += 3
        rows[:-1, (label + 1) % 3] += 1  # misleading
    single = beyond_faces.over_time(frames, length=8, units=8)["single"]
    (examples, network), last = single, beyond_faces.last_frames(single[0], 1)
    given = {"shown": (beyond_faces.last_frames(examples, 1), network)}
    splits = benchmark.divide(corpus, repeats=1).query("task == 'reason'")
    settings = training.Settings(epochs=30, patience=30, learning_rate=2e-2)
    answers = beyond.train(
        splits, corpus, given, settings=settings,
        others={"last": ("shown", last), "all": ("shown", examples)},
    )  # fmt: skip
    right = (answers.predicted == answers.truth).groupby(answers.feature).mean()
    assert set(right.index) == {"shown", "last", "all"}
    assert right["shown"] == right["last"] > 0.9 > 0.5 > right["all"]


def test_every_idea_has_a_name_and_a_baseline() -> None:
    assert {name for pair in beyond_faces.COMPARED for name in pair} < set(beyond_faces.NAMES)
