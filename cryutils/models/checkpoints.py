"""What a training leaves on disk: its state while it runs, its best epoch, the finished model.

Walked by notebook 04_cry2 (Paper B §3: checkpointing). A fit's folder holds `state.npz` while
it runs, then `best.npz` (weights of the best epoch), `history.csv` and `fit.json` (what shaped
it), which is written last: without it nothing else counts. `save` and `load` are for the
trained models of a run, `<name>.keras` beside `<name>.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import file_digest, room, writing
from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras as _keras
from cryutils.models.model_card import ModelCard

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["State", "digest", "finish", "finished", "keep", "kept", "load", "note", "save"]

Weights = list[npt.NDArray[Any]]

_FIRST_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError, TypeError, AttributeError)


@dataclass
class State:
    """Where a training stands after its last epoch; `rows` is its history, a dict an epoch.

    `best` and `best_epoch` (from 1) are of the lowest validation loss, `wait` the epochs since.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    wait: int = 0
    stopped: bool = False
    weights: Weights = field(default_factory=list)
    optimizer: Weights = field(default_factory=list)
    best_weights: Weights = field(default_factory=list)

    def history(self) -> pd.DataFrame:
        """Return a row an epoch: epoch, loss, accuracy, val_loss, val_accuracy, and any others."""
        import pandas as pd

        columns = list(self.rows[0]) if self.rows else []
        first = [name for name in _FIRST_COLUMNS if name in columns]
        order = [*first, *(name for name in columns if name not in first)]
        return pd.DataFrame(self.rows)[order].astype({"epoch": int})


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Return what tells these arrays from any others, for the key of a fit."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def keep(folder: Path, state: State) -> None:
    """Write the state of a training that goes on."""
    groups = {"w": state.weights, "o": state.optimizer, "b": state.best_weights}
    arrays: dict[str, Any] = {
        f"{group}{i}": array for group, found in groups.items() for i, array in enumerate(found)
    }
    about = {
        "rows": state.rows,
        "best": state.best,
        "best_epoch": state.best_epoch,
        "wait": state.wait,
        "stopped": state.stopped,
        "arrays": {group: len(found) for group, found in groups.items()},
    }
    with room(folder), writing(folder / "state.npz") as part:
        np.savez(part, about=np.array(json.dumps(about)), **arrays)


def kept(folder: Path) -> State | None:
    """Return the state that `keep` wrote, None where there is none or it is damaged."""
    path = folder / "state.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            about = json.loads(str(file["about"]))
            w, o, b = (
                [file[f"{group}{i}"] for i in range(count)]
                for group, count in about.pop("arrays").items()
            )
    except _DAMAGE:
        return None
    return State(**about, weights=w, optimizer=o, best_weights=b)


def finish(folder: Path, state: State, about: Mapping[str, Any]) -> None:
    """Write the weights of the best epoch, the history and what shaped the fit."""
    with room(folder):
        with writing(folder / "best.npz") as part:
            np.savez(part, *state.best_weights)
        with writing(folder / "history.csv") as part:
            state.history().to_csv(part, index=False)
        content = {**about, "best_epoch": state.best_epoch, "rows": state.rows}
        content["best.npz"] = file_digest(folder / "best.npz")
        content["digest"] = _digest(folder, content)
        with writing(folder / "fit.json") as part:
            part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        (folder / "state.npz").unlink(missing_ok=True)


def finished(folder: Path) -> State | None:
    """Return what `finish` wrote, None where there is none or it is damaged."""
    if not (folder / "fit.json").is_file():
        return None
    try:
        about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
        if about.pop("digest") != _digest(folder, about):
            return None
        if about["best.npz"] != file_digest(folder / "best.npz"):
            return None
        with np.load(folder / "best.npz") as file:
            weights = [file[f"arr_{i}"] for i in range(len(file.files))]
        return State(
            rows=about["rows"],
            best_epoch=about["best_epoch"],
            stopped=True,
            best_weights=weights,
        )
    except _DAMAGE:
        return None


def _digest(folder: Path, content: Mapping[str, Any]) -> str:
    """Return a digest of a fit's key and of the content of its `fit.json`."""
    text = f"{folder.name} {json.dumps(content, sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()


def note(path: Path, networks: int = 1) -> None:
    """Tell the run that this belongs to, if any, that `path` in the cache holds new `networks`.

    Should it be stopped, `cryutils run` says how many of them its notebooks will take up.
    """
    place = os.environ.get("CRYUTILS_NETWORKS_FILE")
    if place:
        with suppress(OSError), Path(place).open("a", encoding="utf-8") as file:
            file.write(f"{networks}\t{path}\n")


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

    Args:
        model: a Keras model, such as `Fitted.model`.
        folder: made where there is none.
        name: "cry2" or "image".
        about: JSON types; at least "classes", in the order of the model's output.
        exported: files of the same training, in the same folder.

    Returns:
        Both paths.

    Raises:
        InputError: `about` has no classes, or not as many as the model, or the folder can't
            be written to.
    """
    classes = about.get("classes")
    if classes is None or len(classes) != model.output_shape[-1]:
        raise InputError(
            f"about the model {name!r}: give its {model.output_shape[-1]} classes, not {classes}."
        )
    network = Path(folder, f"{name}.keras")
    try:
        with writing(network) as part:
            model.save(part)
        # Last of all, since it vouches for the others.
        return network, ModelCard.write(Path(folder), name, about, [network, *exported])
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
    network, told = Path(folder, f"{name}.keras"), Path(folder, f"{name}.json")
    for path in (network, told):
        if not path.is_file():
            hint = near_miss(name, [found.stem for found in Path(folder).glob("*.keras")])
            raise InputError(f"{path}: no such file.{hint}")
    card = ModelCard.read(Path(folder), name)
    card.check(network.name)
    try:
        model = _keras().models.load_model(network, compile=False)
    except _DAMAGE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{network}: no model that loads ({first}); train it again.") from error
    if len(model.inputs) == len(model.outputs) == 1:
        # Keras 3.10 takes a loaded model's input for a list, and warns at each array.
        model = _keras().Model(model.inputs[0], model.outputs[0], name=model.name)
    return model, dict(card.content)
