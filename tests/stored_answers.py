"""The arrays behind a score, from its stored predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from cryutils.evaluation import Fold


class Answers(NamedTuple):
    """What `evaluation.interval` and `evaluation.auc_interval` take. A unit is a clip or a window.

    `predicted` is int64 (repeats, units), -1 without an answer; `truth` int64 (units,), both
    indices of the classes in alphabetical order; `strengths` float64 (repeats, units, classes),
    NaN where only the answer is stored; `folds` those of each repeat, without training units.
    """

    predicted: np.ndarray
    truth: np.ndarray
    infants: list[str]
    strengths: np.ndarray
    folds: list[list[Fold]]


def answers(table: pd.DataFrame) -> Answers:
    """Return the answers of one split and corpus, columns as in `claims.load_predictions`."""
    table = table.sort_values("repeat", kind="stable")
    repeats = table["repeat"].nunique()
    units = table.iloc[: len(table) // repeats]
    shape = repeats, len(units)
    classes, truth = np.unique(units.truth.astype(str), return_inverse=True)
    strengths = table.reindex(columns=[f"p_{name}" for name in classes]).to_numpy(np.float64)
    folds = [
        [(np.zeros(0, int), np.flatnonzero(row == k)) for k in np.unique(row)]
        for row in table.fold.to_numpy().reshape(shape)
    ]
    predicted = pd.Index(classes).get_indexer(table.predicted).reshape(shape)
    return Answers(predicted, truth, list(units.infant), strengths.reshape(*shape, -1), folds)
