"""What a figure shows: numbers and texts of its parts."""

from __future__ import annotations

from matplotlib.axes import Axes


def points(ax: Axes, label: str) -> tuple[list[float], list[float]]:
    """The x and y of the line that the legend calls `label`."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    x, y = line.get_data()
    return [float(v) for v in x], [float(v) for v in y]


def spans(ax: Axes) -> list[tuple[float, float]]:
    """The ends along x of all straight lines of the collections."""
    segments = [s for lines in ax.collections for s in lines.get_segments() if len(s)]
    return [(float(s[0, 0]), float(s[1, 0])) for s in segments]


def ticks(ax: Axes, axis: str) -> list[str]:
    return [text.get_text() for text in getattr(ax, f"get_{axis}ticklabels")()]


def labels(ax: Axes) -> tuple[str, str]:
    return ax.get_xlabel(), ax.get_ylabel()
