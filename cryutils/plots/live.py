"""Figures of the live analysis: recall and false alarms of the cry gate, readings over time.

Used in notebook 13_live_and_deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from cryutils.plots.palette import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Reading(Protocol):
    """The fields of a `cryutils.app.readings.Reading` that are drawn."""

    time: float
    verdict: str
    probabilities: dict[str, float]
    cry: float | None


__all__ = ["gate_curve", "readings"]


def gate_curve(table: pd.DataFrame, ax: Axes, *, cries: str, threshold: float) -> Axes:
    """Draw recall of `cries` against the false alarms of each other sound, over all thresholds.

    Dashed lines mark the gate's targets: 95 % recall and 5 % false alarms.

    table: as returned by `gating.curve`. cries: the source whose recall is shown. threshold: marked
    by a point.
    """
    by_threshold = table.pivot(index="threshold", columns="source", values="passing")
    at = int(np.abs(by_threshold.index.to_numpy(float) - threshold).argmin())
    kinds = sorted(by_threshold.columns.drop(cries), key=lambda kind: (kind == "pause", kind))
    for kind in kinds:  # pauses last, so that a kind has the same colour with and without them
        alarms, recall = by_threshold[kind], by_threshold[cries]
        (line,) = ax.plot(alarms, recall, lw=1.6, label=str(kind))
        ax.plot(alarms.iloc[at], recall.iloc[at], "o", color=line.get_color())
    ax.axhline(0.95, color=COLOURS["chance"], ls="--", lw=1)
    ax.axvline(0.05, color=COLOURS["chance"], ls="--", lw=1)
    ax.set(
        xlim=(0, 1), ylim=(0.8, 1.002), xlabel="false alarms (share of windows)",
        ylabel=f"recall ({cries})", title=f"The cry gate; points: threshold {threshold:g}",
    )  # fmt: skip
    ax.set_xscale("symlog", linthresh=0.01)
    ax.legend(loc="lower right", title="sounds that are no cry")
    return ax


def readings(
    answers: Sequence[Reading], classes: Sequence[str], axes: Sequence[Axes], *, threshold: float
) -> Sequence[Axes]:
    """Draw the gate's score over time, and below it each state's probability and the verdicts.

    answers: in order of time, counted from 0 s. axes: two. threshold: the gate's.
    """
    gate, states = axes
    times = [answer.time for answer in answers]
    scores = [float("nan") if answer.cry is None else answer.cry for answer in answers]
    gate.plot(times, scores, "o-", ms=3, color=COLOURS["infant"])
    gate.axhline(threshold, color=COLOURS["chance"], ls="--", lw=1, label="threshold")
    gate.set(ylim=(-0.05, 1.05), ylabel="cry gate")
    gate.legend(loc="lower right")
    for name, style in zip(classes, ("-", "--", ":", "-.") * 3, strict=False):
        shares = [answer.probabilities.get(name, float("nan")) for answer in answers]
        states.plot(times, shares, style, marker=".", lw=1.8, label=name)
    before = None
    for answer in answers:
        if answer.verdict != before:  # write a verdict once, where it begins
            states.text(answer.time, 1.06, answer.verdict, rotation=35, ha="left", fontsize=8)
        before = answer.verdict
    states.set(ylim=(0, 1.02), xlabel="time (s)", ylabel="probability")
    states.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="averaged over 3 s")
    return axes
