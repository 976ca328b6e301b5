"""Figures of frames and of time show the numbers that they are given."""

from __future__ import annotations

import pytest
from drawn import spans, ticks

from cryutils import plots
from cryutils.evaluation.intervals import Interval
from cryutils.papers.framewise import Rolled


def interval(value: float, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value, low, high, 0.1, 8, 4)


def rolled(n: int, flicker: float | None, right: float) -> Rolled:
    change = None if flicker is None else interval(flicker, flicker - 2, flicker + 2)
    return Rolled(
        n=n, trainings=1, flicker=change, accuracy=interval(right, right - 0.1, right + 0.1),
        final=interval(right + 0.05), flicker_change=change, accuracy_change=interval(0.0),
    )  # fmt: skip


def test_flicker_delay_and_accuracy_are_drawn_over_the_frames_averaged() -> None:
    two = [rolled(1, 60.0, 0.5), rolled(30, 6.0, 0.55)]
    fig = plots.rolling(two, [0.1, 0.7], chance=1 / 3)
    flicker, delay, right = fig.axes
    for ax, values in ((flicker, [60, 6]), (delay, [0.1, 0.7]), (right, [0.5, 0.55])):
        assert ax.lines[0].get_ydata().tolist() == values
        assert ticks(ax, "x") == ["1", "30"]
    assert spans(right, 1)[:2] == [pytest.approx((0.4, 0.6)), pytest.approx((0.45, 0.65))]
    fig = plots.rolling([rolled(1, None, 0.5)], [0.0], chance=0.5)
    assert not fig.axes[0].lines, "a clip of one frame has no flicker"
