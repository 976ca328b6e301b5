"""An autoencoder's front part and a DNN behind it: Paper A's submodel for MFCC and for STFT.

Walked by notebook 08_autoencoder_dnn, used again by 09_ensemble. Paper A §3.4.1, eq. (1): an
encoder A: R^n -> R^p and a decoder B: R^p -> R^n for which E[D(x, B(A(x)))] is least; §3.5: "we
use only the front part of the autoencoder to remove the noise. Then starting from the
bottleneck, we use a DNN". The paper gives no size. Here x is a patch, some consecutive frames
of a sound's features; a window of sound is described by mean and deviation of the codes of
its patches, which a small dense network turns into probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.models import stacked
from cryutils.models.backend import keras as _keras
from cryutils.models.examples import Examples, by_clip
from cryutils.models.stacked import DenseSettings, FitSpec, NetworkBatch

__all__ = [
    "AUTOENCODER",
    "BOTTLENECK",
    "DNN",
    "AeDnn",
    "Division",
    "build",
    "build_dnn",
    "build_submodel",
    "codes",
    "cross_fit",
    "fit",
    "keras_classifier",
    "patches",
    "reconstruction",
    "sized",
]

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Division = tuple[Indices, Indices, Indices]

BOTTLENECK = 1  # which of the three hidden layers is the code
AUTOENCODER = DenseSettings(
    units=(128, 32, 128), linear=(BOTTLENECK,), dropout=0.0, epochs=20, batch_size=16, patience=5
)
DNN = DenseSettings(units=(64,), dropout=0.3, epochs=40, batch_size=32, patience=8)
_WINDOWS = 512  # encoded at once, so that memory doesn't grow with the corpus


def sized(bottleneck: int, *, hidden: int = 128) -> DenseSettings:
    """Return `AUTOENCODER` for a code of `bottleneck` numbers."""
    return replace(AUTOENCODER, units=(hidden, bottleneck, hidden), linear=(BOTTLENECK,))


def patches(windows: Array, patch: int) -> Array:
    """Return each window cut into consecutive patches, float32 (windows, patches, n).

    n = patch * coefficients; frames behind the last whole patch are left out.

    Parameters
    ----------
    windows : ndarray of float32
        (windows, frames, coefficients).
    patch : int
        Frames of a patch.

    Raises
    ------
    InputError
        A patch doesn't fit into a window.
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
    clean: Array | None = None,
    progress: bool = False,
) -> NetworkBatch:
    """Return an autoencoder of patches for each task, trained side by side.

    Parameters
    ----------
    windows : ndarray of float32
        (windows, frames, coefficients).
    tasks : sequence of FitSpec
        Their rows are rows of `windows`.
    patch : int
        Frames of a patch.
    per_window : int
        So many patches are drawn of each window; neighbouring windows overlap and patches of one
        cry are alike, so that few do.
    settings : DenseSettings
        Three hidden layers, the middle one linear; see `sized`.
    clean : ndarray of float32, optional
        The windows to reconstruct where `windows` are noisy ones of the same sounds (a denoising
        autoencoder); None: `windows` themselves.
    progress : bool
        As in `stacked.fit`.

    Raises
    ------
    InputError
        Settings of another form, or what `stacked.fit` raises.
    """
    if len(settings.units) != 3 or settings.linear != (BOTTLENECK,):
        raise InputError(
            f"units={settings.units}, linear={settings.linear}: an autoencoder here has three"
            f" hidden layers and linear=({BOTTLENECK},), its bottleneck."
        )
    whole = patches(windows, patch)
    rng = np.random.default_rng(settings.seed)
    count = min(max(1, per_window), whole.shape[1])
    order = rng.random(whole.shape[:2]).argsort(axis=1)[:, :count]
    rows = np.arange(len(whole))[:, None]
    x = whole[rows, order].reshape(-1, whole.shape[2])
    y = x
    if clean is not None:
        y = patches(clean, patch)[rows, order].reshape(x.shape)

    def drawn(of: npt.NDArray[Any]) -> Indices:
        return (np.asarray(of)[:, None] * count + np.arange(count)).ravel()

    patch_tasks = [replace(t, train=drawn(t.train), validation=drawn(t.validation)) for t in tasks]
    return stacked.fit(x, y, patch_tasks, settings=settings, progress=progress)


def codes(autoencoder: NetworkBatch, task: int, windows: Array) -> Array:
    """Return what the encoder makes of each window, float32 (windows, 2 * p).

    The mean of its patches' codes, then their standard deviation.

    Parameters
    ----------
    autoencoder : NetworkBatch
        From `fit`.
    task : int
        Which of its networks.
    windows : ndarray of float32
        (windows, frames, coefficients).
    """
    parts = [np.zeros((0, 2 * autoencoder.settings.units[BOTTLENECK]), np.float32)]
    for start in range(0, len(windows), _WINDOWS):
        cut = patches(windows[start : start + _WINDOWS], _patch(autoencoder, windows))
        code = autoencoder.hidden(task, cut.reshape(-1, cut.shape[2]), layer=BOTTLENECK)
        code = code.reshape(*cut.shape[:2], -1)
        parts.append(np.concatenate([code.mean(axis=1), code.std(axis=1)], axis=1))
    return np.concatenate(parts).astype(np.float32, copy=False)


def reconstruction(autoencoder: NetworkBatch, task: int, windows: Array) -> Array:
    """Return B(A(x)) of each window's patches, put together again.

    float32 (windows, frames in whole patches, coefficients), in the features' own unit.

    Parameters
    ----------
    autoencoder : NetworkBatch
        From `fit`.
    task : int
        Which of its networks.
    windows : ndarray of float32
        (windows, frames, coefficients).
    """
    cut = patches(windows, _patch(autoencoder, windows))
    back = autoencoder.predict(task, cut.reshape(-1, cut.shape[2]))
    return back.reshape(len(windows), -1, windows.shape[2])


@dataclass(frozen=True, eq=False)
class AeDnn:
    """Autoencoders and the DNNs behind them, one of each for every division of the clips.

    `codes` is float32 (divisions, windows, 2 * p); `probabilities` float32 (clips, classes),
    the mean over a clip's windows, each answered by a division that tests its clip (the last
    that does); NaN for a clip without windows or that none tests.
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
    progress: bool = False,
) -> AeDnn:
    """Return encoder and DNN fitted on each division, and their answers to its test clips.

    The encoder is frozen: the DNN is trained on its codes, and doesn't change it.

    Parameters
    ----------
    examples : Examples
        Windows of all clips, x float32 (windows, frames, coefficients).
    y : ndarray of int
        Class index of each clip (clips,).
    divisions : sequence of (train, stop, test)
        Numbers of clips. Both trainings stop by `stop`, which is the test part itself where a paper
        chose its epochs by that.
    classes : int
        How many there are.
    patch, per_window : int
        As in `fit`.
    autoencoder, dnn : DenseSettings
        Of the two trainings.
    progress : bool
        As in `stacked.fit`.
    """
    tasks = [
        FitSpec(train=examples.rows(train), validation=examples.rows(stop))
        for train, stop, _ in divisions
    ]
    encoders = fit(
        examples.x, tasks, patch=patch, per_window=per_window, settings=autoencoder,
        progress=progress,
    )  # fmt: skip
    coded = np.stack([codes(encoders, k, examples.x) for k in range(len(tasks))])
    of_each = [replace(task, group=k) for k, task in enumerate(tasks)]
    heads = stacked.fit(
        coded, y[examples.clip], of_each, classes=classes, settings=dnn, progress=progress
    )
    answers = np.full((len(examples.x), classes), np.nan, np.float32)
    for k, (_, _, test) in enumerate(divisions):
        rows = examples.rows(test)
        answers[rows] = heads.predict(k, coded[k, rows])
    return AeDnn(encoders, heads, coded, by_clip(answers, examples.clip, len(y)))


def build(size: int, settings: DenseSettings = AUTOENCODER) -> Any:
    """Return Paper A's autoencoder of a patch, not compiled (§3.4.1, eq. (1)).

    Parameters
    ----------
    size : int
        Numbers in a patch: frames times coefficients.
    settings : DenseSettings
        Its units and which of its layers are linear.

    Returns
    -------
    keras.Model
        float32 (n, size) in, the reconstruction out; layer "bottleneck" gives the code.
    """
    keras = _keras()
    patch = keras.Input((size,), name="patch")
    h = _front(patch, settings)
    h = keras.layers.Dense(settings.units[2], activation="relu", name="decoder")(h)
    return keras.Model(patch, keras.layers.Dense(size, name="back")(h), name="autoencoder")


def build_dnn(width: int, classes: int, settings: DenseSettings = DNN) -> Any:
    """Return the DNN behind the front part, not compiled (§3.5).

    Parameters
    ----------
    width : int
        Numbers in a window's codes: mean and deviation, twice the bottleneck.
    classes : int
        How many states.
    settings : DenseSettings
        Its units and dropout.

    Returns
    -------
    keras.Model
        float32 (n, width) in, probabilities (n, classes) out.
    """
    keras = _keras()
    codes = keras.Input((width,), name="codes")
    return keras.Model(codes, _behind(codes, classes, settings), name="dnn")


def build_submodel(
    window_shape: Sequence[int],
    classes: int,
    *,
    patch: int,
    autoencoder: DenseSettings = AUTOENCODER,
    dnn: DenseSettings = DNN,
) -> Any:
    """Return front part and DNN as one network, not compiled: a window in, softmax out (§3.5).

    float32 (n, frames, coefficients) in; frames that fill no whole patch are cut off. Layer
    "bottleneck" gives the codes, (n, patches, p), "mean_and_deviation" what the DNN looks at.
    """
    keras = _keras()
    frames, coefficients = window_shape
    window = keras.Input((frames, coefficients), name="window")
    h = keras.layers.Cropping1D((0, frames % patch), name="whole_patches")(window)
    h = keras.layers.Reshape((frames // patch, patch * coefficients), name="patches")(h)
    h = _front(h, autoencoder)
    both = [keras.ops.mean(h, axis=1), keras.ops.std(h, axis=1)]
    h = keras.layers.Concatenate(name="mean_and_deviation")(both)
    return keras.Model(window, _behind(h, classes, dnn), name="ae_dnn")


def _front(h: Any, settings: DenseSettings) -> Any:
    dense = _keras().layers.Dense
    hidden, code, _ = settings.units
    return dense(code, name="bottleneck")(dense(hidden, activation="relu", name="encoder")(h))


def _behind(h: Any, classes: int, settings: DenseSettings) -> Any:
    layers = _keras().layers
    for k, units in enumerate(settings.units, 1):
        h = layers.Dense(units, activation="relu", name=f"dense{k}")(h)
        h = layers.Dropout(settings.dropout, name=f"dropout{k}")(h)
    return layers.Dense(classes, activation="softmax", name="answer")(h)


def keras_classifier(
    autoencoder: NetworkBatch,
    autoencoder_task: int,
    dnn: NetworkBatch,
    dnn_task: int,
    window_shape: Sequence[int],
) -> Any:
    """Return `build_submodel` with the weights of a trained encoder and DNN, to keep and export.

    Parameters
    ----------
    autoencoder : NetworkBatch
        From `fit`.
    autoencoder_task : int
        Which of its networks.
    dnn : NetworkBatch
        Trained on its `codes`.
    dnn_task : int
        Which of its networks.
    window_shape : sequence of int
        (frames, coefficients).
    """
    front = autoencoder.layers(autoencoder_task)[: BOTTLENECK + 1]
    behind = dnn.keras(dnn_task).get_weights()
    model = build_submodel(
        window_shape, len(behind[-1]), patch=len(front[0][0]) // window_shape[1],
        autoencoder=autoencoder.settings, dnn=dnn.settings,
    )  # fmt: skip
    model.set_weights([*(array for layer in front for array in layer), *behind])
    return model


def _patch(autoencoder: NetworkBatch, windows: Array) -> int:
    n = autoencoder.layers(0)[0][0].shape[0]
    if n % windows.shape[2]:
        raise InputError(
            f"windows of {windows.shape[2]} coefficients, but patches of {n} numbers: this"
            " autoencoder was trained on other features."
        )
    return n // windows.shape[2]
