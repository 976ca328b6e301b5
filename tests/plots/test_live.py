"""Figures of the live analysis show the numbers that they were given."""

from __future__ import annotations

import matplotlib
import pandas as pd

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from cryutils import plots


def test_a_line_a_sound_and_a_point_where_the_gate_stands() -> None:
    passing = {"donateacry": [1.0, 0.97, 0.4], "music": [1.0, 0.03, 0.0], "noise": [1.0, 0.01, 0.0]}
    table = pd.DataFrame(
        [
            {"threshold": threshold, "source": source, "passing": share}
            for source, shares in passing.items()
            for threshold, share in zip((0.0, 0.5, 1.0), shares, strict=True)
        ]
    )
    figure, ax = plt.subplots()
    plots.gate_curve(table, ax, cries="donateacry", threshold=0.51)
    drawn = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines
    }
    assert drawn["music"] == (passing["music"], passing["donateacry"])
    assert drawn["noise"] == (passing["noise"], passing["donateacry"])
    points = [
        (list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.lines
        if line.get_marker() == "o"
    ]
    assert points == [([0.03], [0.97]), ([0.01], [0.97])]
    plt.close(figure)
