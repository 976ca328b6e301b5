"""Folds within folds: `divide`, under the three ways in which Paper A may have split its data.

Walked by notebook 09_ensemble. Paper A §4 says "80% of the data for training and 20% for
testing" and, of the epochs, "when the accuracy stopped improving on the test sets". Whether
videos or the 360,000 frames were divided it doesn't say, so both are here (where frames and sound
go together, what is divided are moments: windows of sound with their frames), and the honest way
beside them: infants divided, and training stopped by a part of the training infants. The inner
folds are for the ensemble, which learns from answers to clips that a submodel has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Indices, Protocol, folds
from cryutils.models.crossfit import validation_clips
from cryutils.papers.streams import Unit, Units

__all__ = ["SCHEMES", "Nested", "divide", "protocol_of", "unit_of", "whole"]

SCHEMES = ("frame", "clip", "leak_free")


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


def unit_of(scheme: str) -> Unit:
    """Return what `scheme` divides. Raises InputError, with the near miss, for another name."""
    if scheme not in SCHEMES:
        raise InputError(f"there is no split {scheme!r}.{near_miss(scheme, SCHEMES)}")
    return "frame" if scheme == "frame" else "clip"


def protocol_of(scheme: str) -> Protocol:
    """Return whose protocol `scheme` is: the paper's, or the leak-free one."""
    unit_of(scheme)
    return Protocol.LEAK_FREE if scheme == "leak_free" else Protocol.PAPER


def divide(
    units: Units, scheme: str, *, n_folds: int = 5, n_inner: int = 3, seed: int = 0
) -> list[Nested]:
    """Return the outer folds of `units`, each with its inner ones; every unit is tested once.

    Args:
        units: from `Streams.units(unit_of(scheme))`.
        scheme: "frame" and "clip" divide at random by class, "leak_free" keeps infants whole.
        n_folds: outer folds; 5 test 20 % each, as the paper does.
        n_inner: inner ones; fewer where there are too few infants for so many, and clips are
            divided on this level where a class has one infant left to train on. That only
            concerns what the ensemble learns from: no tested infant takes part.
        seed: the same seed gives the same folds.

    Raises:
        InputError: too few clips or infants of a class, as `splits.folds` says.
    """
    protocol = protocol_of(scheme)
    honest = protocol is Protocol.LEAK_FREE
    labels, infants = units.labels.tolist(), units.infants.tolist()
    (outer,) = folds(labels, infants if honest else None, n_splits=n_folds, repeats=1, seed=seed)
    found = []
    for k, (train, test) in enumerate(outer):
        fit, stop = train, test
        if honest:
            fit, stop = validation_clips(train, labels, infants, protocol=protocol, seed=seed + k)
        own = [labels[i] for i in fit]
        groups = [infants[i] for i in fit] if honest else None
        parts = _parts(own, groups, n_inner, seed)
        found.append(Nested(fit, stop, test, tuple(fit[part] for part in parts)))
    return found


def whole(units: Units, *, n_inner: int = 3, seed: int = 0) -> Nested:
    """Return all units as one fold that tests none: for a model that is kept, not scored."""
    labels, infants = units.labels.tolist(), units.infants.tolist()
    fit, stop = validation_clips(
        np.arange(len(labels)), labels, infants, protocol=Protocol.LEAK_FREE, seed=seed
    )
    parts = _parts([labels[i] for i in fit], [infants[i] for i in fit], n_inner, seed)
    return Nested(fit, stop, fit[:0], tuple(fit[part] for part in parts))


def _parts(
    labels: Sequence[str], groups: Sequence[str] | None, n_inner: int, seed: int
) -> list[Indices]:
    if n_inner < 2:
        raise InputError(f"n_inner={n_inner}: use 2 or more inner folds.")
    for by in (groups, None) if groups else (None,):
        for count in range(n_inner, 1, -1):
            try:
                (drawn,) = folds(labels, by, n_splits=count, repeats=1, seed=seed)
            except InputError as error:
                reason = error
                continue
            return [part for _, part in drawn]
    raise reason
