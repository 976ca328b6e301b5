"""Splits by property: whole infants, every class on both sides, the same seed the same split."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from cryutils.errors import InputError
from cryutils.evaluation.splits import Split, folds, leak_free_split, random_split


def corpus_of(pairs: list[tuple[str, str]]) -> SimpleNamespace:
    """A corpus of (label, infant) pairs."""
    return SimpleNamespace(labels=[pair[0] for pair in pairs], infants=[pair[1] for pair in pairs])


@st.composite
def corpora(draw: st.DrawFn) -> SimpleNamespace:
    """Some classes, some infants with a few clips each, most of an infant's of one class."""
    n_classes = draw(st.integers(2, 4))
    n_infants = draw(st.integers(2, 14))
    pairs = []
    for infant in range(n_infants):
        main_class = draw(st.integers(0, n_classes - 1))
        for _ in range(draw(st.integers(1, 6))):
            label = main_class if draw(st.booleans()) else draw(st.integers(0, n_classes - 1))
            pairs.append((f"class{label}", f"infant{infant}"))
    return corpus_of(draw(st.permutations(pairs)))


@pytest.fixture
def belly_pain_like() -> SimpleNamespace:
    """The skew of DonateACry's belly pain: 16 clips of 7 infants, 8 of them one infant's."""
    pairs = [("belly_pain", f"b{i}") for i, n in enumerate((8, 3, 1, 1, 1, 1, 1)) for _ in range(n)]
    pairs += [("tired", f"t{i // 2}") for i in range(24)]
    return corpus_of(pairs)


@settings(max_examples=60)
@given(corpora(), st.sampled_from([0.2, 0.3, 0.5]), st.integers(0, 2**31))
def test_leak_free_split_is_honest_or_says_why_not(corpus, test_size, seed) -> None:
    try:
        train, test = leak_free_split(corpus, test_size=test_size, seed=seed)
    except InputError as error:
        assert "class" in str(error)
        assert "\n" not in str(error)
        return
    labels, infants = np.array(corpus.labels), np.array(corpus.infants)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert not set(infants[train]) & set(infants[test])
    assert set(labels[train]) == set(labels[test]) == set(labels)
    again = leak_free_split(corpus, test_size=test_size, seed=seed)
    np.testing.assert_array_equal(again[1], test)


def test_leak_free_split_says_why_there_is_none() -> None:
    corpus = corpus_of([("hungry", "a"), ("hungry", "b"), ("burping", "c"), ("burping", "c")])
    with pytest.raises(InputError, match=r"class 'burping' has 1 infant, 2 are needed"):
        leak_free_split(corpus, test_size=0.3, seed=0)
    # Three classes, each of two of three infants: no division gives each class both sides.
    corpus = corpus_of([("a", "1"), ("a", "2"), ("b", "2"), ("b", "3"), ("c", "1"), ("c", "3")])
    with pytest.raises(InputError, match="no split by infant"):
        leak_free_split(corpus, test_size=0.3, seed=0)


def test_random_split_is_scikit_learns_stratified_split() -> None:
    corpus = corpus_of([("a", "1")] * 20 + [("b", "2")] * 16 + [("c", "3")] * 20)
    train, test = random_split(corpus, test_size=0.3, seed=7)
    expected = train_test_split(np.arange(56), test_size=0.3, stratify=corpus.labels, random_state=7)
    np.testing.assert_array_equal(train, np.sort(expected[0]))
    np.testing.assert_array_equal(test, np.sort(expected[1]))


@pytest.mark.parametrize("test_size", [0, 1.5])
def test_a_share_outside_zero_and_one_is_refused(test_size) -> None:
    corpus = corpus_of([("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")])
    for split in (random_split, leak_free_split):
        with pytest.raises(InputError, match=f"test_size={test_size}"):
            split(corpus, test_size=test_size, seed=0)


@settings(max_examples=40)
@given(corpora(), st.booleans(), st.integers(2, 5), st.integers(0, 2**31))
def test_folds_test_every_clip_once_and_train_on_every_class(corpus, leak_free, n_splits, seed) -> None:
    labels, infants = np.array(corpus.labels), np.array(corpus.infants)
    groups = corpus.infants if leak_free else None
    try:
        repeats = folds(corpus.labels, groups, n_splits=n_splits, repeats=2, seed=seed)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert len(repeats) == 2
    for repeat in repeats:
        assert len(repeat) == n_splits
        assert sorted(np.concatenate([test for _, test in repeat])) == list(range(len(labels)))
        for train, test in repeat:
            assert sorted([*train, *test]) == list(range(len(labels)))
            assert set(labels[train]) == set(labels)
            if leak_free:
                assert not set(infants[train]) & set(infants[test])


def test_folds_repeat_with_the_seed_and_differ_between_repeats(belly_pain_like) -> None:
    def tested(seed: int) -> list[list[int]]:
        drawn = folds(belly_pain_like.labels, belly_pain_like.infants, repeats=2, seed=seed)
        return [fold[1].tolist() for repeat in drawn for fold in repeat]

    assert tested(3) == tested(3)
    assert tested(3)[:5] != tested(3)[5:]
    assert tested(3) != tested(4)


def test_folds_say_which_class_is_too_small() -> None:
    with pytest.raises(InputError, match="class 'b' has 3 clips, 5 are needed"):
        folds(["a"] * 9 + ["b"] * 3, None)
    with pytest.raises(InputError, match="class 'b' has 1 infant, 2 are needed"):
        folds(["a"] * 9 + ["b"] * 3, [*"123456789", "x", "x", "x"])
    with pytest.raises(InputError, match="4 infants for 5 folds"):
        folds(["a", "b"] * 4, ["1", "1", "2", "2", "3", "3", "4", "4"])
    with pytest.raises(InputError, match="2 clips, for 3 folds"):
        folds([*"aabb"], [*"uvwx"], n_splits=3, repeats=1)


def test_split_maps_a_name_to_its_split_and_folds(belly_pain_like) -> None:
    corpus = belly_pain_like
    infants = np.array(corpus.infants)
    for name, crosses in (("random", True), ("leak_free", False)):
        (drawn,) = Split(name).k_folds(corpus, repeats=1)
        assert any(set(infants[train]) & set(infants[test]) for train, test in drawn) is crosses
    with pytest.raises(InputError, match="Did you mean leak_free"):
        Split("leakfree")
