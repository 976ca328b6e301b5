"""Power: none beyond the level without a signal, all with a large one, and closed forms between."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cryutils.papers import power


def structure(infants: int, clips: int = 2, classes: int = 2) -> SimpleNamespace:
    number = np.repeat(np.arange(infants), clips)
    return SimpleNamespace(
        labels=np.array([f"class{i % classes}" for i in number]),
        infants=np.array([f"infant{i:04d}" for i in number]),
    )


def test_features_have_the_variance_the_infants_share_and_the_signal_that_were_asked_for() -> None:
    corpus = structure(4000)
    x = power.features(corpus, 1.5, np.random.default_rng(0))
    y = np.array([label[-1] for label in corpus.labels]).astype(int)
    assert x[:, 2:].var() == pytest.approx(1.0, abs=0.03)
    pairs = x[:, 2:].reshape(4000, 2, -1)
    assert np.mean(pairs[:, 0] * pairs[:, 1]) == pytest.approx(power.ICC, abs=0.03)
    assert x[y == 0, 0].mean() - x[y == 1, 0].mean() == pytest.approx(1.5, abs=0.1)


def test_without_a_signal_the_level_is_kept_and_a_large_one_is_always_detected() -> None:
    corpus = structure(16)
    level, certain = (
        [
            power.trial(corpus, signal, n_folds=4, permutations=19, seed=[3, seed])
            for seed in range(n)
        ]
        for signal, n in ((0.0, 20), (5.0, 3))
    )
    # Of 20 tests at exactly 0.05 more than this reject once in a thousand times.
    assert sum(t.rejected for t in level) <= stats.binom.ppf(0.999, 20, 0.05)
    assert all(t.rejected and t.balanced_accuracy > 0.9 for t in certain)


def points(powers: list[float]) -> pd.DataFrame:
    signal = np.arange(len(powers)) / 2
    return pd.DataFrame(
        {"signal": signal, "corpora": 200, "power": powers, "balanced_accuracy": 0.25 + signal / 4}
    )


def test_where_power_reaches_80_percent_by_hand() -> None:
    # 0.8 lies two thirds of the way from 0.6 to 0.9, so between the signals 0.5 and 1.
    signal, score = power.at_power(points([0.05, 0.6, 0.9, 1.0]))  # type: ignore[misc]
    assert signal == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert score == pytest.approx(0.25 + signal / 4)
    # A dip by chance is evened out: 0.7 and 0.5 are pooled to 0.6.
    signal, _ = power.at_power(points([0.05, 0.7, 0.5, 1.0]))  # type: ignore[misc]
    assert signal == pytest.approx(1.0 + 0.5 * 0.5)
    assert power.at_power(points([0.05, 0.1, 0.7])) is None


def test_donors_are_donateacrys_without_burping() -> None:
    donors = power.donors()
    assert len(donors.labels) == 449 and len(set(donors.infants)) == 220
    assert sorted(set(donors.labels)) == ["belly_pain", "discomfort", "hungry", "tired"]
