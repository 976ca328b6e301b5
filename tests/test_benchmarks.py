"""Benchmarks whose sums a table or a text relies on, by hand-computed cases or a small version."""

import intervals
import numpy as np
import pandas as pd
import power
import pytest


def test_intervals_cover_at_recalls_near_0_and_1() -> None:
    """Like DonateACry: three small classes, and one of 380 clips, whose recall comes first."""
    donors = [[8, 3] + [1] * 5, [5, 4, 3, 2, 2] + [1] * 11, [3, 3] + [2] * 4 + [1] * 10, [2] * 190]
    clips, first = np.zeros((sum(map(len, donors)), 4)), 0
    for k, counts in enumerate(donors):
        clips[first : first + len(counts), k] = counts
        first += len(counts)
    covered, width = intervals.held(clips, (0.97, 0.02), 0.3, 1000)["library"]
    assert covered >= 0.93 and width < 0.2


def test_intervals_of_the_difference_of_equal_models_cover_zero_and_are_wider_than_needed() -> None:
    rng, infants = np.random.default_rng(0), np.repeat([f"infant{k:02d}" for k in range(12)], 4)
    corpus = power.Design(np.array([f"class{k}" for k in rng.permutation(np.arange(48) % 3)]), infants)
    setting = {"metric": "balanced_accuracy", "repeats": 5, "icc": 0.05, "alike": 0.0}
    ways = intervals.paired(corpus, **setting, recalls=((0.8, 0.8), (0.8, 0.8)), simulations=200)
    assert ways["library"][0] >= 0.95 and ways["MOVER"][0] >= 0.95
    assert ways["needed"][1] < ways["library"][1] < ways["MOVER"][1] < 0.5


def test_where_power_reaches_80_percent_by_hand() -> None:
    # A dip by chance is evened out: 0.7 and 0.5 are pooled to 0.6.
    powers, signal = [0.05, 0.7, 0.5, 1.0], 1.0 + 0.5 * 0.5
    at = np.arange(4) / 2
    table = {"signal": at, "power": powers, "balanced_accuracy": 0.25 + at / 4}
    reached = power.at_power(pd.DataFrame(table))
    assert reached == pytest.approx((signal, 0.25 + signal / 4))
