"""Cross-validation of a classifier on arrays, for the audit and the benchmarks.

Notebooks use `evaluation.out_of_fold`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError
from cryutils.evaluation.splits import Fold, Indices, Names, class_indices

__all__ = ["NOT_DRAWN", "Answer", "balanced_accuracy", "cross_predict", "cross_validate", "group_baseline"]

# From training and test clips to a row for each test clip: a class index, or probabilities.
Answer = Callable[[Indices, Indices], NDArray[Any]]

NOT_DRAWN = -2  # in place of a prediction, if a repeat draws its own clips


def cross_validate(answer: Answer, repeated_folds: Sequence[Sequence[Fold]], n_clips: int) -> NDArray[Any]:
    """Return the answers to the test clips of every fold, (repeats, clips, ...).

    A clip that a repeat does not test is `NOT_DRAWN`, or NaN if answers are decimal numbers.

    answer: trains on the first of two arrays of clip indices and returns a row for each clip of the
    second. repeated_folds: lists of (train, test), from `folds`. Raises InputError if a clip is in
    training and test of a fold, or tested twice in a repeat.
    """
    pooled: NDArray[Any] | None = None
    for number, repeat in enumerate(repeated_folds):
        tested = np.zeros(n_clips, dtype=bool)
        for train, test in repeat:
            if tested[test].any() or np.isin(test, train).any():
                raise InputError(
                    f"repeat {number} of the folds tests a clip twice, or trains on a tested clip"
                )
            tested[test] = True
            rows = np.asarray(answer(train, test))
            if pooled is None:
                missing = NOT_DRAWN if rows.dtype.kind in "iu" else np.nan
                shape = len(repeated_folds), n_clips, *rows.shape[1:]
                pooled = np.full(shape, missing, rows.dtype)
            pooled[number, test] = rows
    if pooled is None:
        raise InputError("there is no fold to test")
    return pooled


def cross_predict(
    model: Any, X: NDArray[Any], labels: Names, repeated_folds: Sequence[Sequence[Fold]]
) -> NDArray[np.int64]:
    """Return a classifier's predictions, indices of the sorted labels, int64 (repeats, clips).

    model: a classifier of scikit-learn, cloned for each fold (give it a `random_state`). X:
    features (clips, features). labels: one for each clip. repeated_folds: lists of (train, test),
    from `folds`.
    """
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    y, _ = class_indices(labels)

    def answer(train: Indices, test: Indices) -> NDArray[np.int64]:
        return np.asarray(clone(model).fit(X[train], y[train]).predict(X[test]))

    with threadpool_limits(limits=1):  # dozens of clips: a second thread costs more than it saves
        return cross_validate(answer, repeated_folds, len(y))


def group_baseline(groups: Names) -> tuple[Any, NDArray[np.float64]]:
    """Return a classifier and features, float64 (clips, groups), that know a clip's group alone.

    It answers the most common training class of each group, with classes weighted equally. groups:
    one for each clip, such as the type of phone.
    """
    from sklearn.tree import DecisionTreeClassifier

    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    tree = DecisionTreeClassifier(class_weight="balanced", random_state=0)
    return tree, np.eye(len(names))[codes]


def balanced_accuracy(y: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> float:
    """Return the mean recall of the classes in `y`, int (clips,), as scikit-learn does but faster.

    A prediction that is -1, or a class not in `y`, is wrong.
    """
    counts = np.bincount(y)
    right = np.bincount(y[y == predicted], minlength=len(counts))
    return float(np.mean(right[counts > 0] / counts[counts > 0]))
