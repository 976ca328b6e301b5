"""Figures of trained networks: each shows the numbers that it was given, on any Axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from drawn import spans, ticks
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from cryutils import plots

STATES = ["discomfort", "hungry", "pain", "tired"]


# Curves


# Scores


def test_gains_are_open_where_the_interval_holds_0_or_there_is_none(ax) -> None:
    table = pd.DataFrame(
        {"value": [0.1, 0.02, -0.2, 0.3], "low": [0.05, -0.05, -0.3, None], "high": [0.15, 0.09, -0.1, None]},
        index=["a", "b", "c", "d"],
    )
    assert plots.gains(table, ax, xlabel="gain") is ax
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in marks] == [0.1, 0.02, -0.2, 0.3]
    assert [float(line.get_ydata()[0]) for line in marks] == [3, 2, 1, 0]
    is_open = [to_hex(line.get_markerfacecolor()) == "#ffffff" for line in marks]
    assert is_open == [False, True, False, True]
    assert spans(ax)[:3] == [(0.05, 0.15), (-0.05, 0.09), (-0.3, -0.1)]
    assert ticks(ax, "y") == ["a", "b", "c", "d"]
    plots.gains(table.loc[["d"]], ax, xlabel="without a single interval")
    assert ticks(ax, "y") == ["d"]


# One recording


def test_decisions_have_the_colour_of_the_likeliest_state_and_pale_doubt(ax) -> None:
    sure, unsure, none = [0, 1, 0, 0], [0.24, 0.28, 0.24, 0.24], [np.nan] * 4
    timelines = {
        "sound": np.array([sure, unsure, none], np.float32),
        "face": np.array([[0, 0, 0, 1]], np.float32),
        "neither": np.zeros((0, 4), np.float32),
    }
    with np.errstate(all="raise"):
        assert plots.decisions(timelines, STATES, ax, step_s=0.5) is ax
    sound, face = (np.asarray(image.get_array(), float)[0] for image in ax.images)
    box = ax.get_legend()
    colours = [patch.get_facecolor()[:3] for patch in box.get_patches()]
    legend = dict(zip([text.get_text() for text in box.get_texts()], colours, strict=True))
    np.testing.assert_allclose(sound[0], legend["hungry"], atol=1e-6)
    np.testing.assert_allclose(face[0], legend["tired"], atol=1e-6)
    np.testing.assert_allclose(sound[1], 1 - 0.15 * (1 - np.array(legend["hungry"])), atol=1e-6)
    np.testing.assert_array_equal(sound[2], 1)  # no answer, no colour
    assert ax.images[0].get_extent() == [0, 1.5, 1.6, 2.4]  # the first strip lies on top
    assert ax.get_xlim() == (0, 1.5)
    assert ticks(ax, "y") == ["sound", "face", "neither"]
    plt.cla()
    plots.decisions(timelines, STATES, ax, step_s=0.5, window_s=1.5)  # windows overlap
    assert ax.images[0].get_extent()[:2] == [0.5, 2.0] and ax.get_xlim() == (0, 2.5)


# Pictures
