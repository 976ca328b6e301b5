"""Cross-validation: the answer to each clip by a model that was not trained on it.

Used in notebook 03 to rebuild Paper A's Tables 1 and 2 (section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError
from cryutils.evaluation.splits import Fold, Indices, Names, class_indices

__all__ = [
    "NOT_DRAWN",
    "Answer",
    "Features",
    "balanced_accuracy",
    "cross_predict",
    "cross_validate",
    "fit_and_predict",
    "group_baseline",
    "one_thread",
    "scored_out_of_fold",
]  # fmt: skip

Features = NDArray[Any] | Callable[[Indices], NDArray[Any]]
# From training and test clips to a row for each test clip: a class index, or probabilities.
Answer = Callable[[Indices, Indices], NDArray[Any]]

NOT_DRAWN = -2  # in place of a prediction, if a repeat draws its own clips


def cross_validate(
    answer: Answer, repeated_folds: Sequence[Sequence[Fold]], n_clips: int
) -> NDArray[Any]:
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
    model: Any, X: Features, labels: Names, repeated_folds: Sequence[Sequence[Fold]]
) -> NDArray[np.int64]:
    """Return a classifier's predictions, indices of the sorted labels, int64 (repeats, clips).

    model: a classifier of scikit-learn, cloned for each fold (give it a `random_state`). X:
    features (clips, features), or a function that takes the indices of a training part and returns
    the features of all clips, with everything fitted on that part alone. labels: one for each clip.
    repeated_folds: lists of (train, test), from `folds`.
    """
    with one_thread():
        return fit_and_predict(model, X, class_indices(labels)[0], repeated_folds)


def scored_out_of_fold(
    model: Any,
    X: Features,
    labels: Names,
    repeated_folds: Sequence[Sequence[Fold]],
    *,
    classes: Sequence[str] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the predictions of `cross_predict` with a score for each class.

    The scores, float64 (repeats, clips, classes), are from `predict_proba`, else from
    `decision_function`. classes: their order in the result; by default all labels, sorted. Raises
    InputError if the classifier has no scores, or a label is not a class.
    """
    y, names = class_indices(labels, classes)
    with one_thread():
        pooled = cross_validate(partial(_scored, model, X, y), repeated_folds, len(y))
    predicted, scores = pooled[..., 0], pooled[..., 1:]
    # Classes without any clip have no column yet.
    absent = np.where(np.isnan(predicted), np.nan, 0.0)[..., None]
    rest = np.repeat(absent, len(names) - scores.shape[-1], axis=-1)
    predicted = np.where(np.isnan(predicted), NOT_DRAWN, predicted).astype(np.int64)
    return predicted, np.concatenate([scores, rest], axis=-1)


def group_baseline(groups: Names) -> tuple[Any, NDArray[np.float64]]:
    """Return a classifier and features, float64 (clips, groups), that know a clip's group alone.

    It answers the commonest training class of each group, with classes weighted equally. groups:
    one for each clip, such as the type of phone.
    """
    from sklearn.tree import DecisionTreeClassifier

    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    tree = DecisionTreeClassifier(class_weight="balanced", random_state=0)
    return tree, np.eye(len(names))[codes]


def fit_and_predict(
    model: Any, X: Features, y: NDArray[np.int64], repeated_folds: Sequence[Sequence[Fold]]
) -> NDArray[np.int64]:
    """Like `cross_predict`, from class indices y, int (clips,)."""

    def answer(train: Indices, test: Indices) -> NDArray[np.int64]:
        features = X(train) if callable(X) else X
        return np.asarray(_fitted(model, features, y, train).predict(features[test]))

    return cross_validate(answer, repeated_folds, len(y))


def balanced_accuracy(y: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> float:
    """Return the mean recall of the classes in `y`, int (clips,), as scikit-learn does but faster.

    A prediction that is -1, or a class not in `y`, is wrong.
    """
    counts = np.bincount(y)
    right = np.bincount(y[y == predicted], minlength=len(counts))
    return float(np.mean(right[counts > 0] / counts[counts > 0]))


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP use one thread.

    With dozens of clips, waking a second thread costs more than it saves.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def _fitted(model: Any, features: NDArray[Any], y: NDArray[np.int64], train: Indices) -> Any:
    from sklearn.base import clone

    return clone(model).fit(features[train], y[train])


def _scored(
    model: Any, X: Features, y: NDArray[np.int64], train: Indices, test: Indices
) -> NDArray[np.float64]:
    """Return predictions and scores of a fold's test clips, side by side (test, 1 + classes)."""
    features = X(train) if callable(X) else X
    fitted = _fitted(model, features, y, train)
    way = "predict_proba" if hasattr(fitted, "predict_proba") else "decision_function"
    if not hasattr(fitted, way):
        name = type(model).__name__
        raise InputError(f"{name} has no predict_proba or {way}; give a classifier that does")
    answer = np.asarray(getattr(fitted, way)(features[test]))
    if answer.ndim == 1:  # a decision function of two classes scores the second
        answer = np.stack([-answer, answer], axis=1)
    # A class that the training part lacks has no column.
    columns = np.full((len(test), int(y.max()) + 1), 0.0 if way == "predict_proba" else -np.inf)
    columns[:, fitted.classes_] = answer
    return np.column_stack([fitted.predict(features[test]), columns])
