"""Splits by property: what must stay on one side does, every class on both, one seed one split."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_corpus import corpus
from sklearn.model_selection import train_test_split

from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Split, hold_back, out_of_fold
from cryutils.evaluation.splits import folds, single_split

CRIES = corpus(["hungry", "pain", "tired"] * 20, [f"i{k // 5:02d}" for k in range(60)])
WINDOWS = CRIES.take(np.repeat(np.arange(60), 2))
WINDOWS = Corpus(
    [replace(w, session=f"{w.infant}/{k // 4}") for k, w in enumerate(WINDOWS)], name="", note=""
)


@st.composite
def windows_of_clips(draw: st.DrawFn) -> Corpus:
    """Windows of clips of a few infants in a few sessions, some sessions of two infants."""
    clips = []
    for infant in range(draw(st.integers(4, 10))):
        for _ in range(draw(st.integers(1, 4))):
            name, session = f"c{len(clips)}", f"s{infant // 2 * 2 + draw(st.integers(0, 2))}"
            label = "pain" if draw(st.booleans()) else "tired"
            clips.append(replace(CRIES[0], id=name, label=label, infant=f"i{infant}", session=session))
    rows = draw(st.lists(st.integers(1, 3), min_size=len(clips), max_size=len(clips)))
    return Corpus(clips, name="windows", note="").take(np.repeat(np.arange(len(clips)), rows))


@settings(max_examples=60)
@given(windows_of_clips(), st.sampled_from([0.2, 0.3, 0.5]), st.integers(0, 2**31))
def test_a_leak_free_split_is_honest_or_says_why_not(windows, test_size, seed) -> None:
    labels, infants = windows.labels, windows.infants
    try:
        train, test = single_split(labels, infants, test_size=test_size, seed=seed)
    except InputError as error:
        assert "class" in str(error) and "\n" not in str(error)
        return
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert not set(infants[train]) & set(infants[test])
    assert set(labels[train]) == set(labels[test]) == set(labels)
    np.testing.assert_array_equal(single_split(labels, infants, test_size=test_size, seed=seed)[1], test)


def test_a_random_split_is_scikit_learns_stratified_split() -> None:
    labels = ["a"] * 20 + ["b"] * 16 + ["c"] * 20
    sides = single_split(labels, test_size=0.3, seed=7)
    expected = train_test_split(np.arange(56), test_size=0.3, stratify=labels, random_state=7)
    for side, wanted in zip(sides, expected, strict=True):
        np.testing.assert_array_equal(side, np.sort(wanted))


@pytest.mark.parametrize("split", Split)
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
@given(windows_of_clips(), st.integers(2, 4), st.integers(0, 2**31), st.booleans())
def test_each_split_keeps_on_one_side_what_it_promises(split, windows, n_folds, seed, by_draw) -> None:
    everything = {"random": windows.ids, "session": windows.sessions, "leak_free": windows.infants}
    whole = everything.get(split, np.arange(len(windows)))

    def spy(train: np.ndarray, test: np.ndarray, seed: int, groups: Any) -> Any:
        assert not {*whole[train]} & {*whole[test]}
        assert {*windows.labels[train]} == {*windows.labels}
        fit, stop = hold_back(windows.labels, train, groups, seed=seed)
        assert sorted([*fit, *stop]) == sorted(train)
        assert len({*whole[fit]} & {*whole[stop]}) == 0 or cannot_spare(fit, stop)
        return np.zeros(len(test), int)

    def cannot_spare(fit: np.ndarray, stop: np.ndarray) -> bool:
        """Return whether each part of the training clips is the only one of a class."""
        train = np.sort([*fit, *stop])
        owners = pd.Series(whole[train]).groupby(windows.labels[train])
        return bool((owners.nunique() == 1).any())

    draws = [np.random.default_rng(seed).permutation(len(windows))] if by_draw else None
    options = {"split": split, "folds": n_folds, "seed": seed, "draws": draws}
    try:
        table = out_of_fold(spy, windows, **options)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert sorted(table["clip"]) == sorted(windows.ids), "each window is tested once"
    assert table.fold.nunique() == n_folds
    pd.testing.assert_frame_equal(out_of_fold(spy, windows, **options), table)


def test_a_random_split_divides_infants_and_frames_divide_clips() -> None:
    """So a split keeps no more than it promises, and leaks show."""
    wholes = [np.arange(120), WINDOWS.ids, WINDOWS.sessions, WINDOWS.infants]
    for place, split in enumerate(Split):
        train, test = split.k_folds(WINDOWS, repeats=1)[0][0]
        shared = [bool({*names[train]} & {*names[test]}) for names in wholes]
        assert shared == [False] * (place + 1) + [True] * (3 - place)


def test_held_back_infants_are_as_near_to_a_fifth_as_can_be_and_every_class_stays() -> None:
    labels, infants = np.repeat([*"abc"], 16), np.repeat([f"i{k:02d}" for k in range(12)], 4)
    _, stop = hold_back(labels, np.arange(4, 48), infants)
    assert len(stop) == 8  # 2 of 11 infants: the nearest to 20 % of 44 clips
    for seed in range(9):  # the infant whose class nobody else has is never held back
        _, stop = hold_back([*"aaaabbbbcc"], np.arange(10), [*"1122334455"], seed=seed)
        assert not {8, 9} & {*stop.tolist()}


HALVES = [[(np.arange(0, 120, 2), np.arange(1, 120, 2))]]  # of each clip


def run(clips: Corpus, split: str, folds: Any = 5) -> pd.DataFrame:
    return out_of_fold(lambda _, test: np.zeros(len(test), int), clips, split=split, folds=folds)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: single_split([*"aabb"], [*"1233"]), "class 'b' has 1 infant, 2 are needed"),
        # Three classes, each of two of three infants: no division gives each class both sides.
        (lambda: single_split([*"aabbcc"], [*"122313"]), "no split by infant"),
        (lambda: single_split([*"aabb"], test_size=1.5), r"test_size=1\.5"),
        (
            lambda: folds(["a"] * 9 + ["b"] * 3, None),
            "class 'b' has 3 clips, 5 are needed.*, or use 3 folds$",
        ),
        (
            lambda: folds([*"aab"], None, n_splits=2),
            "has 1 clip, 2 are needed; record more, or leave the class out$",
        ),
        (lambda: folds(["a", "b"] * 4, [*"11223344"]), "4 infants for 5 folds; record more, or use 4 folds$"),
        (lambda: folds([*"abab"], [*"1111"], n_splits=2), "only 1 infant for 2 folds; record more$"),
        (lambda: run(CRIES, "leakfree"), "Did you mean leak_free"),
        (lambda: run(CRIES, "session"), "session of every clip"),
        (lambda: run(CRIES, "random_frames"), "frames or windows"),
        (lambda: run(WINDOWS, "random", HALVES), "clip 'c0' is in training and in test"),
        (lambda: run(WINDOWS, "session", HALVES), "session 'i00/0' is in training and in test"),
        (lambda: run(WINDOWS, "leak_free", HALVES), "infant 'i00' is in training and in test"),
        (lambda: run(CRIES, "random", [[(np.arange(60), np.arange(1))]]), "trains on a tested clip"),
    ],
)
def test_a_split_that_these_clips_cannot_keep_is_refused(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
