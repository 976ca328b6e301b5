"""Figures of Paper A's ensemble: its Figure 2 as a drawing, Figures 3 and 4, Table 3, ablation.

Used in notebooks 09_ensemble and appendix_table3 (Paper A §3.5 and §4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.metrics import confusion_matrix

from cryutils.claims.tables import COMMONEST, ENSEMBLES, PAIRS
from cryutils.claims.tables import SPLITS as TABLE_SPLITS
from cryutils.plots.models import learning_curves, model_scores
from cryutils.plots.palette import COLOURS, NAMES, SPLITS
from cryutils.plots.parts import arrow, block, colour_legend, name_rows, spaced
from cryutils.plots.scores import confusion

_INPUT, _FIXED, _TRAINED, _PLAIN, _OUT = "#EFEFEF", "#BBD4E8", "#F0C9B8", "#FFFFFF", "#C9E3D4"


def proposed_model(
    ax: Axes,
    *,
    encoder: Sequence[int],
    dnn: Sequence[int],
    image: int,
    hidden: int,
    classes: Sequence[str],
    backbone: str = "ResNet-50",
    weights: str = "ImageNet",
    rolling: int | None = None,
    ensemble_input: str = "features",
) -> Axes:
    """Draw the proposed model from input to state, as the paper's Figure 2 does.

    ax: wide, say 12 x 5 inches. encoder, dnn: units of the encoder's layers, the bottleneck last,
    and of the dense layers after it. image, hidden: units of the dense layers of the image submodel
    and of the ensemble. weights: the origin of the backbone's weights. rolling: number of frames in
    the rolling average; None for all. ensemble_input: what is concatenated, "features" or
    "probabilities".
    """
    *front, bottleneck = encoder
    code = [
        (1, "encoder\n" + " → ".join(map(str, front)) if front else "encoder", _TRAINED),
        (2, f"bottleneck\n{bottleneck}", _TRAINED),
    ]
    dense = (3.3, f"dense, ReLU\n{' → '.join(map(str, dnn))}", _TRAINED)
    rows = {
        2: [(0, "MFCC\nof a window", _INPUT), *code, dense],
        1: [(0, "STFT\nof a window", _INPUT), *code, dense],
        0: [
            (0, "face\nframes", _INPUT),
            (1, f"{fill(backbone, 16)}\n{fill(f'({weights}, frozen)', 14)}", _FIXED),
            (2.15, "pooling,\nflatten", _PLAIN),
            (3.3, f"dense, ReLU\n{image}", _TRAINED),
        ],
    }
    for y, blocks in rows.items():
        _chain(ax, y, blocks)
        block(ax, 4.35, y - 0.42, f"softmax, {len(classes)}", _OUT, height=0.24)
        arrow(ax, (3.74, y - 0.12), (3.91, y - 0.38))
        if ensemble_input == "features":
            arrow(ax, (3.74, y + 0.08), (5.03, y + 0.08))
        else:
            arrow(ax, (4.79, y - 0.42), (5.03, y - 0.42))
        if y:
            words = "mean, deviation\nover the window"
            ax.text(2.65, y + 0.3, words, fontsize=7, va="bottom", ha="center")
    frames = "all frames" if rolling is None else f"{rolling} frames"
    block(ax, 4.35, -0.97, f"rolling average\nof {frames}", _PLAIN, height=0.4, width=1.0)
    arrow(ax, (4.35, -0.54), (4.35, -0.77))
    ax.text(4.93, -0.97, "label of each frame\nand of the clip", fontsize=8, va="center")
    ax.text(4.35, 0.12, "mean of the\nwindow's frames", fontsize=7, va="bottom", ha="center")
    ensemble = [
        (5.25, "concatenate", _PLAIN), (5.95, "flatten", _PLAIN),
        (6.65, f"dense, ReLU, {hidden}", _TRAINED), (7.35, f"softmax, {len(classes)}", _OUT),
    ]  # fmt: skip
    _chain(ax, 0.9, ensemble, width=0.44, height=2.9, rotation=90)
    arrow(ax, (7.57, 0.9), (7.8, 0.9))
    ax.text(7.84, 0.9, "\n".join(map(spaced, classes)), ha="left", va="center", fontsize=9)
    kinds = {"input": _INPUT, "frozen": _FIXED, "trained": _TRAINED, "no weights": _PLAIN,
             "trained, probabilities": _OUT}  # fmt: skip
    colour_legend(
        ax, kinds, "#888888", loc="lower center", ncols=len(kinds), fontsize=8, frameon=False
    )
    ax.set(xlim=(-0.6, 8.7), ylim=(-1.75, 2.6))
    ax.axis("off")
    return ax


def _chain(
    ax: Axes, y: float, blocks: Sequence[tuple[float, str, str]], *, width: float = 0.88,
    **shape: float,
) -> None:  # fmt: skip
    """Draw a row of blocks (x, words, colour), with an arrow from each to the next."""
    for k, (x, words, colour) in enumerate(blocks):
        block(ax, x, y, words, colour, width=width, **shape)
        if k:
            arrow(ax, (blocks[k - 1][0] + width / 2, y), (x - width / 2, y))


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


def inputs_used(answers: pd.DataFrame, inputs: Sequence[str]) -> Figure:
    """Draw how often the ensemble with some inputs answers what, under both protocols.

    answers: columns `feature` (such as "mfcc+stft"), `split` ("clip", "infant"), `truth` and
    `predicted`, a row per clip and training. inputs: in the order of the names in `feature`.
    """
    subset = "+".join(inputs)
    classes = sorted(set(answers.truth))
    fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for (split, words), ax in zip(NAMES.items(), axes, strict=True):
        part = answers[(answers.feature == subset) & (answers.split == split)]
        if part.empty:
            ax.text(0.5, 0.5, "choose at least one input", ha="center")
            ax.axis("off")
            continue
        matrix = confusion_matrix(part.truth, part.predicted, labels=classes)
        confusion(matrix, classes, ax)
        share = (part.truth == part.predicted).mean()
        ax.set_title(f"{words}: {share:.0%} right")
    fig.suptitle(f"Inputs of the ensemble: {_inputs(subset) if subset else 'none'}")
    return fig


def ablation(table: pd.DataFrame, ax: Axes, *, chance: float, xlabel: str) -> Axes:
    """Draw the ensemble's score with each subset of the inputs under both protocols.

    Subsets are sorted by their number of inputs, the smallest at the top.

    table: columns `subset` ("mfcc", ..., "mfcc+stft+image"), `split` ("clip", "infant"), `value`,
    `low` and `high`; shares 0-1 like `chance`.
    """
    order = sorted(dict.fromkeys(table.subset), key=lambda subset: subset.count("+"))
    wide = table.pivot(index="subset", columns="split", values=["value", "low", "high"])
    ends = {"value": "", "low": "_low", "high": "_high"}
    wide.columns = wide.columns.map(lambda pair: f"{pair[1]}{ends[pair[0]]}")
    return model_scores(wide.loc[order].rename(_inputs), ax, chance=chance, xlabel=xlabel)


def _inputs(subset: str) -> str:
    names = [part.upper() if part in ("mfcc", "stft") else part for part in subset.split("+")]
    return " + ".join(names)


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
        panels[0].set_ylabel(_inputs(model))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig
