"""Detection of sounds unlike the training cries: `reference`, in a network's card, and `share`.

A classifier predicts a state even for white noise. A sound is described by the mean and deviation
over time of each input coefficient, and its distance from the training recordings is compared with
the distance of each of these from the other infants'. A near sound may still be something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.models.inputs import Examples, by_clip

__all__ = ["caution", "reference", "share"]

Array = npt.NDArray[np.float64]

FAR = 0.99  # lowest `share` of a sound that is called unlike the training cries


def reference(examples: Examples, infants: npt.ArrayLike) -> dict[str, list[float]] | None:
    """Return what `share` needs as JSON types, None if all recordings are of one infant.

    They are mean and deviation of the recordings' descriptions, and percentiles of each recording's
    distance from those of other infants. examples: windows of the training recordings, with x
    (rows, frames, coefficients). infants: one per clip of the corpus.
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
    mean, deviation = _moments(rows)
    arrays = {"mean": mean, "deviation": deviation}
    arrays["distances"] = np.percentile(apart, np.arange(101))
    return {name: [float(f"{v:.6g}") for v in values] for name, values in arrays.items()}


def share(stored: Mapping[str, Any], windows: npt.NDArray[np.float32]) -> float:
    """Return the share of the training recordings that are nearer than a sound, 0 to 1.

    stored: a `reference`. windows: of the sound, float32 (windows, frames, coefficients).
    """
    row = _described(windows).mean(axis=0, keepdims=True)
    (distance,) = _distance(row, np.array(stored["mean"]), np.array(stored["deviation"]))
    return float(np.interp(distance, stored["distances"], np.linspace(0, 1, 101)))


def caution(far: float | None) -> str | None:
    """Return a warning if the `share` of a sound is that of no training cry, otherwise None."""
    if far is None or far < FAR:
        return None
    others = "any of them is" if far == 1 else "99% of them are"
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
