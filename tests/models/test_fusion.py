"""Means over time: exact, and no guess where there is nothing."""

from __future__ import annotations

import numpy as np

from cryutils.models.fusion import RollingAverage


def test_a_rolling_average_of_three_by_hand() -> None:
    hungry, sleepy, no_face = [0.75, 0.25], [0.25, 0.75], [np.nan, np.nan]
    rolling = RollingAverage(3)
    frames = [no_face, hungry, hungry, sleepy, no_face, hungry, sleepy, sleepy]
    averages = np.array([rolling.push(p) for p in frames])
    third = [0.75, 0.75, 1.75 / 3, 1.75 / 3, 1.75 / 3, 1.25 / 3, 1.25 / 3]
    np.testing.assert_allclose(averages[1:, 0], third, rtol=1e-6)
    assert np.isnan(averages[0]).all()  # no face yet
    assert averages[1:].argmax(axis=1).tolist() == [0, 0, 0, 0, 0, 1, 1]
