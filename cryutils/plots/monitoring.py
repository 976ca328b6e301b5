"""Figures of the live analysis: what passes the cry gate at each threshold, readings over time.

Used in notebook 13_live_and_deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cryutils.plots.palette import COLOURS, INK
from cryutils.plots.parts import spaced


def gate_curve(table: pd.DataFrame, ax: Axes, *, cries: str, threshold: float) -> Axes:
    """Draw the share of windows that pass the gate at each threshold, a line per kind of sound.

    Dotted lines mark the aims: 95 % of cries and 5 % of other sounds. The legend says what passes
    at `threshold`.

    table: as `gate.reference("gate_curve")`. cries: the source that should pass.
    """
    passing = 100 * table.pivot(index="threshold", columns="source", values="passing")
    shown = passing.iloc[np.abs(passing.index.to_numpy(float) - threshold).argmin()]
    others = shown.drop(cries).sort_values(ascending=False).index
    ax.plot(passing[cries], color="black", lw=2.4, label=f"cries: {shown[cries]:.1f} %")
    for number, sound in enumerate(others):
        line = "-" if number < len(INK) else "--"
        colour = INK[number % len(INK)]
        ax.plot(passing[sound], line, color=colour, lw=1.6, label=f"{sound}: {shown[sound]:.1f} %")
    for aim in (95, 5):
        ax.axhline(aim, color=COLOURS["chance"], ls=":", lw=1)
    ax.axvline(threshold, color=COLOURS["chance"], lw=1)
    ax.set(xlim=(0, 1), ylim=(0, 101), xlabel="threshold", ylabel="windows that pass (%)")
    ax.set_title(f"Cries: {cries}")
    ax.legend(
        loc="center right", bbox_to_anchor=(1, 0.62), title=f"pass at {threshold:.2f}", fontsize=9
    )
    return ax


def readings(
    answers: Sequence[Any], classes: Sequence[str], axes: Sequence[Axes], *, threshold: float,
    cry: tuple[float, float],
) -> Sequence[Axes]:  # fmt: skip
    """Draw the gate's score, each state's probability and the verdict over time.

    answers: `app.readings.Reading`s in order of time, counted from 0 s. axes: three. threshold: the
    gate's. cry: start and end of the infant's cry in s, shaded.
    """
    gate, states, verdicts = axes
    times = [answer.time for answer in answers]
    scores = [float("nan") if answer.cry is None else answer.cry for answer in answers]
    gate.plot(times, scores, "o-", ms=3, color=COLOURS["leak_free"])
    gate.axhline(threshold, color=COLOURS["chance"], ls="--", lw=1, label="threshold")
    gate.set(ylim=(-0.05, 1.05), ylabel="gate's score")
    for name, style, colour in zip(classes, ("-", "--", ":", "-.") * 3, INK * 2, strict=False):
        shares = [answer.probabilities.get(name, float("nan")) for answer in answers]
        states.plot(times, shares, style, marker=".", lw=1.8, color=colour, label=spaced(name))
    states.set(ylim=(0, 1.02), ylabel="probability")
    states.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="averaged over 3 s")
    rows = [*reversed(classes), *sorted({answer.verdict for answer in answers} - set(classes))]
    places = [rows.index(answer.verdict) for answer in answers]
    verdicts.plot(times, places, "s", ms=5, color="black")
    verdicts.set(
        yticks=range(len(rows)), yticklabels=rows, ylim=(-0.6, len(rows) - 0.4),
        xlabel="time (s)", ylabel="verdict",
    )  # fmt: skip
    for ax in axes:
        ax.axvspan(*cry, color="0.92", zorder=0, label="the infant cries")
    gate.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes
