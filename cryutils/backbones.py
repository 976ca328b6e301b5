"""Frozen image networks by name: any of Keras' applications, with its own preprocessing inside.

Walked by notebook 07_frames_resnet50 (Paper A §3.5: ResNet-50 with ImageNet weights, frozen,
with a small trainable model behind it) and, for its transfer learning, by 05_image. A backbone
takes RGB pixels of 0 to 255 and gives feature maps; it is made of Keras' own layers only, so
a saved model loads anywhere. `Backbone.weights` says in words which weights it holds, and
every table and figure repeats that, since one with random weights carries almost nothing.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cryutils.errors import InputError, near_miss
from cryutils.locations import resolve
from cryutils.models import _keras
from cryutils.weights import Found, NotHad, Published, fetch, given, supplying

__all__ = ["Backbone", "base", "names"]

_WEIGHTS = ("auto", "imagenet", "random")


@dataclass(frozen=True)
class Backbone:
    """A frozen network, pixels in and feature maps out, and what is to be said of it.

    `weights` says in words what it holds, `pretrained` whether those are ImageNet's, and
    `cause`, for random weights that were not asked for, why there are no others.
    `preprocessing` is Keras' name for what is done to the pixels first: "caffe" (BGR minus
    ImageNet's mean), "tf" (to [-1, 1]), "torch" (standardised) or "none" (the network itself
    does it).
    """

    model: Any
    name: str
    weights: str
    preprocessing: str
    pretrained: bool
    cause: str = ""

    @property
    def words(self) -> str:
        """Name and weights, for the title of a table or figure."""
        return f"{self.name}, {self.weights}"

    @cached_property
    def digest(self) -> str:
        """A digest of name, preprocessing and weights: whatever shapes the maps of a picture."""
        told = f"{self.name} {self.preprocessing}"
        found = hashlib.blake2b(told.encode(), digest_size=16)
        for array in self.model.get_weights():
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def names() -> list[str]:
    """Return the names of all backbones that the installed Keras has, such as "ResNet50"."""
    applications = _keras().applications
    return sorted(name for name in dir(applications) if name[0].isupper())


def base(
    name: str,
    *,
    input_shape: Sequence[int] = (224, 224, 3),
    weights: str | os.PathLike[str] = "auto",
    seed: int = 0,
    progress: bool = False,
) -> Backbone:
    """Return the application `name` of Keras without its classifier, frozen.

    The model takes RGB of `input_shape` (height, width, 3), uint8 or float32 (n, height, width,
    3) from 0 to 255, and gives float32 (n, h, w, features). It is not trainable and its batch
    normalisation keeps to its stored statistics.

    `weights`: "imagenet", "random" (drawn from `seed`), a weights file in the form that Keras
    publishes (`..._notop.h5`), or "auto": ImageNet's where they can be had, else random ones,
    which `Backbone.weights` says. `progress` shows a download on a terminal. Raises InputError
    for an unknown name, a shape the application refuses, a file that is damaged or belongs to
    another model, and for "imagenet" where those weights can't be had.

    >>> base("ResNet50", weights="random").weights              # doctest: +SKIP
    'random weights (seed 0)'
    """
    keras = _keras()
    if name not in names():
        raise InputError(f"there is no backbone {name!r}.{near_miss(name, names())}")
    shape = _checked_shape(input_shape)
    if weights not in _WEIGHTS and not resolve(weights).is_file():
        hint = near_miss(str(weights), [*_WEIGHTS, "a weights file"])
        raise InputError(f"weights={str(weights)!r}: no such file.{hint}")
    application, found, cause = _application(name, shape, weights, seed=seed, progress=progress)
    mode = _preprocessing(name)
    application.trainable = False
    pixels = keras.Input(shape, name="pixels")
    # Not in training mode, or the batch normalisation of a base that is made trainable later
    # would forget ImageNet's statistics.
    maps = application(_prepared(pixels, mode), training=False)
    model = keras.Model(pixels, maps, name=f"frozen_{application.name}")
    model.trainable = False
    if found is not None:
        return Backbone(model, name, found.words, mode, found.imagenet)
    why = "; ImageNet's can't be had here" if cause else ""
    words = f"random weights (seed {seed}{why})"
    return Backbone(model, name, words, mode, False, cause)


def _checked_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        raise InputError(f"input_shape={shape}: give (height, width, 3), the pixels are RGB.")
    return shape[0], shape[1], shape[2]


def _application(
    name: str,
    shape: tuple[int, int, int],
    weights: str | os.PathLike[str],
    *,
    seed: int,
    progress: bool,
) -> tuple[Any, Found | None, str]:
    """Return the application with its weights, their file if any, and why there is none."""
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
    keras = _keras()
    with warnings.catch_warnings():
        # MobileNet warns that its weights for 224 px are taken for other sizes too.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return getattr(keras.applications, name)(
                include_top=False, weights=weights, input_shape=shape
            )
        except ValueError as error:
            # Keras' first words on a shape that is too small; the rest are about weights files.
            if not str(error).startswith("Input size must be"):
                raise
            raise InputError(f"{name}, input_shape={shape}: {error}".splitlines()[0]) from error


def _random(name: str, shape: tuple[int, int, int], seed: int) -> Any:
    """Return the application with kernels by Glorot's rule, Keras' default, from `seed`.

    Keras would draw them from Python's own random state, which is everybody's.
    """
    application = _build(name, shape, None)
    rng = np.random.default_rng(seed)
    application.set_weights([_glorot(rng, array) for array in application.get_weights()])
    return application


def _glorot(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    if array.ndim < 2:  # biases and normalisation start as they are
        return array
    field = int(np.prod(array.shape[:-2]))
    limit = np.sqrt(6 / (field * (array.shape[-2] + array.shape[-1])))
    return ((2 * rng.random(array.shape, dtype=np.float32) - 1) * limit).astype(array.dtype)


def _preprocessing(name: str) -> str:
    """Return Keras' name for the application's preprocessing, found by comparing results."""
    applications = _keras().applications
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


def _prepared(pixels: Any, mode: str) -> Any:
    """Return the pixels after `preprocess_input`, computed by layers that a saved model keeps."""
    keras = _keras()
    if mode == "none":
        return pixels
    if mode == "tf":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(pixels)
    if mode == "torch":
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        scale, offset = 1 / (255 * deviation), -mean / deviation
        layer = keras.layers.Rescaling(scale.tolist(), offset=offset.tolist(), name="standardise")
        return layer(pixels)
    offset = [-103.939, -116.779, -123.68]  # ImageNet's mean in BGR
    return keras.layers.Rescaling(1.0, offset=offset, name="minus_mean")(
        keras.ops.flip(pixels, axis=-1)
    )
