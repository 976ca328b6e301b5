"""Figures of pretraining and attention: scores by task, similarities, weights over time.

Used in notebooks 12_beyond_the_papers and appendix_faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryutils.plots.palette import COLOURS
from cryutils.plots.parts import name_rows

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]

_CURVES = ("#0072B2", "#E69F00", "#CC79A7", "#009E73")
_LINES = ("-", "--", ":", "-.")


def scores_by_task(
    results: pd.DataFrame, names: Mapping[str, str], tasks: Mapping[str, str]
) -> Figure:
    """Return scores with their intervals, a panel per task and a row per model.

    results: leak-free scores of each task, from `papers.benchmark.rows` or a stored run. names,
    tasks: words by feature and by condition, in order.
    """
    fig, axes = plt.subplots(
        1, len(tasks), figsize=(3.1 * len(tasks) + 2, 0.36 * len(names) + 1.2), squeeze=False,
        sharey=True, layout="constrained",
    )  # fmt: skip
    for ax, (task, words) in zip(axes[0], tasks.items(), strict=True):
        part = results[(results.condition == task) & (results.rival == "")].set_index("feature")
        part = part.reindex([*names, "guessing"])
        for row, feature in zip(name_rows(ax, list(names.values())), names, strict=True):
            value, low, high = part.loc[feature, ["value", "low", "high"]].astype(float)
            ax.hlines(row, low, high, color=COLOURS["infant"], lw=3, alpha=0.35)
            ax.plot(value, row, "o", color=COLOURS["infant"], ms=6)
        ax.axvline(float(part.value["guessing"]), color=COLOURS["chance"], ls="--", lw=1)
        ax.set_title(words, fontsize=10)
        ax.set(xlim=(0, 1), xlabel="balanced accuracy")
    return fig


def similarities(panels: Mapping[str, Array], clip: npt.NDArray[np.int64]) -> Figure:
    """Return the cosine similarity of all pairs of vectors, one panel each.

    panels: vectors, float32 (rows, d), by title. clip: the clip of each row, int (rows,),
    ascending; white lines separate the clips.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(3.6 * len(panels) + 0.8, 3.6), squeeze=False, layout="constrained"
    )
    image: Any = None
    for ax, (title, vectors) in zip(axes[0], panels.items(), strict=True):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        image = ax.imshow(unit @ unit.T, cmap="cividis", vmin=0, vmax=1)
        for edge in np.flatnonzero(np.diff(clip)) + 0.5:
            ax.axhline(edge, color="white", lw=0.8)
            ax.axvline(edge, color="white", lw=0.8)
        ax.set_title(title, fontsize=10)
        ax.set(xlabel="windows", ylabel="windows", xticks=[], yticks=[])
        ax.grid(visible=False)
    fig.colorbar(image, ax=axes[0].tolist(), label="cosine similarity", shrink=0.8)
    return fig


def attention_over_time(
    levels: Array, weights: Mapping[str, Array], *, window_s: float, title: str
) -> Figure:
    """Return a sound's mel-spectrogram and, below it, the attention of networks over time.

    levels: in dB, float32 (frames, bands). weights: by name, float32 (moments,). window_s: in s.
    """
    fig, (above, below) = plt.subplots(
        2, 1, figsize=(9, 4.2), sharex=True, layout="constrained", height_ratios=(1, 1)
    )
    extent = (0.0, window_s, 0.0, float(levels.shape[1]))
    above.imshow(levels.T, origin="lower", aspect="auto", cmap="magma", extent=extent)
    above.set(ylabel="mel band", title=title)
    above.grid(visible=False)
    _weights_over_time(below, weights, window_s)
    return fig


def attention_over_frames(
    pictures: Frames, weights: Mapping[str, Array], *, window_s: float, title: str
) -> Figure:
    """Return pictures of a clip in order and, below them, the attention of networks over time.

    pictures: uint8 (n, height, width, 3), evenly spread over the window. weights, window_s: as in
    `attention_over_time`.
    """
    fig, (above, below) = plt.subplots(
        2, 1, figsize=(9, 4.2), sharex=True, layout="constrained", height_ratios=(0.55, 1)
    )
    strip = np.concatenate(list(pictures), axis=1)
    above.imshow(strip, aspect="auto", extent=(0.0, window_s, 0.0, 1.0))
    above.set(yticks=[], title=title)
    above.grid(visible=False)
    _weights_over_time(below, weights, window_s)
    return fig


def _weights_over_time(ax: Axes, weights: Mapping[str, Array], window_s: float) -> None:
    """Draw the weights of each network, by name, over a window."""
    for (name, row), colour, line in zip(weights.items(), _CURVES, _LINES, strict=False):
        edges = np.linspace(0, window_s, len(row) + 1)
        middle = (edges[:-1] + edges[1:]) / 2
        ax.plot(middle, row, color=colour, ls=line, lw=2, label=name)
    moments = len(next(iter(weights.values())))
    ax.axhline(1 / moments, color=COLOURS["chance"], ls="--", lw=1, label="equal weights")
    ax.set(xlabel="time (s)", ylabel="weight", xlim=(0, window_s), ylim=(0, None))
    ax.legend(fontsize=8, ncols=2)


def learning_curve(table: pd.DataFrame, names: Mapping[str, str], *, chance: float) -> Figure:
    """Return balanced accuracy against the share of infants with labels, a line per model.

    table: columns feature, labelled (share 0-1), value, low and high. names: words by feature.
    """
    fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
    for k, (feature, words) in enumerate(names.items()):
        part = table[table.feature == feature].sort_values("labelled")
        x = 100 * part.labelled + 0.8 * (k - 1)  # so that intervals don't hide one another
        ax.vlines(x, part.low, part.high, color=_CURVES[k], lw=2, alpha=0.4)
        ax.plot(x, part.value, "o", color=_CURVES[k], ls=_LINES[k], label=words)
    ax.axhline(chance, color=COLOURS["chance"], ls="--", lw=1, label="guessing")
    shares = 100 * np.sort(table.labelled.unique())
    ax.set(xlabel="training infants with labels (%)", ylabel="balanced accuracy", ylim=(0, 1))
    ax.set_xticks(shares, [f"{share:g}" for share in shares])
    ax.legend(fontsize=8)
    return fig
