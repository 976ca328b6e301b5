"""Figures of networks for notebooks 03 to 12: curves, scores, decisions."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from cryutils.plots.palette import COLOURS, SPLITS

_STATES = ("#0072B2", "#E69F00", "#CC79A7", "#009E73")  # of the states, different when pale


def learning_curves(history: pd.DataFrame, ax: Axes, *, what: str = "loss", best: Sequence[int] = ()) -> Axes:
    """Draw `what` and `val_<what>` over epochs, one thin line per fold, and their mean.

    The mean ends where the first fold ends, since without that fold it would jump.

    history: columns `fold`, `epoch`, `<what>` and `val_<what>`. what: such as "loss" or "accuracy".
    best: the epochs whose weights were kept, to be marked.
    """
    curves = {what: ("#999999", "training"), f"val_{what}": ("#0072B2", "validation")}
    for column, (colour, words) in curves.items():
        for _, fold in history.groupby("fold"):
            ax.plot(fold.epoch, fold[column], color=colour, lw=0.8, alpha=0.35)
        by_epoch = history.groupby("epoch")[column]
        mean = by_epoch.mean()[by_epoch.size() == history.fold.nunique()]
        ax.plot(mean.index, mean, color=colour, lw=2.2, label=words)
    for k, epoch in enumerate(best):
        ax.axvline(epoch, color="#D55E00", lw=0.8, ls=":", label="" if k else "epoch kept")
    ax.set(xlabel="epoch", ylabel=what)
    if what == "accuracy":
        ax.set_ylim(0, 1.02)
    ax.locator_params(axis="x", integer=True)
    ax.legend(loc="best", fontsize=8)
    return ax


def model_scores(
    table: pd.DataFrame,
    ax: Axes,
    *,
    chance: float,
    xlabel: str = "balanced accuracy",
    splits: Mapping[str, tuple[str, str]] = SPLITS,
) -> Axes:
    """Draw each model's score under several splits with its interval, one row per model.

    Parameters
    ----------
    table : DataFrame
        From `evaluation.score` with one metric, shares 0-1. A row's name joins the index.
    ax : Axes
        Where to draw.
    chance : float
        The score of guessing, a dashed line.
    xlabel : str
        Name of the metric.
    splits : dict
        Colour and words of each split; by default of the random and the leak-free one.

    Returns
    -------
    Axes
        `ax`, without a legend.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> table = pd.DataFrame({"value": [0.7, 0.3], "low": [0.6, 0.2], "high": [0.8, 0.4]})
    >>> table.index = pd.MultiIndex.from_product([["svm"], SPLITS], names=["model", "split"])
    >>> model_scores(table, plt.figure().subplots(), chance=0.25).get_xlabel()
    'balanced accuracy'
    """
    ends = table[["value", "low", "high"]].astype(float)
    wide = ends.apply(lambda column: column.fillna(ends["value"])).unstack("split")
    wide = wide.loc[table.reset_index("split").index.unique()]  # pandas 2 mixes rows with sort=False
    wide.columns = [f"{split}{'' if end == 'value' else f'_{end}'}" for end, split in wide.columns]
    wide.index = [" · ".join(map(str, np.atleast_1d(key))) for key in wide.index]
    scores_by_split(wide, ax, splits, apart=0.56 / len(splits))
    ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
    ax.set(xlim=(0, 1.02), xlabel=xlabel)
    return ax


def scores_by_split(
    table: pd.DataFrame, ax: Axes, splits: Mapping[str, tuple[str, str]], *, apart: float
) -> npt.NDArray[np.int64]:
    """Draw scores with their intervals, one row per name; return the height of each row, (rows,).

    table: an index of names and, for each of `splits`, the columns `<split>`, `<split>_low` and
    `<split>_high`. splits: colour and words of each, drawn `apart` within a row.
    """
    rows = name_rows(ax, table.index)
    for number, (split, (colour, words)) in enumerate(splits.items()):
        at = rows + apart * ((len(splits) - 1) / 2 - number)
        value, low, high = (table[f"{split}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
        ax.hlines(at, low, high, color=colour, lw=3, alpha=0.35)
        ax.plot(value, at, "o", color=colour, ms=6, label=words)
    return rows


def name_rows(ax: Axes, names: Iterable[str]) -> npt.NDArray[np.int64]:
    """Name the rows of a figure, the first on top; return the height of each, int64 (rows,)."""
    words = list(names)
    rows = np.arange(len(words))[::-1]
    ax.set(yticks=rows, yticklabels=words, ylim=(-0.6, len(words) - 0.4))
    ax.grid(axis="y", visible=False)
    return rows


def decisions(
    timelines: Mapping[str, npt.NDArray[np.float32]], classes: Sequence[str], ax: Axes, *, step_s: float
) -> Axes:
    """Draw each model's decisions over the time of a recording, one strip per model.

    A strip's colour is the most probable state, and paler where the model is less sure.

    timelines: probabilities by model, float32 (windows, classes), a window every `step_s` seconds.
    A row of NaN, no answer, leaves a gap.
    """
    colours = np.array([to_rgb(colour) for _, colour in zip(classes, cycle(_STATES), strict=False)])
    for row, p in zip(name_rows(ax, timelines), timelines.values(), strict=True):
        answered = ~np.isnan(p).any(axis=1, keepdims=True)
        filled = np.where(answered, p, 0)
        sure = (filled.max(axis=1) - 1 / len(classes)) / (1 - 1 / len(classes))
        strength = np.where(answered, np.clip(sure, 0.15, 1)[:, None], 0)
        shade = 1 - (1 - colours[filled.argmax(axis=1)]) * strength
        extent = (0, len(p) * step_s, row - 0.4, row + 0.4)
        ax.imshow(shade[None], aspect="auto", extent=extent, interpolation="nearest")
    longest = max(len(p) for p in timelines.values()) * step_s
    ax.set(xlim=(0, longest), ylim=(-0.6, len(timelines) - 0.4), xlabel="time (s)")
    ax.grid(visible=False)
    names = [name.replace("_", " ") for name in classes]
    blocks = [Patch(color=colour, label=name) for name, colour in zip(names, colours, strict=True)]
    ax.legend(handles=blocks, loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=len(classes))
    return ax


def pictures(
    images: Sequence[npt.NDArray[np.uint8]], titles: Sequence[str], axes: Sequence[Axes]
) -> Sequence[Axes]:
    """Draw pictures with their titles, one per ax.

    Parameters
    ----------
    images : list of arrays
        RGB, uint8 (height, width, 3).
    titles : list of str
        One for each picture.
    axes : list of Axes
        Where to draw. Those without a picture stay empty.

    Returns
    -------
    list of Axes
        `axes`.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> axes = plt.figure().subplots(1, 2)
    >>> pictures([np.zeros((48, 48, 3), np.uint8)], ["black"], axes)[0].get_title()
    'black'
    """
    for ax in axes:
        ax.axis("off")
    for image, title, ax in zip(images, titles, axes, strict=False):
        ax.imshow(image, interpolation="nearest")
        ax.set_title(title, fontsize=8, loc="center")
    return axes
