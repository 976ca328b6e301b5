"""What a network is given of a clip: several windows of sound or crops of a face, `Examples`.

Notebooks 04_cry2 and 05_image walk this module (Paper B §3: a model looks at windows of a
spectrogram, or at single frames). A clip's answer is the mean of its examples' answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = ["Examples", "by_clip", "clip_probabilities", "windows"]

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Examples:
    """What a network sees: `x` (rows, ...), windows of sound or face crops; `clip` of each row.

    `clip` is int (rows,), a clip's number in its corpus; one without rows has nothing usable.
    """

    x: npt.NDArray[Any] = field(repr=False)
    clip: Indices = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.x) != len(self.clip):
            raise InputError(f"{len(self.x)} examples of {len(self.clip)} clip numbers: pair them.")

    @classmethod
    def of(cls, clips: Sequence[npt.NDArray[Any]]) -> Examples:
        """Return the examples of clips in order, each (rows, ...), alike but for the rows."""
        if not len(clips):
            raise InputError("there are no clips to take examples of: give one at least.")
        return cls(np.concatenate(clips), np.repeat(np.arange(len(clips)), [len(c) for c in clips]))

    def rows(self, clips: npt.ArrayLike) -> Indices:
        """Return the rows of these clips, int64 (n,), ascending."""
        return np.flatnonzero(np.isin(self.clip, clips))


def windows(features: Array, *, frames: int, hop: int) -> Array:
    """Return the windows of one clip's features, float32 (windows, frames, coefficients).

    One starts every `hop` frames; a last one ends with the clip where half a hop or more would else
    be left out. A clip shorter than one window is filled up behind with the least value of each
    coefficient, as quiet as it gets; one without a frame has none.

    Parameters
    ----------
    features : ndarray of float32
        (frames, coefficients).
    frames : int
        Length of a window.
    hop : int
        Frames from one start to the next.

    Raises
    ------
    InputError
        `frames` or `hop` is below 1.
    """
    if frames < 1 or hop < 1:
        raise InputError(f"frames={frames}, hop={hop}: give 1 or more of both.")
    length, width = features.shape
    if not length:
        return np.zeros((0, frames, width), np.float32)
    if length < frames:
        rest = np.broadcast_to(features.min(axis=0), (frames - length, width))
        features = np.concatenate([features, rest])
    last = len(features) - frames
    starts = list(range(0, last + 1, hop))
    if 2 * (last - starts[-1]) >= hop:
        starts.append(last)
    return np.stack([features[i : i + frames] for i in starts]).astype(np.float32, copy=False)


def by_clip(values: npt.NDArray[Any], clip: Indices, n_clips: int) -> Array:
    """Return the mean over each clip's rows of `values`, float32 (n_clips, d).

    NaN for a clip without rows.

    Parameters
    ----------
    values : ndarray
        (rows, d).
    clip : ndarray of int
        Number of the clip that each row is of (rows,).
    n_clips : int
        How many clips there are.
    """
    total = np.zeros((n_clips, values.shape[1]))
    np.add.at(total, clip, values)
    rows = np.bincount(clip, minlength=n_clips)[:, None]
    return np.divide(total, rows, where=rows > 0, out=np.full_like(total, np.nan)).astype(
        np.float32
    )


def clip_probabilities(model: Any, examples: Examples, n_clips: int) -> Array:
    """Return a model's probabilities of each clip, the mean of its rows'.

    float32 (n_clips, classes), NaN for a clip without rows. `model` is a `training.Fitted`, a
    Keras model, or anything with `predict(x)`.
    """
    # Keras' own draws a bar unless it is told not to.
    options = {"verbose": 0} if hasattr(model, "predict_on_batch") else {}
    return by_clip(np.asarray(model.predict(examples.x, **options)), examples.clip, n_clips)
