"""Train the small backbone that comes with the package, and write its weights.

    python tools/pretrain.py

It learns what a network for faces in general would know of a picture: how dark skin and hair are,
the shape of the head, where the light stands, how the head is held. All that moves in a face (lids,
brows, mouth, blush, tears), which is what states are made of, is drawn at random and never asked
for; nor is the shape of eyes, brows and mouth, which can't be told without knowing how they move.

For whoever changes the faces that are drawn, or the training: the file is
`cryutils/models/small_cnn.npz`. Each network is as good as the last, but not the same to the bit
on another machine.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import writing
from cryutils._io.progress import counting
from cryutils.datasets.synthetic import face
from cryutils.datasets.synthetic.corpus import FACES, VERSION
from cryutils.datasets.synthetic.face_states import LEAST, MOST, Face
from cryutils.models import training
from cryutils.models.backend import keras, seeded
from cryutils.models.small_cnn import FILTERS, INFANTS, JITTER, MARGIN, READY, network
from cryutils.video.faces import crop, single_threaded

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

PRETRAINING_VERSION = 5  # raise it whenever the settings below give another network
SIZE, EPOCHS, SEED = 64, 10, 0
BATCH, RATE = 64, 3e-3
_MOMENT = ("opening", "effort", "blink")
# What it learns to tell. No state shapes any of it, and a test holds it to that.
LABELS = (
    "skin", "warmth", "width", "jaw", "cheek", "forehead", "nose_size", "nose_width", "ears",
    "hair", "hair_tone", "hairline", "light_x", "light", "candle", "turn", "nod", "roll", "grain",
)  # fmt: skip
_SIDED = ("light_x", "turn", "roll")  # labels that a mirror turns about
_FIRST = 2**41  # corpora number their infants from below 2**40


def main(path: Path = READY) -> None:
    """Train the network on rendered faces, and write its weights to `path`."""
    model = trained(*mirrored(*faces(INFANTS, size=SIZE, seed=SEED)))
    arrays = {f"weights{k:02}": array for k, array in enumerate(model.get_weights())}
    with writing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, told=np.array(recipe()), **arrays)


def recipe() -> str:
    """Return all that shapes the network but for the libraries that train it."""
    settings = {"labels": LABELS, "size": SIZE, "infants": INFANTS, "epochs": EPOCHS, "seed": SEED}
    return json.dumps([PRETRAINING_VERSION, FILTERS, FACES, VERSION, settings], sort_keys=True)


def faces(infants: int, *, size: int = 64, seed: int = 0) -> tuple[Pixels, Array]:
    """Return crops of rendered faces, one an infant, and what they were drawn with.

    uint8 (infants, size, size, 3) RGB and float32 (infants, labels) in the order of `LABELS`, each
    in [0, 1] between the limits of the generator.
    """
    drawn = []
    # One after the other: so small a picture is drawn in many short steps, which threads of
    # Python or of OpenCV would only wait for.
    with counting("other infants' faces", "infants") as report, single_threaded():
        for number in range(infants):
            drawn.append(_face(number, size=size, seed=seed))
            report(len(drawn), infants)
    pixels, labels = zip(*drawn, strict=True)
    return np.stack(pixels), np.stack(labels)


def _face(number: int, *, size: int, seed: int) -> tuple[Pixels, Array]:
    rng = np.random.default_rng([seed, number, 9])
    infant = _FIRST + number
    positions = {name: rng.random() for name in (*_MOMENT, *(f.name for f in fields(Face)))}
    positions["blink"] = float(positions["blink"] < 0.2)
    looks = Face(**{name: _between(name, positions[name]) for name in vars(LEAST)})
    held = {
        "roll": looks.roll, "scale": 2.0**looks.near, "x": looks.left, "y": -looks.up,
        **{name: positions[name] for name in _MOMENT},
    }  # fmt: skip
    moment: dict[str, Any] = {name: np.array([value], np.float32) for name, value in held.items()}
    plan = face.FacePlan(seed=infant, fps=1.0, face=looks, **moment)
    side = 2 * round(0.75 * size)  # so that the face is about as wide as the crop
    (picture,) = face.frames(plan, size=side)
    (box,) = plan.boxes(size=side)
    box += box[2] * rng.uniform(-JITTER, JITTER, 4).astype(np.float32)
    labels = np.array([positions[name] for name in LABELS], np.float32)
    return crop(picture, box, size=size, margin=MARGIN), labels


def _between(name: str, position: float) -> float:
    """Return the value of a parameter that lies at `position`, 0 to 1, between its limits."""
    low, high = getattr(LEAST, name), getattr(MOST, name)
    return float(low + (high - low) * position)


def mirrored(pixels: Pixels, labels: Array) -> tuple[Pixels, Array]:
    """Return the pictures and, behind them, their mirror images with what those show.

    As good as twice the infants for how alike heads are, and drawing is what takes long.
    """
    turned = labels.copy()
    for name in _SIDED:  # from -limit to limit, so 0 to 1 is turned about its middle
        turned[:, LABELS.index(name)] *= -1
        turned[:, LABELS.index(name)] += 1
    return np.concatenate([pixels, pixels[:, :, ::-1]]), np.concatenate([labels, turned])


def trained(pixels: Pixels, labels: Array) -> Any:
    """Return the network from pixels to maps, after it learned to tell the labels."""
    targets = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    layers = keras().layers
    with seeded(SEED):
        maps = network(pixels.shape[1])
        pooled = layers.GlobalAveragePooling2D()(maps.output)
        whole = keras().Model(maps.input, layers.Dense(labels.shape[1])(pooled))
        batches = training.batches(pixels, targets, batch_size=BATCH, seed=SEED)
        rate = keras().optimizers.schedules.CosineDecay(RATE, len(batches) * EPOCHS)
        whole.compile(keras().optimizers.Adam(rate), loss="mse", jit_compile=False)
        whole.fit(batches, shuffle=False, epochs=EPOCHS, verbose=0)
    return maps


if __name__ == "__main__":
    main()
