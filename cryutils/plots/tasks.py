"""Scores by task and attention over time, for notebooks 12_beyond_the_papers and appendix_faces."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
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

    results: leak-free scores of each task, from `papers.benchmark.scores` or a stored run. names,
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
            ax.hlines(row, low, high, color=COLOURS["leak_free"], lw=3, alpha=0.35)
            ax.plot(value, row, "o", color=COLOURS["leak_free"], ms=6)
        ax.axvline(float(part.value["guessing"]), color=COLOURS["chance"], ls="--", lw=1)
        ax.set_title(words, fontsize=10)
        ax.set(xlim=(0, 1), xlabel="balanced accuracy")
    return fig


def attention(
    above: Array | Frames, weights: Mapping[str, Array], *, window_s: float, title: str
) -> Figure:
    """Return a sound or the pictures of a clip and, below, the attention of networks over time.

    above: mel levels in dB, float32 (frames, bands), or pictures, uint8 (n, height, width, 3),
    evenly spread over the window. weights: by name, float32 (moments,). window_s: in s.
    """
    fig, (top, ax) = plt.subplots(2, 1, figsize=(9, 4.2), sharex=True, layout="constrained")
    if above.ndim == 2:
        extent = (0.0, window_s, 0.0, float(above.shape[1]))
        top.imshow(above.T, origin="lower", aspect="auto", cmap="magma", extent=extent)
        top.set(ylabel="mel band")
    else:
        strip = np.concatenate(list(above), axis=1)
        top.imshow(strip, aspect="auto", extent=(0.0, window_s, 0.0, 1.0))
        top.set(yticks=[])
    top.set(title=title)
    top.grid(visible=False)
    for (name, row), colour, line in zip(weights.items(), _CURVES, _LINES, strict=False):
        edges = np.linspace(0, window_s, len(row) + 1)
        ax.plot((edges[:-1] + edges[1:]) / 2, row, color=colour, ls=line, lw=2, label=name)
    moments = len(next(iter(weights.values())))
    ax.axhline(1 / moments, color=COLOURS["chance"], ls="--", lw=1, label="equal weights")
    ax.set(xlabel="time (s)", ylabel="weight", xlim=(0, window_s), ylim=(0, None))
    ax.legend(fontsize=8, ncols=2)
    return fig
