"""Unseen predictions: every clip by a model that was not trained on it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score
from sklearn.neighbors import KNeighborsClassifier

from cryutils.errors import InputError
from cryutils.evaluation.crossval import balanced_accuracy, cross_predict, cross_validate
from cryutils.evaluation.splits import folds

# Twelve infants with five clips; each infant of one class, each sounding like itself.
INFANTS = np.repeat([f"infant{i}" for i in range(12)], 5)
LABELS = np.repeat(["class0", "class1", "class2"], 20)
Y = np.repeat(np.arange(3), 20)
RNG = np.random.default_rng(0)
VOICES = np.repeat(RNG.normal(size=(12, 8)), 5, axis=0) + 0.1 * RNG.normal(size=(60, 8))
FOLDS = folds(LABELS, INFANTS, n_splits=4, repeats=2)


def test_each_clip_is_predicted_by_a_model_that_did_not_see_it() -> None:
    drawn = folds(LABELS, None, repeats=3)
    trained = cross_validate(lambda train, test: np.isin(test, train).astype(int), drawn, 60)
    assert trained.shape == (3, 60)
    assert np.all(trained == 0)


def test_pooling_equals_a_plain_loop() -> None:
    expected = np.empty((2, 60), dtype=object)

    def neighbours(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return KNeighborsClassifier(3).fit(VOICES[train], Y[train]).predict_proba(VOICES[test])

    for row, repeat in zip(expected, FOLDS, strict=True):
        for train, test in repeat:
            row[test] = np.unique(LABELS)[neighbours(train, test).argmax(axis=1)]
    predicted = cross_predict(KNeighborsClassifier(3), VOICES, LABELS, FOLDS)
    np.testing.assert_array_equal(np.unique(LABELS)[predicted], expected)
    pooled = cross_validate(neighbours, FOLDS, 60)
    np.testing.assert_array_equal(pooled.argmax(axis=2), predicted)
    partial = cross_validate(neighbours, [FOLDS[0][:1]], 60)
    tested = FOLDS[0][0][1]
    assert np.isnan(np.delete(partial[0], tested, axis=0)).all()
    np.testing.assert_array_equal(partial[0, tested], pooled[0, tested])


def test_clips_on_both_sides_are_refused() -> None:
    train, test = FOLDS[0][0]
    for twice in ([(train, test), (train, test)], [(np.arange(60), test)]):
        with pytest.raises(InputError, match="repeat 1 of the folds"):
            cross_predict(KNeighborsClassifier(), VOICES, LABELS, [FOLDS[0], twice])


def test_balanced_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        y, guess = rng.integers(0, 4, 30) * 2, rng.integers(0, 8, 30)  # some guesses are no class
        assert balanced_accuracy(y, guess) == pytest.approx(
            recall_score(y, guess, average="macro", labels=np.unique(y), zero_division=0)
        )
