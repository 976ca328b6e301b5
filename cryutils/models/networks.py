"""Paper B's two networks: `cry2` hears a spectrogram, `image` looks at a face.

Notebook 04_cry2 walks `cry2`, 05_image walks `image`, `augmentation` and `describe` (Paper B
§3, model training: Conv2D, batch normalisation, ReLU and max pooling in blocks, dropout, a
dense softmax; Adam; categorical cross-entropy). The paper gives no size of any layer: what is
chosen here is small enough to be trained on a hundred clips in seconds. Each network takes
what was measured (dB, pixels) and scales it inside, so a saved file needs nothing beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.models.backbones import Backbone

__all__ = ["adapt", "augmentation", "cry2", "describe", "image"]

_NORMALISER = "normalise"
# Batch normalisation's moving averages, which answer outside training. Keras' 0.99 needs
# some 500 steps to settle; 100 clips give 8 an epoch.
_MOMENTUM = 0.9


def cry2(
    input_shape: Sequence[int],
    classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the compiled audio network of Paper B: one window of a spectrogram in, softmax out.

    MFCC and mel-spectrogram together are given side by side, as one wider picture: every
    coefficient is normalised by itself, and only a kernel on the seam sees both.

    After the blocks the mean is taken over time, since when in its window a cry is heard says
    nothing; over the coefficients nothing is averaged, since a pitch is a place on that axis.

    Args:
        input_shape: (frames, coefficients) or (frames, coefficients, 1); input float32.
        classes: how many states.
        filters: of each block, which halves both axes; the first convolution strides by 2 as
            well, which takes a quarter of the work.
        dropout: share of features dropped before the last layer, while training.
        learning_rate: of Adam.

    Raises:
        InputError: a window too small for that many blocks, or no share for `dropout`.
    """
    shape = tuple(input_shape)
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,)):
        raise InputError(f"input_shape={shape}: give (frames, coefficients), one channel.")
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input(shape, name="spectrogram")
    # A batch normalisation that never trains: mean and variance are weights, which `adapt`
    # sets, so folds exchange them without another traced graph (Keras' Normalization keeps
    # them as constants of the graph).
    h = layers.BatchNormalization(
        axis=2, center=False, scale=False, epsilon=1e-6, trainable=False, name=_NORMALISER
    )(inputs)
    h = layers.Reshape((shape[0], shape[1], 1), name="picture")(h)
    h = _blocks(h, filters)
    h = layers.AveragePooling2D((h.shape[1], 1), name="mean_over_time")(h)
    h = layers.Flatten(name="flatten")(h)
    return _compiled(inputs, h, classes, dropout, learning_rate, name="cry2")


def image(
    input_shape: Sequence[int],
    classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
    augment: bool = True,
    l2: float = 1e-2,
    backbone: str | Backbone | None = None,
    weights: str = "auto",
) -> Any:
    """Return the compiled face network of Paper B: one RGB crop in, softmax out.

    A crop has the eyes above and the mouth below, so its own blocks end flat: what is seen
    keeps its place. They get the crop in grey, with its own mean taken away and divided by its
    own deviation: skin, light and background tell the infant, not the state. (On synthetic
    infants other than the notebooks', that and `l2` took balanced accuracy on new infants from
    0.4-0.5 to 0.8-0.9 at `signal=1`.) With a `backbone` the blocks give way to frozen features
    of a network from `keras.applications` and their mean over the picture (transfer learning).

    Args:
        input_shape: (height, width, 3); input uint8.
        classes: how many states.
        filters: as in `cry2`; not used with a backbone.
        dropout: share of features dropped before the last layer, while training.
        learning_rate: of Adam.
        augment: turn, mirror and zoom the crops, while training only; see `augmentation`.
        l2: weight of the squared kernels in the loss; not used with a backbone.
        backbone: a name such as "MobileNetV2", or what `backbones.base` returned.
        weights: as in `backbones.base`, where `backbone` is a name.

    Raises:
        InputError: a crop too small for that many blocks, no share for `dropout`, or what
            `backbones.base` raises.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] != 3:
        raise InputError(f"input_shape={shape}: give (height, width, 3), the crops are RGB.")
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input(shape, dtype="uint8", name="pixels")
    h = layers.Rescaling(1.0, name="float")(inputs)
    if augment:
        h = augmentation()(h)
    if backbone is None:
        h = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(h)
        h = _grey(h)
        h = layers.LayerNormalization(
            axis=(1, 2, 3), center=False, scale=False, name="own_contrast"
        )(h)
        h = _blocks(h, filters, l2=l2)
        h = layers.Flatten(name="flatten")(h)
    else:
        if isinstance(backbone, str):
            from cryutils.models import backbones

            backbone = backbones.base(backbone, input_shape=shape, weights=weights)
        h = backbone.model(h, training=False)
        h = layers.GlobalAveragePooling2D(name="mean_over_picture")(h)
    return _compiled(inputs, h, classes, dropout, learning_rate, name="image")


def augmentation(
    seed: int | None = None, *, turn: float = 15.0, zoom: float = 0.1, mirror: bool = True
) -> Any:
    """Return the layers that vary a picture while training: rotation, flip, scaling (Paper B §3).

    A Keras model, uint8 or float (n, height, width, 3) in, float32 out; called with
    `training=False` it changes nothing. What leaves the picture is filled with its edge.

    Args:
        seed: of the draws; None: from Keras' own seed, as `training.fit` sets it.
        turn: up to so many degrees, either way.
        zoom: up to this share, in or out.
        mirror: left and right, half of the time.
    """
    keras = _keras()
    layers = keras.layers
    seeds = [None] * 3 if seed is None else [seed, seed + 1, seed + 2]
    steps = [
        layers.RandomRotation(turn / 360, fill_mode="nearest", seed=seeds[0], name="rotate"),
        layers.RandomZoom(zoom, fill_mode="nearest", seed=seeds[1], name="zoom"),
    ]
    if mirror:
        steps.append(layers.RandomFlip("horizontal", seed=seeds[2], name="mirror"))
    return keras.Sequential(steps, name="augmentation")


def adapt(model: Any, rows: npt.NDArray[np.float32]) -> None:
    """Set mean and variance of `cry2`'s first layer to those of `rows`, the training windows.

    `training.fit` calls it, with training rows only. Networks without that layer, such as
    `image`, stay as they are. A coefficient that never changes is only centred.

    Args:
        model: a network from here.
        rows: (rows, frames, coefficients) or (rows, frames, coefficients, 1).
    """
    if not any(layer.name == _NORMALISER for layer in model.layers):
        return
    axes = tuple(axis for axis in range(rows.ndim) if axis != 2)
    mean = rows.mean(axis=axes, dtype=np.float64)
    variance = rows.var(axis=axes, dtype=np.float64)
    model.get_layer(_NORMALISER).set_weights([mean, np.where(variance > 0, variance, 1.0)])


def describe(model: Any) -> pd.DataFrame:
    """Return a table of the model's layers: name, kind, output shape and number of parameters.

    `trained` are those of the parameters that training changes. The number of examples, which
    is open, is left out of the shape.
    """
    import pandas as pd

    rows = [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": " x ".join(str(n) for n in layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "trained": sum(int(np.prod(w.shape)) for w in layer.trainable_weights),
        }
        for layer in model.layers
    ]
    return pd.DataFrame(rows)


def _grey(h: Any) -> Any:
    """Return RGB pictures as luma (ITU-R BT.601), by a convolution that never trains."""
    keras = _keras()
    luma = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 1, 3, 1)
    grey = keras.layers.Conv2D(1, 1, use_bias=False, trainable=False, name="grey")
    h = grey(h)
    grey.set_weights([luma])
    return h


def _blocks(h: Any, filters: Sequence[int], *, l2: float = 0.0) -> Any:
    """Return what the blocks make of `h`: each Conv2D, batch normalisation, ReLU, max pooling."""
    keras = _keras()
    layers = keras.layers
    smallest = 2 ** (len(filters) + 1)
    if not filters or min(h.shape[1:3]) < smallest:
        raise InputError(
            f"filters={tuple(filters)} on {h.shape[1]} x {h.shape[2]}: give one block or more,"
            f" and a picture of {smallest} x {smallest} at least for that many."
        )
    for number, count in enumerate(filters, start=1):
        stride = 2 if number == 1 else 1
        # No bias: the normalisation behind would take it away again.
        h = layers.Conv2D(
            count,
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name=f"conv{number}",
        )(h)
        h = layers.BatchNormalization(momentum=_MOMENTUM, name=f"norm{number}")(h)
        h = layers.ReLU(name=f"relu{number}")(h)
        h = layers.MaxPooling2D(name=f"pool{number}")(h)
    return h


def _compiled(
    inputs: Any, h: Any, classes: int, dropout: float, learning_rate: float, *, name: str
) -> Any:
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout} is no share; use one from 0 to below 1, such as 0.3.")
    keras = _keras()
    h = keras.layers.Dropout(dropout, name="dropout")(h)
    outputs = keras.layers.Dense(classes, activation="softmax", name="states")(h)
    model = keras.Model(inputs, outputs, name=name)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        # Categorical cross-entropy, from class numbers in place of one-hot rows.
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # compiling takes longer than so few steps
    )
    return model
