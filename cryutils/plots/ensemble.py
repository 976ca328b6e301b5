"""Figures of Paper A's ensemble, for notebooks 09_ensemble and appendix_table3 (§3.5 and §4)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from cryutils.claims.tables import COMMONEST, ENSEMBLES, PAIRS
from cryutils.claims.tables import SPLITS as TABLE_SPLITS
from cryutils.plots.models import learning_curves
from cryutils.plots.palette import COLOURS, NAMES, SPLITS
from cryutils.plots.parts import name_rows

_INPUT, _FIXED, _TRAINED, _PLAIN, _OUT = "#EFEFEF", "#BBD4E8", "#F0C9B8", "#FFFFFF", "#C9E3D4"


def table3(table: pd.DataFrame, *, majority: Mapping[str, float]) -> Figure:
    """Draw Table 3: accuracy under three splits, one panel per pair of states, one row per model.

    table: columns `pair` and `model` (keys as in the results), `split` ("frame", "clip", "infant"),
    `value`, `low` and `high` (NaN if missing); shares 0-1. majority: the share of each pair's
    commonest class.
    """
    pairs = [pair for pair in PAIRS if pair in set(table.pair)]
    models = [model for model in ENSEMBLES if model in set(table.model)]
    columns = min(2, len(pairs))
    lines = -(-len(pairs) // columns)
    fig, axes = plt.subplots(
        lines, columns, figsize=(9, 1.2 + lines * (0.8 + 0.38 * len(models))), sharex=True,
        sharey=True, squeeze=False, layout=ConstrainedLayoutEngine(wspace=0.06),
    )  # fmt: skip
    for pair, ax in zip(pairs, axes.flat, strict=False):
        heights = dict(zip(models, name_rows(ax, [ENSEMBLES[m] for m in models]), strict=True))
        for (split, words), lift in zip(TABLE_SPLITS.items(), (0.24, 0, -0.24), strict=True):
            part, colour = table[(table.pair == pair) & (table.split == split)], SPLITS[split][0]
            y = [heights[model] + lift for model in part.model]
            low, high = part.low.to_numpy(float), part.high.to_numpy(float)
            ax.hlines(y, low, high, color=colour, lw=3, alpha=0.35)
            ax.plot(part.value, y, "o", color=colour, ms=5.5, label=words)
        if pair in majority:
            ax.axvline(majority[pair], color=COLOURS["chance"], ls="--", lw=1.2, label=COMMONEST)
        ax.set(title=PAIRS[pair], xlim=(0, 1.03))
    for ax in axes[-1]:
        ax.set_xlabel("accuracy")
    fig.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return fig


def training_curves(
    histories: Mapping[str, Mapping[str, pd.DataFrame]], *, published: Mapping[str, int]
) -> Figure:
    """Draw the paper's Figures 3 and 4: loss and accuracy over epochs, one row per model.

    histories: by model and split ("clip", "infant"), columns as in `learning_curves`. published: by
    model, the epoch at which the paper stopped.
    """
    kinds = [(split, what) for split in NAMES for what in ("loss", "accuracy")]
    fig, axes = plt.subplots(
        len(histories), 4, figsize=(10, 2.1 * len(histories) + 0.6), squeeze=False,
        sharex="row", layout="constrained",
    )  # fmt: skip
    for (model, by_split), panels in zip(histories.items(), axes, strict=True):
        for (split, what), ax in zip(kinds, panels, strict=True):
            learning_curves(by_split[split], ax, what=what)
            stop = published[model]
            ax.axvline(stop, color=COLOURS["published"], lw=0.9, ls="--", label="paper stops")
            ax.get_legend().remove()
            ax.set(xlabel="epoch" if ax in axes[-1] else "", ylabel="")
            if ax in axes[0]:
                ax.set_title(f"{NAMES[split]}: {what.replace('loss', 'loss, nats')}", fontsize=9)
        panels[0].set_ylabel(model.replace("+", " + "))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig
