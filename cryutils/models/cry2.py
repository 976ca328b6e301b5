"""Paper B's sound network, `cry2`: a window of a spectrogram in, probabilities out.

Used in notebook 04_cry2 (Paper B §3, model training: Conv2D, batch normalisation, ReLU and max
pooling in blocks, dropout, a dense softmax). The paper gives no layer sizes; the sizes chosen here
suit a hundred clips. The network scales the decibels itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.models.backend import keras as _keras
from cryutils.models.blocks import blocks, classifier

_NORMALISER = "normalise"


def build(
    input_shape: Sequence[int],
    classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the compiled network.

    MFCC and mel-spectrogram together form one wider picture, side by side. The output of the blocks
    is averaged over time, because the position of a cry within its window carries no information,
    but not over coefficients, which encode the pitch.

    Parameters
    ----------
    input_shape, classes : tuple, int
        (frames, coefficients), and the number of classes.
    filters : tuple
        Of each block, which halves both axes; the first convolution also has stride 2.
    dropout, learning_rate : float
        Share of the values before the last layer that training leaves out; step size of Adam.

    Returns
    -------
    keras.Model
        From windows, float32 (n, frames, coefficients), to probabilities (n, classes). Raises
        InputError if the window is too small for that many blocks, or `dropout` is out of range.

    Examples
    --------
    >>> build((63, 60), 4).output_shape  # doctest: +SKIP
    (None, 4)
    """
    shape = tuple(input_shape)
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input(shape, name="spectrogram")
    # A batch normalisation that is never trained; `adapt` sets its mean and variance. (In Keras'
    # Normalization they are constants of the graph, not weights.)
    h = layers.BatchNormalization(
        axis=2, center=False, scale=False, epsilon=1e-6, trainable=False, name=_NORMALISER
    )(inputs)
    h = layers.Reshape((*shape, 1), name="picture")(h)
    h = blocks(h, filters)
    h = layers.AveragePooling2D((h.shape[1], 1), name="mean_over_time")(h)
    h = layers.Flatten(name="flatten")(h)
    return classifier(inputs, h, classes, dropout, learning_rate, name="cry2")


def adapt(model: Any, rows: npt.NDArray[np.float32]) -> Any:
    """Let a model scale its inputs by mean and variance of the training windows.

    Parameters
    ----------
    model : keras.Model
        From `build`, or another one with a batch normalisation named "normalise".
    rows : array
        The training windows, float32 (rows, frames, coefficients).

    Returns
    -------
    keras.Model
        The same model. It centres a constant coefficient, but does not scale it.

    Examples
    --------
    >>> network = adapt(build(rows.shape[1:], 4), rows)  # doctest: +SKIP
    """
    mean = rows.mean(axis=(0, 1), dtype=np.float64)
    variance = rows.var(axis=(0, 1), dtype=np.float64)
    model.get_layer(_NORMALISER).set_weights([mean, np.where(variance > 0, variance, 1.0)])
    return model
