"""The figure of the live analysis: its readings over time.

Used in notebook 13_live_and_deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from cryutils.plots.palette import COLOURS, INK
from cryutils.plots.parts import spaced


def readings(
    answers: Sequence[Any],
    classes: Sequence[str],
    axes: Sequence[Axes],
    *,
    threshold: float,
    cry: tuple[float, float],
) -> Sequence[Axes]:
    """Draw the gate's score, each state's probability and the verdict over time.

    answers: `inference.readings.Reading`s in order of time, counted from 0 s. axes: three. threshold: the
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
        yticks=range(len(rows)),
        yticklabels=rows,
        ylim=(-0.6, len(rows) - 0.4),
        xlabel="time (s)",
        ylabel="verdict",
    )
    for ax in axes:
        ax.axvspan(*cry, color="0.92", zorder=0, label="the infant cries")
    gate.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes
