"""Frames by class and the rolling average, for notebooks 05_image and 07_frames_resnet50."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.intervals import Interval
from cryutils.papers.framewise import Rolled
from cryutils.plots.models import pictures
from cryutils.plots.palette import COLOURS, MODALITIES
from cryutils.plots.parts import spaced
from cryutils.video.tracks import frame_at

_INPUT, _LEARNED = "#EFEFEF", "#F0C9B8"


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


def _draw_intervals(
    ax: Axes, at: npt.NDArray[Any], intervals: Sequence[Interval], colour: str
) -> None:
    values, low, high = (
        np.array([getattr(interval, name) for interval in intervals], float)
        for name in ("value", "low", "high")
    )
    ax.vlines(at, low, high, color=colour, lw=3, alpha=0.35)
    ax.plot(at, values, "o-", color=colour, ms=6, lw=1.2)
