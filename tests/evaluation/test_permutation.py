"""Block permutation: what may be exchanged, and that p-values keep their promise."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from cryutils.errors import InputError
from cryutils.evaluation.permutation import (
    PermutationTest,
    permutation_order,
    permutation_test,
    permute_labels,
)
from cryutils.evaluation.splits import class_indices, fold_numbers, folds

REMEMBERS = KNeighborsClassifier(1)  # the nearest training clip, so it recognises the infant


def voices(rng: np.random.Generator) -> tuple[list[str], list[str], np.ndarray]:
    """Labels, infants and features of infants that sound like themselves, mostly of one class."""
    infants = np.repeat(np.arange(18), 3)
    labels = (infants % 3 + (rng.random(54) < 0.1)) % 3
    X = rng.normal(size=(18, 4))[infants] + 0.3 * rng.normal(size=(54, 4))
    return [f"class{k}" for k in labels], [f"infant{i}" for i in infants], X


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=25), st.integers(0, 2**31)
)
def test_whole_label_vectors_are_exchanged_between_infants_with_equal_clip_counts(clips, seed) -> None:
    infants = [f"infant{i}" for i, _ in clips]
    labels = [f"class{k}" for _, k in clips]
    permuted = permute_labels(labels, infants, np.random.default_rng(seed))

    def vectors(values: object) -> Counter:
        by_infant = pd.Series(list(values)).groupby(np.array(infants))
        return Counter(by_infant.agg(lambda vector: tuple(sorted(vector))))

    assert vectors(permuted) == vectors(labels)


@pytest.mark.parametrize("phones_per_infant", [1, 2])
def test_labels_are_exchanged_only_within_a_stratum(phones_per_infant: int) -> None:
    """Answers that depend on the phone alone score the same in every permutation."""
    rng = np.random.default_rng(4)
    infants = np.repeat(np.arange(40), 4)
    phone = infants % 2 if phones_per_infant == 1 else np.arange(len(infants)) // 2 % 2
    labels = np.where(rng.random(len(phone)) < 0.8, phone, 1 - phone)
    names = ["iOS" if k else None for k in phone]  # None is a stratum as well
    p = {
        known: permutation_test({"phone": phone}, labels, infants, permutations=99, strata=strata).p_values[
            "phone"
        ]
        for known, strata in (("unknown", None), ("known", names))
    }
    assert p == {"unknown": 0.01, "known": 1}
    orders = [permutation_order(infants, np.random.default_rng(k), names) for k in range(5)]
    for order in orders:
        assert sorted(order) == list(range(len(infants)))
        np.testing.assert_array_equal(phone[order], phone)
        assert pd.Series(infants[order]).groupby(infants).nunique().eq(1).all()
    assert any((infants[order] != infants).any() for order in orders)


def test_p_values_count_the_nulls_that_score_as_high() -> None:
    test = PermutationTest(
        cells=("a", "b"),
        observed=np.array([0.6, 0.5]),
        null=np.array([[0.6, 0.2], [0.3, 0.4], [0.1, 0.55], [0.2, 0.1]]),
    )
    # a: one tie. b: one higher. Best of each row: .6 .4 .55 .2, so a: one, b: two.
    assert test.p_values == {"a": 2 / 5, "b": 2 / 5}
    assert test.adjusted == {"a": 2 / 5, "b": 3 / 5}
    assert test.words("a") == "p = 0.4"
    certain = PermutationTest(("a", "b"), np.array([2.0, 0.5]), test.null)
    assert certain.words("a") == "p = 0.2, the least that 4 permutations can show"


def p_value(X: np.ndarray, labels: list[str], infants: list[str], seed: int) -> float:
    """Return the p-value of a model with a random split, trained again in nine permutations."""
    y = class_indices(labels)[0]
    (drawn,) = folds(labels, None, n_splits=3, repeats=1, seed=seed)
    fold_of = fold_numbers((test for _, test in drawn), len(y))

    def score(order: np.ndarray) -> float:
        parts = PredefinedSplit(fold_of[order])
        predicted = cross_val_predict(REMEMBERS, X, y[order], cv=parts)
        return float(balanced_accuracy_score(y[order], predicted))

    rng, observed = np.random.default_rng(seed), score(np.arange(len(y)))
    null = [score(permutation_order(infants, rng)) for _ in range(9)]
    return (1 + sum(each >= observed - 1e-12 for each in null)) / 10


def test_a_true_null_is_rejected_as_often_as_promised_and_by_free_shuffles_more_often() -> None:
    """At no signal and full identity, blocks keep 10 %; labels shuffled clip by clip do not."""
    rng = np.random.default_rng(20)
    tried, enough, by_blocks, freely = 50, 20, 0, 0
    for trial in range(tried):
        labels, infants, X = voices(rng)
        by_blocks += p_value(X, labels, infants, trial) <= 0.1
        if trial < enough:  # what happens so often is seen sooner
            freely += p_value(X, labels, [str(i) for i in range(len(X))], trial) <= 0.1
    assert by_blocks / tried < 0.1 + 3 * np.sqrt(0.09 / tried)
    assert freely / enough > 0.3


def test_wrong_input_is_one_line() -> None:
    labels, infants, _ = voices(np.random.default_rng(0))
    with pytest.raises(InputError, match="'net' predicts 3 clips"):
        permutation_test({"net": np.zeros(3, int)}, labels, infants)
    with pytest.raises(InputError, match="2 strata for 54 clips"):
        permute_labels(labels, infants, np.random.default_rng(0), ["iOS", "Android"])
