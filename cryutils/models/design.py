"""Feature vectors that know their training set: one row a clip, scaled as Paper A says.

Paper A §3.2 scales the audio signal before the features are taken, and what is fitted may
see training clips only. So features depend on the split: a `FoldFeatures` is called with
the indices of the training clips. Notebook 03_feature_validation walks this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio
from cryutils.audio.scaling import SignalScaler
from cryutils.audio.spectral import summarise
from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError, near_miss

__all__ = ["SCALINGS", "FoldFeatures"]

SCALINGS = ("signal", "features", "none")


@dataclass
class FoldFeatures:
    """Mean and standard deviation over time of each coefficient, for a given training set.

    `kind` is "stft" or "mfcc". With `scaling="signal"` every recording is first brought to
    [0, 1] by the extremes of the training recordings; with "features" or "none" it is left
    as it is ("features" is then the classifiers' part, `models.table2_classifiers`).
    `settings` go to `audio.features` (n_fft, hop_length, n_mfcc, n_mels).

    Training sets share their extremes nearly always, so few matrices are ever computed.
    """

    corpus: Sequence[Clip]
    kind: str
    sr: int
    scaling: str = "signal"
    settings: dict[str, Any] = field(default_factory=dict)
    _matrices: dict[tuple[float, float] | None, npt.NDArray[np.float32]] = field(
        default_factory=dict, repr=False
    )
    _stats: npt.NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise InputError(f"no scaling {self.scaling!r}.{near_miss(self.scaling, SCALINGS)}")

    def scaler(self, train: npt.NDArray[np.integer]) -> SignalScaler | None:
        """Return the scaler that the clips at `train` teach, None where signals stay unscaled."""
        if self.scaling != "signal":
            return None
        if self._stats is None:
            self._stats = audio.signal_stats(self.corpus, sr=self.sr)
        return SignalScaler.from_stats(self._stats[train])

    def __call__(self, train: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the features of all clips, float32 (clips, 2 * coefficients)."""
        scaler = self.scaler(train)
        key = None if scaler is None else (scaler.low, scaler.high)
        if key not in self._matrices:
            features = audio.features(
                self.corpus, kind=self.kind, sr=self.sr, scaler=scaler, **self.settings
            )
            self._matrices[key] = summarise(features)
        return self._matrices[key]
