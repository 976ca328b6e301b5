"""Feature vectors of clips, with scaling fitted on the training clips: `FoldFeatures`.

Used in notebook 03_feature_validation. Paper A §3.2 scales the audio signal before computing
features. The scaler may be fitted on training clips only, so the features of all clips depend on
the split. A `FoldFeatures` is therefore called with the indices of the training clips.
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


# Functions from a clip's frames to one vector. The paper does not state its own.
SUMMARIES: dict[str, Callable[[Sequence[Array]], Array]] = {
    "mean": _means,
    "mean and deviation": summarise,
    "means of eight parts": _means_of_parts,
}


@dataclass
class FoldFeatures:
    """One feature vector per clip, for a given training set.

    kind: "stft" or "mfcc". sr: Hz. scaling: "signal" maps the extremes of the training recordings
    to [0, 1], "recording" the extremes of each recording; "recording_centred" then subtracts its
    mean; "features" and "none" do not scale the signal. With "features",
    `models.table2_classifiers` scale their inputs. Raises InputError for another scaling. settings:
    arguments of `audio.features`: n_fft, hop_length, n_mfcc, n_mels. summary: one of `SUMMARIES`,
    which turns frames into one vector.
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

    def __call__(self, train: npt.NDArray[np.integer]) -> Array:
        """Return the features of all clips, float32 (clips, d), scaled by the clips at `train`."""
        scaler: SignalScaler | RecordingScaler | None = None
        if self.scaling == "signal":
            if self._stats is None:
                self._stats = audio.signal_stats(self.corpus, sr=self.sr)
            scaler = SignalScaler.from_stats(self._stats[train])
        elif self.scaling in ("recording", "recording_centred"):
            scaler = RecordingScaler(centred=self.scaling == "recording_centred")
        key = (scaler.low, scaler.high) if isinstance(scaler, SignalScaler) else None
        if key not in self._matrices:  # most training sets have the same extremes
            features = audio.features(
                self.corpus, kind=self.kind, sr=self.sr, scaler=scaler, **self.settings
            )
            self._matrices[key] = SUMMARIES[self.summary](features)
        return self._matrices[key]
