"""Networks of `keras.applications` with ImageNet weights, for `backbones`.

The file in `CRYUTILS_WEIGHTS_DIR` is used if there is one. Otherwise Keras downloads the weights
into its own cache and checks their hash.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cryutils._io.paths import weights_dir
from cryutils.models.backend import keras

__all__ = ["APPLICATIONS", "Application", "Unavailable", "pretrained"]

_TIMEOUT_S = 5.0  # for each address of the host, and for each part of the file


class Unavailable(Exception):
    """The weights can't be downloaded; the message is the cause."""


class Application(NamedTuple):
    """The module with `preprocess_input`; file and MD5 of the weights without the classifier."""

    module: str
    file: str
    md5: str = ""  # Keras publishes none for some


_NOTOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
APPLICATIONS = {
    "EfficientNetV2B0": Application(
        "efficientnet_v2", "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"
    ),
    "MobileNetV2": Application(
        "mobilenet_v2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    ),
    "MobileNetV3Small": Application(
        "mobilenet_v3",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
    ),
    "ResNet50": Application("resnet", f"resnet50_{_NOTOP}", "4d473c1dd8becc155b73f8504c6f6626"),
    "VGG16": Application("vgg16", f"vgg16_{_NOTOP}", "6d6bbae143d832006294945121d1f1fc"),
}


def pretrained(name: str, shape: tuple[int, ...]) -> tuple[Any, str]:
    """Return a network for pixels of `shape`, and the origin of its weights in words."""
    (_, file, md5), folder = APPLICATIONS[name], weights_dir()
    build = partial(getattr(keras().applications, name), include_top=False, input_shape=shape)
    if folder is not None and (own := folder / file).is_file():
        known = md5 in ("", hashlib.md5(own.read_bytes()).hexdigest())
        words = "ImageNet" if known else f"{file}, not the file that Keras publishes"
        return build(weights=str(own)), words
    cache = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    if os.environ.get("CRYUTILS_OFFLINE") and not (cache / file).is_file():
        raise Unavailable("CRYUTILS_OFFLINE is set")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        with redirect_stdout(sys.stderr):  # Keras draws a progress bar
            return build(weights="imagenet"), "ImageNet"
    except Exception as error:  # Keras raises no other type if the download fails
        if isinstance(error, OSError) or "fetch failure" in str(error):
            raise Unavailable(f"the download failed ({error})") from error
        raise
    finally:
        socket.setdefaulttimeout(before)
