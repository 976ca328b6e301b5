"""How often intervals hold the truth: with repeats, and of areas, against simulations by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sizes import large

from cryutils.errors import InputError
from cryutils.evaluation.intervals import auc_coverage, auc_interval, interval, measured_coverage


def equal(classes: int, infants: int, clips: int) -> tuple[np.ndarray, list[str]]:
    """Return truth and infants of classes with equally many infants and clips."""
    whose = np.repeat(np.arange(classes * infants), clips)
    return whose // infants, [f"i{k}" for k in whose]


def error(share: float, draws: int) -> float:
    """Four standard errors of a share of draws."""
    return 4 * float(np.sqrt(share * (1 - share) / draws))


def test_repeats_that_are_all_the_same_cover_as_often_as_one() -> None:
    truth, infants = equal(2, 8, 3)
    predicted = np.where(np.arange(len(truth)) % 3 == 0, 1 - truth, truth)
    single, three = (
        measured_coverage(rows, truth, infants, simulations=3000)
        for rows in (predicted, predicted[None][[0] * 3])
    )
    assert three == pytest.approx(single, abs=error(single, 1500))
    assert single < 0.98  # where repeats were drawn anew, three would cover more


def test_coverage_over_repeats_agrees_with_intervals_of_simulated_predictions() -> None:
    rng, icc = np.random.default_rng(1), 0.6
    truth, infants = equal(2, 6, 4)
    group = np.unique(infants, return_inverse=True)[1]
    # Six repeats look at no clip alike, so nothing but its infant is the same in all.
    observed = np.where(rng.random((6, len(truth))) < 0.6, truth, 1 - truth)
    expected = measured_coverage(observed, truth, infants, icc=icc, simulations=4000)
    recalls = [
        (np.sum((observed == truth) & (truth == k)) / 6 + 1 / 3) / (np.sum(truth == k) + 1)
        for k in (0, 1)
    ]
    held = []
    for _ in range(1500):
        spread = (1 - icc) / icc
        share = np.array([rng.beta(p * spread, (1 - p) * spread, 12) for p in recalls])
        drawn = rng.random(observed.shape) < share[truth, group]
        result = interval(np.where(drawn, truth, 1 - truth), truth, infants)
        held.append(result.low <= np.mean(recalls) <= result.high)  # type: ignore[operator]
    assert np.mean(held) == pytest.approx(expected, abs=error(0.97, 1500))


def test_of_trainings_that_fail_or_succeed_as_a_whole_a_few_tell_too_little() -> None:
    truth, infants = equal(1, 24, 2)
    failed = np.stack([truth, truth, truth + 1])
    mixed = np.where(np.arange(len(truth)) % 3 == 0, 1, truth)[None][[0] * 3]
    whole, clips = (
        measured_coverage(rows, truth, infants, metric="accuracy", simulations=1000)
        for rows in (failed, mixed)
    )
    assert whole < 0.8 < 0.93 < clips  # as many answers are right in both


def test_a_rival_may_have_fewer_repeats() -> None:
    truth, infants = equal(2, 6, 2)
    predicted = np.stack([truth, np.roll(truth, 2), np.roll(truth, 4)])
    options = {"rival": predicted[:1], "metric": "accuracy", "simulations": 200}
    assert measured_coverage(predicted, truth, infants, **options) > 0.9  # type: ignore[arg-type]


@pytest.mark.parametrize("shift", [0.0, pytest.param(1.0, marks=large)])
def test_coverage_of_an_area_agrees_with_one_that_is_known(shift: float) -> None:
    truth, infants = equal(2, 60, 1)
    # Quantiles of two normal distributions, of which the area is known up to the clips' number.
    scores = np.tile(stats.norm.ppf((np.arange(60) + 0.5) / 60), 2) + shift * truth
    both = np.stack([-scores, scores], axis=1)
    area = float(stats.norm.cdf(shift / np.sqrt(2)))
    assert auc_interval(both, truth, infants).value == pytest.approx(area, abs=0.02)
    rng, held = np.random.default_rng(3), []
    for _ in range(500):
        drawn = rng.normal(size=120) + shift * truth
        result = auc_interval(np.stack([-drawn, drawn], axis=1), truth, infants)
        held.append(result.low <= area <= result.high)  # type: ignore[operator]
    share = auc_coverage(both, truth, infants, icc=0.001, simulations=500)
    assert share == pytest.approx(np.mean(held), abs=error(0.95, 250))


def test_areas_cover_over_folds_and_repeats_and_where_every_clip_is_ranked_right() -> None:
    truth, infants = equal(3, 8, 3)
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, len(truth), 3)) + 1.0 * (truth[:, None] == np.arange(3))
    order = rng.permutation(8)[np.arange(len(truth)) // 3 % 8]  # a class's infant by infant
    folds = [[(np.flatnonzero(order % 2 != k), np.flatnonzero(order % 2 == k)) for k in (0, 1)]] * 2
    assert auc_coverage(scores, truth, infants, folds, simulations=200) >= 0.93
    perfect = np.eye(3)[truth]
    assert auc_interval(perfect, truth, infants).value == 1
    assert auc_coverage(perfect, truth, infants, simulations=200) >= 0.93
    first, again = (auc_coverage(scores[0], truth, infants, simulations=20) for _ in range(2))
    assert first == again


def test_an_area_without_an_interval_has_no_coverage() -> None:
    truth, infants = equal(2, 1, 3)
    assert np.isnan(auc_coverage(np.eye(2)[truth], truth, infants))
    with pytest.raises(InputError, match="icc=0"):
        auc_coverage(np.eye(2)[truth], truth, infants, icc=0)
