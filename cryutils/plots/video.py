"""Figures of video frames: frames by class, residual block, similarity, splits, rolling average.

Used in notebooks 05_image and 07_frames_resnet50 (Paper A §3.4.2, §3.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.intervals import Interval
from cryutils.papers.rolling import Rolled
from cryutils.plots.models import pictures
from cryutils.plots.palette import COLOURS, MODALITIES, SPLITS
from cryutils.plots.parts import arrow, block, colour_legend, name_rows, scores_by_split, spaced
from cryutils.video.tracks import frame_at

_INPUT, _LEARNED = "#EFEFEF", "#F0C9B8"
_STATES = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#000000")  # of neighbouring labels


def frames_by_class(corpus: Corpus) -> Figure:
    """Draw one frame of three infants in each class, a column per class.

    The frame is that at 1 s of the infant's first clip in the class.
    """
    classes = corpus.classes
    size = (1.9 * len(classes), 6.15)
    fig, axes = plt.subplots(3, len(classes), figsize=size, layout="compressed")
    for column, label in zip(axes.T, classes, strict=True):
        clips = {clip.infant: clip for clip in reversed(corpus) if clip.label == label}
        chosen = [clips[name] for name in sorted(clips)[:3]]
        frames = [frame_at(clip.still or clip.path, 1.0) for clip in chosen]
        pictures(frames, [f"{spaced(label)}, {clip.infant}" for clip in chosen], column)
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


def frame_distances(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw distances between frames, one row per kind of pair; 1 is the median between infants.

    The thick bar covers half of the pairs, the thin one 90 %; the point is the median.

    table: as returned by `framewise.frame_similarity`: `pair` and `distance`.
    """
    pairs, colour = table.groupby("pair", sort=False).distance, MODALITIES["image"]
    for row, (_, part) in zip(name_rows(ax, table.pair.unique()), pairs, strict=True):
        least, low, middle, high, most = part.quantile([0.05, 0.25, 0.5, 0.75, 0.95])
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


def rolling(rolled: Sequence[Rolled], delays_s: Sequence[float], *, chance: float) -> Figure:
    """Draw what a rolling average does, in three panels: flicker, delay and accuracy.

    Flicker and the accuracy of the frames' labels have intervals over infants.

    rolled: as returned by `rolling.over_windows`. delays_s: seconds until each of them follows a
    change of state. chance: a share.
    """
    fig, axes = plt.subplots(1, 3, figsize=(11, 3))
    places = np.arange(len(rolled))
    flicker, delay, right = axes
    changes = [score.flicker for score in rolled if score.flicker is not None]
    if len(changes) == len(rolled):
        _draw_intervals(flicker, places, changes, MODALITIES["image"])
    flicker.set(title="Flicker", ylabel="label changes a minute")
    delay.plot(places, delays_s, "o-", color=MODALITIES["image"], ms=6, lw=1.2)
    delay.set(title="Delay", ylabel="s until it follows a change")
    _draw_intervals(right, places, [score.accuracy for score in rolled], MODALITIES["image"])
    right.axhline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
    right.set(title="Accuracy", ylabel="share of labels right", ylim=(0, 1.02))
    right.legend(loc="upper right", fontsize=8)
    for ax in axes:
        ax.set_ylim(bottom=0)
        ax.set_xticks(places, [str(score.n) for score in rolled])
        ax.set_xlabel("frames averaged")
        ax.grid(axis="x", visible=False)
    fig.tight_layout()
    return fig


def labels_over_time(
    labels: Mapping[str, npt.NDArray[np.integer]],
    classes: Sequence[str],
    *,
    step_s: float,
    change_s: float,
) -> Figure:
    """Draw labels over the time of a recording, one strip per name, and when the state changes.

    labels: indices of `classes` (frames,), one every `step_s` seconds, by name.
    """
    fig, ax = plt.subplots(figsize=(8, 0.5 + 0.55 * len(labels)))
    colours = [_STATES[k % len(_STATES)] for k in range(len(classes))]
    for row, strip in zip(name_rows(ax, labels), labels.values(), strict=True):
        extent = (0.0, len(strip) * step_s, row - 0.36, row + 0.36)
        ax.imshow(
            strip[None], aspect="auto", extent=extent, interpolation="nearest",
            cmap=ListedColormap(colours), vmin=-0.5, vmax=len(classes) - 0.5,
        )  # fmt: skip
    ax.axvline(change_s, color="#000000", ls="--", lw=1.5)
    ax.set(xlim=(0, extent[1]), ylim=(-0.6, len(labels) - 0.4), xlabel="time in s")
    ax.grid(visible=False)
    named = dict(zip(classes, colours, strict=True))
    colour_legend(ax, named, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def _draw_intervals(
    ax: Axes, at: npt.NDArray[Any], intervals: Sequence[Interval], colour: str
) -> None:
    values, low, high = (
        np.array([getattr(interval, name) for interval in intervals], float)
        for name in ("value", "low", "high")
    )
    ax.vlines(at, low, high, color=colour, lw=3, alpha=0.35)
    ax.plot(at, values, "o-", color=colour, ms=6, lw=1.2)
