"""Divisions into training and test clips, such as the random split and the leak-free one.

The papers only give the shares of their splits (Paper A, section 3.3). They are read here as splits
of clips, so that clips of one infant are on both sides. The leak-free split keeps them together.
"""

import warnings
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss

Indices = NDArray[np.int64]
Names = Sequence[Any] | NDArray[Any]  # one for each clip: labels or groups
Fold = tuple[Indices, Indices]

# The test share of a class is even if it differs from `test_size` by at most _TOLERANCE. An infant
# with a large share of a class may exceed it by _SPARE: a split that can never test the largest
# donor would be biased.
_TOLERANCE, _SPARE = 0.2, 0.1
_ORDERS, _ROUNDS, _REDRAWS = 64, 40, 50
_HELD_BACK = 0.2  # share of the training clips in the validation part
_GROUP_ORDERS = 32  # random orders of the infants tried when drawing the validation part


class Split(StrEnum):
    """What is kept whole when data are divided into training and test parts.

    RANDOM_FRAMES divides frames of video, or windows of sound, and keeps nothing whole. RANDOM
    keeps clips whole, SESSION sessions and LEAK_FREE infants.

    Parameters
    ----------
    value : str
        "random_frames", "random", "session" or "leak_free". Raises InputError for another name.

    Examples
    --------
    >>> Split("leak_free").unit
    'infant'
    """

    RANDOM_FRAMES = "random_frames"
    RANDOM = "random"
    SESSION = "session"
    LEAK_FREE = "leak_free"

    @classmethod
    def _missing_(cls, value: object) -> Self:
        near = near_miss(str(value), [str(member) for member in cls])
        raise InputError(f"no split {value!r}.{near}")

    @property
    def unit(self) -> str:
        """What is kept whole, as a noun."""
        return dict(zip(Split, ("window", "clip", "session", "infant"), strict=True))[self]

    def groups(self, corpus: Corpus) -> NDArray[Any] | None:
        """Return what must stay on one side, a name for each entry, (entries,); None: nothing.

        An entry is a clip; a corpus of frames or windows has several for each clip. Raises
        InputError for SESSION if the session of a clip is not known.
        """
        if self is Split.LEAK_FREE:
            return corpus.infants
        if self is Split.SESSION:
            if not all(corpus.sessions):
                raise InputError("a split by session needs the session of every clip.")
            return corpus.sessions
        is_whole = len(set(corpus.ids)) == len(corpus)
        return None if self is Split.RANDOM_FRAMES or is_whole else corpus.ids

    def k_folds(
        self, corpus: Corpus, *, n_splits: int = 5, repeats: int = 10, seed: int = 0
    ) -> list[list[Fold]]:
        """Return repeated stratified k-fold of the entries of `corpus`, see `groups` and `folds`."""
        options = {"n_splits": n_splits, "repeats": repeats, "seed": seed}
        return folds(corpus.labels, self.groups(corpus), **options, unit=self.unit)


SPLITS = (Split.RANDOM, Split.LEAK_FREE)  # compared in every study


def class_indices(labels: Names) -> tuple[Indices, list[str]]:
    """Return each clip's class index, int64 (clips,), and the classes in order.

    Parameters
    ----------
    labels : array or list
        One for each clip.

    Returns
    -------
    tuple
        Index of each clip's class, int64 (clips,), and the list of classes, sorted.

    Examples
    --------
    >>> index, classes = class_indices(["tired", "hungry", "tired"])
    >>> index.tolist(), classes
    ([1, 0, 1], ['hungry', 'tired'])
    """
    # Numbers are sorted as numbers: as texts, 10 would come before 2.
    names, index = np.unique(np.asarray(labels), return_inverse=True)
    return index.astype(np.int64), [str(name) for name in names]


def single_split(
    labels: Names, groups: Names | None = None, *, test_size: float = 0.3, seed: int = 0
) -> Fold:
    """Return (train, test) indices of clips, int64, with every class on both sides.

    Without groups, clips are drawn at random, stratified by class. Paper A (section 3.3) says only
    70/30. With groups, each is on one side: the first of a random order are tested, as many as come
    nearest to `test_size` of the clips. The first order is used in which the test share of every
    class is within 0.2 of `test_size` (more only if one group has much of the class), else the one
    nearest in size.

    labels: one for each clip. groups: such as its infant (leak-free). Raises InputError if
    `test_size` is not between 0 and 1, or no such split has every class on both sides.
    """
    y, names = class_indices(labels)
    if not 0 < test_size < 1:
        raise InputError(f"test_size={test_size} is not a share; use one between 0 and 1")
    if groups is None:
        return _random_sides(y, names, test_size, seed)
    group, counts = _counts(groups, y)
    per_class = (counts > 0).sum(axis=0)
    _check_classes(names, per_class, "infant", 2)
    rng = np.random.default_rng(seed)
    for even in (True, False):
        for _ in range(_ROUNDS):
            tested = _tested_groups(counts, test_size, even, rng)
            if tested is not None:
                return np.flatnonzero(~tested[group]), np.flatnonzero(tested[group])
    what = f"no split by infant with test_size={test_size} has every class on both sides"
    rarest = names[int(per_class.argmin())]
    raise InputError(f"{what}; record more infants with class {rarest!r} or leave it out")


def _random_sides(y: Indices, names: list[str], test_size: float, seed: int) -> Fold:
    from sklearn.model_selection import StratifiedShuffleSplit

    _check_classes(names, np.bincount(y), "clip", 2)
    if len(names) <= round(test_size * len(y)) <= len(y) - len(names):
        splitter = StratifiedShuffleSplit(1, test_size=test_size, random_state=seed)
        train, test = (np.sort(side).astype(np.int64) for side in next(splitter.split(y, y)))
        if len(np.unique(y[train])) == len(np.unique(y[test])) == len(names):
            return train, test
    what = f"test_size={test_size} of {len(y)} clips leaves a class out of one side"
    raise InputError(f"{what}; choose a share nearer to 0.5 or add recordings")


def folds(
    labels: Names,
    groups: Names | None,
    *,
    n_splits: int = 5,
    repeats: int = 10,
    seed: int = 0,
    unit: str = "infant",
) -> list[list[Fold]]:
    """Return `repeats` lists of `n_splits` folds (train, test); each repeat tests every clip once.

    Train and test are indices of clips, int64. Every class is in every training part. groups: one
    for each clip, kept whole; None divides clips. unit: what groups are, for messages. Raises
    InputError if a class has fewer clips than folds or only one group, or there are fewer groups
    than folds.
    """
    y, names = class_indices(labels)
    if n_splits < 2:
        raise InputError(f"n_splits={n_splits} is too few for cross-validation; use 2 or more")
    if groups is None:
        _check_classes(names, np.bincount(y), "clip", n_splits)
        group = None
    else:
        group, counts = _counts(groups, y)
        if len(counts) < n_splits:
            what = f"only {len(counts)} {unit}{'s' * (len(counts) > 1)} for {n_splits} folds"
            raise InputError(f"{what}; record more{_or_folds(len(counts))}")
        _check_classes(names, (counts > 0).sum(axis=0), unit, 2)
        most = int(np.bincount(y).max())
        if most < n_splits:  # StratifiedGroupKFold refuses such labels
            what = f"no class has more than {most} clip{'s' * (most > 1)}, for {n_splits} folds"
            raise InputError(f"{what}; record more{_or_folds(most)}")
    streams = np.random.default_rng(seed)
    return [_one_division(y, names, group, n_splits, unit, streams) for _ in range(repeats)]


def fold_numbers(tests: Iterable[Indices], n: int) -> Indices:
    """Return the number of the fold that tests each of `n` clips, int64 (n,); -1 for none."""
    numbers = np.full(n, -1, dtype=np.int64)
    for number, test in enumerate(tests):
        numbers[test] = number
    return numbers


def folds_of(numbers: Indices) -> list[list[Fold]]:
    """Return the folds of each repeat from `fold_numbers`, int64 (repeats, clips)."""

    def folds_of_one(row: Indices) -> list[Fold]:
        names = np.unique(row[row >= 0])
        return [(np.flatnonzero((row != k) & (row >= 0)), np.flatnonzero(row == k)) for k in names]

    return list(map(folds_of_one, numbers))


def fold_seed(seed: int, repeat: int, fold: int) -> int:
    """Return the seed of one fold, a hash, so that neighbouring folds do not share random draws.

    Parameters
    ----------
    seed, repeat, fold : int
        The seed of the experiment, and the numbers of repeat and fold, from 0.

    Returns
    -------
    int
        Between 0 and 2³¹ - 1.

    Examples
    --------
    >>> fold_seed(0, repeat=0, fold=0), fold_seed(0, repeat=0, fold=1)
    (1484405855, 1915600865)
    """
    return int(np.random.SeedSequence([seed, repeat, fold]).generate_state(1)[0] >> 1)


def hold_back(
    labels: Names, train: Indices, groups: Names | None = None, *, seed: int = 0
) -> tuple[Indices, Indices]:
    """Divide the training clips of a fold into a training and a validation part.

    Parameters
    ----------
    labels : array or list
        One for each clip of the corpus.
    train : array
        Positions of the clips to divide, int.
    groups : array or list, optional
        One for each clip, such as its infant. Whole groups are held back, as close to a fifth of
        each class as possible; each class keeps a group in the training part. If no group can be
        spared, or without groups, a fifth of the clips of each class is held back.
    seed : int
        Seed of the draw.

    Returns
    -------
    tuple of arrays
        Positions of the training and of the validation clips, int64, sorted.

    Raises
    ------
    InputError
        If nothing can be held back.

    Examples
    --------
    >>> train, validation = hold_back(["hungry", "tired"] * 10, np.arange(20))
    >>> len(train), len(validation)
    (16, 4)
    """
    train = np.sort(np.asarray(train, dtype=np.int64))
    y, names = class_indices(np.asarray(labels)[train])
    rng = np.random.default_rng(seed)
    held = np.zeros(len(train), dtype=bool)
    if groups is not None:
        group, counts = _counts(np.asarray(groups)[train], y)
        held = _held_groups(counts, rng)[group]
    if not held.any():
        for k in range(len(names)):
            of_class = np.flatnonzero(y == k)
            count = min(len(of_class) - 1, max(1, round(_HELD_BACK * len(of_class))))
            held[rng.permutation(of_class)[:count]] = True
    if not held.any():
        what = f"none of {len(train)} training clips can be held back: each is the only one of its class"
        raise InputError(f"{what}; record more, or leave the class out.")
    return train[~held], train[held]


def _counts(groups: Names, y: Indices) -> tuple[Indices, NDArray[np.float64]]:
    """Return the group of each clip, and the clips of each group (rows) and class (columns)."""
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    counts = np.zeros((group.max(initial=-1) + 1, y.max(initial=-1) + 1))
    np.add.at(counts, (group, y), 1)
    return group, counts


def _one_division(
    y: Indices, names: list[str], group: Indices | None, n_splits: int, unit: str, rng: np.random.Generator
) -> list[Fold]:
    """Return the first folds drawn that have every class in every training part."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if group is None else StratifiedGroupKFold
    for _ in range(_REDRAWS):
        splitter = kind(n_splits, shuffle=True, random_state=int(rng.integers(2**31)))
        with warnings.catch_warnings():
            # A class with fewer clips than folds is tested in some folds only; pooling allows that.
            warnings.filterwarnings("ignore", message="The least populated class")
            drawn = list(splitter.split(np.zeros(len(y)), y, group))
        if all(len(np.unique(y[train])) == len(names) and len(test) for train, test in drawn):
            return [(train.astype(np.int64), test.astype(np.int64)) for train, test in drawn]
    assert group is not None, "clips divided without groups have every class in every part"
    rarest = names[int((_counts(group, y)[1] > 0).sum(axis=0).argmin())]
    what = f"{n_splits} folds by {unit} can't all train on class {rarest!r}, which has few {unit}s"
    raise InputError(f"{what}; record more, or leave the class out{_or_folds(n_splits - 1)}")


def _tested_groups(
    counts: NDArray[np.float64], test_size: float, even: bool, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Return which infants to test, bool (infants,), by the first suitable of some random orders.

    None: no order is. counts: by infant and class. even: whether every class's share must be even.
    """
    whole = counts.sum(axis=0)
    orders = rng.permuted(np.tile(np.arange(len(counts)), (_ORDERS, 1)), axis=1)
    tested = counts[orders].cumsum(axis=1)
    distance = np.abs(tested.sum(axis=2) - test_size * whole.sum())
    if not even:
        both_sides = ((tested > 0) & (tested < whole)).all(axis=2)
        distance = np.where(both_sides, distance, np.inf)
    cut = distance.argmin(axis=1)
    share = tested[np.arange(_ORDERS), cut] / whole
    good = ((share > 0) & (share < 1)).all(axis=1)
    if even:
        most = np.maximum(test_size + _TOLERANCE, counts.max(axis=0) / whole + _SPARE)
        good &= ((share >= test_size - _TOLERANCE) & (share <= most)).all(axis=1)
    if not good.any():
        return None
    nearest = np.where(good, distance[np.arange(_ORDERS), cut], np.inf)
    order = int(good.argmax() if even else nearest.argmin())
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[orders[order, : cut[order] + 1]] = True
    return chosen


def _check_classes(names: list[str], counts: NDArray[Any], unit: str, least: int) -> None:
    if len(names) < 2:
        raise InputError(f"only one class, {names}; a classifier needs two or more")
    for name, count in zip(names, counts, strict=True):
        if count < least:
            what = f"class {name!r} has {count} {unit}{'' if count == 1 else 's'}, {least} are needed"
            raise InputError(f"{what}; record more, or leave the class out{_or_folds(count)}")


def _or_folds(most: int) -> str:
    """Return the remedy of at most this many folds, if there can be so few."""
    return f", or use {most} folds" if most > 1 else ""


def _held_groups(counts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which groups to hold back, if any: the most balanced of `_GROUP_ORDERS` draws."""
    whole, size = counts.sum(axis=0), counts.sum(axis=1)
    wanted = _HELD_BACK * whole.sum()
    chosen, least = np.zeros(len(counts), dtype=bool), np.inf
    for _ in range(_GROUP_ORDERS):
        held, left, taken = np.zeros(len(counts), dtype=bool), whole.copy(), 0.0
        for group in rng.permutation(len(counts)):
            # Skip a group that would move the part away from the wanted size, except the first.
            nearer = abs(taken + size[group] - wanted) < abs(taken - wanted) or not taken
            if nearer and (left - counts[group] >= 1).all():
                held[group], left, taken = True, left - counts[group], taken + size[group]
            if taken >= wanted:
                break
        uneven = np.abs(counts[held].sum(axis=0) / whole - _HELD_BACK).sum()
        if held.any() and uneven < least:
            chosen, least = held, uneven
    return chosen
