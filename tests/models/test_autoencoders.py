"""Autoencoders of patches: shapes, identities and controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graphs import without_graphs
from hypothesis import given
from hypothesis import strategies as st

from cryutils.models import autoencoders
from cryutils.models.stacked import FitSpec, NetworkBatch

FRAMES, COEFFICIENTS, PATCH, CODE = 14, 5, 4, 3
SMALL = replace(autoencoders.AUTOENCODER, units=(16, CODE, 16), epochs=6)
TASKS = [FitSpec(np.arange(9, 18), np.arange(18, 27)), FitSpec(np.arange(9), np.arange(9, 18))]


def windows(seed: int = 0) -> np.ndarray:
    """36 windows that wander, float32 (36, frames, coefficients)."""
    steps = np.random.default_rng(seed).normal(0, 1, (36, FRAMES, COEFFICIENTS))
    return (np.cumsum(steps, axis=1) * [1, 5, 0.1, 2, 3]).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> NetworkBatch:
    with pytest.MonkeyPatch.context() as patch, without_graphs():
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return autoencoders.fit(windows(), TASKS, patch=PATCH, settings=SMALL)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_patches_put_end_to_end_are_the_window(patch, more, rest) -> None:
    frames = patch * more + min(rest, patch - 1)
    x = np.random.default_rng(frames).normal(size=(3, frames, 2)).astype(np.float32)
    back = autoencoders.patches(x, patch).reshape(3, -1, 2)
    assert np.array_equal(back, x[:, : patch * more])


def test_codes_are_mean_and_deviation_of_the_bottleneck_over_a_window(fitted) -> None:
    x = windows()
    codes = autoencoders.codes(fitted, 1, x)
    assert codes.shape == (36, 2 * CODE)
    (w1, bias1), (w2, bias2) = fitted.layers(1)[:2]
    by_hand = np.maximum(autoencoders.patches(x[:1], PATCH)[0] @ w1 + bias1, 0) @ w2 + bias2
    assert codes[0] == pytest.approx(np.r_[by_hand.mean(axis=0), by_hand.std(axis=0)], abs=1e-4)
    assert autoencoders.codes(fitted, 0, x[:0]).shape == (0, 2 * CODE)


@without_graphs()
def test_a_network_depends_on_no_window_outside_its_own_parts(fitted, apart) -> None:
    changed = windows()
    changed[:9] *= np.linspace(1, 4, 9)[:, None, None]  # only the second network trains on these
    again = autoencoders.fit(changed, TASKS, patch=PATCH, settings=SMALL)
    for (a, _), (b, _) in zip(fitted.layers(0), again.layers(0), strict=True):
        assert np.array_equal(a, b)
    assert again.layers(1)[0][0] != pytest.approx(fitted.layers(1)[0][0], rel=0.1)
