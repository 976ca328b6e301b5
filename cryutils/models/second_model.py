"""Paper A's second model after ResNet-50: `head` alone, `network` and `joined` with ResNet-50.

Used in notebook 07_frames_resnet50. Paper A (§3.5) freezes ResNet-50 with its ImageNet weights
and trains a second model of pooling, flatten, dense and softmax after it. The frozen part is
computed once (`papers.embeddings.embed`), `head` is trained on these embeddings, and `joined`
attaches it to its backbone again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cryutils.errors import InputError
from cryutils.models import backbones
from cryutils.models.backend import keras as _keras

if TYPE_CHECKING:
    from cryutils.models.backbones import Backbone

__all__ = ["head", "joined", "network"]


def network(
    backbone: Backbone,
    classes: int,
    *,
    trainable: bool = False,
    units: int = 64,
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the compiled network from pixels, uint8 (n, height, width, 3), to probabilities.

    It is a copy of the backbone, followed by the paper's second model. trainable: also train the
    backbone, except its batch normalisation, because the statistics of small batches would
    overwrite the pretrained ones. Other arguments as in `head`.
    """
    keras = _keras()
    shape = backbone.model.input_shape[1:]
    copy = keras.models.clone_model(backbone.model)
    copy.set_weights(backbone.model.get_weights())
    _set_trainable(copy, trainable)
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    maps = copy(keras.layers.Rescaling(1.0, name="float")(pixels), training=False)
    states = _second_model(maps, classes, units, dropout)
    return _compiled(keras.Model(pixels, states, name="image_submodel"), learning_rate)


def head(
    input_shape: Sequence[int],
    classes: int,
    *,
    units: int = 64,
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the paper's second model, compiled: pooling, flatten, dense ReLU, softmax.

    Parameters
    ----------
    input_shape : sequence of int
        (h, w, features), a backbone's maps, or (features,), its pooled embeddings.
    classes : int
        Number of states.
    units : int
        Units of the dense layer.
    dropout : float
        Share of units dropped in training, from 0 to below 1.
    learning_rate : float
        Learning rate of RMSProp, which the paper names for its audio models.

    Returns
    -------
    keras.Model
        float32 features in, probabilities (n, classes) out.

    Raises
    ------
    InputError
        `input_shape` has another length, or `dropout` is out of range.
    """
    shape = tuple(input_shape)
    if len(shape) not in (1, 3):
        raise InputError(f"input_shape={shape}: give (h, w, features) or (features,).")
    keras = _keras()
    inputs = keras.Input(shape, name="features")
    outputs = _second_model(inputs, classes, units, dropout)
    return _compiled(keras.Model(inputs, outputs, name="second_model"), learning_rate)


def joined(backbone: Backbone, head: Any) -> Any:
    """Return the Keras model from pixels to the probabilities of a head trained on embeddings.

    Parameters
    ----------
    backbone : Backbone
        The backbone that computed those embeddings.
    head : keras.Model
        Takes (n, features) or (n, h, w, features); from `head` or `NetworkBatch.keras`.
    """
    front = backbones.head_input(backbone) if len(head.input_shape) == 2 else backbone.model
    return _keras().Model(front.input, head(front.output), name="frozen_and_head")


def _set_trainable(layer: Any, trainable: bool) -> None:
    # Set each layer: in Keras 3.15 a clone of a frozen model does not pass its flag on to them.
    # Batch normalisation depends on its flag only: the outer model overrules `training=False`.
    layer.trainable = trainable and not isinstance(layer, _keras().layers.BatchNormalization)
    for inner in getattr(layer, "layers", ()):
        _set_trainable(inner, trainable)


def _second_model(h: Any, classes: int, units: int, dropout: float) -> Any:
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout} is no share; use one from 0 to below 1, such as 0.3.")
    layers = _keras().layers
    if len(h.shape) == 4:
        h = layers.GlobalAveragePooling2D(name="pooling")(h)
    h = layers.Flatten(name="flatten")(h)
    h = layers.Dense(units, activation="relu", name="dense")(h)
    h = layers.Dropout(dropout, name="dropout")(h)
    return layers.Dense(classes, activation="softmax", name="states")(h)


def _compiled(model: Any, learning_rate: float) -> Any:
    model.compile(
        optimizer=_keras().optimizers.RMSprop(learning_rate),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
        jit_compile=False,  # compiling would take longer than the few steps
    )
    return model
