"""Autoencoders of patches of sound: Paper A's submodels for MFCC and for STFT.

Used in notebook 09_ensemble; notebook 08_autoencoder_dnn writes one network out in Keras. Paper A
§3.4.1, eq. (1): an encoder A: R^n -> R^p and a decoder B: R^p -> R^n that minimise
E[D(x, B(A(x)))]. §3.5: "we use only the front part of the autoencoder to remove the noise. Then
starting from the bottleneck, we use a DNN". The paper gives no sizes. Here x is a patch: a few
consecutive frames of a sound's features. Each window of sound is described by the mean and
standard deviation of its patches' codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.evaluation.splits import Indices
from cryutils.models import stacked
from cryutils.models.stacked import DenseSettings, FitSpec, NetworkBatch

__all__ = ["AUTOENCODER", "BOTTLENECK", "codes", "fit", "patches"]

Array = npt.NDArray[np.float32]

BOTTLENECK = 1  # index of the hidden layer that outputs the code
AUTOENCODER = DenseSettings(
    units=(128, 32, 128), linear=(BOTTLENECK,), dropout=0.0, epochs=20, batch_size=16, patience=5
)
_WINDOWS = 512  # windows encoded at once, to limit memory
_PER_WINDOW = 4  # patches drawn from each window; windows overlap, and patches of a cry are similar


def patches(windows: Array, patch: int) -> Array:
    """Return the consecutive patches of each window, float32 (windows, patches, n).

    n = patch * coefficients. Frames after the last whole patch are dropped. windows: float32
    (windows, frames, coefficients). patch: frames per patch. Raises InputError for a patch that
    does not fit into a window.
    """
    rows, frames, coefficients = windows.shape
    if not 1 <= patch <= frames:
        raise InputError(f"patch={patch}: a window has {frames} frames; give 1 to {frames}.")
    count = frames // patch
    return np.ascontiguousarray(windows[:, : count * patch]).reshape(rows, count, patch * coefficients)


def fit(
    windows: Array, tasks: Sequence[FitSpec], *, patch: int = 8, settings: DenseSettings = AUTOENCODER
) -> NetworkBatch:
    """Train one autoencoder of patches per task, all at once.

    windows: float32 (windows, frames, coefficients). tasks: their row numbers are indices of
    `windows`. patch: frames per patch. settings: three hidden layers, the middle one linear. Raises
    InputError as `patches` and `stacked.fit` do.
    """
    whole = patches(windows, patch)
    rng = np.random.default_rng(settings.seed)
    count = min(_PER_WINDOW, whole.shape[1])
    order = rng.random(whole.shape[:2]).argsort(axis=1)[:, :count]
    rows = np.arange(len(whole))[:, None]
    x = whole[rows, order].reshape(-1, whole.shape[2])

    def drawn(of: npt.NDArray[Any]) -> Indices:
        return (np.asarray(of)[:, None] * count + np.arange(count)).ravel()

    patch_tasks = [replace(t, train=drawn(t.train), validation=drawn(t.validation)) for t in tasks]
    return stacked.fit(x, x, patch_tasks, settings=settings)


def codes(autoencoder: NetworkBatch, task: int, windows: Array) -> Array:
    """Return mean and standard deviation of each window's patch codes, float32 (windows, 2 * p).

    autoencoder: from `fit`; `task` is the index of the network. windows: float32 (windows, frames,
    coefficients).
    """
    parts = [np.zeros((0, 2 * autoencoder.settings.units[BOTTLENECK]), np.float32)]
    patch = len(autoencoder.layers(0)[0][0]) // windows.shape[2]
    for start in range(0, len(windows), _WINDOWS):
        cut = patches(windows[start : start + _WINDOWS], patch)
        code = autoencoder.hidden(task, cut.reshape(-1, cut.shape[2]), layer=BOTTLENECK)
        code = code.reshape(*cut.shape[:2], -1)
        parts.append(np.concatenate([code.mean(axis=1), code.std(axis=1)], axis=1))
    return np.concatenate(parts)
