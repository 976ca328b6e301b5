"""Paper A's scaling: standard scaler, then min-max to [0, 1], fitted on training clips only.

Explained in notebooks 02_audio_features and 03_feature_validation. Paper A §3.2 scales the audio
*signal values* before the features are computed: `SignalScaler`. It is more usual to scale the
features. Notebook 03 scales each recording by itself; its appendix compares both readings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryutils.audio.spectral import check_finite
from cryutils.errors import InputError

__all__ = ["SignalScaler", "stats_row"]

Array = npt.NDArray[np.float32]


def stats_row(x: Array) -> npt.NDArray[np.float64]:
    """Return low, high, sum, sum of squares and number of samples of a signal, float64 (5,)."""
    check_finite(x)
    if not len(x):
        raise InputError("an empty signal has no extremes: give at least one sample.")
    exact = x.astype(np.float64)
    return np.array([exact.min(), exact.max(), exact.sum(), exact @ exact, len(exact)])


@dataclass(frozen=True)
class SignalScaler:
    """Min-max scaling of signal values: `(x - low) / (high - low)`.

    Paper A standardises first, which changes nothing. As z = (x - mean) / std increases with x, the
    extremes of z are at those of x, and
    `(z - z_low) / (z_high - z_low) = ((x - low) / std) / ((high - low) / std)`: mean and std
    cancel. Notebook 02 shows this in numbers. So `low` and `high` define a scaler;
    `mean` and `std` of the training signals are kept only for display.

    The result is `a x + b`: a gain a = 1 / (high - low), and a constant b = -low / (high - low)
    near one half. The constant changes bins 0 and 1, and all bins of the first and last frames,
    where it is a step. Its cell is the loudest, from which `stft_db` counts its 80 dB down.
    """

    low: float
    high: float
    mean: float
    std: float

    @classmethod
    def fit(cls, signals: Iterable[Array]) -> SignalScaler:
        """Return the scaler of training signals, each float32 (samples,)."""
        return cls.from_stats([stats_row(x) for x in signals])

    @classmethod
    def from_stats(cls, rows: npt.ArrayLike) -> SignalScaler:
        """Return the scaler of training signals, from their rows of `stats_row`.

        >>> SignalScaler.from_stats([[-1, 3, 4, 20, 4], [-2, 1, 0, 8, 4]])
        SignalScaler(low=-2.0, high=3.0, mean=0.5, std=1.8027756377319946)
        """
        table = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        if table.size == 0:
            raise InputError("a scaler needs at least one training signal; there is none.")
        low, high = float(table[:, 0].min()), float(table[:, 1].max())
        if not low < high:
            raise InputError(f"every training sample is {low:g}: a scaler needs two values.")
        total, squares, samples = table[:, 2:].sum(axis=0)
        mean = total / samples
        return cls(low, high, float(mean), float(np.sqrt(max(0.0, squares / samples - mean**2))))

    def transform(self, x: Array) -> Array:
        """Return `x` scaled, float32 of its shape: in [0, 1] for training signals.

        A test signal that is louder than all training signals exceeds [0, 1]; it is not clipped.
        """
        check_finite(x)
        return ((x.astype(np.float64) - self.low) / (self.high - self.low)).astype(np.float32)
