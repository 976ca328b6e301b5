"""Figures of Paper A's ensemble: its Figure 2 as a drawing, Figures 3 and 4, Table 3, ablation.

Used in notebook 09_ensemble (Paper A §3.5 and §4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from cryutils.claims.tables import ENSEMBLES, PAIRS
from cryutils.plots.models import learning_curves, model_scores
from cryutils.plots.palette import COLOURS, SPLITS
from cryutils.plots.parts import arrow, block

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ablation", "ensemble_curves", "proposed_model", "submodel_curves", "table3"]

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

    Parameters
    ----------
    ax : Axes
        Wide, say 12 x 5 inches.
    encoder, dnn : sequence of int
        Units of the encoder's layers, the bottleneck last, and of the dense layers after it.
    image, hidden : int
        Units of the image submodel's dense layer, and of the ensemble's.
    classes : sequence of str
        The states.
    backbone, weights : str
        The backbone's name, and the origin of its weights.
    rolling : int, optional
        Number of frames in the rolling average; None for all frames.
    ensemble_input : {"features", "probabilities"}
        What the ensemble concatenates.
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
    for y in (1, 2):
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
    states = "\n".join(str(name).replace("_", " ") for name in classes)
    ax.text(7.84, 0.9, states, ha="left", va="center", fontsize=9)
    _draw_legend(ax)
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


def _draw_legend(ax: Axes) -> None:
    from matplotlib.patches import Patch

    kinds = {"input": _INPUT, "frozen": _FIXED, "trained": _TRAINED, "no weights": _PLAIN,
             "trained, probabilities": _OUT}  # fmt: skip
    handles = [Patch(fc=colour, ec="#888888", label=name) for name, colour in kinds.items()]
    ax.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=8, frameon=False)


def table3(
    table: pd.DataFrame,
    ax: Axes,
    *,
    published: Mapping[tuple[str, str], float],
    majority: Mapping[str, float],
) -> Axes:
    """Draw Table 3: published accuracy and ours under three splits, one row per pair and model.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `pair` and `model` (keys as in the results), `split` ("frame", "clip",
        "infant"), `value`, `low` and `high` (NaN if missing); shares 0-1.
    ax : Axes
        Say 9 x 8 inches.
    published, majority : mapping
        The paper's share by (pair, model), and the share of each pair's commonest class.
    """
    pairs = [pair for pair in PAIRS if pair in set(table.pair)]
    models = [model for model in ENSEMBLES if model in set(table.model)]
    step = len(models) + 0.9
    height = {
        (pair, model): -(i * step + k)
        for i, pair in enumerate(pairs)
        for k, model in enumerate(models)
    }
    # In this table a "frame" is a window of sound, with its pictures.
    splits = SPLITS | {"frame": (SPLITS["frame"][0], "split by window")}
    for (split, (colour, words)), lift in zip(splits.items(), (0.24, 0, -0.24), strict=True):
        part = table[table.split == split]
        y = [height[pair, model] + lift for pair, model in zip(part.pair, part.model, strict=True)]
        low, high = part.low.to_numpy(float), part.high.to_numpy(float)
        ax.hlines(y, low, high, color=colour, lw=3, alpha=0.35)
        ax.plot(part.value, y, "o", color=colour, ms=5.5, label=words)
    marks = {row: y for row, y in height.items() if row in published}
    ax.plot(
        [published[row] for row in marks], list(marks.values()), "D", color=COLOURS["published"],
        mfc="none", mew=1.3, ms=7, label="published",
    )  # fmt: skip
    for i, pair in enumerate(pairs):
        top = -i * step
        ax.text(0, top + 0.52, PAIRS[pair], fontweight="bold", fontsize=9, va="bottom")
        if pair in majority:
            ends = (top - len(models) + 0.55, top + 0.45)
            words = "" if i else "commonest class"
            colour = COLOURS["chance"]
            ax.vlines(majority[pair], *ends, color=colour, ls="--", lw=1.2, label=words)
    names = [ENSEMBLES[model] for _, model in height]
    ax.set(
        yticks=list(height.values()), yticklabels=names, xlim=(0, 1.03), xlabel="accuracy",
        ylim=(-(len(pairs) * step) + 1.2, 1.1),
    )  # fmt: skip
    ax.grid(axis="y", visible=False)
    return ax


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
    names = [part if part == "image" else part.upper() for part in subset.split("+")]
    return " + ".join(names)


def submodel_curves(
    histories: Mapping[str, pd.DataFrame], axes: Sequence[Axes], *, what: str,
    published: Mapping[str, int],
) -> Sequence[Axes]:  # fmt: skip
    """Draw the paper's Figure 3: `what` over epochs, one panel per submodel.

    histories: by input, as for `learning_curves`, except that the column `fold` may be called
    `task`, as in tables from `stacked.fit`. published: by input, the epoch at which the paper
    stopped.
    """
    for (name, history), ax in zip(histories.items(), axes, strict=True):
        _curves(history, ax, what=what, stop=published.get(name))
        ax.set_title(f"{_inputs(name)} submodel")
    return axes


def ensemble_curves(
    history: pd.DataFrame, axes: Sequence[Axes], *, published: int
) -> Sequence[Axes]:
    """Draw the paper's Figure 4, two panels: loss and accuracy of the final model over epochs.

    history: as for `submodel_curves`. published: the epoch at which the paper stopped.
    """
    for what, ax in zip(("loss", "accuracy"), axes, strict=True):
        _curves(history, ax, what=what, stop=published)
        ax.set_title(f"final model, {what}")
    return axes


def _curves(history: pd.DataFrame, ax: Axes, *, what: str, stop: int | None) -> None:
    named: dict[str, str] = {} if "fold" in history else {"task": "fold"}
    learning_curves(history.rename(columns=named), ax, what=what)
    if stop is not None:
        words = f"paper stops ({stop})"
        ax.axvline(stop, color=COLOURS["published"], lw=0.9, ls="--", label=words)
        ax.legend(loc="best", fontsize=8)
