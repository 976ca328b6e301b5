"""Folds within folds: who is trained on, who says stop, who is asked."""

from itertools import pairwise

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.papers import ensemble, nested
from cryutils.papers.nested import Units


def made(infants: int = 15, clips: int = 4, windows: int = 3) -> Units:
    who = np.repeat([f"i{k:02d}" for k in range(infants)], clips)
    labels = np.array(["hug", "hungry", "sleepy"])[(np.arange(infants) % 3).repeat(clips)]
    return Units(labels, who, np.repeat(np.arange(infants * clips), windows))


@pytest.mark.parametrize("split", ensemble.SPLITS)
def test_every_unit_is_tested_once_and_never_trained_on_then(split: Split) -> None:
    units = made()
    folds = nested.divide(units, split, n_folds=3, n_inner=3)
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    assert tested.tolist() == list(range(len(units.labels)))
    for fold in folds:
        assert not set(fold.fit) & set(fold.test)
        assert not set(fold.fit) & set(fold.stop)
        inside = np.sort(np.concatenate(fold.inner))
        assert inside.tolist() == np.sort(fold.fit).tolist()
        rest = np.setdiff1d(np.arange(len(units.labels)), fold.test)
        assert np.sort(fold.training).tolist() == rest.tolist()


def test_leak_free_no_infant_stands_on_two_sides_of_anything() -> None:
    units = made()
    for fold in nested.divide(units, Split.INFANT, n_folds=3, n_inner=3):
        sides = [set(units.infants[part]) for part in (fold.fit, fold.stop, fold.test)]
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert not sides[a] & sides[b]
        inner = [set(units.infants[part]) for part in fold.inner]
        assert len(inner) == 3
        for a, b in pairwise([*inner, inner[0]]):
            assert not a & b
        assert not fold.stops_on_test


@pytest.mark.parametrize("split", [Split.FRAME, Split.CLIP])
def test_the_papers_protocol_chooses_its_epochs_on_the_test_part(split: Split) -> None:
    units = made()
    for fold in nested.divide(units, split, n_folds=4, n_inner=2):
        assert fold.stops_on_test
        assert set(units.infants[fold.fit]) & set(units.infants[fold.test])


def test_the_same_seed_gives_the_same_folds_and_another_others() -> None:
    units = made()
    first, again, other = (nested.divide(units, Split.INFANT, n_folds=3, seed=s) for s in (4, 4, 5))
    assert all((a.test == b.test).all() for a, b in zip(first, again, strict=True))
    assert any(set(a.test) != set(b.test) for a, b in zip(first, other, strict=True))


def test_few_infants_get_fewer_inner_folds() -> None:
    folds = nested.divide(made(infants=15, clips=6), Split.INFANT, n_folds=3, n_inner=9)
    assert all(2 <= len(fold.inner) < 9 for fold in folds)


def test_where_one_infant_of_a_class_is_left_its_clips_are_divided_within_training() -> None:
    units = made(infants=9, clips=6)
    folds = nested.divide(units, Split.INFANT, n_folds=3, n_inner=2)
    for fold in folds:
        assert len(fold.inner) == 2
        for part in fold.inner:
            assert set(units.labels[np.setdiff1d(fold.fit, part)]) == set(units.labels)
        assert not set(units.infants[fold.fit]) & set(units.infants[fold.test])


def test_without_inner_folds_one_training_clip_of_a_class_will_do() -> None:
    labels = np.array(["a"] * 5 + ["b"] * 5)
    infants = np.array([*"uuuuvwwwxx"])  # of a, one infant has four clips, and one has one
    units = nested.Units(labels, infants, np.arange(10))
    assert len(nested.divide(units, Split.INFANT, n_folds=3, n_inner=0)) == 3
    with pytest.raises(InputError, match="a training part cannot be divided again: class 'a' has"):
        nested.divide(units, Split.INFANT, n_folds=3, n_inner=2)


def test_one_inner_fold_and_too_few_infants_are_refused() -> None:
    with pytest.raises(InputError, match="n_inner=1"):
        nested.divide(made(), Split.CLIP, n_folds=3, n_inner=1)
    with pytest.raises(InputError, match="1 infant"):
        nested.divide(made(infants=3), Split.INFANT, n_folds=3)
