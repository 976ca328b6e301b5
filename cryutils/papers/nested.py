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
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Indices, Protocol, folds
from cryutils.models.crossfit import validation_clips

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus

__all__ = ["Nested", "Split", "Units", "divide", "whole"]


class Split(StrEnum):
    """What is divided: frames (or windows of sound with theirs), clips, or infants."""

    FRAME = "frame"
    CLIP = "clip"
    INFANT = "leak_free"

    @classmethod
    def _missing_(cls, value: object) -> Self:
        near = near_miss(str(value), [str(split) for split in cls])
        raise InputError(f"there is no split {str(value)!r}.{near}")

    @property
    def protocol(self) -> Protocol:
        """Whose protocol it is: the paper's, or the leak-free one."""
        return Protocol.LEAK_FREE if self is Split.INFANT else Protocol.PAPER

    @property
    def column(self) -> str:
        """Its name in the tables of `plots`: there the split of clips stands for the paper."""
        return "paper" if self is Split.CLIP else str(self)


class Units(NamedTuple):
    """What a split divides: label and infant of each unit, and the unit of each frame or window."""

    labels: npt.NDArray[np.str_]
    infants: npt.NDArray[np.str_]
    of_row: Indices

    @classmethod
    def of(cls, corpus: Corpus, clip: Indices, split: Split | str) -> Units:
        """Return the units of rows whose clips are `clip`: the rows themselves, or the clips.

        Raises InputError for a split that there is not.
        """
        if Split(split) is Split.FRAME:
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


def divide(
    units: Units, split: Split | str, *, n_folds: int = 5, n_inner: int = 3, seed: int = 0
) -> list[Nested]:
    """Return the outer folds of `units`, each with its inner ones; every unit is tested once.

    Args:
        units: of the same split.
        split: frames and clips are divided at random by class, infants are kept whole.
        n_folds: outer folds; 5 test 20 % each, as the paper does.
        n_inner: inner ones; fewer where there are too few infants for so many, and clips are
            divided on this level where a class has one infant left to train on. That only
            concerns what the ensemble learns from: no tested infant takes part.
        seed: the same seed gives the same folds.

    Raises:
        InputError: too few clips or infants of a class, as `splits.folds` says, or no such split.
    """
    split = Split(split)
    honest = split is Split.INFANT
    labels, infants = units.labels.tolist(), units.infants.tolist()
    (outer,) = folds(labels, infants if honest else None, n_splits=n_folds, repeats=1, seed=seed)
    nested = []
    for k, (train, test) in enumerate(outer):
        fit, stop = train, test
        if honest:
            fit, stop = validation_clips(
                train, labels, infants, protocol=split.protocol, seed=seed + k
            )
        nested.append(Nested(fit, stop, test, _inner(units, fit, honest, n_inner, seed)))
    return nested


def whole(units: Units, *, n_inner: int = 3, seed: int = 0) -> Nested:
    """Return all units as one fold that tests none: for a model that is used, not scored."""
    labels, infants = units.labels.tolist(), units.infants.tolist()
    fit, stop = validation_clips(
        np.arange(len(labels)), labels, infants, protocol=Protocol.LEAK_FREE, seed=seed
    )
    return Nested(fit, stop, fit[:0], _inner(units, fit, True, n_inner, seed))


def _inner(
    units: Units, fit: Indices, honest: bool, n_inner: int, seed: int
) -> tuple[Indices, ...]:
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
    raise reason
