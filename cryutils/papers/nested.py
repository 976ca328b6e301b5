"""Outer and inner folds by frame, by clip and by infant.

Used in notebook 09_ensemble. Paper A §4 says "80% of the data for training and 20% for testing"
and, of the epochs, "when the accuracy stopped improving on the test sets". It does not say whether
videos or the 360,000 frames were divided, so both are possible here. (Frames that belong to a sound
are divided as windows of that sound.) The leak-free split divides infants, and some of the training
infants decide when training stops. Inner folds are for an ensemble that is trained on outputs
for clips that a submodel was not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.evaluation.splits import Indices, Split, folds
from cryutils.models.training import validation_split

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus

__all__ = ["Nested", "Units", "divide"]


class Units(NamedTuple):
    """The units of a split: label and infant of each, and the unit of each frame or window."""

    labels: npt.NDArray[np.str_]
    infants: npt.NDArray[np.str_]
    of_row: Indices

    @classmethod
    def of(cls, corpus: Corpus, clip: Indices, split: Split) -> Units:
        """Return the units of rows from clips `clip`: each row for FRAME, else each clip."""
        if split is Split.FRAME:
            return cls(corpus.labels[clip], corpus.infants[clip], np.arange(len(clip)))
        return cls(corpus.labels, corpus.infants, clip)

    def rows(self, part: Indices) -> Indices:
        """Return the rows of some units, int64 (n,), ascending."""
        return np.flatnonzero(np.isin(self.of_row, part))


@dataclass(frozen=True, eq=False)
class Nested:
    """One outer fold, as indices of units.

    fit: training units. stop: validation units, which decide when training stops; under the paper's
    protocol they are the test units. test: units to predict. inner: parts of `fit`, each to be
    predicted by networks that are trained on the others; none where nothing is stacked.
    """

    fit: Indices = field(repr=False)
    stop: Indices = field(repr=False)
    test: Indices = field(repr=False)
    inner: tuple[Indices, ...] = field(default=(), repr=False)

    @property
    def stops_on_test(self) -> bool:
        """Whether the test units themselves decide when training stops."""
        return np.array_equal(self.stop, self.test)

    @property
    def training(self) -> Indices:
        """All units that are not tested: those in `fit`, and those in `stop`."""
        return self.fit if self.stops_on_test else np.union1d(self.fit, self.stop)


def divide(
    units: Units, split: Split, *, n_folds: int = 5, n_inner: int = 3, seed: int = 0
) -> list[Nested]:
    """Return the outer folds of `units`, each with its inner folds; every unit is tested once.

    Frames and clips are divided at random by class, infants are kept whole. Five outer folds test
    20 % each, as the paper does. With `n_inner=0` there are no inner folds. There are fewer than
    `n_inner` if there are too few infants; and if a class has only one training infant, they divide
    clips. That affects only the ensemble's training data: no tested infant is in it. Raises
    InputError for too few clips or infants of a class (see `splits.folds`).
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
