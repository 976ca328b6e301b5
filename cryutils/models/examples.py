"""Windows of sound or crops of faces, several per clip: `Examples`.

Used in notebooks 04_cry2 and 05_image (Paper B §3: a model gets windows of a spectrogram, or
single frames). The probabilities of a clip are the mean over its examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Examples", "by_clip", "windows"]

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs of a network: `x` (rows, ...), and the `clip` index of each row, int (rows,).

    A clip without usable sound or pictures has no rows.
    """

    x: npt.NDArray[Any] = field(repr=False)
    clip: Indices = field(repr=False)

    @classmethod
    def of(cls, clips: Sequence[npt.NDArray[Any]]) -> Examples:
        """Return the examples of all clips, in order; each array is (rows, ...)."""
        return cls(np.concatenate(clips), np.repeat(np.arange(len(clips)), [len(c) for c in clips]))

    def rows(self, clips: npt.ArrayLike) -> Indices:
        """Return the row indices of `clips`, int64 (n,), ascending."""
        return np.flatnonzero(np.isin(self.clip, clips))


def windows(features: Array, *, frames: int, hop: int) -> Array:
    """Return the windows of one clip's features, float32 (windows, frames, coefficients).

    A window of `frames` frames starts every `hop` frames. If half a hop or more would be left out
    at the end, a last window ends with the clip. A clip shorter than a window is padded at the end
    with the minimum of each coefficient. features: float32 (frames, coefficients), one frame at
    least.
    """
    length, width = features.shape
    if length < frames:
        rest = np.broadcast_to(features.min(axis=0), (frames - length, width))
        features = np.concatenate([features, rest])
    last = len(features) - frames
    starts = list(range(0, last + 1, hop))
    if 2 * (last - starts[-1]) >= hop:
        starts.append(last)
    return np.stack([features[i : i + frames] for i in starts]).astype(np.float32, copy=False)


def by_clip(values: npt.NDArray[Any], clip: Indices, n_clips: int) -> Array:
    """Return the mean over each clip's rows, float32 (n_clips, d); NaN for a clip without rows.

    values: (rows, d). clip: the clip index of each row, int (rows,).
    """
    total = np.zeros((n_clips, values.shape[1]))
    np.add.at(total, clip, values)
    rows = np.bincount(clip, minlength=n_clips)[:, None]
    return np.divide(total, rows, where=rows > 0, out=np.full_like(total, np.nan)).astype(
        np.float32
    )
