"""Stored predictions as arrays, and the difference between the two splits of the clips.

The central claim of this project is about one difference: a model's score with clips split at
random, minus its score with no infant on both sides. `split_gaps` gives each model's difference its
own interval, from the predictions of any run. Used in notebook 14_scoreboard.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cryutils.claims.result_store import load_predictions
from cryutils.evaluation import NOT_DRAWN, paired_interval
from cryutils.evaluation.splits import Fold

__all__ = ["MODEL", "Answers", "answers", "gaps", "split_gaps"]

MODEL = ["study", "condition", "feature", "model", "data"]


class Answers(NamedTuple):
    """The arguments of `evaluation.interval` and `evaluation.auc_interval`.

    A unit is a clip or a window. predicted: int64 (repeats, units), -1 without an answer. truth:
    int64 (units,). Both are indices of the classes in alphabetical order. infants, units: str
    (units,), the latter the clips' ids. strengths: float64 (repeats, units, classes), NaN where
    only the answer is stored. folds: of each repeat, which are trained on its other units.
    """

    predicted: np.ndarray
    truth: np.ndarray
    infants: np.ndarray
    units: np.ndarray
    strengths: np.ndarray
    folds: list[list[Fold]]


def answers(table: pd.DataFrame) -> Answers:
    """Return a model's answers on one split and corpus, columns as in `claims.load_predictions`.

    A repeat that did not draw a unit has `evaluation.NOT_DRAWN`.
    """
    number = table.groupby(["repeat", "clip"]).cumcount()  # of a clip's windows
    unit, names = pd.factorize(pd.MultiIndex.from_arrays([table["clip"], number]))
    repeat = pd.factorize(table["repeat"], sort=True)[0]  # named by numbers, seeds or texts
    _, first = np.unique(unit, return_index=True)
    classes, truth = np.unique(table.truth.astype(str).to_numpy()[first], return_inverse=True)
    shape = repeat.max() + 1, len(first)
    predicted, fold = np.full(shape, NOT_DRAWN), np.full(shape, -1)
    predicted[repeat, unit] = pd.Index(classes).get_indexer(pd.Index(table.predicted))
    fold[repeat, unit] = table.fold
    strengths = np.full((*shape, len(classes)), np.nan)
    strengths[repeat, unit] = table.reindex(columns=[f"p_{name}" for name in classes])
    folds = [
        [
            (np.flatnonzero((row != k) & (row >= 0)), np.flatnonzero(row == k))
            for k in np.unique(row[row >= 0])
        ]
        for row in fold
    ]
    infants = table.infant.astype(str).to_numpy()[first]
    clips = np.array([str(clip) for clip, _ in names])
    return Answers(predicted, truth, infants, clips, strengths, folds)


def split_gaps(run: str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    run: as in `claims.load_results`. columns: which predictions (study, condition, feature, model,
    data). Columns of the result are as in `gaps`.
    """
    return gaps(load_predictions(run, **columns))


def gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    Both scores are of the same clips, so the difference is paired over infants. There is a row for
    each model that was scored on both splits. Columns: study, condition, feature, model, data,
    value, low, high (of the difference), n and n_infants.

    table: columns as in `claims.load_predictions`.
    """
    rows: list[dict[str, Any]] = []
    for about, part in table.groupby(MODEL, sort=False):
        if not {"random", "leak_free"} <= set(part.split):
            continue
        random, free = (answers(part[part.split == split]) for split in ("random", "leak_free"))
        place = pd.Index(random.units).get_indexer(free.units)
        alike = sorted(random.units) == sorted(set(free.units))
        drawn = random.predicted != NOT_DRAWN
        if not alike or np.ptp(random.predicted[drawn]) == 0 or not random.strengths[drawn].any():
            continue  # single windows, other clips, or always the same answer
        aligned = np.full((len(free.predicted), len(random.units)), NOT_DRAWN)
        aligned[:, place] = free.predicted
        gap = paired_interval(
            random.predicted, aligned, random.truth, random.infants, metric="balanced_accuracy"
        )
        rows.append({**dict(zip(MODEL, about, strict=True)), **gap.row()})
    return pd.DataFrame(rows, columns=[*MODEL, "value", "low", "high", "n", "n_infants"])
