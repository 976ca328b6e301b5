"""Networks over time: their layers, what the order of frames changes, and attention by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cryutils.errors import InputError
from cryutils.models import temporal

SHAPE = (16, 5)  # four groups of four frames
DENSE = 5 * 8 + 8
OUTPUT = 8 * 3 + 3


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize(
    ("pooling", "parameters"),
    [
        ("mean", 0),
        ("convolution", 5 * 8 * 8 + 8),
        ("gru", 3 * (8 * 8 + 8 * 8 + 2 * 8)),
        ("attention", 8 + 1),
    ],
)
def test_networks_differ_in_one_layer(pooling: str, parameters: int, x: np.ndarray) -> None:
    network = temporal.build(SHAPE, 3, pooling=pooling, units=8)
    trained = sum(int(np.prod(weights.shape)) for weights in network.trainable_weights)
    assert trained == DENSE + parameters + OUTPUT
    np.testing.assert_allclose(network.predict(x, verbose=0).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("pooling", temporal.POOLINGS)
def test_only_some_know_the_order(pooling: str, x: np.ndarray) -> None:
    network = temporal.build(SHAPE, 3, pooling=pooling, units=8)
    groups = x.reshape(6, 4, 4, 5)[:, [2, 0, 3, 1]].reshape(x.shape)
    same = np.allclose(network.predict(x, verbose=0), network.predict(groups, verbose=0), atol=1e-5)
    assert same == (pooling in ("mean", "attention"))


def test_attention_is_a_softmax_over_time_and_a_weighted_mean(x: np.ndarray) -> None:
    network = temporal.build(SHAPE, 3, pooling="attention", units=8)
    weights = temporal.attention(network, x)
    dense, scores, states = (
        network.get_layer(n).get_weights() for n in ("dense", "scores", "states")
    )
    h = np.maximum(x.reshape(6, 4, 4, 5).mean(axis=2) @ dense[0] + dense[1], 0)
    by_hand = softmax((h @ scores[0] + scores[1])[..., 0], axis=1)
    np.testing.assert_allclose(weights, by_hand, atol=1e-5)
    pooled = (by_hand[..., None] * h).sum(axis=1)
    answers = softmax(pooled @ states[0] + states[1], axis=1)
    np.testing.assert_allclose(network.predict(x, verbose=0), answers, atol=1e-5)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match=r"atention.*attention"):
        temporal.build(SHAPE, 3, pooling="atention")
