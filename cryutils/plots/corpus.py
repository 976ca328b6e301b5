"""Figures of a corpus: clips per infant, ages and nearest neighbours.

Used in notebook 01_data_and_playback.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cryutils.plots.palette import INK


def clips_per_infant(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many infants gave one clip, two clips and so on, by whether their labels differ.

    table: one row per clip, `infant` and `label`.
    """
    infants = table.groupby("infant").label.agg(["size", "nunique"])
    counts = np.arange(1, infants["size"].max() + 1)
    foot = np.zeros(len(counts), int)
    for words, colour, part in (
        ("all clips with one label", INK[0], infants["size"][infants["nunique"] == 1]),
        ("clips with several labels", INK[4], infants["size"][infants["nunique"] > 1]),
    ):
        height = part.value_counts().reindex(counts, fill_value=0).to_numpy()
        ax.bar(counts, height, bottom=foot, width=0.8, color=colour, label=words)
        foot += height
    for count, total in zip(counts[foot > 0], foot[foot > 0], strict=True):
        ax.annotate(f"{total}", (count, total), xytext=(0, 2), textcoords="offset points",
                    ha="center", fontsize=9)  # fmt: skip
    ax.set(
        xlabel="clips of an infant", ylabel="infants", xticks=counts, ylim=(0, 1.12 * foot.max())
    )
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right")
    return ax


def ages(table: pd.DataFrame, ax: Axes, *, order: Sequence[str]) -> Axes:
    """Draw the clips of each age band, girls and boys side by side.

    table: one row per clip, `age` and `sex` ("f", "m" or missing). order: the age bands in order.
    Clips without an age form the band "not stated".
    """
    counts = pd.crosstab(table.age.fillna("not stated"), table.sex.fillna("not stated"))
    bands = [band for band in [*order, "not stated"] if band in counts.index]
    sexes = {
        "f": ("girls", INK[4]),
        "m": ("boys", INK[0]),
        "not stated": ("sex not stated", "#999999"),
    }
    present = [sex for sex in sexes if sex in counts]
    for number, sex in enumerate(present):
        at = np.arange(len(bands)) + 0.4 * (number - (len(present) - 1) / 2)
        words, colour = sexes[sex]
        bars = ax.bar(at, counts.loc[bands, sex], width=0.37, color=colour, label=words)
        ax.bar_label(bars, fontsize=8)
    ax.set(xticks=range(len(bands)), xticklabels=bands, ylabel="clips", xlabel="age",
           ylim=(0, 1.12 * counts.to_numpy().max()))  # fmt: skip
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
