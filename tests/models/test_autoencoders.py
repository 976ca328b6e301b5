"""An autoencoder's encoder, frozen, with a DNN behind it: shapes, identities and controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graphs import without_graphs
from hypothesis import given
from hypothesis import strategies as st

from cryutils.evaluation.splits import Division
from cryutils.models import autoencoders
from cryutils.models.inputs import Examples
from cryutils.models.stacked import DenseSettings

STATES = ["hug", "hungry", "sleepy"]
FRAMES, COEFFICIENTS, PATCH, CODE = 14, 5, 4, 3
SMALL = replace(autoencoders.sized(CODE, hidden=16), epochs=6, batch_size=16)
HEAD = DenseSettings(units=(8, 6), epochs=4)


def moments(clips: int = 12, each: int = 3, seed: int = 0) -> Examples:
    """Windows that wander, with another mean for each class of clip (clip number modulo 3)."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (clips * each, FRAMES, COEFFICIENTS))
    of = np.repeat(np.arange(clips), each)
    x = np.cumsum(steps, axis=1) * [1, 5, 0.1, 2, 3] + 3 * (of % 3)[:, None, None]
    return Examples(x.astype(np.float32), of)


def divisions() -> list[Division]:
    """Return two of 14 clips: the last but one has no moments, and none tests the last."""
    test = [np.flatnonzero(np.arange(12) // 3 % 2 == side) for side in (0, 1)]
    parts = [(test[1 - k][:3], test[1 - k][3:], test[k]) for k in (0, 1)]
    return [Division(train, stop, np.append(tested, 12)) for train, stop, tested in parts]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> autoencoders.AeDnn:
    with pytest.MonkeyPatch.context() as patch, without_graphs():
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return autoencoders.cross_fit(
            moments(), np.arange(14) % 3, divisions(), classes=3, patch=PATCH, autoencoder=SMALL,
            dnn=HEAD,
        )  # fmt: skip


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_patches_put_end_to_end_are_the_window(patch, more, rest) -> None:
    frames = patch * more + min(rest, patch - 1)
    x = np.random.default_rng(frames).normal(size=(3, frames, 2)).astype(np.float32)
    back = autoencoders.patches(x, patch).reshape(3, -1, 2)
    assert np.array_equal(back, x[:, : patch * more])


def test_codes_are_mean_and_deviation_of_the_bottleneck_over_a_window(fitted) -> None:
    x = moments().x
    codes = autoencoders.codes(fitted.autoencoders, 1, x)
    assert codes.shape == (36, 2 * CODE)
    (w1, bias1), (w2, bias2) = fitted.autoencoders.layers(1)[:2]
    by_hand = np.maximum(autoencoders.patches(x[:1], PATCH)[0] @ w1 + bias1, 0) @ w2 + bias2
    assert codes[0] == pytest.approx(np.r_[by_hand.mean(axis=0), by_hand.std(axis=0)], abs=1e-4)
    assert np.array_equal(codes, fitted.codes[1])
    largest = autoencoders.codes(fitted.autoencoders, 1, x, largest=True)
    assert largest[0] == pytest.approx(by_hand.max(axis=0), abs=1e-4)
    assert autoencoders.codes(fitted.autoencoders, 0, x[:0]).shape == (0, 2 * CODE)


def test_each_clip_is_answered_by_the_division_that_tests_it(fitted) -> None:
    for k, division in enumerate(divisions()):
        test = division.test[:-1]  # the last has no moments
        rows = moments().rows(test)
        answers = fitted.classifiers.predict(k, fitted.codes[k, rows])
        for number, clip in enumerate(test):
            mean = answers[3 * number : 3 * number + 3].mean(axis=0)
            assert fitted.probabilities[clip] == pytest.approx(mean, abs=1e-6)
    # The last but one has no windows, and none tests the last.
    assert np.isnan(fitted.probabilities[12:]).all()


@without_graphs()
def test_a_test_clip_shapes_neither_the_encoder_nor_the_dnn_that_judge_it(fitted, apart) -> None:
    changed = moments()
    test = divisions()[0][2]
    rows = changed.rows(test)
    changed.x[rows] *= np.linspace(1, 4, len(rows))[:, None, None]
    again = autoencoders.cross_fit(
        changed, np.arange(14) % 3, divisions(), classes=3, patch=PATCH, autoencoder=SMALL, dnn=HEAD
    )
    for part in ("autoencoders", "classifiers"):
        before, after = getattr(fitted, part), getattr(again, part)
        for (a, _), (b, _) in zip(before.layers(0), after.layers(0), strict=True):
            assert np.array_equal(a, b)
        assert after.layers(1)[0][0] != pytest.approx(before.layers(1)[0][0], rel=0.1)
