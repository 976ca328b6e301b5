"""The figure of the live analysis shows the numbers that it was given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from drawn import points, ticks

from cryutils import plots


def test_readings_are_drawn_over_time_with_the_verdict_below(axes) -> None:
    answers = [
        SimpleNamespace(time=time, verdict=verdict, probabilities=p, cry=cry)
        for time, verdict, p, cry in (
            (0.5, "gap", {}, None),
            (1.0, "hungry", {"hungry": 0.9}, 0.8),
            (1.5, "hungry", {"hungry": 0.7}, 0.6),
        )
    ]
    gate, states, verdicts = plots.readings(answers, ["hungry", "tired"], axes, threshold=0.5, cry=(1.0, 1.5))
    np.testing.assert_array_equal(gate.lines[0].get_ydata(), [np.nan, 0.8, 0.6])
    assert points(gate, "threshold")[1] == [0.5, 0.5]
    np.testing.assert_array_equal(points(states, "hungry")[1], [np.nan, 0.9, 0.7])
    assert ticks(verdicts, "y") == ["tired", "hungry", "gap"]
    assert verdicts.lines[0].get_ydata().tolist() == [2, 1, 1]
