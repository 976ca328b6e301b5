"""Train the small backbone that comes with the package, and write its weights.

    python tools/pretrain.py

`cryutils/models/backbones.py` says what it learns. Run this after changing the drawn faces or the
training; it writes `cryutils/models/small_cnn.npz`. Another machine gives other last digits.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import trange

from cryutils._io.paths import writing
from cryutils.datasets.synthetic import face, states
from cryutils.datasets.synthetic.generator import FACES, VERSION
from cryutils.models import training
from cryutils.models.backbones import FILTERS, INFANTS, JITTER, MARGIN, READY, network
from cryutils.models.backend import keras, seeded
from cryutils.video.faces import crop, single_threaded

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

PRETRAINING_VERSION = 5  # raise it when the settings below give a different network
SIZE, EPOCHS, SEED, BATCH, RATE = 64, 10, 0, 64, 3e-3
_MOMENT = ("opening", "effort", "blink")
# The properties that it learns to predict. A test checks that no state changes them.
LABELS = ("skin", "warmth", "width", "jaw", "cheek", "forehead", "nose_size", "nose_width", "ears")
LABELS += ("hair", "hair_tone", "hairline", "light_x", "light", "candle", "turn", "nod", "roll", "grain")
_SIDED = ("light_x", "turn", "roll")  # labels that a mirror reverses
_FIRST = 2**41  # corpora use seeds of infants from below 2**40 on


def main(path: Path = READY) -> None:
    """Train the network on rendered faces and their mirror images, and write its weights to `path`."""
    pixels, labels = faces(INFANTS)
    turned, sided = labels.copy(), [LABELS.index(name) for name in _SIDED]
    turned[:, sided] = 1 - labels[:, sided]  # limits are symmetric
    model = trained(np.concatenate([pixels, pixels[:, :, ::-1]]), np.concatenate([labels, turned]))
    arrays = {f"weights{k:02}": array for k, array in enumerate(model.get_weights())}
    with writing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, told=np.array(recipe()), **arrays)


def recipe() -> str:
    """Return everything that shapes the network as JSON, except the versions of libraries."""
    settings = {"labels": LABELS, "size": SIZE, "infants": INFANTS, "epochs": EPOCHS, "seed": SEED}
    return json.dumps([PRETRAINING_VERSION, FILTERS, FACES, VERSION, settings], sort_keys=True)


def faces(infants: int, *, seed: int = SEED) -> tuple[Pixels, Array]:
    """Return crops of rendered faces, one per infant, and their `LABELS` in [0, 1].

    uint8 (infants, SIZE, SIZE, 3) RGB and float32 (infants, labels).
    """
    with single_threaded():
        drawn = [_face(number, seed) for number in trange(infants, unit="face")]
    pixels, labels = zip(*drawn, strict=True)
    return np.stack(pixels), np.stack(labels)


def _face(number: int, seed: int) -> tuple[Pixels, Array]:
    rng, faces = np.random.default_rng([seed, number, 9]), states.FACES
    positions = {name: rng.random() for name in (*_MOMENT, *faces.names)}
    positions["blink"] = float(positions["blink"] < 0.2)
    values = faces.least + (faces.most - faces.least) * [positions[name] for name in faces.names]
    looks = states.Parameters(**dict(zip(faces.names, values.tolist(), strict=True)))
    held = {"roll": looks.roll, "scale": 2.0**looks.near, "x": looks.left, "y": -looks.up}
    held |= {name: positions[name] for name in _MOMENT}
    moment: dict[str, Any] = {name: np.array([value], np.float32) for name, value in held.items()}
    plan = face.FacePlan(seed=_FIRST + number, fps=1.0, face=looks, **moment)
    side = 2 * round(0.75 * SIZE)  # so that the face is about as wide as the crop
    (picture,) = face.frames(plan, size=side)
    (box,) = plan.boxes(size=side)
    box += box[2] * rng.uniform(-JITTER, JITTER, 4).astype(np.float32)
    labels = np.array([positions[name] for name in LABELS], np.float32)
    return crop(picture, box, size=SIZE, margin=MARGIN), labels


def trained(pixels: Pixels, labels: Array) -> Any:
    """Return the network from pixels to feature maps, trained to predict the labels."""
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
