"""Trained Keras models on disk: `save` writes a model with its card, `network` opens it.

Used in notebooks 04_cry2 and 05_image (Paper B §3: checkpointing). The card is plain JSON. It has
the classes in output order, the settings of the input, the training data, the seed, the scores on
new infants, the temperature for calibration, and what `novelty` needs.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras
from cryutils.models.export import litert

__all__ = ["NOTEBOOKS", "network", "read_card", "save", "write_card"]

NOTEBOOKS = {"cry2": "04_cry2", "image": "05_image"}

_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError, TypeError, AttributeError)


def save(
    model: Any, folder: str | os.PathLike[str], name: str, card: Mapping[str, Any]
) -> tuple[Path, Path, Path]:
    """Write a trained model as `<name>.keras`, `.json` (its card) and `.tflite`; return the paths.

    name: "cry2" or "image". card: JSON types. Raises InputError if the folder cannot be written.
    """
    path = Path(folder, f"{name}.keras")
    try:
        with writing(path) as part:
            model.save(part)
        light = litert(model, path.with_suffix(".tflite"))
        return path, write_card(path.with_suffix(".json"), card), light
    except OSError as error:
        raise InputError(
            f"cannot write to {folder} ({error.strerror or error}):"
            " choose a folder that you can write to, on a disk with free space."
        ) from error


def write_card(path: Path, card: Mapping[str, Any]) -> Path:
    """Write a card as JSON and return its path."""
    with writing(path) as part:
        part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_card(folder: Path, name: str) -> dict[str, Any]:
    """Return the card of the model `name` in `folder`. Raises InputError if it cannot be read."""
    path = folder / f"{name}.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run {NOTEBOOKS[name]} again.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: damaged; run {NOTEBOOKS[name]} again.") from error


def network(path: Path) -> Any:
    """Return the Keras model in the file at `path`, ready to predict.

    Raises InputError if the file is missing or damaged.
    """
    try:
        model = _keras().models.load_model(path, compile=False)
    except _DAMAGE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: no model that loads ({first}); train it again.") from error
    # Keras 3.10 expects a list as input of a loaded model and warns about each array.
    return _keras().Model(model.inputs[0], model.outputs[0], name=model.name)
