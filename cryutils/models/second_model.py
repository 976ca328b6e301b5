"""Paper A's second model after ResNet-50, fine-tuned or frozen: `network`.

Notebook 07_frames_resnet50 writes it out in Keras. Paper A (§3.5) freezes ResNet-50 with its
ImageNet weights and trains a second model of pooling, flatten, dense and softmax after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryutils.models.backend import keras as _keras
from cryutils.models.blocks import check_dropout, compiled

if TYPE_CHECKING:
    from cryutils.models.backbones import Backbone

__all__ = ["network"]


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
    overwrite the pretrained ones. units: of the dense layer. dropout: from 0 to below 1; raises
    InputError otherwise. learning_rate: of RMSProp, which the paper names for its audio models.
    """
    check_dropout(dropout)
    keras = _keras()
    layers = keras.layers
    copy = keras.models.clone_model(backbone.model)
    copy.set_weights(backbone.model.get_weights())
    _set_trainable(copy, trainable)
    pixels = keras.Input(backbone.model.input_shape[1:], dtype="uint8", name="pixels")
    h = copy(layers.Rescaling(1.0, name="float")(pixels), training=False)
    h = layers.GlobalAveragePooling2D(name="pooling")(h)
    h = layers.Flatten(name="flatten")(h)
    h = layers.Dense(units, activation="relu", name="dense")(h)
    h = layers.Dropout(dropout, name="dropout")(h)
    states = layers.Dense(classes, activation="softmax", name="states")(h)
    model = keras.Model(pixels, states, name="image_submodel")
    return compiled(model, keras.optimizers.RMSprop(learning_rate))


def _set_trainable(layer: Any, trainable: bool) -> None:
    # Set each layer: in Keras 3.15 a clone of a frozen model does not pass its flag on to them.
    # Batch normalisation depends on its flag only: the outer model overrules `training=False`.
    layer.trainable = trainable and not isinstance(layer, _keras().layers.BatchNormalization)
    for inner in getattr(layer, "layers", ()):
        _set_trainable(inner, trainable)
