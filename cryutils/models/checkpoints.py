"""The trained models of a run on disk: `save` and `load`, `<name>.keras` beside `<name>.json`.

Walked by notebook 04_cry2 (Paper B §3: checkpointing).
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras as _keras
from cryutils.models.model_card import ModelCard

__all__ = ["load", "network", "save"]

_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError, TypeError, AttributeError)


def save(
    model: Any,
    folder: str | os.PathLike[str],
    name: str,
    about: Mapping[str, Any],
    *,
    exported: Sequence[Path] = (),
) -> tuple[Path, Path]:
    """Write a trained model as `<name>.keras` and what is to be known of it as `<name>.json`.

    The second holds the digests of the first and of the networks `exported` beside it, so
    damage and files of another training are noticed (see `model_card`).

    Parameters
    ----------
    model : keras.Model
        Such as `Fitted.model`.
    folder : path
        Made where there is none.
    name : str
        "cry2" or "image".
    about : mapping
        JSON types; at least "classes", in the order of the model's output.
    exported : sequence of Path
        Files of the same training, in the same folder.

    Returns
    -------
    (Path, Path)
        Of both files.

    Raises
    ------
    InputError
        `about` has no classes, or not as many as the model, or the folder can't be written to.
    """
    classes = about.get("classes")
    if classes is None or len(classes) != model.output_shape[-1]:
        raise InputError(
            f"about the model {name!r}: give its {model.output_shape[-1]} classes, not {classes}."
        )
    path = Path(folder, f"{name}.keras")
    try:
        with writing(path) as part:
            model.save(part)
        # Last of all, since it vouches for the others.
        return path, ModelCard.write(Path(folder), name, about, [path, *exported])
    except OSError as error:
        raise InputError(
            f"cannot write to {folder} ({error.strerror or error}):"
            " name a folder that you can write to and that has room."
        ) from error


def load(folder: str | os.PathLike[str], name: str) -> tuple[Any, dict[str, Any]]:
    """Return the model that `save` wrote, ready to predict, and what is to be known of it.

    Raises InputError where one of the two files is missing or damaged, or they aren't of one
    training.
    """
    keras_file, card_file = Path(folder, f"{name}.keras"), Path(folder, f"{name}.json")
    for path in (keras_file, card_file):
        if not path.is_file():
            hint = near_miss(name, [file.stem for file in Path(folder).glob("*.keras")])
            raise InputError(f"{path}: no such file.{hint}")
    card = ModelCard.read(Path(folder), name)
    return network(card, keras_file.name), dict(card.content)


def network(card: ModelCard, file: str) -> Any:
    """Return the Keras model in `file`, beside its `card`, ready to predict.

    Raises InputError where the file is missing, damaged or of another training.
    """
    card.check(file)
    path = card.path.parent / file
    try:
        model = _keras().models.load_model(path, compile=False)
    except _DAMAGE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: no model that loads ({first}); train it again.") from error
    if len(model.inputs) == len(model.outputs) == 1:
        # Keras 3.10 takes a loaded model's input for a list, and warns at each array.
        model = _keras().Model(model.inputs[0], model.outputs[0], name=model.name)
    return model
