"""A run with untrained networks of Paper B (the fixture `trained`), and Paper A's ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryutils.datasets.corpus import Corpus
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.models.model_card import ModelCard
from cryutils.papers.embeddings import STATES, FrameInput

FEATURES = {"mfcc": 4, "stft": 3, "image": 5}  # outputs of each submodel before its probabilities
INPUTS: dict[str, SoundInput | FrameInput] = {
    **{
        kind: SoundInput(sr=8000, kind=kind, n_fft=256, hop_length=128, window_s=0.5, step_s=0.5,
                         scaling="recording")
        for kind in ("mfcc", "stft")
    },
    "image": FrameInput(fps=4.0, size=32),
}  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A run whose folder holds both of Paper B's networks, and what they were made from."""

    outputs: Path
    run: Path
    corpus: Corpus
    hearing: SoundInput
    seeing: FaceInput
    models: dict[str, Any]


def change_card(models: Path, name: str, **changes: Any) -> Path:
    """Write a model's card again, with its digests; None removes an entry, except `rolling`."""
    card = ModelCard.read(models, name)
    content = {**card.content, **changes}
    content = {key: v for key, v in content.items() if v is not None or key == "rolling"}
    networks = [models / file for file in card.digests if (models / file).exists()]
    return ModelCard.write(models, name, content, networks)


def add_ensemble(
    folder: Path, corpus: Corpus, *, streams: Sequence[str] = tuple(INPUTS)
) -> dict[str, Any]:
    """Write an untrained ensemble with its submodels into `folder`; return the Keras networks."""
    import keras

    from cryutils.models import checkpoints
    from cryutils.models.export import FORMATS

    keras.utils.set_random_seed(0)
    inputs = {name: INPUTS[name] for name in streams}
    models = {
        f"ensemble_{name}": _submodel(part.shape, FEATURES[name], len(STATES))
        for name, part in inputs.items()
    }
    last = keras.layers.Dense(len(STATES), activation="softmax")
    width = sum(FEATURES[name] for name in streams)
    models["ensemble"] = keras.Sequential([keras.Input((width,)), last])
    files = []
    for name, model in models.items():
        files.append(FORMATS["litert"].write(model, folder / f"{name}.tflite"))
        if name != "ensemble":
            model.save(folder / f"{name}.keras")
            files.append(folder / f"{name}.keras")
    content = {
        "classes": list(STATES), "data": "synthetic", "note": "nothing", "rolling": 3,
        "engine": None, "source": corpus.source,
        "learned_from": sorted(set(corpus.infants.tolist()))[:2],
        "parts": {
            name: {"input": asdict(part), "features": FEATURES[name]}
            for name, part in inputs.items()
        },
    }  # fmt: skip
    checkpoints.save(models["ensemble"], folder, "ensemble", content, exported=files)
    return models


def _submodel(shape: tuple[int, ...], features: int, states: int) -> Any:
    """Return an untrained submodel, [features | probabilities]."""
    import keras

    x = inputs = keras.Input(shape)
    if len(shape) == 3:
        x = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 64, -1.0)(x))
    else:
        x = keras.layers.AveragePooling1D(4)(keras.layers.Rescaling(1 / 40)(x))
    hidden = keras.layers.Dense(features, activation="relu")(keras.layers.Flatten()(x))
    shares = keras.layers.Dense(states, activation="softmax")(hidden)
    return keras.Model(inputs, keras.layers.Concatenate()([hidden, shares]))
