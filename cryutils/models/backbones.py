"""Frozen image networks: Keras applications by name, and users' Keras files.

Used in notebook 07_frames_resnet50 (Paper A §3.5: ResNet-50 with ImageNet weights, frozen,
followed by a small trainable model) and in appendix_faces.
`Backbone.weights` describes the weights, for the title of every table and figure, because random
weights are not pretrained. ImageNet's weights come from `CRYUTILS_WEIGHTS_DIR`, or Keras downloads
them into its own cache and checks their hash.
"""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import is_cached, key, ragged
from cryutils._io.download import Unavailable
from cryutils._io.paths import file_digest, resolve, weights_dir
from cryutils._io.progress import counting
from cryutils.errors import InputError, near_miss
from cryutils.models import runtimes
from cryutils.models.backend import keras, seeded

__all__ = [
    "APPLICATIONS", "Backbone", "base", "cached", "embeddings", "head_input",
    "untrained",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]
Source = Callable[[], Iterable[Frames]]

EMBEDDING_VERSION = 1  # increase it whenever the same frames and settings give other embeddings
_WEIGHTS = ("auto", "imagenet", "random")
_RANDOM = "random weights"
_AT_ONCE = 128  # frames per call of an engine
_TIMEOUT_S = 5.0  # for each address of the host, and for each part of the file


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


@dataclass(frozen=True)
class Backbone:
    """A frozen network from RGB pixels of 0 to 255 to feature maps, and the origin of its weights.

    weights: a description. preprocessing: the module of `keras.applications` whose
    `preprocess_input` is applied first, such as "resnet"; of a user's file, which preprocesses
    itself, the digest.
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
    def trained(self) -> bool:
        """Whether the weights are of a trained network, not random."""
        return not self.weights.startswith(_RANDOM)

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


def base(
    name: str,
    *,
    input_shape: Sequence[int] = (224, 224, 3),
    weights: str = "auto",
    seed: int = 0,
) -> Backbone:
    """Return the backbone `name`: a frozen network without its classifier.

    name: one of `APPLICATIONS`, or a Keras model from pixels to feature maps that
    preprocesses them itself: the path of a `.keras` file, or its name in `CRYUTILS_WEIGHTS_DIR`.
    weights: "imagenet", "random" (drawn from `seed`), or "auto": ImageNet's if available, else
    random; a `.keras` file has its own. Raises InputError if the name is unknown, the network does
    not accept the shape, the file is damaged, or ImageNet's weights are required but not available.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        raise InputError(f"input_shape={shape}: give (height, width, 3) for RGB pixels.")
    if name.endswith(".keras"):
        return _of_file(name, shape)
    if name not in APPLICATIONS:
        raise InputError(f"there is no backbone {name!r}.{near_miss(name, APPLICATIONS)}")
    if weights not in _WEIGHTS:
        raise InputError(f"weights={weights!r}.{near_miss(weights, _WEIGHTS)}")
    try:
        network, words = _network(name, shape, weights, seed)
    except Unavailable as error:
        if weights == "imagenet":
            raise InputError(
                f"{name}'s ImageNet weights are not available ({error}): put"
                f" {APPLICATIONS[name].file} into the folder that CRYUTILS_WEIGHTS_DIR names, or"
                " run with network access."
            ) from error
        network, _ = _network(name, shape, "random", seed)
        words = f"{_RANDOM} (seed {seed}; ImageNet weights not available)"
    module = APPLICATIONS[name].module
    model, _ = _frozen(network, shape, getattr(keras().applications, module).preprocess_input)
    return Backbone(model, name, words, module)


def _frozen(network: Any, shape: tuple[int, ...], preprocess: Callable[[Any], Any]) -> Any:
    """Return the model from pixels to the network's output in inference mode, and the output.

    In inference mode batch normalisation never updates its statistics.
    """
    network.trainable = False
    pixels = keras().Input(shape, name="pixels")
    maps = network(preprocess(pixels), training=False)
    model = keras().Model(pixels, maps, name=f"frozen_{network.name}")
    model.trainable = False
    return model, maps


def _network(name: str, shape: tuple[int, ...], weights: str, seed: int) -> tuple[Any, str]:
    """Return the application with ImageNet's weights or random ones, and their origin in words."""
    with warnings.catch_warnings():
        # MobileNet warns that its weights for 224 px are used for other sizes as well.
        warnings.simplefilter("ignore", UserWarning)
        try:
            if weights != "random":
                return _pretrained(name, shape)
            build = getattr(keras().applications, name)
            with seeded(seed):
                network = build(include_top=False, weights=None, input_shape=shape)
            return network, f"{_RANDOM} (seed {seed})"
        except InputError:
            raise
        except (OSError, ValueError, KeyError) as error:
            # Keras' message about a shape that is too small begins like this.
            if str(error).startswith("Input size must be"):
                raise InputError(f"{name}, input_shape={shape}: {error}".splitlines()[0]) from error
            if weights == "random":
                raise
            file = APPLICATIONS[name].file
            raise InputError(f"{file}: damaged, or not weights of {name}.") from error


def _pretrained(name: str, shape: tuple[int, ...]) -> tuple[Any, str]:
    """Return a network for pixels of `shape`, and the origin of its weights in words."""
    (_, file, md5), folder = APPLICATIONS[name], weights_dir()
    build = functools.partial(
        getattr(keras().applications, name), include_top=False, input_shape=shape
    )
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


def _of_file(name: str, shape: tuple[int, ...]) -> Backbone:
    """Return the backbone of a user's `.keras` file, for pixels of this shape."""
    folder, path = weights_dir(), resolve(name)
    if not path.is_file() and folder is not None:
        path = folder / name
    if not path.is_file():
        raise InputError(f"{name}: no such file, nor in the folder CRYUTILS_WEIGHTS_DIR.")
    try:
        network = keras().models.load_model(path, compile=False)
        model, maps = _frozen(network, shape, lambda pixels: pixels)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: damaged, not a Keras model without own code, or not for pixels of {shape}."
        ) from error
    if len(getattr(maps, "shape", ())) != 4:
        raise InputError(f"{path} does not return feature maps; save it without its classifier.")
    return Backbone(model, network.name, f"weights of {path.name}", file_digest(path))


def untrained(backbone: Backbone, *, seed: int = 0) -> Backbone:
    """Return a copy of a backbone with new random weights, drawn from `seed`."""
    with seeded(seed):
        model = keras().models.clone_model(backbone.model)
    model.trainable = False
    return Backbone(model, backbone.name, f"{_RANDOM} (seed {seed})", backbone.preprocessing)


def head_input(backbone: Backbone) -> Any:
    """Return the Keras model from pixels to embeddings, the means of the backbone's maps."""
    pooled = keras().layers.GlobalAveragePooling2D()(backbone.model.output)
    return keras().Model(backbone.model.input, pooled)


def embeddings(
    clips: Sequence[tuple[str, Source]],
    backbone: Backbone,
    *,
    engine: str = "keras",
    progress: bool = False,
) -> list[Array]:
    """Return the embeddings of each clip's frames, memory-mapped float32 (frames, features).

    Each clip is cached as soon as it is done, so an interrupted run resumes with the next clip.

    clips: key and source of each clip. The key identifies the pixels. The source, a function that
    is called only if the clip is not cached, returns frames or arrays of frames, uint8 (height,
    width, 3) or (n, height, width, 3), in the backbone's size. engine: one of `runtimes.ENGINES`.
    Raises InputError for frames of another size or type, or if `runtimes.ready` fails.
    """
    shape = backbone.model.input_shape[1:]

    @functools.cache  # converting is slow, and not needed if all clips are cached
    def ready() -> runtimes.Run:
        return runtimes.ready(head_input(backbone), engine=engine)

    def run(source: Source) -> Iterator[Array]:
        yield np.concatenate([ready()(frames) for frames in _chunks(source(), shape)])

    maps = []
    settings = _settings(backbone, engine)
    with counting(f"{backbone.name} embeddings", "clips", shown=progress) as report:
        for done, (frames, source) in enumerate(clips, start=1):
            maps += ragged(functools.partial(run, source), "embeddings", settings, frames)
            report(done, len(clips))
    return maps


def cached(keys: Iterable[str], backbone: Backbone, *, engine: str = "keras") -> list[bool]:
    """Return whether the embeddings of each key are cached, without reading a file."""
    settings = _settings(backbone, engine)
    return [is_cached("embeddings", settings, frames, mapped=True) for frames in keys]


def _settings(backbone: Backbone, engine: str) -> str:
    """Return a cache key of everything that determines embeddings except the frames."""
    return key(EMBEDDING_VERSION, backbone.digest, "avg", runtimes.identity(engine))


def _chunks(frames: Iterable[Frames], shape: tuple[int, int, int]) -> Iterator[Frames]:
    """Yield all frames in arrays of at least `_AT_ONCE`, except the last, which may be empty."""
    waiting = [np.empty((0, *shape), np.uint8)]
    for some in frames:
        if some.dtype != np.uint8 or some.shape[-3:] != shape:
            raise InputError(
                f"frames are {some.dtype} {some.shape}; "
                f"this backbone takes uint8 (n, {', '.join(map(str, shape))})."
            )
        waiting.append(some.reshape(-1, *shape))
        if sum(map(len, waiting)) >= _AT_ONCE:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)
