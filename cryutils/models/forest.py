"""A decision tree and a random forest fast enough to be refitted ten thousand times.

Notebook 03 refits every classical model of Paper A's Tables 1 and 2 once a fold and
permutation. scikit-learn's forest spends about 1 ms of Python a tree, whatever the tree
costs; here the same algorithm (CART with the Gini criterion, grown until the leaves are
pure; Breiman 2001: bootstrap, a random subset of features at each node, averaged leaf
frequencies) is compiled by numba, which librosa brings along. Two things make it cheap:
each feature is sorted once for all folds, and only the branches are grown that a test clip
walks down. The tests hold it against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from cryutils.evaluation.crossval import Features
from cryutils.evaluation.splits import Fold

__all__ = ["Forest"]

# Below this many distinct clips in a node, sorting them beats walking the sorted feature.
_SMALL_NODE = 5


@dataclass(frozen=True)
class Forest:
    """A forest of `n_estimators` trees; one tree on all features is a plain decision tree.

    Parameters
    ----------
    n_estimators : int
        Trees, each grown until its leaves are pure.
    max_features : {"sqrt"}, optional
        Features tried at each node: the root of their number, or None for all.
    bootstrap : bool
        Each tree sees clips drawn with replacement, or every clip once.
    seed : int
        Of the bootstrap and of the features tried; every fold has a stream of its own.

    Examples
    --------
    >>> Forest(n_estimators=1, max_features=None, bootstrap=False)  # a decision tree
    Forest(n_estimators=1, max_features=None, bootstrap=False, seed=0)
    """

    n_estimators: int = 100
    max_features: Literal["sqrt"] | None = "sqrt"
    bootstrap: bool = True
    seed: int = 0

    def predict_proba_folds(
        self,
        X: Features,
        y: NDArray[np.integer[Any]],
        folds: Sequence[Fold],
    ) -> list[NDArray[np.float64]]:
        """Return for each fold the class probabilities (test, classes) of its test clips.

        Parameters
        ----------
        X : ndarray or function
            Features (clips, features), or a function of the training part that returns them;
            compared as float32, as scikit-learn's trees do.
        y : ndarray of int
            Class indices (clips,).
        folds : sequence of (train, test)
            Integer indices; one that is there twice counts twice.
        """
        y = np.ascontiguousarray(y, np.int64)
        prepared: dict[int, tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int32]]] = {}
        probabilities = []
        for number, (train, test) in enumerate(folds):
            features = X(train) if callable(X) else X
            # Folds often share one matrix; it is kept beside its order, so its id stays taken.
            if id(features) not in prepared:
                prepared[id(features)] = (features, *_sorted(features))
            _, columns, order = prepared[id(features)]
            all_of_them = self.max_features is None
            votes = _grow_and_vote(
                columns,
                order,
                y,
                np.ascontiguousarray(train, np.int64),
                np.unique(test).astype(np.int64),  # each clip walks down once
                int(y.max()) + 1,
                len(columns) if all_of_them else max(1, int(np.sqrt(len(columns)))),
                self.bootstrap,
                self.n_estimators,
                np.random.default_rng([self.seed, number]),
            )
            probabilities.append(votes[test] / self.n_estimators)
        return probabilities

    def predict_folds(
        self,
        X: Features,
        y: NDArray[np.integer[Any]],
        folds: Sequence[Fold],
    ) -> list[NDArray[np.int64]]:
        """Return for each fold the class index `(test,)` predicted for its test clips."""
        return [p.argmax(axis=1) for p in self.predict_proba_folds(X, y, folds)]


def _sorted(X: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the features by row, and for each the order of the clips."""
    columns = np.ascontiguousarray(np.asarray(X, np.float32).T)
    return columns, np.argsort(columns, axis=1, kind="stable").astype(np.int32)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _grow_and_vote(columns, order, y, train, test, n_classes, tried, bootstrap, trees, rng):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return `(clips, classes)`: leaf frequencies of the test clips, summed over the trees."""
    n = columns.shape[1]
    votes = np.zeros((n, n_classes))
    weight = np.zeros(n)
    features = np.arange(columns.shape[0])
    for _ in range(trees):
        weight[:] = 0
        if bootstrap:
            for _draw in range(train.size):
                weight[train[int(rng.random() * train.size)]] += 1.0
        else:
            for clip in train:
                weight[clip] += 1.0
        _one_tree(columns, order, y, test, weight, features, tried, rng, votes)
    return votes


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _one_tree(columns, order, y, test, weight, features, tried, rng, votes):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Grow one tree depth first and add its leaf frequencies to the votes of the test clips."""
    grown = np.flatnonzero(weight)  # a clip that is there twice weighs two
    asked = test.copy()
    clips = np.empty(grown.size + 1, np.int64)
    values = np.empty(grown.size, columns.dtype)
    inside = np.zeros(columns.shape[1], np.bool_)
    totals = np.zeros(votes.shape[1])
    stack = np.empty((grown.size + 2, 4), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, grown.size, 0, asked.size
    depth = 1
    while depth > 0:
        depth -= 1
        low, high = stack[depth, 0], stack[depth, 1]
        first, last = stack[depth, 2], stack[depth, 3]
        if first == last:
            continue
        totals[:] = 0.0
        for i in range(low, high):
            totals[y[grown[i]]] += weight[grown[i]]
        feature, threshold = -1, columns[0, 0]
        if totals.max() < totals.sum():
            feature, threshold = _best_split(
                columns, order, y, weight, grown[low:high], totals, features, tried, rng,
                inside, clips, values,
            )  # fmt: skip
        if feature < 0:
            for i in range(first, last):
                votes[asked[i]] += totals / totals.sum()
            continue
        middle = _partition(grown, low, high, columns[feature], threshold)
        between = _partition(asked, first, last, columns[feature], threshold)
        stack[depth, 0], stack[depth, 1] = low, middle
        stack[depth, 2], stack[depth, 3] = first, between
        stack[depth + 1, 0], stack[depth + 1, 1] = middle, high
        stack[depth + 1, 2], stack[depth + 1, 3] = between, last
        depth += 2


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _partition(clips, start, stop, column, threshold):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Bring the clips at or below the threshold to the front; return where the others begin."""
    edge = start
    for i in range(start, stop):
        if column[clips[i]] <= threshold:
            clips[edge], clips[i] = clips[i], clips[edge]
            edge += 1
    return edge


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _best_split(columns, order, y, weight, node, totals, features, tried, rng, inside, clips, values):  # type: ignore[no-untyped-def]  # pragma: no cover  # fmt: skip  # noqa: E501
    """Return the feature and threshold of least Gini impurity, or -1 where none splits."""
    size, n_features = node.size, columns.shape[0]
    whole = totals.sum()
    squares = (totals * totals).sum()
    left = np.empty(totals.size)
    inverse = 1.0 / np.arange(whole + 1.0)
    best, feature, threshold = -1.0, -1, columns[0, 0]
    inside[node] = True
    drawn = 0
    # As in scikit-learn, a constant feature counts as tried, but the draw goes on until
    # one feature at least could split the node.
    while drawn < n_features and (drawn < tried or feature < 0):
        pick = drawn + int(rng.random() * (n_features - drawn))
        features[drawn], features[pick] = features[pick], features[drawn]
        column = columns[features[drawn]]
        drawn += 1
        if size > _SMALL_NODE:
            # Written always, kept if inside: a branch here would be guessed wrong half the time.
            i = 0
            for clip in order[features[drawn - 1]]:
                clips[i] = clip
                i += inside[clip]
            for i in range(size):
                values[i] = column[clips[i]]
        else:
            for i in range(size):
                j, value = i, column[node[i]]
                while j > 0 and values[j - 1] > value:
                    values[j], clips[j] = values[j - 1], clips[j - 1]
                    j -= 1
                values[j], clips[j] = value, node[i]
        if values[0] == values[size - 1]:
            continue
        left[:] = 0.0
        below, left_squares, right_squares = 0.0, 0.0, squares
        for i in range(size - 1):
            label, w = y[clips[i]], weight[clips[i]]
            already = left[label]
            left_squares += w * (2.0 * already + w)
            right_squares += w * (w - 2.0 * (totals[label] - already))
            left[label] = already + w
            below += w
            if values[i + 1] > values[i]:
                purity = left_squares * inverse[int(below)]
                purity += right_squares * inverse[int(whole - below)]
                if purity > best:
                    best, feature = purity, features[drawn - 1]
                    threshold = values[i] / 2 + values[i + 1] / 2
                    if threshold >= values[i + 1]:
                        threshold = values[i]
    inside[node] = False
    return feature, threshold
