"""Parts of several figures: named rows, scores with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes


def name_rows(ax: Axes, names: Iterable[str]) -> npt.NDArray[np.int64]:
    """Name the rows of a figure, the first on top; return the height of each, int64 (rows,)."""
    words = list(names)
    rows = np.arange(len(words))[::-1]
    ax.set(yticks=rows, yticklabels=words, ylim=(-0.6, len(words) - 0.4))
    ax.grid(axis="y", visible=False)
    return rows


def scores_by_split(
    table: pd.DataFrame, ax: Axes, splits: Mapping[str, tuple[str, str]], *, apart: float
) -> npt.NDArray[np.int64]:
    """Draw scores with their intervals, one row per name; return the height of each row, (rows,).

    table: from `evaluation.score` with one metric, or an index of names and, for each of `splits`,
    the columns `<split>`, `<split>_low` and `<split>_high`; shares 0-1. splits: colour and words of
    each, drawn `apart` within a row.
    """
    if "split" in table.index.names:
        table = side_by_side(table)
    rows = name_rows(ax, table.index)
    for number, (split, (colour, words)) in enumerate(splits.items()):
        at = rows + apart * ((len(splits) - 1) / 2 - number)
        value, low, high = (table[f"{split}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
        ax.hlines(at, low, high, color=colour, lw=3, alpha=0.35)
        ax.plot(value, at, "o", color=colour, ms=6, label=words)
    return rows


def side_by_side(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores of one metric with a row per model, columns as `scores_by_split` takes them.

    scores: from `evaluation.score`. A row's name joins the rest of the index with a middle dot.
    """
    ends = scores[["value", "low", "high"]].astype(float)
    wide = ends.apply(lambda column: column.fillna(ends["value"])).unstack("split")
    wide = wide.loc[scores.reset_index("split").index.unique()]  # pandas 2 mixes rows with sort=False
    wide.columns = [f"{split}{'' if end == 'value' else f'_{end}'}" for end, split in wide.columns]
    wide.index = [" · ".join(map(str, np.atleast_1d(key))) for key in wide.index]
    return wide


def spaced(label: str) -> str:
    """Return a class label in words."""
    return label.replace("_", " ")
