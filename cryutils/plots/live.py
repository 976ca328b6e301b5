"""Figures of the live analysis: what the cry gate lets pass.

Walked by notebook 13_live_and_deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryutils.plots.palette import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gate_curve"]


def gate_curve(table: pd.DataFrame, ax: Axes, *, cries: str, threshold: float) -> Axes:
    """Draw recall of `cries` against the false alarms of each other sound, over all thresholds.

    table: of `gating.curve`. cries: the source whose recall is shown. A point marks `threshold`;
    dashed lines what is asked of the gate: 95 % and 5 %.
    """
    by_threshold = table.pivot(index="threshold", columns="source", values="passing")
    at = int(np.abs(by_threshold.index.to_numpy(float) - threshold).argmin())
    for kind in [name for name in by_threshold if name not in ("donateacry", "synthetic")]:
        (line,) = ax.plot(by_threshold[kind], by_threshold[cries], lw=1.6, label=str(kind))
        ax.plot(
            by_threshold[kind].iloc[at], by_threshold[cries].iloc[at], "o", color=line.get_color()
        )
    ax.axhline(0.95, color=COLOURS["chance"], ls="--", lw=1)
    ax.axvline(0.05, color=COLOURS["chance"], ls="--", lw=1)
    ax.set(
        xlim=(0, 1), ylim=(0.8, 1.002), xlabel="false alarms (share of windows)",
        ylabel=f"recall ({cries})", title=f"The cry gate; points: threshold {threshold:g}",
    )  # fmt: skip
    ax.set_xscale("symlog", linthresh=0.01)
    ax.legend(loc="lower right", title="sounds that are no cry")
    return ax
