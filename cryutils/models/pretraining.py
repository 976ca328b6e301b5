"""A small backbone that needs no download: `small`, pretrained on rendered faces.

Walked by notebook 07_frames_resnet50, whose `quick` profile puts it in ResNet-50's place where
ImageNet's weights can't be had. It has learned to tell the parameters of the drawing (how open
the mouth is, how dark the skin, where the light stands) from the picture of a face. The faces
are other infants' than any corpus has, and every parameter is drawn by itself between the
generator's limits, so it has never seen a state nor a label. What it is good for on pictures
of real infants is not known. With the default settings it comes ready-made with the package,
in `small_cnn.npz`, so that it is the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import cache_dir, room, writing
from cryutils._io.progress import counting
from cryutils.datasets.synthetic.face_states import LEAST, MOST, Face
from cryutils.errors import InputError
from cryutils.models.applications import start
from cryutils.models.backbones import Backbone, base
from cryutils.models.backend import keras
from cryutils.models.weights import NotHad

__all__ = ["PARAMETERS", "choose", "faces", "small", "write_ready"]

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

PRETRAINING_VERSION = 2  # raise it whenever the same settings give another network
FILTERS = (16, 32, 64, 128)
MARGIN = 0.1  # around the face, as `video.crops` cuts it out
BATCH, RATE = 64, 3e-3
JITTER = 0.06  # how far that may be off, as a share of the box
# What a crop doesn't show, or what a single frame doesn't.
_HIDDEN = (
    "sway", "pace", "near", "left", "up", "roll", "cloth", "sheet", "sheet_tone", "whorl", "gape"
)  # fmt: skip
_MOMENT = ("opening", "effort", "blink")
PARAMETERS = (
    *_MOMENT, *(f.name for f in fields(Face) if f.name not in _HIDDEN)
)  # fmt: skip
_SIDED = ("light_x", "turn")  # parameters that a mirror turns about
_UNSET = 87654321  # what TensorFlow takes where nobody has set a seed for all of it
_FIRST = 2**41  # corpora number their infants from below 2**40
READY = Path(__file__).with_name("small_cnn.npz")


def small(
    *,
    size: int = 64,
    infants: int = 800,
    epochs: int = 10,
    seed: int = 0,
    progress: bool = False,
) -> Backbone:
    """Return a small frozen backbone, pretrained on rendered faces of other infants.

    Its model takes RGB crops of a face, uint8 or float32 (n, size, size, 3) from 0 to 255, and
    gives float32 (n, size / 16, size / 16, 128). `infants`: how many were drawn, one picture
    each, which is shown mirrored as well; `epochs` over both. The default settings' one is read
    from `READY`; others are made in some seconds, then found in the cache. Raises InputError for
    a `size` that is no multiple of 16 from 48 to 512, and fewer than 8 infants or 1 epoch.
    """
    if size % 16 or not 48 <= size <= 512:
        raise InputError(f"size={size}: give a multiple of 16, 48 to 512.")
    if infants < 8 or epochs < 1:
        raise InputError(f"infants={infants}, epochs={epochs}: give at least 8 and 1.")
    settings = {"size": size, "infants": infants, "epochs": epochs, "seed": seed}
    path = _path(settings)
    model = _ready(settings) or _kept(path)
    if model is None:
        model = _made(**settings, progress=progress)
        with room(path.parent), writing(path) as part:
            model.save(part)
    model.trainable = False
    words = f"pretrained on {infants} other synthetic infants"
    return Backbone(model, "small CNN", words, "tf", False)


def choose(
    name: str = "auto",
    *,
    size: int | None = None,
    weights: str | os.PathLike[str] = "auto",
    seed: int = 0,
    progress: bool = False,
) -> Backbone:
    """Return the backbone `name`; for "auto" ResNet-50, or `small` where its weights can't be had.

    With random weights ResNet-50 carries almost nothing of a face, so `small` takes its place;
    `Backbone.words` says which it is, and `cause` why. name: "auto", "small", or an application
    of Keras. size: pixels of a side (None: 224, of `small` 64). weights: as in `backbones.base`;
    `small` has its own. Raises InputError as `backbones.base` and `small` do.
    """
    if name == "small":
        if weights != "auto":
            raise InputError(f'weights={str(weights)!r}: "small" makes its own; leave "auto".')
        return small(size=size or 64, seed=seed, progress=progress)
    side = size or 224
    instead = name == "auto" and weights == "auto"
    try:
        return base(
            "ResNet50" if name == "auto" else name,
            input_shape=(side, side, 3),
            weights="imagenet" if instead else weights,
            seed=seed,
            progress=progress,
        )
    except InputError as error:
        if not (instead and isinstance(error.__cause__, NotHad)):
            raise
        own = small(size=size or 64, seed=seed, progress=progress)
        return replace(own, cause=str(error.__cause__))


def write_ready(path: Path = READY) -> None:
    """Train the default settings' network anew, and write its weights to `path`.

    For whoever changes the faces or the training: `python -m cryutils.models.pretraining`.
    """
    defaults = small.__kwdefaults__ or {}
    settings = {name: value for name, value in defaults.items() if name != "progress"}
    model = _made(**settings, progress=True)
    arrays = {f"weights{k:02}": array for k, array in enumerate(model.get_weights())}
    with writing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, told=np.array(_told(settings)), **arrays)


def faces(
    infants: int, *, size: int = 64, seed: int = 0, progress: bool = False
) -> tuple[Pixels, Array]:
    """Return crops of rendered faces, one an infant, and what they were drawn with.

    uint8 (infants, size, size, 3) RGB and float32 (infants, parameters) in the order of
    `PARAMETERS`, each in [0, 1] between the limits of the generator.
    """
    from cryutils.video.faces import single_threaded

    drawn = []
    # One after the other: so small a picture is drawn in many short steps, which threads of
    # Python or of OpenCV would only wait for.
    shown = counting("other infants' faces", "infants", shown=progress)
    with shown as report, single_threaded():
        for number in range(infants):
            drawn.append(_face(number, size=size, seed=seed))
            report(len(drawn), infants)
    pixels, parameters = zip(*drawn, strict=True)
    return np.stack(pixels), np.stack(parameters)


def _face(number: int, *, size: int, seed: int) -> tuple[Pixels, Array]:
    from cryutils.datasets.synthetic import face
    from cryutils.video.faces import crop

    rng = np.random.default_rng([seed, number, 9])
    infant = _FIRST + number
    told = {name: rng.random() for name in PARAMETERS}
    told["blink"] = float(told["blink"] < 0.2)
    looks = _looks(told, rng)
    held = {
        "roll": looks.roll, "scale": 2.0**looks.near, "x": looks.left, "y": -looks.up,
        **{name: told[name] for name in _MOMENT},
    }  # fmt: skip
    moment: dict[str, Any] = {name: np.array([value], np.float32) for name, value in held.items()}
    plan = face.FacePlan(state="", infant=infant, seed=infant, fps=1.0, face=looks, **moment)
    side = 2 * round(0.75 * size)  # so that the face is about as wide as the crop
    (picture,) = face.frames(plan, size=side)
    (box,) = plan.boxes(size=side)
    box += box[2] * rng.uniform(-JITTER, JITTER, 4).astype(np.float32)
    parameters = np.array([told[name] for name in PARAMETERS], np.float32)
    return crop(picture, box, size=size, margin=MARGIN), parameters


def _looks(told: dict[str, float], rng: np.random.Generator) -> Face:
    values = {}
    for name in (field.name for field in fields(Face)):
        low, high = getattr(LEAST, name), getattr(MOST, name)
        values[name] = low + (high - low) * (told[name] if name in told else rng.random())
    return Face(**values)


def _mirrored(pixels: Pixels, parameters: Array) -> tuple[Pixels, Array]:
    """Return the pictures and, behind them, their mirror images with what those show.

    As good as twice the infants for how alike heads are, and drawing is what takes long.
    """
    turned = parameters.copy()
    for name in _SIDED:  # from -limit to limit, so 0 to 1 is turned about its middle
        turned[:, PARAMETERS.index(name)] *= -1
        turned[:, PARAMETERS.index(name)] += 1
    return np.concatenate([pixels, pixels[:, :, ::-1]]), np.concatenate([parameters, turned])


def _trained(pixels: Pixels, parameters: Array, *, epochs: int, seed: int) -> Any:
    """Return the network from pixels to maps, after it learned to tell the parameters."""
    layers = keras().layers  # quietly, before TensorFlow is imported by itself
    import tensorflow as tf

    size = pixels.shape[1]
    maps = _network(size)
    told = layers.Dense(parameters.shape[1])(layers.GlobalAveragePooling2D()(maps.output))
    whole = keras().Model(maps.input, told)
    start(whole, seed=seed)
    spread = parameters.std(axis=0)
    targets = (parameters - parameters.mean(axis=0)) / np.where(spread > 0, spread, 1)
    steps = -(-len(pixels) // BATCH) * epochs
    rate = keras().optimizers.schedules.CosineDecay(RATE, steps)
    whole.compile(keras().optimizers.Adam(rate), loss="mse", jit_compile=False)
    with _own_order():
        batches = (
            tf.data.Dataset.from_tensor_slices((pixels, targets))
            .shuffle(len(pixels), seed=seed)
            .batch(BATCH)
            .repeat(epochs)
        )
        whole.fit(batches, shuffle=False, verbose=0)  # the dataset shuffles itself
    return maps


@contextmanager
def _own_order() -> Iterator[None]:
    """Let a dataset's own seed decide, whatever seed anybody has set for all of TensorFlow."""
    import tensorflow as tf

    before = tf.compat.v1.get_seed(0)[0]
    tf.random.set_seed(_UNSET)
    try:
        yield
    finally:
        tf.random.set_seed(None if before == _UNSET else before)


def _network(size: int) -> Any:
    layers = keras().layers
    pixels = keras().Input((size, size, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_one")(pixels)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras().Model(pixels, x, name="small_cnn")


def _made(*, size: int, infants: int, epochs: int, seed: int, progress: bool) -> Any:
    drawn = faces(infants, size=size, seed=seed, progress=progress)
    return _trained(*_mirrored(*drawn), epochs=epochs, seed=seed)


def _told(settings: dict[str, int]) -> str:
    """Return all that shapes the network but for the libraries that train it."""
    from cryutils.datasets.synthetic.corpus import FACES, VERSION

    return json.dumps([PRETRAINING_VERSION, FILTERS, FACES, VERSION, settings], sort_keys=True)


def _path(settings: dict[str, int]) -> Path:
    told = f"{_told(settings)} {keras().__version__}"
    digest = hashlib.blake2b(told.encode(), digest_size=12)
    return cache_dir() / "backbones" / f"small-{digest.hexdigest()}.keras"


def _ready(settings: dict[str, int]) -> Any:
    """Return the network that comes with the package; None for other settings, or another code."""
    if not READY.is_file():
        return None
    with np.load(READY) as file:
        if str(file["told"]) != _told(settings):
            return None
        arrays = [file[name] for name in sorted(file.files) if name != "told"]
    model = _network(settings["size"])
    model.set_weights(arrays)
    return model


def _kept(path: Path) -> Any:
    """Return the network kept at `path`; None where there is none, or it is damaged."""
    if not path.is_file():
        return None
    try:
        return keras().models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


if __name__ == "__main__":
    write_ready()
