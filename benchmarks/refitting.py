"""A permutation test whose model is trained again for each permutation of the labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from cryutils import evaluation
from cryutils.evaluation.permutation import PermutationTest, permute_labels
from cryutils.evaluation.splits import Names, class_indices, fold_numbers, folds_of


def refitted_test(
    model: Any,
    X: NDArray[Any],
    labels: Names,
    infants: Names,
    *,
    groups: Names | None,
    permutations: int,
    n_splits: int,
    seed: int,
) -> PermutationTest:
    """Return the permutation test of one model, named "model".

    The statistic is the balanced accuracy of pooled out-of-fold predictions. The folds are permuted
    along with the labels, which makes the test exact. model: a classifier of scikit-learn with a
    fixed `random_state`. X: float (clips, features). groups: what a fold keeps whole, as in
    `evaluation.folds`. seed: of folds and permutations.
    """
    y, _ = class_indices(labels)
    (folds,) = evaluation.folds(labels, groups, n_splits=n_splits, repeats=1, seed=seed)
    fold_of = fold_numbers((test for _, test in folds), len(y))

    def score(order: NDArray[np.int64]) -> float:
        (drawn,) = folds_of(fold_of[order][None])
        predicted = cross_val_predict(model, X, y[order], cv=drawn)
        return float(balanced_accuracy_score(y[order], predicted))

    every, null = np.arange(len(y)), []
    for stream in np.random.SeedSequence(seed).spawn(permutations):
        null.append([score(permute_labels(every, infants, np.random.default_rng(stream)))])
    return PermutationTest(("model",), np.array([score(every)]), np.array(null))
