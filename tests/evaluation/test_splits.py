"""Splits by property: what must stay on one side does, every class on both, one seed one split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from cryutils.errors import InputError
from cryutils.evaluation.splits import folds, hold_back, single_split

Design = tuple[np.ndarray, np.ndarray]  # labels and infants


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """Some classes, some infants with a few clips each, most of an infant's of one class."""
    n_classes, pairs = draw(st.integers(2, 4)), []
    for infant in range(draw(st.integers(2, 14))):
        main_class = draw(st.integers(0, n_classes - 1))
        for _ in range(draw(st.integers(1, 6))):
            label = main_class if draw(st.booleans()) else draw(st.integers(0, n_classes - 1))
            pairs.append((f"class{label}", f"infant{infant}"))
    labels, infants = np.array(draw(st.permutations(pairs))).T
    return labels, infants


@settings(max_examples=60)
@given(designs(), st.sampled_from([0.2, 0.3, 0.5]), st.integers(0, 2**31))
def test_a_leak_free_split_is_honest_or_says_why_not(design, test_size, seed) -> None:
    labels, infants = design
    try:
        train, test = single_split(labels, infants, test_size=test_size, seed=seed)
    except InputError as error:
        assert "class" in str(error) and "\n" not in str(error)
        return
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert not set(infants[train]) & set(infants[test])
    assert set(labels[train]) == set(labels[test]) == set(labels)
    np.testing.assert_array_equal(single_split(labels, infants, test_size=test_size, seed=seed)[1], test)


def test_a_leak_free_split_says_why_there_is_none() -> None:
    with pytest.raises(InputError, match=r"class 'burping' has 1 infant, 2 are needed"):
        single_split(["hungry", "hungry", "burping", "burping"], [*"abcc"])
    # Three classes, each of two of three infants: no division gives each class both sides.
    with pytest.raises(InputError, match="no split by infant"):
        single_split([*"aabbcc"], [*"122313"])
    with pytest.raises(InputError, match=r"test_size=1\.5"):
        single_split([*"aabb"], test_size=1.5)


def test_a_random_split_is_scikit_learns_stratified_split() -> None:
    labels = ["a"] * 20 + ["b"] * 16 + ["c"] * 20
    train, test = single_split(labels, test_size=0.3, seed=7)
    expected = train_test_split(np.arange(56), test_size=0.3, stratify=labels, random_state=7)
    np.testing.assert_array_equal(train, np.sort(expected[0]))
    np.testing.assert_array_equal(test, np.sort(expected[1]))


@settings(max_examples=40)
@given(designs(), st.booleans(), st.integers(2, 5), st.integers(0, 2**31))
def test_folds_test_every_clip_once_and_train_on_every_class(design, leak_free, n_splits, seed) -> None:
    labels, infants = design
    groups = infants if leak_free else None
    try:
        repeats = folds(labels, groups, n_splits=n_splits, repeats=2, seed=seed)
    except InputError as error:
        assert "\n" not in str(error)
        return
    again = folds(labels, groups, n_splits=n_splits, repeats=2, seed=seed)
    np.testing.assert_array_equal(again[1][0][1], repeats[1][0][1])
    for repeat in repeats:
        assert len(repeat) == n_splits
        assert sorted(np.concatenate([test for _, test in repeat])) == list(range(len(labels)))
        for train, test in repeat:
            assert sorted([*train, *test]) == list(range(len(labels)))
            assert set(labels[train]) == set(labels)
            assert not (leak_free and set(infants[train]) & set(infants[test]))


def test_folds_say_which_class_is_too_small() -> None:
    with pytest.raises(InputError, match="class 'b' has 3 clips, 5 are needed"):
        folds(["a"] * 9 + ["b"] * 3, None)
    with pytest.raises(InputError, match="4 infants for 5 folds"):
        folds(["a", "b"] * 4, ["1", "1", "2", "2", "3", "3", "4", "4"])


def test_held_back_infants_are_whole_and_every_class_stays() -> None:
    labels, infants = np.repeat([*"abc"], 16), np.repeat([f"i{k:02d}" for k in range(12)], 4)
    train = np.arange(4, 48)
    fit, stop = hold_back(labels, train, infants)
    np.testing.assert_array_equal(np.sort(np.concatenate([fit, stop])), train)
    assert not set(infants[fit]) & set(infants[stop]) and set(labels[fit]) == {*"abc"}
    assert len(stop) == 8  # 2 of 11 infants: the nearest to 20 % of 44 clips
    for seed in range(9):  # the infant whose class nobody else has is never held back
        _, stop = hold_back([*"aaaabbbbcc"], np.arange(10), [*"1122334455"], seed=seed)
        assert not {8, 9} & {*stop.tolist()}
