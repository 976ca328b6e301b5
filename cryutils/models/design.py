"""Feature vectors that know their training set: one row a clip, scaled as Paper A says.

Paper A §3.2 scales the audio signal before the features are taken, and what is fitted may
see training clips only. So features depend on the split: a `FoldFeatures` is called with
the indices of the training clips. Notebook 03_feature_validation walks this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio
from cryutils.audio.scaling import RecordingScaler, SignalScaler
from cryutils.audio.spectral import summarise
from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError, near_miss

__all__ = ["SCALINGS", "SUMMARIES", "FoldFeatures"]

SCALINGS = ("signal", "recording", "recording_centred", "features", "none")
PARTS = 8

Array = npt.NDArray[np.float32]


def _means(features: Sequence[Array]) -> Array:
    return summarise(features)[:, : features[0].shape[1]]


def _means_of_parts(features: Sequence[Array]) -> Array:
    """Return the means of eight parts of each clip, float32 (clips, 8 * coefficients)."""
    shortest = min(len(clip) for clip in features)
    if shortest < PARTS:
        raise InputError(f"a clip of {shortest} frames has no {PARTS} parts: give longer clips.")
    parts = [part for clip in features for part in np.array_split(clip, PARTS)]
    return _means(parts).reshape(len(features), -1)


# How a clip's frames become one vector; the paper doesn't say.
SUMMARIES: dict[str, Callable[[Sequence[Array]], Array]] = {
    "mean": _means,
    "mean and deviation": summarise,
    "means of eight parts": _means_of_parts,
}


@dataclass
class FoldFeatures:
    """Mean and standard deviation over time of each coefficient, for a given training set.

    `kind` is "stft" or "mfcc". With `scaling="signal"` every recording is first brought to
    [0, 1] by the extremes of the training recordings, with "recording" by its own
    ("recording_centred": its mean then taken out); with "features" or "none" it is left as it is
    ("features" is then the classifiers' part, `models.table2_classifiers`). `settings` go to
    `audio.features` (n_fft, hop_length, n_mfcc, n_mels). `summary`, one of `SUMMARIES`, is how
    frames become one vector.

    Training sets share their extremes nearly always, so few matrices are ever computed.
    """

    corpus: Sequence[Clip]
    kind: str
    sr: int
    scaling: str = "signal"
    settings: dict[str, Any] = field(default_factory=dict)
    summary: str = "mean and deviation"
    _matrices: dict[tuple[float, float] | None, Array] = field(default_factory=dict, repr=False)
    _stats: npt.NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise InputError(f"no scaling {self.scaling!r}.{near_miss(self.scaling, SCALINGS)}")
        if self.summary not in SUMMARIES:
            raise InputError(f"no summary {self.summary!r}.{near_miss(self.summary, SUMMARIES)}")

    def scaler(self, train: npt.NDArray[np.integer]) -> SignalScaler | RecordingScaler | None:
        """Return the scaler that the clips at `train` teach, None where signals stay unscaled."""
        if self.scaling in ("features", "none"):
            return None
        if self.scaling != "signal":
            return RecordingScaler(centred=self.scaling == "recording_centred")
        if self._stats is None:
            self._stats = audio.signal_stats(self.corpus, sr=self.sr)
        return SignalScaler.from_stats(self._stats[train])

    def __call__(self, train: npt.NDArray[np.integer]) -> Array:
        """Return the features of all clips, float32 (clips, k * coefficients), k by `summary`."""
        scaler = self.scaler(train)
        key = (scaler.low, scaler.high) if isinstance(scaler, SignalScaler) else None
        if key not in self._matrices:
            features = audio.features(
                self.corpus, kind=self.kind, sr=self.sr, scaler=scaler, **self.settings
            )
            self._matrices[key] = SUMMARIES[self.summary](features)
        return self._matrices[key]
