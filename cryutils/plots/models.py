"""Figures of networks for notebooks 04 to 09: curves, scores, decisions.

Paper B promises such figures, but its Figures 3 to 6 show screenshots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from cryutils.plots.palette import COLOURS, MODALITIES, SPLITS
from cryutils.plots.parts import name_rows, scores_by_split, spaced

_STATES = ("#0072B2", "#E69F00", "#CC79A7", "#009E73")  # of the states, different when pale
_TRAIN, _VALIDATION = "#999999", "#0072B2"


def learning_curves(history: pd.DataFrame, ax: Axes, *, what: str = "loss", best: Sequence[int] = ()) -> Axes:
    """Draw `what` and `val_<what>` over epochs, one thin line per fold, and their mean.

    The mean ends where the first fold ends, since without that fold it would jump.

    history: columns `fold`, `epoch`, `<what>` and `val_<what>`, and optionally `repeat`. what: such
    as "loss" or "accuracy". best: the epochs whose weights were kept, to be marked.
    """
    fits = history.groupby([name for name in ("repeat", "fold") if name in history])
    for column, colour, words in ((what, _TRAIN, "training"), (f"val_{what}", _VALIDATION, "validation")):
        for _, fold in fits:
            ax.plot(fold.epoch, fold[column], color=colour, lw=0.8, alpha=0.35)
        by_epoch = history.groupby("epoch")[column]
        mean = by_epoch.mean()[by_epoch.size() == fits.ngroups]
        ax.plot(mean.index, mean, color=colour, lw=2.2, label=words)
    for k, epoch in enumerate(best):
        ax.axvline(epoch, color="#D55E00", lw=0.8, ls=":", label="" if k else "epoch kept")
    ax.set(xlabel="epoch", ylabel=what)
    if what == "accuracy":
        ax.set_ylim(0, 1.02)
    ax.locator_params(axis="x", integer=True)
    ax.legend(loc="best", fontsize=8)
    return ax


def model_scores(
    table: pd.DataFrame,
    ax: Axes,
    *,
    chance: float,
    xlabel: str = "balanced accuracy",
    splits: Mapping[str, tuple[str, str]] = SPLITS,
) -> Axes:
    """Draw each model's score under several splits with its interval, one row per model.

    table: an index of names and, for each of `splits`, `<split>`, `<split>_low` and `<split>_high`;
    shares 0-1 like `chance`. splits: colour and words of each.
    """
    scores_by_split(table, ax, splits, apart=0.56 / len(splits))
    ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
    ax.set(xlim=(0, 1.02), xlabel=xlabel)
    return ax


def gains(table: pd.DataFrame, ax: Axes, *, xlabel: str) -> Axes:
    """Draw differences between two models with their paired intervals, one row per comparison.

    The marker is open if the interval is missing, or contains 0 and so shows no difference.

    table: an index of names and columns `value`, `low`, `high` (None or NaN if missing).
    """
    colour, numbers = MODALITIES["fused"], table[["value", "low", "high"]].to_numpy(float)
    for row, (value, low, high) in zip(name_rows(ax, table.index), numbers, strict=True):
        shown = low > 0 or high < 0
        ax.hlines(row, low, high, color=colour, lw=3, alpha=0.35)
        ax.plot(value, row, "o", color=colour, mfc=colour if shown else "white", ms=7)
    ax.axvline(0, color="#000000", lw=1)
    ax.set(xlabel=xlabel)
    return ax


def decisions(
    timelines: Mapping[str, npt.NDArray[np.float32]],
    classes: Sequence[str],
    ax: Axes,
    *,
    step_s: float,
    window_s: float | None = None,
) -> Axes:
    """Draw each model's decisions over the time of a recording, one strip per model.

    A strip's colour is the most probable state, and paler where the model is less sure.

    timelines: probabilities by model, float32 (windows, classes), a window every `step_s` seconds.
    A row of NaN, no answer, leaves a gap. window_s: length of a window, `step_s` by default. Longer
    windows overlap; an answer is drawn around the middle of its window.
    """
    start = (window_s - step_s) / 2 if window_s else 0.0
    colours = np.array([to_rgb(colour) for _, colour in zip(classes, cycle(_STATES), strict=False)])
    for row, p in zip(name_rows(ax, timelines), timelines.values(), strict=True):
        if not len(p):
            continue
        answered = ~np.isnan(p).any(axis=1, keepdims=True)
        filled = np.where(answered, p, 0)
        sure = (filled.max(axis=1) - 1 / len(classes)) / (1 - 1 / len(classes))
        strength = np.where(answered, np.clip(sure, 0.15, 1)[:, None], 0)
        shade = 1 - (1 - colours[filled.argmax(axis=1)]) * strength
        extent = (start, start + len(p) * step_s, row - 0.4, row + 0.4)
        ax.imshow(shade[None], aspect="auto", extent=extent, interpolation="nearest")
    longest = max(len(p) for p in timelines.values()) * step_s + 2 * start
    ax.set(xlim=(0, longest), ylim=(-0.6, len(timelines) - 0.4), xlabel="time (s)")
    ax.grid(visible=False)
    blocks = [Patch(color=c, label=spaced(name)) for name, c in zip(classes, colours, strict=True)]
    ax.legend(handles=blocks, loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=len(classes))
    return ax


def pictures(
    images: Sequence[npt.NDArray[np.uint8]], titles: Sequence[str], axes: Sequence[Axes]
) -> Sequence[Axes]:
    """Draw pictures with their titles, uint8 (height, width, 3) RGB, one per ax."""
    for ax in axes:
        ax.axis("off")
    for image, title, ax in zip(images, titles, axes, strict=False):
        ax.imshow(image, interpolation="nearest")
        ax.set_title(title, fontsize=8, loc="center")
    return axes
