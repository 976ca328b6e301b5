"""Grad-CAM against its closed form, and the checks that say whether a map means anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus
from scipy.stats import spearmanr

from cryutils.models import cry2, explain, image
from cryutils.models.backend import keras, seeded
from cryutils.models.inputs import Examples
from cryutils.models.training import CrossFit, Fitted

CLASSES, CHANNELS, SIDE = 3, 2, 6


@pytest.fixture(scope="module", name="tiny")
def hand_made() -> Any:
    """Return a network whose Grad-CAM is known: 1 x 1 kernels, a mean, a dense softmax.

    Its score is `sum_k w[k, c] * mean(A_k) + b[c]`, so each weight of a map is `w[k, c] / 36`.
    """
    layers = keras().layers
    inputs = keras().Input((SIDE, SIDE, 1))
    h = layers.Conv2D(CHANNELS, 1, use_bias=False, name="maps")(inputs)
    h = layers.GlobalAveragePooling2D()(h)
    model = keras().Model(inputs, layers.Dense(CLASSES, activation="softmax", name="states")(h))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module", name="pictures")
def random_pictures() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, SIDE, SIDE, 1)).astype(np.float32)


def test_grad_cam_is_its_closed_form(tiny, pictures) -> None:
    kernel, dense, _ = tiny.get_weights()
    classes = np.array([0, 1, 2, 0, 1])
    maps = pictures * kernel[0, 0]  # (rows, height, width, channels)
    weights = dense.T[classes] / SIDE**2
    expected = np.maximum((maps * weights[:, None, None]).sum(axis=-1), 0)
    evidence = explain.grad_cam(tiny, pictures, classes, layer="maps")
    np.testing.assert_allclose(evidence, expected, atol=1e-6)
    assert evidence.dtype == np.float32
    none = explain.grad_cam(tiny, pictures[:0], classes[:0], layer="maps")
    assert none.shape == (0, SIDE, SIDE)


def test_evidence_in_one_place_is_shown_there() -> None:
    layers = keras().layers
    inputs = keras().Input((16, 16, 1))
    h = layers.MaxPooling2D(4, name="maps")(inputs)
    h = layers.GlobalAveragePooling2D()(h)
    model = keras().Model(inputs, layers.Dense(2, activation="softmax")(h))
    model.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    x = np.zeros((1, 16, 16, 1), np.float32)
    x[0, 9, 2] = 1
    (evidence,) = explain.grad_cam(model, x, np.array([0]), layer="maps")
    assert evidence[8:12, 0:4].min() > 0 and evidence.shape == (16, 16)
    mask = np.zeros((16, 16), bool)
    mask[6:14, 0:6] = True
    assert explain.share_inside(evidence[None], mask) == pytest.approx(1.0)
    # What speaks against a class is left out.
    assert not explain.grad_cam(model, x, np.array([1]), layer="maps").any()


@pytest.mark.parametrize("name", ["cry2", "image"])
def test_a_map_covers_an_example_and_changes_with_the_weights(name) -> None:
    rng = np.random.default_rng(0)
    with seeded(0):
        if name == "cry2":
            model, x = cry2.build((48, 40), 4), rng.normal(size=(6, 48, 40)).astype(np.float32)
        else:
            model, x = image.build((48, 48, 3), 4), rng.integers(0, 256, (6, 48, 48, 3), np.uint8)
    # A fresh dense layer has no signs of its own that would decide whether a map is empty.
    classes = model.predict_on_batch(x).argmax(axis=1)
    before = explain.grad_cam(model, x, classes, layer="relu3")
    assert before.shape == x.shape[:3] and (before >= 0).all() and before.any()
    np.testing.assert_array_equal(before, explain.grad_cam(model, x, classes, layer="relu3"))
    model.set_weights(explain.shuffled_weights(model, rng))
    after = explain.grad_cam(model, x, classes, layer="relu3")
    assert np.nanmean(explain.rank_correlation(before, after)) < 0.7


def test_shuffled_weights_are_the_same_numbers_and_what_is_not_trained_stays() -> None:
    model = cry2.build((32, 32), 2, filters=(4,))
    cry2.adapt(model, np.random.default_rng(0).normal(5, 2, (20, 32, 32)).astype(np.float32))
    shuffled = explain.shuffled_weights(model, np.random.default_rng(0))
    trained = {id(weight) for weight in model.trainable_weights}
    for weight, before, after in zip(model.weights, model.get_weights(), shuffled, strict=True):
        np.testing.assert_array_equal(np.sort(after, axis=None), np.sort(before, axis=None))
        if id(weight) not in trained:
            np.testing.assert_array_equal(after, before)
    assert any((a != b).any() for a, b in zip(model.get_weights(), shuffled, strict=True))


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4, 5, 6)).round(1)  # rounded, so that there are ties
    expected = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(explain.rank_correlation(a, b), expected)
    np.testing.assert_allclose(explain.rank_correlation(a, np.exp(a)), 1)
    assert np.isnan(explain.rank_correlation(a, np.zeros_like(b))).all()


def test_shares_of_a_map_by_hand() -> None:
    maps = np.array([[[1.0, 3.0], [0.0, 4.0]], np.zeros((2, 2))])
    mask = np.array([[False, True], [False, False]])
    shares = explain.share_inside(maps, mask)
    assert shares[0] == pytest.approx(3 / 8) and np.isnan(shares[1])
    assert explain.share_inside(maps, np.stack([mask, ~mask]))[0] == pytest.approx(3 / 8)


def test_maps_of_a_fold_before_and_after_shuffling_leave_the_network_as_it_was(
    tiny, pictures
) -> None:
    weights = [w.copy() for w in tiny.get_weights()]
    clips = corpus(["a", "b", "c"])
    examples = Examples(pictures, np.array([0, 0, 1, 2, 2]))
    folds = [(np.array([1]), np.array([0, 2]))]
    none = np.full((1, 3, CLASSES), np.nan, np.float32)
    fitted = Fitted(tiny, pd.DataFrame(), 0)
    fit = CrossFit(none, [fitted], [folds], list(clips.classes))
    maps = explain.before_and_after(fit, examples, layer="maps", seed=0)
    assert maps.clip.tolist() == [0, 0, 2, 2]
    expected = explain.grad_cam(tiny, pictures[[0, 1, 3, 4]], maps.called, layer="maps")
    np.testing.assert_allclose(maps.trained, expected)
    for before, after in zip(weights, tiny.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_means_over_maps_are_over_clips_and_leave_out_empty_maps() -> None:
    clips = corpus(["a", "b", "a"], ["x", "y", "z"])
    ramp = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    trained, shuffled = np.repeat(ramp, 3, axis=0), np.repeat(ramp, 3, axis=0)
    shuffled[2] = 0
    maps = explain.Maps(trained, np.array([0, 1, 2]), np.zeros(3, int), trained, shuffled)
    interval = maps.correlation(clips)
    assert interval is not None and interval.value == pytest.approx(1) and interval.n == 2
    lower = np.array([[False, False], [True, True]])
    inside = [share and (share.value, share.n) for share in maps.shares(lower, clips)]
    assert inside == [(pytest.approx(5 / 6), 3), (pytest.approx(5 / 6), 2)]
    empty = explain.Maps(trained, maps.clip, maps.called, trained, 0 * shuffled)
    assert empty.correlation(clips) is None and empty.shares(lower, clips)[1] is None
