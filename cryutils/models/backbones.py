"""Frozen image networks: ResNet-50, and a small one pretrained on rendered faces.

Used in notebook 07_frames_resnet50 (Paper A §3.5: ResNet-50 with ImageNet weights, frozen,
followed by a small trainable model) and in appendix_faces. `Backbone.weights` describes the weights,
for the title of every table and figure. ImageNet's come from `CRYUTILS_WEIGHTS_DIR`, or Keras
downloads them. Both are checked by the MD5 digest that Keras publishes.

The small network replaces ResNet-50 if ImageNet's weights are not available. It was trained to
predict the brightness of skin and hair, the shape of head and nose, the direction of the light and
the pose of the head, on faces of synthetic infants that no corpus contains. Their lids, brows and
mouths moved at random and were not predicted, so it learned neither states nor their components.
How well it works on real infants is unknown. `tools/pretrain.py` made its weights.
"""

import functools
import hashlib
import os
import socket
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cryutils._io.paths import resolve, weights_dir
from cryutils.errors import InputError, Unavailable, near_miss
from cryutils.models.backend import keras

RESNET50 = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"  # as Keras publishes it
_MD5 = "4d473c1dd8becc155b73f8504c6f6626"
_TIMEOUT_S = 5.0  # for each address of the host, and for each part of the file
FILTERS = (16, 32, 64, 128)  # of the small network
MARGIN = 0.1  # margin around the face, as in `video.crops`
JITTER = 0.06  # random error of the box in training, as a share of its size
INFANTS = 800  # in training, each face as it is and mirrored
READY = Path(__file__).with_name("small_cnn.npz")


@dataclass(frozen=True)
class Backbone:
    """A frozen network from RGB pixels of 0 to 255 to feature maps, and the origin of its weights.

    weights: a description. preprocessing: how pixels are scaled first, a `mode` of Keras'
    `imagenet_utils.preprocess_input`.
    """

    model: Any
    name: str
    weights: str
    preprocessing: str

    @property
    def words(self) -> str:
        """Name and weights, for the title of a table or figure."""
        return f"{self.name}, {self.weights}"

    @property
    def imagenet(self) -> bool:
        """Whether the weights are those that Keras publishes for ImageNet."""
        return self.weights == "ImageNet"

    @functools.cached_property
    def digest(self) -> str:
        """Digest of name, preprocessing and weights, which determine a picture's feature maps."""
        digest = hashlib.blake2b(f"{self.name} {self.preprocessing}".encode(), digest_size=16)
        for array in self.model.get_weights():
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def choose(name: str = "auto", *, size: int | None = None) -> Backbone:
    """Return the backbone `name`: a frozen network without its classifier.

    name: "ResNet50"; "small"; or "auto", which is "small" if ImageNet's weights are not available.
    size: side of the pictures in pixels; None: 224, or 64 for "small". Raises InputError for an
    unknown name, a wrong size, or "ResNet50" without ImageNet's weights.
    """
    if name == "small":
        return small(size=size or 64)
    shape = (size or 224, size or 224, 3)
    if name not in (known := ["auto", "ResNet50", "small"]):
        raise InputError(f"there is no backbone {name!r}.{near_miss(name, known)}")
    try:
        network = _pretrained(shape)
    except Unavailable as error:
        if name == "auto":
            return small(size=size or 64)
        remedy = f'put {RESNET50} into the folder CRYUTILS_WEIGHTS_DIR, or choose "small"'
        raise InputError(f"ResNet50 without ImageNet's weights: {error}; {remedy}.") from error
    network.trainable = False
    pixels = keras().Input(shape, name="pixels")
    maps = network(keras().applications.resnet.preprocess_input(pixels), training=False)
    model = keras().Model(pixels, maps, name=f"frozen_{network.name}")
    model.trainable = False
    return Backbone(model, "ResNet50", "ImageNet", "caffe")


def _pretrained(shape: tuple[int, ...]) -> Any:
    """Return ResNet-50 with ImageNet's weights.

    Raises Unavailable if there are none and the download fails.
    """
    folder, weights = weights_dir(), "imagenet"
    cache = resolve(os.environ.get("KERAS_HOME") or "~/.keras") / "models"
    if folder is not None and (own := folder / RESNET50).is_file():
        weights = str(own)
        if hashlib.md5(own.read_bytes()).hexdigest() != _MD5:
            raise InputError(f"{own}: not the file that Keras publishes, MD5 {_MD5}; download it again.")
    elif os.environ.get("CRYUTILS_OFFLINE") and not (cache / RESNET50).is_file():
        raise Unavailable("CRYUTILS_OFFLINE is set")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        with redirect_stdout(sys.stderr):  # Keras draws a progress bar
            network = keras().applications.ResNet50(include_top=False, weights=weights, input_shape=shape)
    except Exception as error:  # Keras raises no other type if the download fails
        why = " ".join(str(error).split())
        if weights == "imagenet" and (isinstance(error, OSError) or "fetch failure" in why):
            raise Unavailable(f"the download failed ({why})") from error
        raise InputError(f"ResNet50, size={shape[0]}: {why}.") from error
    finally:
        socket.setdefaulttimeout(before)
    return network


def small(*, size: int = 64) -> Backbone:
    """Return the small backbone, pretrained on rendered faces of other infants.

    It takes RGB crops of a face, uint8 or float32 (n, size, size, 3) from 0 to 255, and returns
    float32 (n, size / 16, size / 16, 128). It was trained on crops of 64 pixels. Raises InputError
    for a `size` that is not a multiple of 16 from 48 to 512.
    """
    if size % 16 or not 48 <= size <= 512:
        raise InputError(f"size={size}: give a multiple of 16, 48 to 512.")
    model = network(size)
    with np.load(READY) as file:
        model.set_weights([file[name] for name in sorted(file.files) if name != "told"])
    model.trainable = False
    words = f"pretrained on {INFANTS} other synthetic infants"
    return Backbone(model, "small CNN", words, "tf")


def network(size: int) -> Any:
    """Return the small network from pixels to feature maps, untrained."""
    layers = keras().layers
    pixels = keras().Input((size, size, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(pixels)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras().Model(pixels, x, name="small_cnn")
