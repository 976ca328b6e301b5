"""Accuracy, precision, recall and F1, by class and overall.

Used in notebook 03 for Paper A's Tables 1 and 2 (section 3.3) with both splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError
from cryutils.evaluation.crossval import NOT_DRAWN, balanced_accuracy

__all__ = ["ClassScores", "Scores", "scores"]


class ClassScores(NamedTuple):
    """One class: precision, recall, F1, and its number of clips (times repeats)."""

    precision: float
    recall: float
    f1: float
    clips: int


@dataclass(frozen=True)
class Scores:
    """Scores of Paper A's Table 2 and Paper B's figures.

    `macro_*` are unweighted means over the classes that occur in the truth. `confusion` is int
    (classes, classes), truth by row, prediction by column.
    """

    accuracy: float
    balanced_accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: dict[str, ClassScores]
    confusion: NDArray[np.int64]


def scores(
    y_true: NDArray[np.integer[Any]], y_pred: NDArray[np.integer[Any]], classes: Sequence[str]
) -> Scores:
    """Return the scores of predicted against true class indices, by scikit-learn.

    A class that is never predicted has precision and F1 0. Repeats are pooled.

    y_true: class indices (clips,). y_pred: class indices (clips,) or (repeats, clips); `NOT_DRAWN`
    is left out. classes: names, in the order of the indices. Raises InputError if there are no
    clips, or not as many predictions as true classes.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = np.atleast_2d(np.asarray(y_pred))
    if predicted.shape[-1] != len(y_true) or not len(y_true):
        raise InputError(f"{len(y_true)} true and {predicted.shape[-1]} predicted clips")
    drawn = predicted != NOT_DRAWN
    truth = np.tile(np.asarray(y_true), (len(predicted), 1))[drawn]
    predicted = predicted[drawn]
    indices = np.arange(len(classes))
    confusion = confusion_matrix(truth, predicted, labels=indices)
    by_class = precision_recall_fscore_support(truth, predicted, labels=indices, zero_division=0)
    precision, recall, f1, clips = by_class
    present = clips > 0
    return Scores(
        accuracy=float(np.mean(truth == predicted)),
        balanced_accuracy=balanced_accuracy(truth, predicted),
        macro_precision=float(precision[present].mean()),
        macro_recall=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        per_class=dict(zip(classes, map(ClassScores, *by_class), strict=True)),
        confusion=confusion.astype(np.int64),
    )
