"""A small backbone pretrained on rendered faces, `small`, and the choice of a backbone, `choose`.

Used in notebook 07_frames_resnet50, whose `quick` profile replaces ResNet-50 by this network if
ImageNet's weights are not available. It was trained to predict the brightness of skin and hair, the
shape of head and nose, the direction of the light and the pose of the head, on faces of synthetic
infants that no corpus contains. Their lids, brows and mouths moved at random and were not
predicted, so the network learned neither states nor their components. How well it works on real
infants is unknown. `tools/pretrain.py` made its weights, `small_cnn.npz`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cryutils.errors import InputError
from cryutils.models.backbones import Backbone, base
from cryutils.models.backend import keras

__all__ = ["FILTERS", "JITTER", "MARGIN", "READY", "choose", "network", "small"]

FILTERS = (16, 32, 64, 128)
MARGIN = 0.1  # margin around the face, as in `video.crops`
JITTER = 0.06  # random error of the box in training, as a share of its size
INFANTS = 800  # in training, each face as it is and mirrored
READY = Path(__file__).with_name("small_cnn.npz")


def small(*, size: int = 64) -> Backbone:
    """Return a small frozen backbone, pretrained on rendered faces of other infants.

    Its model takes RGB crops of a face, uint8 or float32 (n, size, size, 3) from 0 to 255, and
    returns float32 (n, size / 16, size / 16, 128). It was trained on crops of 64 pixels. Raises
    InputError for a `size` that is not a multiple of 16 from 48 to 512.
    """
    if size % 16 or not 48 <= size <= 512:
        raise InputError(f"size={size}: give a multiple of 16, 48 to 512.")
    model = network(size)
    with np.load(READY) as file:
        model.set_weights([file[name] for name in sorted(file.files) if name != "told"])
    model.trainable = False
    words = f"pretrained on {INFANTS} other synthetic infants"
    return Backbone(model, "small CNN", words, "tf")


def choose(name: str = "auto", *, size: int | None = None, seed: int = 0) -> Backbone:
    """Return the backbone `name`; for "auto" ResNet-50, or `small` if its weights are unavailable.

    (Results of a ResNet-50 with random weights would pass for the paper's.) `Backbone.words` names
    the choice.

    name: "auto", "small", or as in `backbones.base`. size: side in pixels; None: 224, or 64 for
    `small`. seed: as in `backbones.base`. Raises InputError as `backbones.base` and `small` do.
    """
    if name == "small":
        return small(size=size or 64)
    if name != "auto":
        return base(name, size=size or 224, seed=seed)
    resnet = base("ResNet50", size=size or 224)
    return resnet if resnet.trained else small(size=size or 64)


def network(size: int) -> Any:
    """Return the untrained network from pixels to feature maps."""
    layers = keras().layers
    pixels = keras().Input((size, size, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(pixels)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras().Model(pixels, x, name="small_cnn")
