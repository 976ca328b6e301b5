"""Means of probabilities, over models (`late_fusion`) and over time (`RollingAverage`).

Notebook 06_full writes `late_fusion` with NumPy; `predict` and the application use it. Paper B §3:
the final prediction is the arithmetic mean of the two softmax vectors, and the system "can revert
to the current input and gracefully accommodate missing modalities". Here a missing modality is a
row of NaN, and the other modality is used alone. If both are missing there is no prediction.

The application uses `RollingAverage`; notebook 07_frames_resnet50 writes it with pandas. Paper A
§3.5 keeps the predictions of past frames in a deque and chooses the class with the largest mean, so
that the label of a video does not flicker. The paper does not state the length of the deque.

`verdict` is the answer to a cry that a user of the live page and of `cryutils predict` sees: a
state, or "unsure". In scores every clip gets a state, as in the papers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = [
    "NO_CRY", "NO_PREDICTION", "QUIET", "UNSURE", "Fused", "RollingAverage", "decide",
    "late_fusion", "verdict",
]  # fmt: skip

Probabilities = npt.NDArray[np.float32]
NO_PREDICTION = -1
SURE = 0.5  # at least as probable as all other states together
UNSURE = "unsure"
NO_CRY = "no cry"
QUIET = "quiet"  # too quiet to judge whether an infant cries

_TOLERANCE = 1e-3  # for a sum of float32 probabilities


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """Fused probabilities, float32 (n, classes), NaN where neither modality was usable.

    used: str (n,), "both", "audio", "image" or "none".
    """

    probabilities: Probabilities
    used: npt.NDArray[np.str_]


def late_fusion(audio: npt.ArrayLike, image: npt.ArrayLike) -> Fused:
    """Return the mean of two models' probabilities, row by row (Paper B §3, fusion strategy).

    audio, image: probabilities of the sound model and of the picture model for the same clips,
    (n, classes), with a row of NaN where they are missing. Raises InputError if the shapes differ,
    or another row is not a distribution.

    >>> late_fusion([[0.8, 0.2], [np.nan] * 2], [[0.6, 0.4], [0.3, 0.7]]).probabilities.round(2)
    array([[0.7, 0.3],
           [0.3, 0.7]], dtype=float32)
    """
    a, b = _checked("audio", audio), _checked("image", image)
    if a.shape != b.shape:
        raise InputError(f"audio {a.shape} and image {b.shape} are not of the same clips.")
    has_a, has_b = ~np.isnan(a[:, 0]), ~np.isnan(b[:, 0])
    mean = (a + b) / 2
    mean = np.where(has_a[:, None] & has_b[:, None], mean, np.where(has_a[:, None], a, b))
    used = np.select([has_a & has_b, has_a, has_b], ["both", "audio", "image"], "none")
    return Fused(mean.astype(np.float32), used)


def decide(probabilities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the index of each row's most probable class, int64 (n,); -1 for a row with NaN.

    -1 is `NO_PREDICTION`, which equals no class and therefore counts as wrong.
    """
    p = np.asarray(probabilities)
    missing = np.isnan(p).any(axis=-1)
    return np.where(missing, NO_PREDICTION, np.where(np.isnan(p), 0, p).argmax(axis=-1))


class RollingAverage:
    """The mean of the last `n` frames' probabilities, for a live camera (Paper A §3.5).

    >>> rolling = RollingAverage(2)
    >>> [rolling.push(p).tolist() for p in ([1.0, 0.0], [0.0, 1.0], [0.0, 1.0])]
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """

    def __init__(self, n: int) -> None:
        """Keep at most `n` predictions, 1 or more."""
        self._past: deque[npt.NDArray[np.float64]] = deque(maxlen=n)

    def push(self, p: npt.ArrayLike) -> Probabilities:
        """Return the mean of this and the previous predictions, float32 (classes,).

        p: probabilities (classes,), or NaN if the frame has no face. The mean then does not change
        (NaN before the first prediction).
        """
        row = np.asarray(p, np.float64)
        if not np.isnan(row).any():
            self._past.append(row)
        past = self._past or [row]
        return np.asarray(sum(past) / len(past), np.float32)


def _checked(name: str, values: npt.ArrayLike) -> Probabilities:
    p = np.atleast_2d(np.asarray(values, dtype=np.float32))
    is_distribution = (p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) <= _TOLERANCE)
    wrong = ~is_distribution & ~np.isnan(p).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{name}: row {row} is {p[row]}; give probabilities that sum to 1, or a row of NaN."
        )
    return p


def verdict(probabilities: Mapping[str, float]) -> str:
    """Return the most probable state, or `UNSURE` if its probability is below `SURE`.

    probabilities: calibrated, by state.

    >>> verdict({"hungry": 0.5, "pain": 0.3, "tired": 0.2})
    'hungry'
    >>> verdict({"hungry": 0.4, "pain": 0.4, "tired": 0.2})
    'unsure'
    """
    best = max(probabilities, key=lambda state: probabilities[state])
    return best if probabilities[best] >= SURE else UNSURE
