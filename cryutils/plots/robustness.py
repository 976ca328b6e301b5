"""Figures of models under stress: scores, reliability, risk and coverage, evidence in pictures.

Used in notebook 11_robustness. Neither paper has such figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.plots import models
from cryutils.plots.palette import COLOURS, MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["evidence", "reliability", "risk_coverage", "stress_panels"]

_ASIDE = {"audio": -0.08, "image": 0.0, "fused": 0.08}  # so that intervals don't hide one another


def stress_panels(table: pd.DataFrame, axes: Sequence[Axes], *, chance: float) -> Sequence[Axes]:
    """Draw macro F1 against the level of each disturbance in a panel, one line per modality.

    Panels without a disturbance are left blank.

    table: columns `name` and `unit` (of the disturbance), `level` (NaN without the disturbance;
    drawn in the order of the rows), `modality`, `macro_f1`, `low` and `high` (NaN if missing);
    shares 0-1 like `chance`.
    """
    for ax in axes:
        ax.axis("off")
    for ax, (name, part) in zip(axes, table.groupby("name", sort=False), strict=False):
        ax.axis("on")
        levels = part.level.drop_duplicates().tolist()
        for modality, line in part.groupby("modality", sort=False):
            at = np.arange(len(line)) + _ASIDE[str(modality)]
            ends = np.abs(line[["low", "high"]].to_numpy(float).T - line.macro_f1.to_numpy(float))
            ax.errorbar(
                at, line.macro_f1, np.nan_to_num(ends), fmt="o-", ms=4, lw=1.6, elinewidth=0.8,
                color=MODALITIES[str(modality)], label=modality,
            )  # fmt: skip
        ax.axhline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
        words = ["none" if np.isnan(level) else f"{level:g}" for level in levels]
        ax.set(xticks=range(len(levels)), xticklabels=words, ylim=(0, 1.02))
        ax.set_xlabel(part.unit.iloc[0], fontsize=8)
        ax.set_title(str(name), fontsize=10)
        ax.grid(axis="x", visible=False)
    return axes


def reliability(tables: Mapping[str, pd.DataFrame], ax: Axes) -> Axes:
    """Draw the share of right answers against confidence, with 95 % intervals.

    A point's area grows with its number of clips. On the diagonal, confidence equals that share.

    tables: by name, as returned by `calibration.reliability`; one series each.
    """
    ax.plot([0, 1], [0, 1], color=COLOURS["chance"], ls="--", lw=1)
    for k, (name, table) in enumerate(tables.items()):
        colour, sure = ("#999999", "#0072B2")[k % 2], table.confidence + 0.008 * k
        ax.vlines(sure, table.accuracy_low, table.accuracy_high, color=colour, lw=1)
        ax.plot(sure, table.accuracy, color=colour, lw=0.8)
        ax.scatter(sure, table.accuracy, 4 + 3 * table.clips, color=colour, label=name, zorder=3)
    ax.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="share right")
    return ax


def risk_coverage(
    curves: Mapping[str, pd.DataFrame], ax: Axes, *, chosen: Mapping[str, tuple[float, float]]
) -> Axes:
    """Draw the share of wrong answers against the share of clips answered, one line per modality.

    curves: by modality, as returned by `calibration.risk_coverage`. chosen: by modality, coverage
    and risk at the thresholds chosen on validation clips.
    """
    for name, table in curves.items():
        ax.plot(table.coverage, table.risk, color=MODALITIES[name], lw=1.6, label=name)
        if name in chosen:
            ax.plot(*chosen[name], "o", color=MODALITIES[name], ms=7, mec="black")
    ax.set(xlim=(0, 1.02), ylim=(-0.02, 1), xlabel="share of clips answered", ylabel="share wrong")
    return ax


def evidence(
    pictures: Sequence[npt.NDArray[np.uint8]],
    maps: npt.NDArray[np.float32],
    titles: Sequence[str],
    axes: Sequence[Axes],
) -> Sequence[Axes]:
    """Draw pictures, overlaid with maps of the evidence that a network found in them.

    pictures: uint8 (height, width, 3) RGB. maps: float32 (n, height, width), each coloured from 0
    to its own largest value.
    """
    models.pictures(pictures, titles, axes)
    for heat, ax in zip(maps, axes, strict=False):
        largest = float(heat.max()) or 1.0
        ax.imshow(heat / largest, cmap="inferno", alpha=0.5, vmin=0, vmax=1)
    return axes
