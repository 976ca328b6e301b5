"""Calibration: hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from cryutils.errors import InputError
from cryutils.evaluation import calibration
from cryutils.models import export

TWO = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.35, 0.65]])


def test_calibration_error_and_diagram_of_a_case_by_hand() -> None:
    # At 0.9 both are right (off by 0.1), at 0.65 one of two (off by 0.15); the last has no answer.
    p, truth = np.vstack([TWO, [np.nan] * 2]), np.array([0, 0, 1, 0, 1])
    assert calibration.expected_calibration_error(p, truth) == pytest.approx(0.125)
    table = calibration.reliability(p, truth, [*"ababc"])
    assert table.clips.tolist() == [2, 2] and table.infants.tolist() == [2, 2]
    assert table.confidence.tolist() == pytest.approx([0.65, 0.9])
    assert table.accuracy.tolist() == [0.5, 1.0]
    assert table.low.tolist() == pytest.approx([0.6, 0.8])
    alone = calibration.reliability(p, truth, [*"aabcd"])
    assert alone.accuracy_low.isna().tolist() == [False, True], "a bin of one infant"


def test_chance_of_two_infants_by_hand() -> None:
    # Gaps of 0.1, 0.1 and 0.35, -0.65, in bins of their own. One infant's: summed, then the sign
    # doesn't matter. Of two infants with one of each: 0.2 or 0, and 0.3 or 1, together.
    truth = np.array([0, 0, 1, 0])
    two = calibration.chance_errors(TWO, truth, [*"abab"])
    assert sorted({round(float(each), 6) for each in two}) == pytest.approx([0.125, 0.25])
    assert calibration.chance_errors(TWO, truth, [*"aaaa"]) == pytest.approx(np.full(1000, 0.125))


def test_the_temperature_of_equal_answers_has_a_closed_form() -> None:
    # Says 0.9 each time and is right 7 times in 10: the best it can say is 0.7.
    p = np.vstack([np.tile([0.9, 0.1], (10, 1)), [np.nan] * 2])
    best = calibration.temperature(p, np.array([0] * 7 + [1] * 4))
    assert best == pytest.approx(logit(0.9) / logit(0.7), rel=1e-4)
    again = export.at_temperature(p, best)
    assert again[0, 0] == pytest.approx(0.7, abs=1e-4) and np.isnan(again[-1]).all()


@pytest.mark.parametrize(("p", "words"), [([0.5, 0.6], "sum to 1"), ([np.nan] * 2, "no clip has an answer")])
def test_what_makes_no_sense_is_refused(p, words) -> None:
    with pytest.raises(InputError, match=words):
        calibration.temperature([p], np.array([0]))
