"""Paper B's face network, `image`: an RGB crop in, probabilities out.

Used in notebook 05_image (Paper B §3, model training: a CNN with dropout and dense layers;
augmentation by rotation, flipping and scaling). The paper gives no layer sizes. The network scales
the pixels itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryutils.models.backend import keras as _keras
from cryutils.models.blocks import blocks, classifier

_L2 = 1e-2  # weight of the squared kernels in the loss


def build(
    input_shape: Sequence[int],
    classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    dropout: float = 0.3,
    learning_rate: float = 1e-3,
) -> Any:
    """Return the compiled network.

    It takes RGB crops, uint8 (n, height, width, 3), and returns probabilities (n, classes). The
    blocks get the crop in grey, minus its mean and divided by its deviation, because skin, light
    and background reveal the infant and not the state. (On synthetic infants that the notebooks do
    not use, this and `_L2` raised balanced accuracy on new infants from 0.4-0.5 to 0.8-0.9.) Their
    output is flattened, not averaged, because eyes and mouth have fixed places in a crop.

    Crops are augmented in training. Arguments and errors as in `cry2.build`.
    """
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input(tuple(input_shape), dtype="uint8", name="pixels")
    h = augmentation()(layers.Rescaling(1.0, name="float")(inputs))
    h = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(h)
    # Luma of ITU-R BT.601, by a convolution that is never trained.
    grey = layers.Conv2D(1, 1, use_bias=False, trainable=False, name="grey")
    h = grey(h)
    grey.set_weights([np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 1, 3, 1)])
    h = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, name="own_contrast")(h)
    h = blocks(h, filters, l2=_L2)
    h = layers.Flatten(name="flatten")(h)
    return classifier(inputs, h, classes, dropout, learning_rate, name="image")


def augmentation() -> Any:
    """Return the augmentation layers: random rotation, scaling and flipping (Paper B §3).

    Rotation by up to 15 degrees, scaling by up to 10 %, mirroring half of the time; edges are
    repeated.
    """
    keras = _keras()
    layers = keras.layers
    steps = [
        layers.RandomRotation(15 / 360, fill_mode="nearest", name="rotate"),
        layers.RandomZoom(0.1, fill_mode="nearest", name="zoom"),
        layers.RandomFlip("horizontal", name="mirror"),
    ]
    return keras.Sequential(steps, name="augmentation")
