"""Calibration: hand-computed cases, scikit-learn's Brier score, and forecasters that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit, softmax
from sklearn.metrics import brier_score_loss

from cryutils.errors import InputError
from cryutils.evaluation import calibration

TWO = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.35, 0.65]])
ERROR, RNG = calibration.expected_calibration_error, np.random.default_rng(0)


def forecasts(clips: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and truths drawn from their softmax: a calibrated forecaster."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(clips, classes), scale=1.5)
    edges = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (rng.random(clips)[:, None] > edges[:, :-1]).sum(axis=1)


def test_brier_is_scikit_learns() -> None:
    logits, truth = forecasts(500, 4)
    p = softmax(logits, axis=1)
    theirs = brier_score_loss(truth, p, scale_by_half=False, labels=range(4))
    assert calibration.brier(p, truth).mean() == pytest.approx(theirs)
    two, truth = softmax(logits[:, :2], axis=1), (truth > 1).astype(int)
    assert calibration.brier(two, truth).mean() == pytest.approx(
        2 * brier_score_loss(truth, two[:, 1])
    )


def test_calibration_error_and_diagram_of_a_case_by_hand() -> None:
    # At 0.9 both are right (off by 0.1), at 0.65 one of two (off by 0.15).
    truth, infants = np.array([0, 0, 1, 0]), ["a", "b", "a", "b"]
    assert calibration.expected_calibration_error(TWO, truth) == pytest.approx(0.125)
    table = calibration.reliability(TWO, truth, infants)
    assert table.clips.tolist() == [2, 2] and table.infants.tolist() == [2, 2]
    assert table.confidence.tolist() == pytest.approx([0.65, 0.9])
    assert table.accuracy.tolist() == [0.5, 1.0]
    assert table.low.tolist() == pytest.approx([0.6, 0.8])
    assert (table.accuracy_low <= table.accuracy).all()
    assert (table.accuracy <= table.accuracy_high).all()
    alone = calibration.reliability(TWO, truth, ["a", "a", "b", "c"])
    assert alone.accuracy_low.isna().tolist() == [False, True], "a bin of one infant"
    assert calibration.overconfidence(TWO, truth) == pytest.approx([-0.1, -0.1, -0.35, 0.65])


def test_a_bin_includes_its_upper_end_in_single_precision_too() -> None:
    p = np.array([[0.7, 0.3], [0.3, 0.7]], np.float32)
    table = calibration.reliability(p, np.array([0, 0]), ["a", "b"])
    assert table.high.tolist() == pytest.approx([0.7])


def calibrated_errors(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return errors of a calibrated model whose clips are independent (Bröcker & Smith 2007)."""
    edges = np.cumsum(p, axis=1)[:, None, :-1]
    truth = (rng.random((len(p), 1000))[:, :, None] > edges).sum(axis=2)
    return np.array([ERROR(p, column) for column in truth.T])


def test_chance_of_infants_with_a_clip_each_is_that_of_independent_clips() -> None:
    logits, truth = forecasts(1000, 4)
    p, rng = softmax(logits, axis=1), np.random.default_rng(0)
    by_clip = calibrated_errors(p, rng)
    by_infant = calibration.chance_errors(p, truth, [f"{k}" for k in range(len(p))], rng=rng)
    assert by_infant.mean() == pytest.approx(by_clip.mean(), rel=0.1)
    assert ERROR(p, truth) < by_clip.max()


def test_chance_of_two_infants_by_hand() -> None:
    # Gaps of 0.1, 0.1 and 0.35, -0.65, in bins of their own. One infant's: summed, then the sign
    # doesn't matter. Of two infants with one of each: 0.2 or 0, and 0.3 or 1, together.
    truth, rng = np.array([0, 0, 1, 0]), np.random.default_rng(0)
    two = calibration.chance_errors(TWO, truth, ["a", "b", "a", "b"], rng=rng)
    assert sorted({round(float(each), 6) for each in two}) == pytest.approx([0.125, 0.25])
    missing, y = np.vstack([TWO, [np.nan] * 2]), np.append(truth, 0)
    alone = calibration.chance_errors(missing, y, ["a"] * 5, rng=rng)
    assert alone == pytest.approx(np.full(1000, 0.125))


def test_clips_that_go_together_widen_what_chance_leaves() -> None:
    # Each infant's clip is there five times: a calibrated model that looks miscalibrated to a
    # limit for independent clips, far more often than in 5 % of corpora.
    above = np.zeros((20, 2))
    for seed, row in enumerate(above):
        logits, truth = (np.repeat(each, 5, axis=0) for each in forecasts(40, 4, seed))
        p, infants = softmax(logits, axis=1), np.repeat(np.arange(40), 5).astype(str).tolist()
        error, rng = ERROR(p, truth), np.random.default_rng(seed)
        clips = calibrated_errors(p, rng)
        infant = calibration.chance_errors(p, truth, infants, rng=rng)
        row[:] = error > np.quantile(clips, 0.95), error > np.quantile(infant, 0.95)
    assert above[:, 0].mean() > 0.5 and above[:, 1].mean() < 0.2


def test_too_sure_a_model_is_above_what_chance_leaves() -> None:
    logits, truth = forecasts(400, 4)
    infants = np.repeat(np.arange(80), 5).astype(str).tolist()
    p, rng = softmax(3 * logits, axis=1), np.random.default_rng(0)
    chance = calibration.chance_errors(p, truth, infants, rng=rng)
    error = ERROR(p, truth)
    assert error > 0.1 and error > np.quantile(chance, 0.99)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_temperature_that_was_put_in_comes_out(scale) -> None:
    logits, truth = forecasts(20_000, 4)
    p = softmax(scale * logits, axis=1)
    assert calibration.temperature(p, truth) == pytest.approx(scale, rel=0.03)
    mended = calibration.at_temperature(p, scale)
    np.testing.assert_allclose(mended, softmax(logits, axis=1), atol=1e-5)


def test_the_temperature_of_equal_answers_has_a_closed_form() -> None:
    # Says 0.9 each time and is right 7 times in 10: the best it can say is 0.7.
    p, truth = np.tile([0.9, 0.1], (10, 1)), np.array([0] * 7 + [1] * 3)
    best = calibration.temperature(p, truth)
    assert best == pytest.approx(logit(0.9) / logit(0.7), rel=1e-4)
    assert calibration.at_temperature(p, best)[0, 0] == pytest.approx(0.7, abs=1e-4)


def test_no_mistakes_make_it_as_sure_as_the_bounds_let_it() -> None:
    assert calibration.temperature(TWO, np.array([0, 0, 1, 1])) == pytest.approx(0.05, rel=1e-3)


@given(st.floats(0.06, 19.0), st.integers(0, 50))
def test_a_temperature_changes_no_answer(value, seed) -> None:
    p = softmax(forecasts(20, 3, seed)[0], axis=1)
    changed = calibration.at_temperature(p, value)
    np.testing.assert_allclose(changed.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(changed.argmax(axis=1), p.argmax(axis=1))


def test_risk_and_coverage_of_a_case_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.3, 0.7], [np.nan, np.nan]])
    table = calibration.risk_coverage(p, np.array([0, 0, 1, 1, 0]))
    assert table.threshold.tolist() == [0.9, 0.8, 0.7]
    assert table.coverage.tolist() == pytest.approx([0.2, 0.4, 0.8])
    assert table.risk.tolist() == [0.0, 0.0, 0.25]


@given(st.integers(0, 50), st.floats(0.05, 1.0))
def test_at_least_the_share_asked_for_reaches_the_threshold(seed, coverage) -> None:
    p = softmax(forecasts(37, 3, seed)[0], axis=1)
    threshold = calibration.confidence_threshold(p, coverage=coverage)
    answered = ~np.isnan(calibration.unless_unsure(p, threshold)[:, 0])
    assert coverage - 1e-9 <= answered.mean() < coverage + 1 / 37


def test_what_has_no_answer_is_no_forecast() -> None:
    truth = np.array([0, 0, 1, 0])
    missing = np.vstack([TWO, [np.nan, np.nan]])
    with_gap, infants = np.append(truth, 1), ["a", "b", "a", "b", "c"]
    assert calibration.expected_calibration_error(missing, with_gap) == pytest.approx(0.125)
    assert calibration.temperature(missing, with_gap) == calibration.temperature(TWO, truth)
    assert calibration.reliability(missing, with_gap, infants).clips.sum() == 4
    assert np.isnan(calibration.brier(missing, with_gap)[4])
    assert np.isnan(calibration.overconfidence(missing, with_gap)[4])
    assert np.isnan(calibration.at_temperature(missing, 2.0)[4]).all()
    assert calibration.confidence_threshold(missing, coverage=1.0) == 0.0


ZERO = np.zeros(4, int)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: calibration.brier([[0.5, 0.6]], np.array([0])), "sum to 1"),
        (lambda: calibration.brier([[0.5, 0.5]], np.array([2])), "2 columns"),
        (lambda: calibration.brier([[0.5, 0.5]], np.array([0, 1])), "1 rows"),
        (lambda: calibration.confidence([0.5, 0.5]), "two classes or more"),
        (lambda: calibration.confidence([[0.5, np.nan]]), "all NaN"),
        (lambda: calibration.at_temperature(TWO, 0.0), "temperature=0.0"),
        (lambda: calibration.confidence_threshold(TWO, coverage=0.0), "coverage=0.0"),
        (lambda: calibration.temperature([[np.nan] * 2], np.array([0])), "no clip has an answer"),
        (lambda: ERROR(TWO, ZERO, bins=0), "bins=0"),
        (lambda: calibration.reliability(TWO, ZERO, ["a"]), "1 infants"),
        (lambda: calibration.chance_errors(TWO, ZERO, ["a"], rng=RNG), "1 infants"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words) -> None:
    with pytest.raises(InputError, match=words):
        call()
