"""Figures of a corpus: clips, infants, ages and nearest neighbours.

Used in notebook 01_data_and_playback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ages", "class_sizes", "clips_per_infant", "neighbours"]

# Okabe and Ito's palette, one colour per label.
LABELS = ("#E69F00", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#999999", "#000000")


def class_sizes(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw clips, infants and effective infants of each class on a logarithmic axis.

    table: `Corpus.describe()` without the row of totals.
    """
    rows = np.arange(len(table))[::-1]
    shown = {"clips": "#999999", "infants": "#56B4E9", "effective_infants": "#0072B2"}
    for number, (column, colour) in enumerate(shown.items()):
        values, at = table[column].to_numpy(float), rows + 0.27 * (1 - number)
        ax.barh(at, values, height=0.25, color=colour, label=column.replace("_", " "))
        for value, y in zip(values, at, strict=True):
            ax.text(value * 1.05, y, f"{value:g}", va="center", fontsize=8, color="#333333")
    ax.set(yticks=rows, yticklabels=list(table.index), xscale="log", xlabel="number",
           xlim=(0.8, 2.2 * float(table.clips.max())))  # fmt: skip
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=3)
    return ax


def clips_per_infant(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw each infant's clips as a bar, most first, coloured by label.

    table: one row per clip, `infant` and `label`.
    """
    counts = pd.crosstab(table.infant, table.label)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    foot = np.zeros(len(order))
    width = 1.0 if len(order) > 60 else 0.8  # gaps between thin bars would flicker
    for number, label in enumerate(counts.columns):
        height = counts.loc[order, label].to_numpy(float)
        ax.bar(
            np.arange(1, len(order) + 1), height, bottom=foot, width=width,
            color=LABELS[number % len(LABELS)], label=label, lw=0,
        )  # fmt: skip
        foot += height
    ax.set(xlabel="infant, the one with most clips first", ylabel="clips")
    ax.locator_params(axis="y", integer=True)
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right", ncols=2)
    return ax


def ages(table: pd.DataFrame, ax: Axes, *, order: Sequence[str]) -> Axes:
    """Draw the clips of each age band, girls and boys side by side.

    table: one row per clip, `age` and `sex` ("f", "m" or missing). order: the age bands in order.
    Clips without an age form the band "not stated".
    """
    counts = pd.crosstab(table.age.fillna("not stated"), table.sex.fillna("not stated"))
    bands = [band for band in [*order, "not stated"] if band in counts.index]
    sexes = {
        "f": ("girls", "#CC79A7"),
        "m": ("boys", "#56B4E9"),
        "not stated": ("sex not stated", "#999999"),
    }
    present = [sex for sex in sexes if sex in counts]
    for number, sex in enumerate(present):
        at = np.arange(len(bands)) + 0.4 * (number - (len(present) - 1) / 2)
        words, colour = sexes[sex]
        bars = ax.bar(at, counts.loc[bands, sex], width=0.37, color=colour, label=words)
        ax.bar_label(bars, fontsize=8)
    ax.set(xticks=range(len(bands)), xticklabels=bands, ylabel="clips", xlabel="age")
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right")
    return ax


def neighbours(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how often a clip's nearest neighbour shares something with it, compared with chance.

    table: the index names what is shared; columns `measured` and `chance`, shares 0-1.
    """
    rows = np.arange(len(table))[::-1]
    for offset, column, colour in ((0.17, "measured", "#0072B2"), (-0.17, "chance", "#BBBBBB")):
        bars = ax.barh(rows + offset, table[column], height=0.32, color=colour, label=column)
        ax.bar_label(bars, fmt=lambda share: f"{share:.0%}", fontsize=9, padding=3)
    ax.set(yticks=rows, yticklabels=list(table.index), xlim=(0, 1.08), xlabel="share of clips")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
