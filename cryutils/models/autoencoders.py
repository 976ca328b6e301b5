"""Encoder of an autoencoder followed by a DNN: Paper A's submodel for MFCC and for STFT.

Used in notebooks 08_autoencoder_dnn and 09_ensemble. Paper A §3.4.1, eq. (1): an encoder
A: R^n -> R^p and a decoder B: R^p -> R^n that minimise E[D(x, B(A(x)))]. §3.5: "we use
only the front part of the autoencoder to remove the noise. Then starting from the bottleneck, we
use a DNN". The paper gives no sizes. Here x is a patch: a few consecutive frames of a sound's
features. Each window of sound is described by the mean and standard deviation of its patches'
codes. A small dense network predicts the state from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.evaluation.splits import Division, Indices
from cryutils.models import stacked
from cryutils.models.inputs import Examples, by_clip
from cryutils.models.stacked import DenseSettings, FitSpec, NetworkBatch

__all__ = [
    "AUTOENCODER", "BOTTLENECK", "DNN", "AeDnn", "codes", "cross_fit", "fit", "patches",
    "reconstruction", "sized",
]  # fmt: skip

Array = npt.NDArray[np.float32]

BOTTLENECK = 1  # index of the hidden layer that outputs the code
AUTOENCODER = DenseSettings(
    units=(128, 32, 128), linear=(BOTTLENECK,), dropout=0.0, epochs=20, batch_size=16, patience=5
)
DNN = DenseSettings(units=(64,), dropout=0.3, epochs=40, batch_size=32, patience=8)
_WINDOWS = 512  # windows encoded at once, to limit memory


def sized(bottleneck: int, *, hidden: int = 128) -> DenseSettings:
    """Return `AUTOENCODER` with layers of `hidden`, `bottleneck` (the code) and `hidden` units."""
    return replace(AUTOENCODER, units=(hidden, bottleneck, hidden))


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
    return np.ascontiguousarray(windows[:, : count * patch]).reshape(
        rows, count, patch * coefficients
    )


def fit(
    windows: Array,
    tasks: Sequence[FitSpec],
    *,
    patch: int = 8,
    per_window: int = 4,
    settings: DenseSettings = AUTOENCODER,
    progress: bool = False,
) -> NetworkBatch:
    """Train one autoencoder of patches per task, all at once.

    windows: float32 (windows, frames, coefficients). tasks: their row numbers are indices of
    `windows`. patch: frames per patch. per_window: patches drawn from each window; a few are
    enough, because windows overlap and the patches of a cry are similar. settings: three hidden
    layers, the middle one linear; see `sized`. Raises InputError as `patches` and `stacked.fit` do.
    """
    whole = patches(windows, patch)
    rng = np.random.default_rng(settings.seed)
    count = min(max(1, per_window), whole.shape[1])
    order = rng.random(whole.shape[:2]).argsort(axis=1)[:, :count]
    rows = np.arange(len(whole))[:, None]
    x = whole[rows, order].reshape(-1, whole.shape[2])

    def drawn(of: npt.NDArray[Any]) -> Indices:
        return (np.asarray(of)[:, None] * count + np.arange(count)).ravel()

    patch_tasks = [replace(t, train=drawn(t.train), validation=drawn(t.validation)) for t in tasks]
    return stacked.fit(x, x, patch_tasks, settings=settings, progress=progress)


def codes(autoencoder: NetworkBatch, task: int, windows: Array, *, largest: bool = False) -> Array:
    """Return the mean and standard deviation of each window's patch codes, (windows, 2 * p).

    autoencoder: from `fit`; `task` is the index of the network. windows: float32 (windows, frames,
    coefficients). largest: return the largest code of each unit instead, (windows, p). The result
    is float32.
    """
    width = autoencoder.settings.units[BOTTLENECK]
    parts = [np.zeros((0, width if largest else 2 * width), np.float32)]
    for start in range(0, len(windows), _WINDOWS):
        cut = _patches_of(autoencoder, windows[start : start + _WINDOWS])
        code = autoencoder.hidden(task, cut.reshape(-1, cut.shape[2]), layer=BOTTLENECK)
        code = code.reshape(*cut.shape[:2], -1)
        of_window = [code.max(axis=1)] if largest else [code.mean(axis=1), code.std(axis=1)]
        parts.append(np.concatenate(of_window, axis=1))
    return np.concatenate(parts)


def reconstruction(autoencoder: NetworkBatch, task: int, windows: Array) -> Array:
    """Return the windows reconstructed patch by patch, B(A(x)), in the unit of the features.

    float32 (windows, frames of whole patches, coefficients). Arguments as in `codes`.
    """
    cut = _patches_of(autoencoder, windows)
    back = autoencoder.predict(task, cut.reshape(-1, cut.shape[2]))
    return back.reshape(len(windows), -1, windows.shape[2])


def _patches_of(autoencoder: NetworkBatch, windows: Array) -> Array:
    """Return the patches of windows, in the size that the autoencoder takes."""
    size = len(autoencoder.layers(0)[0][0])
    return patches(windows, size // windows.shape[2])


@dataclass(frozen=True, eq=False)
class AeDnn:
    """Trained autoencoders and DNNs, one pair per division of the clips.

    codes: as `codes` returns them, float32 (divisions, windows, width). probabilities: float32
    (clips, classes), the mean over a clip's windows, from the last division that tests the clip;
    NaN for a clip that has no windows or is in no test part.
    """

    autoencoders: NetworkBatch = field(repr=False)
    classifiers: NetworkBatch = field(repr=False)
    codes: Array = field(repr=False)
    probabilities: Array = field(repr=False)


def cross_fit(
    examples: Examples,
    y: Indices,
    divisions: Sequence[Division],
    *,
    classes: int,
    patch: int = 8,
    per_window: int = 4,
    autoencoder: DenseSettings = AUTOENCODER,
    dnn: DenseSettings = DNN,
    largest: bool = False,
    progress: bool = False,
) -> AeDnn:
    """Train an encoder and a DNN on each division, and predict the division's test clips.

    The DNN is trained on the codes of the frozen encoder. examples: windows of all clips, x float32
    (windows, frames, coefficients). y: class index of each clip, int (clips,), below `classes`.
    divisions: of clips; both trainings have the validation part `stop`. Where it is the test part,
    the DNN's best epoch is chosen by accuracy, as in Paper A. Other arguments as in `fit` and
    `codes`.
    """
    tasks = [FitSpec(examples.rows(d.fit), examples.rows(d.stop)) for d in divisions]
    encoders = fit(
        examples.x, tasks, patch=patch, per_window=per_window, settings=autoencoder,
        progress=progress,
    )  # fmt: skip
    coded = np.stack([codes(encoders, k, examples.x, largest=largest) for k in range(len(tasks))])
    of_each = [
        replace(task, group=k, monitor="accuracy" if d.stops_on_test else "loss")
        for k, (task, d) in enumerate(zip(tasks, divisions, strict=True))
    ]
    heads = stacked.fit(
        coded, y[examples.clip], of_each, classes=classes, settings=dnn, progress=progress
    )
    answers = np.full((len(examples.x), classes), np.nan, np.float32)
    for k, division in enumerate(divisions):
        rows = examples.rows(division.test)
        answers[rows] = heads.predict(k, coded[k, rows])
    return AeDnn(encoders, heads, coded, by_clip(answers, examples.clip, len(y)))
