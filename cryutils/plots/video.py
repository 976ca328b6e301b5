"""Figures of video frames: frames by class, residual block, similarity, splits, rolling average.

Used in notebooks 05_image and 07_frames_resnet50 (Paper A §3.4.2, §3.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.plots.models import pictures
from cryutils.plots.palette import COLOURS, MODALITIES, SPLITS
from cryutils.plots.parts import arrow, block, name_rows, scores_by_split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cryutils.datasets.corpus import Corpus
    from cryutils.evaluation.intervals import Interval
    from cryutils.papers.rolling import Rolled

__all__ = ["frame_distances", "frames_by_class", "residual_block", "residual_maps", "rolling",
           "split_scores"]  # fmt: skip

_INPUT, _LEARNED = "#EFEFEF", "#F0C9B8"


def frames_by_class(corpus: Corpus, *, infants: int = 3, at_s: float = 1.0) -> Figure:
    """Draw one frame of a few infants in each class, a column per class.

    The frame is that at `at_s` seconds of the infant's first clip in the class.
    """
    import matplotlib.pyplot as plt

    from cryutils.video.tracks import frame_at

    classes = corpus.classes
    size = (1.9 * len(classes), 2.05 * infants)
    fig, axes = plt.subplots(infants, len(classes), figsize=size, layout="compressed")
    for column, label in zip(axes.T, classes, strict=True):
        clips = {clip.infant: clip for clip in reversed(corpus) if clip.label == label}
        chosen = [clips[name] for name in sorted(clips)[:infants]]
        frames = [frame_at(clip.still or clip.path, at_s) for clip in chosen]
        titles = [f"{label.replace('_', ' ')}, {clip.infant}" for clip in chosen]
        pictures(frames, titles, column)
    return fig


def residual_block(ax: Axes) -> Axes:
    """Draw a residual block: two layers compute F(x), and x bypasses them to the sum (eq. 2)."""
    shape: dict[str, float] = {"height": 0.5, "corner": 0.06, "fontsize": 9}
    block(ax, 0, 0, "x", _INPUT, width=0.5, **shape)
    last = 0.25
    for k in range(2):
        x = 1.25 + 1.5 * k
        block(ax, x, 0, "convolution\n3 × 3", _LEARNED, width=1.15, **shape)
        arrow(ax, (last, 0), (x - 0.575, 0), head=10)
        if k:
            ax.text((last + x - 0.575) / 2, 0.08, "ReLU", ha="center", va="bottom", fontsize=8)
        last = x + 0.575
    end = last + 0.75
    arrow(ax, (last, 0), (end - 0.14, 0), head=10)
    ax.text((last + end) / 2 - 0.08, 0.08, "F(x)", ha="center", va="bottom", fontsize=10)
    ax.plot(end, 0, "o", ms=17, mfc="white", mec="#444444")
    ax.text(end, 0, "+", ha="center", va="center", fontsize=13)
    ax.plot([0.42, 0.42, end], [0, 0.85, 0.85], color="#0072B2", lw=1.8)
    arrow(ax, (end, 0.85), (end, 0.16), head=10, color="#0072B2", lw=1.8)
    ax.text(end / 2, 0.9, "x, unchanged", ha="center", va="bottom", color="#0072B2", fontsize=10)
    arrow(ax, (end + 0.14, 0), (end + 1.75, 0), head=10)
    ax.text(end + 0.9, 0.08, "H(x) = F(x) + x", ha="center", va="bottom", fontsize=10)
    ax.text(end + 1.8, 0, "ReLU(H(x))", ha="left", va="center", fontsize=10)
    ax.set(xlim=(-0.4, end + 2.9), ylim=(-0.5, 1.25))
    ax.axis("off")
    return ax


def residual_maps(
    maps: Mapping[str, npt.NDArray[np.floating]], axes: Sequence[Axes]
) -> Sequence[Axes]:
    """Draw feature maps on one colour scale: red above 0, blue below.

    maps: by name, in order, (height, width): for example x, F(x) and F(x) + x of one channel of a
    block.
    """
    largest = max(float(np.abs(values).max()) for values in maps.values()) or 1.0
    for (name, values), ax in zip(maps.items(), axes, strict=True):
        ax.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
        ax.set_title(name, loc="center")
        ax.axis("off")
    return axes


def frame_distances(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw distances between frames, one row per kind of pair; 1 is the median between infants.

    The thick bar covers half of the pairs, the thin one 90 %; the point is the median.

    table: as returned by `framewise.frame_similarity`: `pair` and `distance`.
    """
    names, colour = list(dict.fromkeys(table.pair)), MODALITIES["image"]
    for row, name in zip(name_rows(ax, names), names, strict=True):
        distances = table[table.pair == name].distance.to_numpy(float)
        least, low, middle, high, most = np.quantile(distances, (0.05, 0.25, 0.5, 0.75, 0.95))
        ax.hlines(row, least, most, color=colour, lw=1.2)
        ax.hlines(row, low, high, color=colour, lw=9, alpha=0.4)
        ax.plot(middle, row, "o", color="#000000", ms=5)
    ax.axvline(1, color=COLOURS["chance"], ls="--", lw=1)
    ax.set(xlabel="distance of two frames' embeddings (1: frames of different infants)")
    ax.set_xlim(left=0)
    return ax


def split_scores(table: pd.DataFrame, ax: Axes, *, chance: float) -> Axes:
    """Draw each model's score under three splits with its interval, one row per model.

    table: as returned by `framewise.comparison`: an index of names and, for `frame`, `clip` and
    `infant`, `<split>`, `<split>_low` and `<split>_high`; shares 0-1 like `chance`.
    """
    scores_by_split(table, ax, SPLITS, apart=0.22)
    ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
    ax.set(xlim=(0, 1.02), xlabel="balanced accuracy")
    return ax


def rolling(rolled: Sequence[Rolled], axes: Sequence[Axes], *, chance: float) -> Sequence[Axes]:
    """Draw the effect of a rolling average in two panels: label changes a minute, and accuracy.

    The right panel shows the accuracy of the frames' labels and of the last label of each video,
    with intervals over infants.

    rolled: as returned by `rolling.over_windows`. axes: two. chance: a share.
    """
    places = np.arange(len(rolled))
    words = [str(score.n) for score in rolled]
    flicker, right = axes
    changes = [score.flicker for score in rolled if score.flicker is not None]
    if len(changes) == len(rolled):
        _draw_intervals(flicker, places, changes, MODALITIES["image"], "")
    flicker.set(xlabel="frames averaged", ylabel="label changes a minute")
    flicker.set_ylim(bottom=0)
    for offset, name, colour, label in (
        (-0.08, "accuracy", MODALITIES["image"], "label at each frame"),
        (0.08, "final", "#000000", "last label of a video"),
    ):
        scores = [getattr(score, name) for score in rolled]
        _draw_intervals(right, places + offset, scores, colour, label)
    right.axhline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
    right.set(ylim=(0, 1.02), xlabel="frames averaged", ylabel="accuracy")
    right.legend(loc="lower right", fontsize=8)
    for ax in axes:
        ax.set_xticks(places, words)
        ax.grid(axis="x", visible=False)
    return axes


def _draw_intervals(
    ax: Axes, at: npt.NDArray[Any], intervals: Sequence[Interval], colour: str, label: str
) -> None:
    values, low, high = (
        np.array([getattr(interval, name) for interval in intervals], float)
        for name in ("value", "low", "high")
    )
    ax.vlines(at, low, high, color=colour, lw=3, alpha=0.35)
    ax.plot(at, values, "o-", color=colour, ms=6, lw=1.2, label=label)
