"""Figures of the live analysis show the numbers that they were given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from drawn import legend, points, ticks

from cryutils import plots


def test_what_passes_is_a_line_per_sound_and_a_number_in_the_legend(ax) -> None:
    passing = {"donateacry": [1.0, 0.97, 0.4], "music": [1.0, 0.03, 0.0], "pause": [1.0, 0.3, 0.1]}
    table = pd.DataFrame(passing, index=pd.Index([0.0, 0.5, 1.0], name="threshold"))
    table = table.rename_axis("source", axis=1).stack().rename("passing").reset_index()
    plots.gate_curve(table, ax, cries="donateacry", threshold=0.51)
    assert legend(ax) == ["cries: 97.0 %", "pause: 30.0 %", "music: 3.0 %"]
    assert points(ax, "music: 3.0 %") == ([0.0, 0.5, 1.0], [100.0, 3.0, 0.0])


def test_readings_are_drawn_over_time_with_the_verdict_below(axes) -> None:
    answers = [
        SimpleNamespace(time=time, verdict=verdict, probabilities=p, cry=cry)
        for time, verdict, p, cry in (
            (0.5, "gap", {}, None), (1.0, "hungry", {"hungry": 0.9}, 0.8),
            (1.5, "hungry", {"hungry": 0.7}, 0.6),
        )
    ]  # fmt: skip
    gate, states, verdicts = plots.readings(
        answers, ["hungry", "tired"], axes, threshold=0.5, cry=(1.0, 1.5)
    )
    np.testing.assert_array_equal(gate.lines[0].get_ydata(), [np.nan, 0.8, 0.6])
    assert points(gate, "threshold")[1] == [0.5, 0.5]
    np.testing.assert_array_equal(points(states, "hungry")[1], [np.nan, 0.9, 0.7])
    assert ticks(verdicts, "y") == ["tired", "hungry", "gap"]
    assert verdicts.lines[0].get_ydata().tolist() == [2, 1, 1]
