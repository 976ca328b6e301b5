"""A mean of probabilities over time, `RollingAverage`, and the answer to a cry, `verdict`.

The application uses `RollingAverage`; notebook 07_frames_resnet50 writes it with pandas. Paper A
§3.5 keeps the predictions of past frames in a deque and chooses the class with the largest mean, so
that the label of a video does not flicker. The paper does not state the length of the deque.
Notebook 06_full writes the mean over models (Paper B §3) with NumPy; in the application it is
`inference.predict.fuse`.

`verdict` is the answer to a cry that a user of the live page and of `cryutils predict` sees: a
state, or "unsure". In scores every clip gets a state, as in the papers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["NO_CRY", "QUIET", "UNSURE", "RollingAverage", "verdict"]

Probabilities = npt.NDArray[np.float32]
SURE = 0.5  # at least as probable as all other states together
UNSURE = "unsure"
NO_CRY = "no cry"
QUIET = "quiet"  # too quiet to judge whether an infant cries


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
