"""Folds within folds: `divide`, under the three ways in which Paper A may have split its data.

Walked by notebook 09_ensemble. Paper A §4 says "80% of the data for training and 20% for
testing" and, of the epochs, "when the accuracy stopped improving on the test sets". Whether
videos or the 360,000 frames were divided it doesn't say, so both are here (where frames and sound
go together, what is divided are windows of sound with their frames), and the honest way
beside them: infants divided, and training stopped by a part of the training infants. The inner
folds are for the ensemble, which learns from answers to clips that a submodel has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.evaluation.splits import Indices, Split, folds
from cryutils.models.crossfit import validation_split

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus

__all__ = ["Nested", "Units", "deployment_fold", "divide"]


class Units(NamedTuple):
    """What a split divides: label and infant of each unit, and the unit of each frame or window."""

    labels: npt.NDArray[np.str_]
    infants: npt.NDArray[np.str_]
    of_row: Indices

    @classmethod
    def of(cls, corpus: Corpus, clip: Indices, split: Split) -> Units:
        """Return the units of rows whose clips are `clip`: the rows themselves, or the clips."""
        if split is Split.FRAME:
            return cls(corpus.labels[clip], corpus.infants[clip], np.arange(len(clip)))
        return cls(corpus.labels, corpus.infants, clip)

    def rows(self, part: Indices) -> Indices:
        """Return the rows of some units, int64 (n,), ascending."""
        return np.flatnonzero(np.isin(self.of_row, part))


@dataclass(frozen=True, eq=False)
class Nested:
    """One outer fold, in numbers of units.

    fit: to train on. stop: what says when training stops; the test part itself under the
    paper's protocol. test: to be answered. inner: `fit` in parts; each is answered by networks
    that are trained on the others.
    """

    fit: Indices = field(repr=False)
    stop: Indices = field(repr=False)
    test: Indices = field(repr=False)
    inner: tuple[Indices, ...] = field(repr=False)

    @property
    def stops_on_test(self) -> bool:
        """Whether its epochs are chosen by the very clips that it is scored on."""
        return np.array_equal(self.stop, self.test)

    @property
    def training(self) -> Indices:
        """What isn't tested: the units to train on, and those that say when training stops."""
        return self.fit if self.stops_on_test else np.union1d(self.fit, self.stop)


def divide(
    units: Units, split: Split, *, n_folds: int = 5, n_inner: int = 3, seed: int = 0
) -> list[Nested]:
    """Return the outer folds of `units`, each with its inner ones; every unit is tested once.

    Parameters
    ----------
    units : Units
        Of the same split.
    split : Split
        Frames and clips are divided at random by class, infants are kept whole.
    n_folds : int
        Outer folds; 5 test 20 % each, as the paper does.
    n_inner : int
        Inner ones, 0 for none; fewer where there are too few infants for so many, and clips are
        divided on this level where a class has one infant left to train on. That only concerns what
        the ensemble learns from: no tested infant takes part.
    seed : int
        The same seed gives the same folds.

    Raises
    ------
    InputError
        Too few clips or infants of a class, as `splits.folds` says.
    """
    honest = split is Split.INFANT
    labels, infants = units.labels.tolist(), units.infants.tolist()
    (outer,) = folds(labels, infants if honest else None, n_splits=n_folds, repeats=1, seed=seed)
    nested = []
    for k, (train, test) in enumerate(outer):
        fit, stop = train, test
        if honest:
            fit, stop = validation_split(train, labels, infants, split=split, seed=seed + k)
        nested.append(Nested(fit, stop, test, _inner(units, fit, honest, n_inner, seed)))
    return nested


def deployment_fold(units: Units, *, n_inner: int = 3, seed: int = 0) -> Nested:
    """Return all units as one fold that tests none: for a model that is used, not scored."""
    labels, infants = units.labels.tolist(), units.infants.tolist()
    fit, stop = validation_split(
        np.arange(len(labels)), labels, infants, split=Split.INFANT, seed=seed
    )
    return Nested(fit, stop, fit[:0], _inner(units, fit, True, n_inner, seed))


def _inner(
    units: Units, fit: Indices, honest: bool, n_inner: int, seed: int
) -> tuple[Indices, ...]:
    if n_inner == 0:
        return ()
    if n_inner < 2:
        raise InputError(f"n_inner={n_inner}: use 2 or more inner folds.")
    labels, infants = units.labels[fit].tolist(), units.infants[fit].tolist()
    levels: list[Sequence[str] | None] = [infants, None] if honest else [None]
    for groups in levels:
        for count in range(n_inner, 1, -1):
            try:
                (drawn,) = folds(labels, groups, n_splits=count, repeats=1, seed=seed)
            except InputError as error:
                reason = error
                continue
            return tuple(fit[part] for _, part in drawn)
    raise InputError(f"a training part cannot be divided again: {reason}") from reason
