"""The trained models of a run: which runs have them, and their networks, opened and checked.

Paper B's networks are "cry2" for sound and "image" for faces; "full" is both. Paper A's "ensemble"
has a network for each of its inputs and a last one that joins them. All are LiteRT files, so
TensorFlow is never imported.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import outputs_dir
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.calibration import at_temperature
from cryutils.models.export import Lite
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.models.model_card import NOTEBOOKS, ModelCard, from_json
from cryutils.models.novelty import Reference
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.streams import IMAGE, grid

__all__ = [
    "ENSEMBLE", "PARTS", "Ensemble", "FacePart", "Part", "SoundPart", "find_run", "is_synthetic",
    "open_models", "runs_with_models",
]  # fmt: skip

Array = npt.NDArray[np.float32]

ENSEMBLE = "ensemble"
# The models that a user can choose, and the cards of each in a run.
PARTS = {
    "cry2": ("cry2",), "image": ("image",), "full": ("cry2", "image"), ENSEMBLE: (ENSEMBLE,),
}  # fmt: skip
_PICTURES: dict[str, type[FaceInput] | type[FrameInput]] = {
    "image": FaceInput, f"{ENSEMBLE}_{IMAGE}": FrameInput,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A network of a run, and what it was trained on.

    name: of its file, without the suffix. label: its name for users, such as "sound model". data,
    note: the training corpus, and its description. temperature: calibrates the probabilities
    (`calibration`); None if none was fitted. features: outputs before the probabilities.
    """

    name: str
    label: str
    network: Lite
    classes: tuple[str, ...]
    data: str
    note: str
    temperature: float | None
    features: int

    def predict(self, x: npt.NDArray[Any]) -> tuple[Array, Array]:
        """Return features (n, features) and calibrated probabilities (n, classes), float32.

        x: prepared examples.
        """
        features, p = np.split(self.network.predict(x), [self.features], axis=1)
        return features, p if self.temperature is None else at_temperature(p, self.temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPart(Part):
    """A network for windows of sound, with their preparation and the training's `novelty` data."""

    input: SoundInput
    reference: Reference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePart(Part):
    """A network for faces or whole frames, with their preparation."""

    input: FaceInput | FrameInput


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Paper A's last network, which takes the features of all parts, sound before pictures.

    rolling: number of frames in a video's rolling average; None: all so far.
    """

    network: Lite
    rolling: int | None


def runs_with_models(model: str = "full") -> list[Path]:
    """Return the runs that have a part of `model`, the preferred one first.

    Runs on real infants come before those on synthetic ones, then complete before incomplete
    models, then new before old.
    """
    times: dict[Path, list[int]] = {}
    for part in PARTS[model]:
        for path in sorted(outputs_dir().glob(f"*/models/{part}.tflite")):
            times.setdefault(path.parent.parent, []).append(path.stat().st_mtime_ns)
    return sorted(
        times,
        key=lambda run: (not is_synthetic(run, model), len(times[run]), max(times[run])),
        reverse=True,
    )


def is_synthetic(run: Path, model: str) -> bool:
    """Return whether a part of `model` in the folder `run` was trained on synthetic infants.

    An unreadable card is skipped, since opening the model reports what is wrong with it.
    """
    for part in PARTS[model]:
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            card = json.loads((run / "models" / f"{part}.json").read_text(encoding="utf-8"))
            if card["data"] == "synthetic":
                return True
    return False


def find_run(model: str, run: str | Path | None) -> Path:
    """Return the folder of `run`, a name or an absolute `Path`.

    None: the first of `runs_with_models`. Raises InputError for a model or run that does not
    exist, and for a name that contains a separator.
    """
    if model not in PARTS:
        raise InputError(f"no model {model!r}.{near_miss(model, PARTS)}")
    runs = runs_with_models(model)
    if run is None:
        if not runs:
            notebooks = " ".join(NOTEBOOKS[part] for part in PARTS[model])
            raise InputError(
                f"{outputs_dir()}: no run has trained {model!r} yet; start one with"
                f" `cryutils run {notebooks}`."
            )
        return runs[0]
    hint = near_miss(Path(run).name, [path.name for path in runs])
    if not (isinstance(run, Path) and run.is_absolute()):
        if run in ("", ".", "..") or Path(run).name != str(run):
            raise InputError(f"run {str(run)!r}: give a run's name alone, without a folder.{hint}")
        run = outputs_dir() / run
    if not (run / "models").is_dir():
        raise InputError(f"{run}: no models here.{hint}")
    return run


def open_models(model: str, run: Path) -> tuple[list[Part], Ensemble | None]:
    """Return the parts of `model` in the folder `run`, and its last network.

    Only "ensemble" has a last network. "full" may have one part of two. Raises InputError if there
    is no part, or if files are damaged or do not belong together.
    """
    folder = run / "models"
    if model == ENSEMBLE:
        return _open_ensemble(ModelCard.read(folder, ENSEMBLE))
    parts: list[Part] = []
    for name in PARTS[model]:
        if (folder / f"{name}.tflite").is_file():
            card = ModelCard.read(folder, name)
            parts.append(_open_part(card, name, card.content))
    if not parts:
        raise InputError(f"{run}: this run has no model {model!r}; `cryutils run` trains it.")
    if len({part.classes for part in parts}) > 1:
        raise InputError(f"{run}: cry2 and image were trained on different states; run both again.")
    return parts, None


def _open_ensemble(card: ModelCard) -> tuple[list[Part], Ensemble]:
    with _refusing(card):
        rolling = None if card.content["rolling"] is None else int(card.content["rolling"])
        stored = {f"{ENSEMBLE}_{name}": part for name, part in card.content["parts"].items()}
        engine, computed = card.content.get("engine"), ""
        if engine is not None and not str(engine["precision"]).startswith("float32"):
            trained = f"trained and scored with {engine['words']}"
            computed = f"; picture model {trained}, run here in float32"
    parts: list[Part] = [_open_part(card, name, part, computed) for name, part in stored.items()]
    network = card.network(f"{ENSEMBLE}.tflite")
    width = sum(part.features for part in parts)
    grids = {grid(part.input) for part in parts if isinstance(part, SoundPart)}
    if (network.shape, network.classes) != ((width,), len(card.classes)) or len(grids) != 1:
        raise card.refusal()
    return parts, Ensemble(network, rolling)


def _open_part(
    card: ModelCard, name: str, stored: Mapping[str, Any], computed: str = ""
) -> SoundPart | FacePart:
    """Return the network in the file `name`; its settings are `stored` on the card."""
    network = card.network(f"{name}.tflite")
    part: SoundPart | FacePart
    with _refusing(card):
        temperature = stored.get("temperature")
        if temperature is not None and not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature!r}")
        about: dict[str, Any] = {
            "name": name,
            "label": {"cry2": "sound model", "image": "face model"}.get(name, ENSEMBLE),
            "network": network, "classes": card.classes, "data": card.text("data"),
            "note": card.text("note") + computed, "temperature": temperature,
            "features": int(stored.get("features", 0)),
        }  # fmt: skip
        if name in _PICTURES:
            part = FacePart(**about, input=from_json(_PICTURES[name], stored["input"]))
        else:
            reference = Reference.from_json(stored.get("reference"))
            hearing = from_json(SoundInput, stored["input"])
            part = SoundPart(**about, input=hearing, reference=reference)
    outputs = part.features + len(part.classes)
    if (network.shape, network.classes) != (part.input.shape, outputs):
        raise card.refusal()
    return part


@contextmanager
def _refusing(card: ModelCard) -> Iterator[None]:
    """Raise the card's one-line refusal for any mistake in its content."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise card.refusal(error) from error
