"""Late fusion at the level of probabilities: `late_fusion`, and what it does without a modality.

Walked by notebook 06_full. Paper B §3: the final prediction is the arithmetic mean of the two
softmax vectors, and the system "can revert to the current input and gracefully accommodate
missing modalities". Here a missing modality is a row of NaN: the other one then answers alone,
and `used` says so. Where both are missing there is no prediction, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = ["NO_PREDICTION", "Fused", "decide", "late_fusion"]

Probabilities = npt.NDArray[np.float32]
NO_PREDICTION = -1

_TOLERANCE = 1e-3  # of a sum of float32 probabilities, which rounding moves


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """The answer of both modalities: float32 (n, classes), NaN where neither was usable.

    `used` is str (n,): "both", "audio", "image" or "none".
    """

    probabilities: Probabilities
    used: npt.NDArray[np.str_]


def late_fusion(audio: npt.ArrayLike, image: npt.ArrayLike) -> Fused:
    """Return the mean of two models' probabilities, row by row (Paper B §3, fusion strategy).

    Args:
        audio: (n, classes) probabilities of the sound model, a row of NaN where it has none.
        image: (n, classes) of the picture model, for the same clips and classes.

    Raises:
        InputError: the shapes differ, a row holds NaN beside numbers, or is no distribution.

    >>> late_fusion([[0.8, 0.2], [np.nan, np.nan]], [[0.6, 0.4], [0.3, 0.7]]).probabilities
    array([[0.7, 0.3],
           [0.3, 0.7]], dtype=float32)
    """
    a, b = _checked("audio", audio), _checked("image", image)
    if a.shape != b.shape:
        raise InputError(f"audio {a.shape} and image {b.shape} are not of the same clips.")
    has_a, has_b = ~np.isnan(a[:, 0]), ~np.isnan(b[:, 0])
    # Halves are added, since (x + x) / 2 and x / 2 + x / 2 are both exactly x.
    mean = np.where(has_a[:, None] & has_b[:, None], a / 2 + b / 2, np.where(has_a[:, None], a, b))
    used = np.select([has_a & has_b, has_a, has_b], ["both", "audio", "image"], "none")
    return Fused(mean.astype(np.float32), used)


def decide(probabilities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the index of each row's most probable class, int64 (n,).

    A row of NaN gives `NO_PREDICTION` (-1), which equals no class: it counts as wrong.
    """
    p = np.asarray(probabilities)
    missing = np.isnan(p).any(axis=-1)
    return np.where(missing, NO_PREDICTION, np.where(np.isnan(p), 0, p).argmax(axis=-1))


def _checked(name: str, values: npt.ArrayLike | Sequence[Any]) -> Probabilities:
    p = np.atleast_2d(np.asarray(values, dtype=np.float32))
    if p.ndim != 2 or not p.shape[1]:
        raise InputError(f"{name}: probabilities are (clips, classes), not {p.shape}.")
    missing = np.isnan(p)
    partly = missing.any(axis=1) & ~missing.all(axis=1)
    if partly.any():
        raise InputError(
            f"{name}: row {int(partly.argmax())} is missing in part; use a row of NaN."
        )
    wrong = ~missing[:, 0] & ((p < 0).any(axis=1) | (np.abs(p.sum(axis=1) - 1) > _TOLERANCE))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{name}: row {row} sums to {p[row].sum():.3f}; probabilities are 0 to 1 and sum to 1."
        )
    return p
