"""Parts of Paper B's networks in notebooks 04_cry2 and 05_image, and `describe`, which lists layers.

§3: Conv2D, batch normalisation, ReLU and max pooling; dropout and a dense softmax; Adam;
categorical cross-entropy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras

if TYPE_CHECKING:
    import pandas as pd

# Momentum of batch normalisation's moving averages. With Keras' default, 0.99, they need about 500
# steps to settle, but 100 clips give only 8 steps per epoch.
_MOMENTUM = 0.9


def blocks(h: Any, filters: Sequence[int], *, l2: float = 0.0) -> Any:
    """Return `h` after blocks of Conv2D, batch normalisation, ReLU and max pooling."""
    keras = _keras()
    layers = keras.layers
    smallest = 2 ** (len(filters) + 1)
    if not filters or min(h.shape[1:3]) < smallest:
        remedy = f"give one block or more, and a picture of {smallest} x {smallest} at least for that many"
        raise InputError(f"filters={tuple(filters)} on {h.shape[1]} x {h.shape[2]}: {remedy}.")
    for number, count in enumerate(filters, start=1):
        # No bias, because the batch normalisation that follows would remove it.
        h = layers.Conv2D(
            count,
            3,
            strides=2 if number == 1 else 1,
            padding="same",
            use_bias=False,
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name=f"conv{number}",
        )(h)
        h = layers.BatchNormalization(momentum=_MOMENTUM, name=f"norm{number}")(h)
        h = layers.ReLU(name=f"relu{number}")(h)
        h = layers.MaxPooling2D(name=f"pool{number}")(h)
    return h


def classifier(inputs: Any, h: Any, classes: int, dropout: float, learning_rate: float, *, name: str) -> Any:
    """Return the compiled model from `inputs` to `h`, followed by dropout and a dense softmax."""
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout}: give a share from 0 to below 1, such as 0.3.")
    keras = _keras()
    h = keras.layers.Dropout(dropout, name="dropout")(h)
    outputs = keras.layers.Dense(classes, activation="softmax", name="states")(h)
    return compiled(keras.Model(inputs, outputs, name=name), keras.optimizers.Adam(learning_rate))


def compiled(model: Any, optimizer: Any) -> Any:
    """Return the `model`, compiled with categorical cross-entropy."""
    model.compile(
        optimizer=optimizer,
        loss="sparse_categorical_crossentropy",  # takes class indices instead of one-hot rows
        weighted_metrics=["accuracy"],
        jit_compile=False,  # compiling would take longer than the few steps
    )
    return model


def describe(model: Any) -> "pd.DataFrame":
    """Return a table of the model's layers, with the numbers of all and of trained parameters."""
    import pandas as pd

    table = pd.DataFrame({"layer": [layer.name for layer in model.layers]})
    table["kind"] = [type(layer).__name__ for layer in model.layers]
    table["output"] = [" x ".join(map(str, layer.output.shape[1:])) for layer in model.layers]
    table["parameters"] = [layer.count_params() for layer in model.layers]
    trained = (layer.trainable_weights for layer in model.layers)
    return table.assign(trained=[sum(int(np.prod(w.shape)) for w in each) for each in trained])
