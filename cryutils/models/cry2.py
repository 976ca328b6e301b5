"""Paper B's sound network, `cry2`: a window of a spectrogram in, probabilities out.

Notebook 04_cry2 walks this module (Paper B §3, model training: Conv2D, batch normalisation, ReLU
and max pooling in blocks, dropout, a dense softmax). The paper gives no layer sizes; the sizes
chosen here suit a hundred clips. Scaling of the decibels is part of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras
from cryutils.models.blocks import blocks, classifier

__all__ = ["adapt", "build"]

_NORMALISER = "normalise"


def build(
    input_shape: Sequence[int],
    classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the compiled network: one window of a spectrogram in, softmax out.

    MFCC and mel-spectrogram together are side by side, as one wider picture. After the blocks the
    mean is taken over time, because the time of a cry within its window means nothing. Coefficients
    are not averaged, because a pitch is a place on that axis.

    Parameters
    ----------
    input_shape : sequence of int
        (frames, coefficients) or (frames, coefficients, 1).
    classes : int
        Number of states.
    filters : sequence of int
        Of each block. Each halves both axes; the first convolution has stride 2 as well.
    dropout : float
        Before the last layer, 0 to below 1.
    learning_rate : float
        Of Adam.

    Returns
    -------
    keras.Model
        float32 windows (n, frames, coefficients) in, probabilities (n, classes) out.

    Raises
    ------
    InputError
        A window too small for that many blocks, or a `dropout` out of range.
    """
    shape = tuple(input_shape)
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,)):
        raise InputError(f"input_shape={shape}: give (frames, coefficients), one channel.")
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input(shape, name="spectrogram")
    # A batch normalisation that never trains, whose mean and variance `adapt` sets. (The mean and
    # variance of Keras' Normalization are constants of the graph, not weights.)
    h = layers.BatchNormalization(
        axis=2, center=False, scale=False, epsilon=1e-6, trainable=False, name=_NORMALISER
    )(inputs)
    h = layers.Reshape((shape[0], shape[1], 1), name="picture")(h)
    h = blocks(h, filters)
    h = layers.AveragePooling2D((h.shape[1], 1), name="mean_over_time")(h)
    h = layers.Flatten(name="flatten")(h)
    return classifier(inputs, h, classes, dropout, learning_rate, name="cry2")


def adapt(model: Any, rows: npt.NDArray[np.float32]) -> None:
    """Set mean and variance of the first layer to those of `rows`, the training windows.

    `training.fit` calls it with training rows only. Networks without that layer, such as `image`,
    are unchanged. A constant coefficient is only centred. rows: float32 (rows, frames,
    coefficients) or (rows, frames, coefficients, 1).
    """
    if not any(layer.name == _NORMALISER for layer in model.layers):
        return
    axes = tuple(axis for axis in range(rows.ndim) if axis != 2)
    mean = rows.mean(axis=axes, dtype=np.float64)
    variance = rows.var(axis=axes, dtype=np.float64)
    model.get_layer(_NORMALISER).set_weights([mean, np.where(variance > 0, variance, 1.0)])
