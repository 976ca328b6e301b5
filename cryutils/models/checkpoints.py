"""Trained Keras models on disk: `save` writes `<name>.keras` and its card, `network` opens it.

Used in notebooks 04_cry2 and 05_image (Paper B §3: checkpointing).
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras
from cryutils.models.model_card import ModelCard

__all__ = ["network", "save"]

_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError, TypeError, AttributeError)


def save(
    model: Any,
    folder: str | os.PathLike[str],
    name: str,
    about: Mapping[str, Any],
    *,
    exported: Sequence[Path] = (),
) -> tuple[Path, Path]:
    """Write a trained model to `<name>.keras` and its card to `<name>.json`; return both paths.

    name: "cry2", "image" or "ensemble". about: content of the card in JSON types, including
    "classes" in the order of the model's output. exported: other files from this training in the
    same folder; the card stores their digests as well. Raises InputError if the folder cannot be
    written.
    """
    path = Path(folder, f"{name}.keras")
    try:
        with writing(path) as part:
            model.save(part)
        # Write the card last, because it contains the digests of the other files.
        return path, ModelCard.write(Path(folder), name, about, [path, *exported])
    except OSError as error:
        raise InputError(
            f"cannot write to {folder} ({error.strerror or error}):"
            " choose a folder that you can write to, on a disk with free space."
        ) from error


def network(card: ModelCard, file: str) -> Any:
    """Return the Keras model in `file`, in the folder of its `card`, ready to predict.

    Raises InputError if the file is missing, damaged or from another training.
    """
    card.check(file)
    path = card.path.parent / file
    try:
        model = _keras().models.load_model(path, compile=False)
    except _DAMAGE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: no model that loads ({first}); train it again.") from error
    if len(model.inputs) == len(model.outputs) == 1:
        # Keras 3.10 expects a list as input of a loaded model and warns about each array.
        model = _keras().Model(model.inputs[0], model.outputs[0], name=model.name)
    return model
