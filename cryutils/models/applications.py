"""Keras' applications by name: built, given their weights, and their preprocessing as layers.

Walked by notebooks 05_image and 07_frames_resnet50 through `backbones`, which freezes what is
built here (Paper A §3.5 names ResNet-50; any other takes its place by name). Where the weights
come from is said in `weights`.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cryutils._io.paths import resolve
from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras, seeded
from cryutils.models.weights import Found, NotHad, Published, fetch, given, supplying

__all__ = ["build", "names", "prepared", "preprocessing"]

_WEIGHTS = ("auto", "imagenet", "random")


def names() -> list[str]:
    """Return the names of all applications that the installed Keras has, such as "ResNet50"."""
    return sorted(name for name in dir(keras().applications) if name[0].isupper())


def build(
    name: str,
    shape: tuple[int, int, int],
    weights: str | os.PathLike[str],
    *,
    seed: int,
    progress: bool,
) -> tuple[Any, Found | None, str]:
    """Return the application without its classifier, the weights file, if any, and why none.

    `weights` as in `backbones.base`. Raises InputError for a shape that the application refuses,
    a file that is damaged or another model's, and for "imagenet" where that can't be had.
    """
    if name not in names():
        raise InputError(f"there is no backbone {name!r}.{near_miss(name, names())}")
    if weights not in _WEIGHTS and not resolve(weights).is_file():
        hint = near_miss(str(weights), [*_WEIGHTS, "a weights file"])
        raise InputError(f"weights={str(weights)!r}: no such file.{hint}")
    if weights == "random":
        return _random(name, shape, seed), None, ""
    asked: list[Published] = []
    found: list[Found] = []

    def choose(published: Published) -> Path:
        asked.append(published)
        named = weights not in _WEIGHTS
        found.append(given(weights, published) if named else fetch(published, progress=progress))
        return found[0].path

    try:
        with supplying(choose):
            return _build(name, shape, "imagenet"), found[0], ""
    except NotHad as cause:
        if weights == "imagenet":
            raise InputError(
                f"{name}'s ImageNet weights can't be had ({cause}): put {asked[0].file} into "
                "the folder that CRYUTILS_WEIGHTS_DIR names, or run with network access."
            ) from cause
        return _random(name, shape, seed), None, str(cause)
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        if not found:
            raise
        raise InputError(
            f"{found[0].path}: damaged, or not weights of {name} without its classifier."
        ) from error


def _build(name: str, shape: tuple[int, int, int], weights: str | None) -> Any:
    with warnings.catch_warnings():
        # MobileNet warns that its weights for 224 px are taken for other sizes too.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return getattr(keras().applications, name)(
                include_top=False, weights=weights, input_shape=shape
            )
        except ValueError as error:
            # Keras' first words on a shape that is too small; the rest are about weights files.
            if not str(error).startswith("Input size must be"):
                raise
            raise InputError(f"{name}, input_shape={shape}: {error}".splitlines()[0]) from error


def _random(name: str, shape: tuple[int, int, int], seed: int) -> Any:
    with seeded(seed):
        return _build(name, shape, None)


def preprocessing(name: str) -> str:
    """Return Keras' name for the application's preprocessing, found by comparing results."""
    applications = keras().applications
    module = getattr(applications, name).__module__.rpartition(".")[2]
    pixels = np.linspace(0, 255, 12, dtype=np.float32).reshape(1, 2, 2, 3)
    wanted = getattr(applications, module).preprocess_input(pixels.copy())
    for mode in ("caffe", "tf", "torch"):
        if np.array_equal(
            wanted, applications.imagenet_utils.preprocess_input(pixels.copy(), mode=mode)
        ):
            return mode
    if np.array_equal(wanted, pixels):
        return "none"
    raise InputError(f"{name}: its preprocessing is none that is known here; choose another.")


def prepared(pixels: Any, mode: str) -> Any:
    """Return the pixels after `preprocess_input`, computed by layers that a saved model keeps."""
    layers = keras().layers
    if mode == "none":
        return pixels
    if mode == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(pixels)
    if mode == "torch":
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        scale, offset = 1 / (255 * deviation), -mean / deviation
        layer = layers.Rescaling(scale.tolist(), offset=offset.tolist(), name="standardise")
        return layer(pixels)
    offset = [-103.939, -116.779, -123.68]  # ImageNet's mean in BGR
    return layers.Rescaling(1.0, offset=offset, name="minus_mean")(
        keras().ops.flip(pixels, axis=-1)
    )
