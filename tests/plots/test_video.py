"""Figures of frames and of time show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import spans, ticks, words

from cryutils import plots
from cryutils.evaluation.intervals import Interval
from cryutils.papers import recognition
from cryutils.papers.rolling import Rolled


def interval(value: float, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value, low, high, 0.1, 8, 4)


def test_frames_by_class_are_of_different_infants_a_column_each_class(apart) -> None:
    cries = recognition.load(
        "synthetic", infants=8, clips_per_infant=2, duration_s=0.5, fps=4.0, size=64
    )
    figure = plots.frames_by_class(cries)
    titles = np.array([ax.get_title() for ax in figure.axes]).reshape(3, 4)
    pairs = {(clip.label, clip.infant) for clip in cries}
    for column, label in zip(titles.T, cries.classes, strict=True):
        shown = [tuple(title.split(", ")) for title in column if title]
        assert shown and set(shown) <= pairs and {name for name, _ in shown} == {label}
        assert len(set(shown)) == len(shown)


def test_a_residual_block_shows_both_ways_and_their_sum(ax) -> None:
    plots.residual_block(ax)
    texts = words(ax)
    assert sum(text.startswith("convolution") for text in texts) == 2
    assert {"F(x)", "x, unchanged", "+", "H(x) = F(x) + x"} <= set(texts)


def test_distances_have_their_median_and_quantiles(ax) -> None:
    near, far = np.linspace(0, 1, 21), np.linspace(1, 2, 21)
    table = pd.DataFrame({"pair": ["near"] * 21 + ["far"] * 21, "distance": [*near, *far]})
    plots.frame_distances(table, ax)
    assert ticks(ax, "y") == ["near", "far"]
    medians = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    assert medians == [[pytest.approx(0.5), 1], [pytest.approx(1.5), 0]]
    for wanted in ((1.05, 1.95), (1.25, 1.75), (0.05, 0.95), (0.25, 0.75)):
        assert any(span == pytest.approx(wanted) for span in spans(ax))


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


def test_labels_are_drawn_over_time_with_the_change() -> None:
    labels = {"each frame": np.array([0, 1, 0, 2]), "mean of 2": np.array([0, 0, 0, 2])}
    fig = plots.labels_over_time(labels, ["a", "b_c", "d"], step_s=0.5, change_s=1.5)
    (ax,) = fig.axes
    assert ticks(ax, "y") == ["each frame", "mean of 2"]
    for image, values in zip(ax.images, labels.values(), strict=True):
        assert image.get_array().tolist() == [values.tolist()]
        assert image.get_extent()[:2] == [0, 2] or tuple(image.get_extent()[:2]) == (0, 2)
    assert ax.lines[0].get_xdata() == [1.5, 1.5]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b c", "d"]
