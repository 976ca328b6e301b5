"""Figures of frames and of time show the numbers that they are given."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from cryutils import plots
from cryutils.evaluation.intervals import Interval
from cryutils.papers.rolling import Rolled


@pytest.fixture
def axes() -> Iterator[list[Axes]]:
    fig, drawn = plt.subplots(1, 3)
    yield list(drawn)
    plt.close(fig)


def interval(value: float, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value, low, high, 0.1, 8, 4, "made up")


def points(ax: Axes, label: str) -> np.ndarray:
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return np.array(line.get_xydata())


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_a_residual_block_shows_both_ways_and_their_sum(axes: list[Axes]) -> None:
    plots.residual_block(axes[0])
    texts = words(axes[0])
    assert sum(text.startswith("convolution") for text in texts) == 2
    assert {"F(x)", "x, unchanged", "+", "H(x) = F(x) + x"} <= set(texts)


def test_maps_of_a_block_share_one_scale_about_nought(axes: list[Axes]) -> None:
    x, f = np.array([[1.0, 2.0]]), np.array([[-4.0, 0.5]])
    plots.residual_maps({"x": x, "F(x)": f, "F(x) + x": x + f}, axes)
    for ax, values in zip(axes, (x, f, x + f), strict=True):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), values)
        assert image.get_clim() == (-4.0, 4.0)
    assert [ax.get_title() for ax in axes] == ["x", "F(x)", "F(x) + x"]


def test_maps_of_nothing_but_noughts_are_drawn(axes: list[Axes]) -> None:
    plots.residual_maps({"x": np.zeros((2, 2))}, axes[:1])
    assert axes[0].images[0].get_clim() == (-1.0, 1.0)


def test_distances_have_their_median_and_quantiles(axes: list[Axes]) -> None:
    near, far = np.linspace(0, 1, 21), np.linspace(1, 2, 21)
    table = pd.DataFrame({"pair": ["near"] * 21 + ["far"] * 21, "distance": [*near, *far]})
    ax = plots.frame_distances(table, axes[0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["far", "near"]
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert medians == pytest.approx([1.5, 0.5])
    ends = [segment[:, 0].tolist() for c in ax.collections for segment in c.get_segments()]
    for wanted in ([1.05, 1.95], [1.25, 1.75], [0.05, 0.95], [0.25, 0.75]):
        assert any(span == pytest.approx(wanted) for span in ends)


def test_three_splits_stand_beside_each_other(axes: list[Axes]) -> None:
    splits = {"frame": 0.9, "clip": 0.7, "infant": 0.4}
    row = {f"{name}{end}": value + step for name, value in splits.items()
           for end, step in (("", 0.0), ("_low", -0.1), ("_high", 0.05))}  # fmt: skip
    ax = plots.split_scores(
        pd.DataFrame.from_dict({"a": row, "b": row}, "index"), axes[0], chance=1 / 3
    )
    for label, value in zip(
        ("split by frame", "split by clip", "leak-free"), splits.values(), strict=True
    ):
        np.testing.assert_allclose(points(ax, label)[:, 0], [value, value])
    ends = [segment[:, 0].tolist() for c in ax.collections for segment in c.get_segments()]
    assert any(span == pytest.approx([0.3, 0.45]) for span in ends)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]


def rolled(n: int, flicker: float | None, right: float) -> Rolled:
    change = None if flicker is None else interval(flicker, flicker - 2, flicker + 2)
    return Rolled(
        n=n, trainings=1, flicker=change, accuracy=interval(right, right - 0.1, right + 0.1),
        final=interval(right + 0.05), flicker_change=change, accuracy_change=interval(0.0),
    )  # fmt: skip


def test_flicker_and_accuracy_stand_over_the_frames_averaged(axes: list[Axes]) -> None:
    plots.rolling([rolled(1, 60.0, 0.5), rolled(30, 6.0, 0.55)], axes[:2], chance=1 / 3)
    flicker, right = axes[:2]
    (line,) = flicker.lines
    np.testing.assert_allclose(np.array(line.get_ydata()), [60, 6])
    assert [text.get_text() for text in flicker.get_xticklabels()] == ["1", "30"]
    np.testing.assert_allclose(points(right, "label at each frame")[:, 1], [0.5, 0.55])
    np.testing.assert_allclose(points(right, "last label of a video")[:, 1], [0.55, 0.6])
    assert right.get_ylim() == (0, 1.02)


def test_without_two_frames_a_clip_there_is_no_flicker_to_draw(axes: list[Axes]) -> None:
    plots.rolling([rolled(1, None, 0.5)], axes[:2], chance=0.5)
    assert not axes[0].lines
