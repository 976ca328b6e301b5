"""Networks that differ only in how they combine the frames of a clip: `build`.

Used in notebooks 12_beyond_the_papers (frames of sound) and appendix_faces (frames of a video, as
embeddings of a frozen network). Paper B names temporal models and attention as future work.
Each network has one dense layer per frame; then the frames are combined by their mean, a
convolution over time, a GRU (Cho et al. 2014, arXiv 1406.1078), or attention (Ilse et al. 2018,
arXiv 1802.04712).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras as _keras
from cryutils.models.blocks import classifier

__all__ = ["POOLINGS", "attention", "build"]

POOLINGS = {
    "mean": "mean over the frames",
    "convolution": "convolution over time",
    "gru": "GRU",
    "attention": "attention",
}


def build(
    input_shape: Sequence[int],
    classes: int,
    *,
    pooling: str = "mean",
    together: int = 4,
    units: int = 32,
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the compiled network.

    It takes windows, float32 (n, frames, coefficients), and returns probabilities (n, classes).

    input_shape: (frames, coefficients). pooling: one of `POOLINGS`. together: number of frames that
    are averaged before anything else. units: of the dense layer, the convolution and the GRU.
    Raises InputError for another pooling, or a `dropout` out of range.
    """
    if pooling not in POOLINGS:
        raise InputError(f"no pooling {pooling!r}.{near_miss(pooling, POOLINGS)}")
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input(tuple(input_shape), name="frames")
    # Standardises each coefficient; `cry2.adapt` sets its mean and variance.
    h = layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-6, trainable=False, name="normalise"
    )(inputs)
    h = layers.AveragePooling1D(together, name="shorter")(h)
    h = layers.Dense(units, activation="relu", name="dense")(h)
    if pooling == "convolution":
        h = layers.Conv1D(units, 5, padding="same", activation="relu", name="convolution")(h)
    if pooling in ("mean", "convolution"):
        h = layers.GlobalAveragePooling1D(name="mean")(h)
    elif pooling == "gru":
        h = layers.GRU(units, name="gru")(h)
    else:
        scores = layers.Dense(1, name="scores")(h)
        weights = layers.Softmax(axis=1, name="weights")(scores)
        h = layers.Flatten(name="weighted_mean")(layers.Dot(axes=1)([weights, h]))
    return classifier(inputs, h, classes, dropout, learning_rate, name=pooling)


def attention(model: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the weights of a network with attention, float32 (n, moments); each row sums to 1.

    A moment is `together` frames. model: from `build`. x: float32 (n, frames, coefficients).
    """
    weights = _keras().Model(model.inputs, model.get_layer("weights").output)
    return np.asarray(weights.predict(x, batch_size=256, verbose=0)[..., 0])
