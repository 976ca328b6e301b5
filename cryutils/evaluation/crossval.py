"""Predictions for clips that a model was not trained on: out-of-fold, hold-out, majority.

Used in notebook 03 to rebuild Paper A's Tables 1 and 2 (section 3.3). The primary score comes from
pooled out-of-fold predictions. The papers' single hold-out is drawn many times, to show it as a
distribution.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryutils._io.parallel import process_map
from cryutils.errors import InputError
from cryutils.evaluation.splits import Fold, Names, class_indices

__all__ = [
    "NOT_DRAWN", "Features", "balanced_accuracy", "fit_and_predict", "majority_baseline",
    "one_thread", "out_of_fold", "scored_out_of_fold",
]  # fmt: skip

Features = NDArray[Any] | Callable[[NDArray[np.int64]], NDArray[Any]]
Answer = tuple[NDArray[np.int64], NDArray[np.float64]]

NOT_DRAWN = -2  # in place of a prediction, if a repeat draws its own clips

# Starting worker processes takes one to two seconds, so shorter work stays in this process.
_WORTH_PROCESSES_S = 5.0


def out_of_fold(
    model: Any,
    X: Features,
    labels: Names,
    repeated_folds: Sequence[Sequence[Fold]],
    *,
    jobs: int | None = None,
) -> NDArray[np.int64]:
    """Return the prediction for each clip by a model that was not trained on it, for each repeat.

    Predictions are indices of the sorted labels, int64 (repeats, clips).

    Parameters
    ----------
    model : classifier
        From scikit-learn, cloned for each fold (give it a `random_state`), or an object with
        `predict_proba_folds(X, y, folds)` that returns each fold's class probabilities (test,
        classes), such as `models.DeepNeuralNetwork`; it gets the folds of all repeats at once.
    X : array or function
        Features (clips, features), or a function that takes the indices of a training part and
        returns the features of all clips, with everything fitted on that part alone.
    labels : sequence of str
        One for each clip.
    repeated_folds : list of lists of (train, test)
        From `folds`. Raises InputError if a repeat trains on a clip without testing it, or tests it
        twice. A clip that is neither trained on nor tested in a repeat is `NOT_DRAWN` there.
    jobs : int, optional
        Worker processes; by default one per core, if the first fold takes long enough.
    """
    return _pooled(model, X, labels, repeated_folds, None, scores=False, jobs=jobs)[0]


def scored_out_of_fold(
    model: Any,
    X: Features,
    labels: Names,
    repeated_folds: Sequence[Sequence[Fold]],
    *,
    classes: Sequence[str] | None = None,
) -> Answer:
    """Return the predictions of `out_of_fold` with a score for each class.

    The scores, float64 (repeats, clips, classes), are from `predict_proba`, or from
    `decision_function` if a classifier has no probabilities. classes: their order in the result; by
    default all labels, sorted. The other arguments are those of `out_of_fold`, and so are the
    errors; also, InputError if the classifier has no scores, or a label is not a class.
    """
    return _pooled(model, X, labels, repeated_folds, classes, scores=True)


def _pooled(
    model: Any,
    X: Features,
    labels: Names,
    repeated_folds: Sequence[Sequence[Fold]],
    classes: Sequence[str] | None,
    *,
    scores: bool,
    jobs: int | None = None,
) -> Answer:
    y, names = class_indices(labels, classes)
    for number, repeat in enumerate(repeated_folds):
        tested = np.sort(np.concatenate([test for _, test in repeat]))
        drawn = np.unique(np.concatenate([part for fold in repeat for part in fold]))
        if not np.array_equal(tested, drawn):
            raise InputError(f"repeat {number} of the folds does not test each of its clips once")
    flat = [fold for repeat in repeated_folds for fold in repeat]
    with one_thread():
        answers = iter(_answers(model, X, y, flat, scores, jobs))
    predicted = np.full((len(repeated_folds), len(y)), NOT_DRAWN)
    scored = np.full((*predicted.shape, len(names) * scores), np.nan)
    for number, repeat in enumerate(repeated_folds):
        for _, test in repeat:
            labels_of_test, scores_of_test = next(answers)
            predicted[number, test] = labels_of_test
            scored[number, test] = 0.0  # of a class that the training part lacks
            scored[number, test, : scores_of_test.shape[1]] = scores_of_test
    return predicted, scored


def majority_baseline(labels: Names, repeated_folds: Sequence[Sequence[Fold]]) -> NDArray[np.int64]:
    """Return each fold's most frequent training class for all its test clips.

    Every model must do better than this. Arguments and result are those of `out_of_fold`.
    """
    from sklearn.dummy import DummyClassifier

    blank = np.zeros((len(labels), 1))
    model = DummyClassifier(strategy="most_frequent")
    return out_of_fold(model, blank, labels, repeated_folds)


def balanced_accuracy(y: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> float:
    """Return the mean recall of the classes in `y`.

    The same number as scikit-learn's `balanced_accuracy_score`, without its checks, which add up
    over a permutation test. True and predicted classes are indices, int (clips,); -1, or a class
    not in `y`, is wrong.
    """
    counts = np.bincount(y)
    right = np.bincount(y[y == predicted], minlength=len(counts))
    return float(np.mean(right[counts > 0] / counts[counts > 0]))


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP use one thread.

    With dozens of clips, waking a second thread costs more than it saves: on two busy cores,
    k-NN's neighbours took 47 ms instead of 0.3 ms.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def fit_and_predict(
    model: Any, X: Features, y: NDArray[np.int64], folds: Sequence[Fold]
) -> list[NDArray[np.int64]]:
    """Return the predicted class indices of each fold's test clips, int64 (test,).

    y: class indices (clips,). folds: (train, test), indices of clips. The others are as in
    `out_of_fold`.
    """
    return [predicted for predicted, _ in _answers(model, X, y, folds)]


def _answers(
    model: Any,
    X: Features,
    y: NDArray[np.int64],
    folds: Sequence[Fold],
    scores: bool = False,
    jobs: int | None = None,
) -> list[Answer]:
    """Return class indices (test,) and scores (test, classes) of each fold's test clips."""
    if hasattr(model, "predict_proba_folds"):
        probabilities = model.predict_proba_folds(X, y, folds)
        return [(p.argmax(axis=1), p if scores else p[:, :0]) for p in probabilities]
    for ways in (("predict",), ("predict_proba", "decision_function"))[: 1 + scores]:
        if not any(hasattr(model, way) for way in ways):
            name = type(model).__name__
            raise InputError(f"{name} has no {' or '.join(ways)}; give a classifier that does")
    begun = time.perf_counter()
    done = [_one_fold(model, X, y, scores, fold) for fold in folds[:1]]
    left = (time.perf_counter() - begun) * (len(folds) - 1)
    if jobs == 1 or (jobs is None and left < _WORTH_PROCESSES_S):
        return done + [_one_fold(model, X, y, scores, fold) for fold in folds[1:]]
    shared = (model, X, y, scores)
    return done + list(process_map(_one_fold, folds[1:], shared=shared, jobs=jobs))


def _one_fold(model: Any, X: Features, y: NDArray[np.int64], scores: bool, fold: Fold) -> Answer:
    from sklearn.base import clone

    train, test = fold
    features = X(train) if callable(X) else X
    fitted = clone(model).fit(features[train], y[train])
    predicted = fitted.predict(features[test])
    if not scores:
        return predicted, np.zeros((len(test), 0))
    has_probabilities = hasattr(fitted, "predict_proba")
    score = fitted.predict_proba if has_probabilities else fitted.decision_function
    answer = np.asarray(score(features[test]))
    if answer.ndim == 1:  # a decision function of two classes scores the second
        answer = np.stack([-answer, answer], axis=1)
    # A class that the training part lacks has no column.
    columns = np.full((len(test), int(y.max()) + 1), 0.0 if has_probabilities else -np.inf)
    columns[:, fitted.classes_] = answer
    return predicted, columns
