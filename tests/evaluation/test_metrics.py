"""Scores against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from cryutils import evaluation
from cryutils.errors import InputError


def test_scores_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    guess = np.array([0, 0, 1, 1, 0, 0])
    result = evaluation.scores(truth, guess, ["hungry", "pain", "tired"])
    assert result.accuracy == pytest.approx(3 / 6)
    assert result.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert result.macro_recall == pytest.approx(result.balanced_accuracy)
    assert result.macro_precision == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)
    assert result.macro_f1 == pytest.approx(metrics.f1_score(truth, guess, average="macro"))
    assert result.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert result.per_class["hungry"] == evaluation.ClassScores(2 / 4, 2 / 3, 4 / 7, 3)
    assert result.per_class["tired"] == evaluation.ClassScores(0, 0, 0, 1)


def test_repeats_count_every_clip_once_and_an_absent_class_stays_out_of_the_means() -> None:
    truth, guesses = np.array([0, 1]), np.array([[0, 1], [0, 0]])
    result = evaluation.scores(truth, guesses, ["a", "b", "absent"])
    assert result.accuracy == result.macro_recall == result.balanced_accuracy == 0.75
    assert result.confusion.tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert result.per_class["absent"].clips == 0


def test_scores_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="3 true and 2 predicted"):
        evaluation.scores(np.zeros(3, int), np.zeros(2, int), ["a"])
