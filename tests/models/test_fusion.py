"""Means over models and over time: exact, and no guess where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cryutils.errors import InputError
from cryutils.models.fusion import (
    NO_PREDICTION,
    UNSURE,
    RollingAverage,
    decide,
    late_fusion,
    verdict,
)

logits = arrays(np.float32, (5, 4), elements=st.floats(-20, 20, width=32))
missing = arrays(np.bool_, (5,))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


@given(logits, logits)
def test_it_is_the_arithmetic_mean_and_takes_no_side(x, y) -> None:
    p, q = softmax(x), softmax(y)
    mean = late_fusion(p, q).probabilities
    np.testing.assert_allclose(mean, np.mean([p, q], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(mean, late_fusion(q, p).probabilities)
    np.testing.assert_allclose(mean.sum(axis=1), 1, atol=1e-5)


@given(logits, logits, missing, missing)
def test_a_missing_modality_gives_exactly_the_other_one(x, y, no_sound, no_face) -> None:
    p, q = softmax(x), softmax(y)
    p[no_sound], q[no_face] = np.nan, np.nan
    fused = late_fusion(p, q)
    for row in range(5):
        expected = {
            (False, False): "both",
            (True, False): "image",
            (False, True): "audio",
            (True, True): "none",
        }[bool(no_sound[row]), bool(no_face[row])]
        assert fused.used[row] == expected
        if expected in ("audio", "image"):
            alone = p if expected == "audio" else q
            np.testing.assert_array_equal(fused.probabilities[row], alone[row])
        if expected == "none":
            assert np.isnan(fused.probabilities[row]).all()


def test_nothing_usable_is_no_prediction_and_never_a_class() -> None:
    nan = [[np.nan] * 3]
    assert decide(late_fusion(nan, nan).probabilities).tolist() == [NO_PREDICTION]
    assert decide([[0.1, 0.2, 0.7], [np.nan] * 3]).tolist() == [2, NO_PREDICTION]


@pytest.mark.parametrize(
    ("audio", "image", "words"),
    [
        ([[0.5, 0.5]], [[0.2, 0.3, 0.5]], "not of the same clips"),
        ([[0.5, np.nan]], [[0.5, 0.5]], r"audio: row 0 is \[0.5 nan\]"),
        ([[0.5, 0.5]], [[0.9, 0.9]], r"image: row 0 is \[0.9 0.9\]; give probabilities that sum"),
        ([[1.5, -0.5]], [[0.5, 0.5]], "audio: row 0"),
    ],
)
def test_what_is_no_distribution_is_refused_in_one_line(audio, image, words) -> None:
    with pytest.raises(InputError, match=words) as caught:
        late_fusion(audio, image)
    assert "\n" not in str(caught.value)


def test_a_rolling_average_of_three_by_hand() -> None:
    hungry, sleepy, no_face = [0.75, 0.25], [0.25, 0.75], [np.nan, np.nan]
    rolling = RollingAverage(3)
    frames = [no_face, hungry, hungry, sleepy, no_face, hungry, sleepy, sleepy]
    averages = np.array([rolling.push(p) for p in frames])
    third = [0.75, 0.75, 1.75 / 3, 1.75 / 3, 1.75 / 3, 1.25 / 3, 1.25 / 3]
    np.testing.assert_allclose(averages[1:, 0], third, rtol=1e-6)
    assert decide(averages).tolist() == [NO_PREDICTION, 0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([0.5, 0.3, 0.2], "hungry"),
        ([0.2, 0.3, 0.5], "tired"),
        ([0.25, 0.5, 0.25], "pain"),
        ([np.nextafter(0.5, 0), 0.3, 0.2], UNSURE),
        ([0.4, 0.4, 0.2], UNSURE),
    ],
)
def test_a_state_is_named_from_a_half_on(p, expected) -> None:
    assert verdict(dict(zip(("hungry", "pain", "tired"), p, strict=True))) == expected
