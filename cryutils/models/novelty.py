"""Detection of sounds unlike the training cries: `Reference`, part of a trained network's card.

Notebooks 04_cry2 and 09_ensemble write it; `cryutils predict` reports it. A classifier predicts a
state for any input: white noise is "tired 98 %". Therefore a sound is described by the mean and
deviation over time of each input coefficient of the network. Its distance from the training
recordings is compared with the distance of each recording from those of the other infants. A
distant sound is probably no such cry; a near sound may still be something else. Probabilities are
not changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.models.inputs import Examples, by_clip

__all__ = ["FAR", "Reference", "caution"]

Array = npt.NDArray[np.float64]

_FIELDS = ("mean", "deviation", "distances")
FAR = 0.99  # lowest `Reference.share` of a sound that is called unlike the training cries


@dataclass(frozen=True, eq=False)
class Reference:
    """Mean and deviation of the training recordings' descriptions, float64 (n,).

    distances: float64 (101,), percentiles of each recording's distance from those of other infants.
    """

    mean: Array = field(repr=False)
    deviation: Array = field(repr=False)
    distances: Array = field(repr=False)

    @classmethod
    def of(cls, examples: Examples, infants: npt.ArrayLike) -> Reference | None:
        """Return the reference of training windows, None if all recordings are of one infant.

        examples: with x (rows, frames, coefficients). infants: one per clip of the corpus.
        """
        owners = np.asarray(infants)
        rows = by_clip(_described(examples.x), examples.clip, len(owners)).astype(np.float64)
        usable = np.isfinite(rows).all(axis=1)
        rows, owners = rows[usable], owners[usable]
        if len(set(owners)) < 2:
            return None
        apart = np.empty(len(rows))
        for infant in set(owners):
            left_out = owners == infant
            apart[left_out] = _distance(rows[left_out], *_moments(rows[~left_out]))
        return cls(*_moments(rows), np.percentile(apart, np.arange(101)))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Reference | None:
        """Return the reference of `as_json`. Raises ValueError, KeyError, TypeError if invalid."""
        if stored is None:
            return None
        arrays = [np.array(stored[name], np.float64) for name in _FIELDS]
        if not all(a.ndim == 1 and np.isfinite(a).all() for a in arrays) or len(arrays[2]) != 101:
            raise ValueError("its reference is invalid")
        return cls(*arrays)

    def as_json(self) -> dict[str, list[float]]:
        """Return the reference as JSON types, six digits per number."""
        return {name: [float(f"{v:.6g}") for v in getattr(self, name)] for name in _FIELDS}

    def share(self, windows: npt.NDArray[np.float32]) -> float:
        """Return the share of the training recordings that are nearer than a sound, 0 to 1.

        windows: windows of the sound, float32 (windows, frames, coefficients).
        """
        row = _described(windows).mean(axis=0, keepdims=True)
        (distance,) = _distance(row, self.mean, self.deviation)
        return float(np.interp(distance, self.distances, np.linspace(0, 1, 101)))


def caution(share: float | None) -> str | None:
    """Return a warning if a sound is unlike the training cries, otherwise None."""
    if share is None or share < FAR:
        return None
    others = "any of them is" if share == 1 else "99% of them are"
    return f"unlike the training cries: farther from them than {others} from the rest"


def _described(windows: npt.NDArray[Any]) -> Array:
    """Return mean and deviation over time of each window, (windows, 2 * coefficients)."""
    return np.concatenate([windows.mean(axis=1), windows.std(axis=1)], axis=1, dtype=np.float64)


def _moments(rows: Array) -> tuple[Array, Array]:
    spread = rows.std(axis=0)
    return rows.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _distance(rows: Array, mean: Array, deviation: Array) -> Array:
    # No covariances: with Ledoit-Wolf covariances, white noise was nearer to DonateACry than 21 %
    # of DonateACry's own recordings. Without covariances it is farther than all of them.
    distance: Array = np.sqrt((((rows - mean) / deviation) ** 2).mean(axis=1))
    return distance
