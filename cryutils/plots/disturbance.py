"""Scores under stress and reliability, for notebook 11_robustness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryutils.evaluation import calibration
from cryutils.models import export
from cryutils.plots.palette import COLOURS, MODALITIES
from cryutils.plots.parts import spaced

_COLOURS = dict(zip(("cry2", "image", "full"), MODALITIES.values(), strict=True))
_ASIDE = {"cry2": -0.08, "image": 0.0, "full": 0.08}  # so that intervals don't hide one another


def stress_figure(scores: pd.DataFrame, panels: Mapping[str, str], *, chance: float) -> Figure:
    """Draw macro F1 against the level of each disturbance, a panel each and a line for each model.

    scores: from `evaluation.score` with one metric. A condition is "none.0" or
    `<disturbance>.<level>`, the mildest level first; models are "cry2", "image" and "full".
    panels: what the levels of a disturbance mean, by its name.
    """
    table = scores.reset_index()
    table = table if "model" in table else table.assign(model="cry2")
    table[["name", "level"]] = table.condition.str.split(".", n=1, expand=True).to_numpy()
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(11, 2.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    for ax, (name, meaning) in zip(axes.flat, panels.items(), strict=False):
        part = table[table.name.isin(["none", name])]
        for model, line in part.groupby("model", sort=False):
            at = np.arange(len(line)) + _ASIDE[str(model)]
            ends = line[["low", "high"]].astype(float).T.to_numpy()
            ends = np.abs(ends - line["value"].to_numpy(float))
            ax.errorbar(
                at,
                line["value"],
                np.nan_to_num(ends),
                fmt="o-",
                ms=4,
                lw=1.6,
                elinewidth=0.8,
                color=_COLOURS[str(model)],
                label=str(model),
            )
        ax.axhline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
        words = ["none", *part.level[part.name == name].unique()]
        ax.set(xticks=range(len(words)), xticklabels=words, ylim=(0, 1.02))
        ax.set_xlabel(meaning, fontsize=8)
        ax.set_title(spaced(name), fontsize=10)
        ax.grid(axis="x", visible=False)
    for ax in axes[:, 0]:
        ax.set_ylabel("macro F1")
    lines = axes[0, 0].get_legend_handles_labels()
    fig.legend(*lines, loc="outside upper center", ncols=4, fontsize=9)
    return fig


def reliability(tables: Mapping[str, pd.DataFrame], ax: Axes) -> Axes:
    """Draw the share of right answers against confidence, with 95 % intervals.

    A point's area grows with its number of clips. On the diagonal, confidence equals that share.

    tables: by name, as returned by `calibration.reliability`; one series each.
    """
    ax.plot([0, 1], [0, 1], color=COLOURS["chance"], ls="--", lw=1)
    for k, (name, table) in enumerate(tables.items()):
        colour, sure = ("#E69F00", "#0072B2")[k % 2], table.confidence + 0.012 * k
        ax.vlines(sure, table.accuracy_low, table.accuracy_high, color=colour, lw=1, alpha=0.5)
        ax.scatter(
            sure,
            table.accuracy,
            12 + 2 * table.clips,
            color=colour,
            label=name,
            zorder=3,
            marker="sD"[k % 2],
            edgecolor="white",
            linewidth=0.6,
            clip_on=False,
        )
    ax.set(xlim=(0, 1.04), ylim=(-0.04, 1.04), xlabel="confidence", ylabel="share right")
    return ax


def confidence_at(
    probabilities: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
    infants: Sequence[str],
    *,
    temperature: float,
    threshold: float,
) -> Figure:
    """Return a reliability diagram and the risk over coverage, at a temperature and threshold.

    Risk and coverage: Geifman & El-Yaniv 2017 (arXiv 1705.08500).

    probabilities, truth, infants: as in `calibration.reliability`. threshold: least
    confidence of an answer; its point is marked.
    """
    p = export.at_temperature(probabilities, temperature)
    sure = np.nan_to_num(p.max(axis=1)) >= threshold
    share = float(sure.mean())
    wrong = float((p[sure].argmax(axis=1) != truth[sure]).mean()) if sure.any() else np.nan
    error = calibration.expected_calibration_error(p, truth)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    reliability({"": calibration.reliability(p, truth, infants)}, left)
    left.axvline(threshold, color="#000000", lw=1, ls=":")
    left.set_title(f"Temperature {temperature:.1f}: ECE {error:.2f}")
    order = np.argsort(-p.max(axis=1))[: np.isfinite(p[:, 0]).sum()]  # the most confident answer first
    answered, colour = np.arange(1, len(order) + 1), MODALITIES["fused"]
    mistakes = np.cumsum(p[order].argmax(axis=1) != truth[order])
    right.plot(answered / len(p), mistakes / answered, color=colour, lw=1.6)
    right.plot(share, wrong, "o", color=colour, ms=9, mec="black", clip_on=False)
    right.set(xlim=(0, 1.02), ylim=(-0.02, 1))
    right.set(xlabel="share of clips answered", ylabel="share wrong of those")
    right.set_title(f"Threshold {threshold:.2f}: {share:.0%} answered, {wrong:.0%} wrong")
    return fig
