"""The compiled trees against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from cryutils.models.forest import Forest


def problem(seed: int, n: int = 150, n_features: int = 12) -> tuple[np.ndarray, np.ndarray, list]:
    """Return float32 features, class indices and five folds."""
    X, y = make_classification(
        n, n_features, n_informative=5, n_classes=3, class_sep=0.7, flip_y=0.1, random_state=seed
    )
    parts = np.array_split(np.random.default_rng(seed).permutation(n), 5)
    folds = [(np.setdiff1d(np.arange(n), part), part) for part in parts]
    return X.astype(np.float32), y, folds


def test_one_feature_leaves_one_possible_tree_and_it_is_scikit_learns() -> None:
    for seed in range(10):
        X, y, folds = problem(seed)
        tree = Forest(n_estimators=1, max_features=None, bootstrap=False)
        for (train, test), ours in zip(folds, tree.predict_folds(X[:, :1], y, folds), strict=True):
            theirs = DecisionTreeClassifier().fit(X[train, :1], y[train]).predict(X[test, :1])
            np.testing.assert_array_equal(ours, theirs)


def test_a_decision_tree_agrees_with_scikit_learns_but_for_ties() -> None:
    # Splits of equal purity are broken by chance in both, so single leaves may differ.
    ours_right, theirs_right, same = [], [], []
    for seed in range(8):
        X, y, folds = problem(seed)
        tree = Forest(n_estimators=1, max_features=None, bootstrap=False)
        for (train, test), ours in zip(folds, tree.predict_folds(X, y, folds), strict=True):
            theirs = DecisionTreeClassifier(random_state=0).fit(X[train], y[train]).predict(X[test])
            same.append(np.mean(ours == theirs))
            ours_right.append(np.mean(ours == y[test]))
            theirs_right.append(np.mean(theirs == y[test]))
    assert np.mean(same) > 0.8
    assert np.mean(ours_right) == pytest.approx(np.mean(theirs_right), abs=0.03)


def test_a_large_forest_has_scikit_learns_probabilities() -> None:
    X, y, folds = problem(1)
    trees = 600
    ours = Forest(n_estimators=trees).predict_proba_folds(X, y, folds[:1])
    for (train, test), p in zip(folds, ours, strict=False):
        forest = RandomForestClassifier(trees, random_state=0).fit(X[train], y[train])
        # A leaf's frequency varies by at most 1/2 from tree to tree; both are means.
        np.testing.assert_allclose(
            p, forest.predict_proba(X[test]), atol=5 * 0.5 * (2 / trees) ** 0.5
        )
        np.testing.assert_allclose(p.sum(axis=1), 1)


def test_the_seed_repeats_and_matters() -> None:
    X, y, folds = problem(2)
    first, again, other = (
        Forest(n_estimators=20, seed=s).predict_proba_folds(X, y, folds) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))


def test_test_clips_teach_nothing() -> None:
    X, y, folds = problem(3)
    train, test = folds[0]
    changed = y.copy()
    changed[test] = (y[test] + 1) % 3
    forest = Forest(n_estimators=20)
    np.testing.assert_array_equal(
        forest.predict_folds(X, y, [(train, test)])[0],
        forest.predict_folds(X, changed, [(train, test)])[0],
    )


def test_features_may_be_prepared_for_each_training_part() -> None:
    X, y, folds = problem(4)
    forest = Forest(n_estimators=10)
    direct = forest.predict_folds(X, y, folds)
    # Trees see only the order of a feature, which a positive factor and an offset keep.
    asked = forest.predict_folds(lambda train: 4 * X + len(train), y, folds)
    agree = np.mean(np.concatenate(direct) == np.concatenate(asked))
    assert agree > 0.97


def test_a_feature_that_never_varies_is_passed_over() -> None:
    X, y, folds = problem(5)
    alone = Forest(n_estimators=1, max_features=None, bootstrap=False)
    padded = np.hstack([np.ones((len(X), 5), np.float32), X[:, :1]])
    sparse = Forest(n_estimators=1, max_features="sqrt", bootstrap=False)
    np.testing.assert_array_equal(
        np.concatenate(sparse.predict_folds(padded, y, folds)),
        np.concatenate(alone.predict_folds(X[:, :1], y, folds)),
    )


def test_clips_that_no_feature_tells_apart_share_a_leaf() -> None:
    y = np.array([0, 0, 1, 0, 1])
    folds = [(np.arange(4), np.array([4]))]
    tree = Forest(n_estimators=1, max_features=None, bootstrap=False)
    np.testing.assert_allclose(
        tree.predict_proba_folds(np.zeros((5, 3)), y, folds)[0], [[0.75, 0.25]]
    )


def test_a_clip_that_is_there_twice_counts_twice() -> None:
    X, y, folds = problem(6)
    # Too coarse to tell all clips apart, so that leaves are mixed and weights matter.
    x = np.round(X[:, :1] * 2) / 2
    train, test = folds[0]
    twice, again = np.concatenate([train, train[:40], train[:40]]), test[[0, 0, 1, 2, 2, 2]]
    tree = Forest(n_estimators=1, max_features=None, bootstrap=False)
    theirs = DecisionTreeClassifier().fit(x[twice], y[twice])
    for asked, ours in zip(
        (test, again), tree.predict_proba_folds(x, y, [(twice, test), (twice, again)]), strict=True
    ):
        np.testing.assert_allclose(ours, theirs.predict_proba(x[asked]))
    forest = Forest(n_estimators=30).predict_proba_folds(X, y, [(twice, again)])[0]
    np.testing.assert_allclose(forest.sum(axis=1), 1)
