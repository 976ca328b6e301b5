"""Figures of the live analysis show the numbers that they were given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from drawn import points, words
from matplotlib.axes import Axes

from cryutils import plots


def test_a_line_a_sound_and_a_point_where_the_gate_stands(ax: Axes) -> None:
    passing = {"donateacry": [1.0, 0.97, 0.4], "music": [1.0, 0.03, 0.0], "noise": [1.0, 0.01, 0.0]}
    table = pd.DataFrame(passing, index=pd.Index([0.0, 0.5, 1.0], name="threshold"))
    table = table.rename_axis("source", axis=1).stack().rename("passing").reset_index()
    plots.gate_curve(table, ax, cries="donateacry", threshold=0.51)
    for sound in ("music", "noise"):
        assert points(ax, sound) == (passing[sound], passing["donateacry"])
    marks = [line.get_xydata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert marks == [[[0.03, 0.97]], [[0.01, 0.97]]]


def test_readings_are_drawn_over_time_and_a_verdict_written_where_it_begins(
    axes: np.ndarray,
) -> None:
    answers = [
        SimpleNamespace(time=time, verdict=verdict, probabilities=p, cry=cry)
        for time, verdict, p, cry in (
            (0.5, "no sound", {}, None), (1.0, "hungry", {"hungry": 0.9}, 0.8),
            (1.5, "hungry", {"hungry": 0.7}, 0.6),
        )
    ]  # fmt: skip
    gate, states = plots.readings(answers, ["hungry"], axes[:2], threshold=0.5)
    np.testing.assert_array_equal(gate.lines[0].get_ydata(), [np.nan, 0.8, 0.6])
    assert points(gate, "threshold")[1] == [0.5, 0.5]
    np.testing.assert_array_equal(points(states, "hungry")[1], [np.nan, 0.9, 0.7])
    assert words(states) == ["no sound", "hungry"]
