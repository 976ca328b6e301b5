"""The trained models of a run: which runs have them, and their networks, opened, checked or copied.

Paper B's networks are "cry2" for sound and "image" for faces; "full" is both. Paper A's "ensemble"
joins the answers of "mfcc", "stft" and "frames". They are LiteRT files, so TensorFlow is never
imported.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import explain_write_errors, file_digest, outputs_dir, writing
from cryutils.errors import InputError, near_miss
from cryutils.models.export import INPUTS, NOTEBOOKS, Lite, at_temperature, read_card, write_card
from cryutils.models.gate import Gate
from cryutils.models.inputs import JoinedInput, PictureInput, SoundInput

Array = npt.NDArray[np.float32]
Input = TypeVar("Input", SoundInput, PictureInput, JoinedInput)

# The models that a user can choose, and the networks of each.
PARTS = {"cry2": ("cry2",), "image": ("image",), "full": ("cry2", "image")}
PARTS["ensemble"] = ("mfcc", "stft", "frames", "ensemble")
SYNTHETIC = "synthetic"  # the corpus of computer-made infants, in a card
DEMO = Path(__file__).parent / "demo"  # the shipped model, of synthetic infants; `make demo` trains it
_FILES = (".tflite", ".json")
# The entries of a card that an exported model keeps.
_SHARED = ("classes", "input", "data", "note", "seed", "score", "temperature", "files")
_NOTICE = "No medical device. A model is only as reliable as its notebook measured."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[Input]):
    """A network of a run, and how its input is prepared; the other fields are those of its card."""

    name: str
    network: Lite
    input: Input
    classes: tuple[str, ...]
    data: str
    note: str
    sha256: str
    temperature: float
    reference: Mapping[str, Any] | None
    score: Mapping[str, Any] | None

    def answers_for(self, *, synthetic: bool) -> bool:
        """Return whether the network may answer: one of synthetic infants not for real ones."""
        return synthetic or self.data != SYNTHETIC

    def predict(self, x: npt.NDArray[Any]) -> Array:
        """Return the calibrated probabilities of prepared examples, float32 (n, classes)."""
        return at_temperature(self.network.predict(x), self.temperature)


@dataclass(frozen=True, slots=True)
class System:
    """The networks of one model of a run.

    sounds, face: those for sound and for faces, as far as the run has them. joint: the ensemble,
    which joins the answers of all of them; None: their mean is taken.
    """

    sounds: tuple[Part[SoundInput], ...] = ()
    face: Part[PictureInput] | None = None
    joint: Part[JoinedInput] | None = None

    @property
    def parts(self) -> list[Part[Any]]:
        """All networks, the joint one last."""
        return [*self.sounds, *(part for part in (self.face, self.joint) if part)]

    @property
    def classes(self) -> tuple[str, ...]:
        """The states, in the order of probabilities; none without a network."""
        return next((part.classes for part in self.parts), ())

    def answering(self, *, synthetic: bool) -> "System":
        """Return the networks that answer for synthetic infants, or for real ones."""
        usable = {part.name for part in self.parts if part.answers_for(synthetic=synthetic)}
        return System(
            tuple(part for part in self.sounds if part.name in usable),
            self.face if self.face and self.face.name in usable else None,
            self.joint if self.joint and self.joint.name in usable else None,
        )

    def fields(self, sound: Array | None, face: Array | None) -> dict[str, Any]:
        """Return mean answers as the fields sound, face and submodels of a `Reading`.

        sound, face: as in `fuse`.
        """
        by_ear, by_eye = (
            None if p is None else named(self.classes, p.mean(axis=(0, 1))) for p in (sound, face)
        )
        submodels = {}
        if sound is not None:
            for part, p in zip(self.sounds, sound.mean(axis=0), strict=True):
                submodels[part.name] = named(self.classes, p)
        if by_eye and self.face:
            submodels[self.face.name] = by_eye
        return {"sound": by_ear, "face": by_eye, "submodels": submodels}

    def joins(self, sound: Array | None, face: Array | None) -> bool:
        """Return whether the joint network can answer: it needs all of its parts."""
        names = [part.name for part in self.sounds if sound is not None]
        names += [self.face.name] if self.face and face is not None else []
        return self.joint is not None and names == list(self.joint.input.parts)

    def fuse(self, sound: Array | None, face: Array | None) -> Array | None:
        """Return one answer for each row of several networks' answers, float32 (rows, classes).

        sound: float32 (rows, networks, classes); face: float32 (rows, 1, classes); None without an
        answer. The ensemble joins them (Paper A §3.5); without it, or if one is missing, this is the
        mean of those that there are (Paper B §3, fusion strategy). None without any.
        """
        answers = [p for p in (sound, face) if p is not None]
        if not answers:
            return None
        p = np.concatenate(answers, axis=1)
        if self.joint and self.joins(sound, face):
            return self.joint.predict(p.reshape(len(p), -1))
        return np.asarray(p.mean(axis=1, dtype=np.float32))


def runs_with_models(model: str = "full") -> list[Path]:
    """Return the runs that have a network of `model`, the preferred one first.

    Runs of `cryutils run`, which records their files, come before copied ones, then real infants
    before synthetic ones, complete models before incomplete ones, and new before old.
    """

    def preference(run: Path) -> tuple[bool, bool, int, int]:
        times = [(run / "models" / f"{name}.tflite").stat().st_mtime_ns for name in _networks(run, model)]
        is_recorded = all(_recorded(run, model).values())
        return is_recorded, not _is_synthetic(run, model), len(times), max(times)

    runs = {path.parents[1] for path in outputs_dir().glob("*/models/*.tflite")}
    return sorted((run for run in sorted(runs) if _networks(run, model)), key=preference, reverse=True)


def _recorded(run: Path, model: str) -> dict[Path, str]:
    """Return the files of `model` in a run with the digests that `cryutils run` recorded, or ""."""
    digests: dict[str, str] = {}
    for path in run.glob("state/*.json"):  # not by `claims.records`, which imports pandas
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            digests |= json.loads(path.read_bytes())["sha256"]
    names = [f"models/{part}{end}" for part in _networks(run, model) for end in _FILES]
    return {run / name: digests.get(name, "") for name in names}


def _is_synthetic(run: Path, model: str) -> bool:
    # A card that is refused is reported when the model is opened.
    for part in _networks(run, model):
        with suppress(InputError):
            if read_card(run / "models", part)["data"] == SYNTHETIC:
                return True
    return False


def find_run(model: str, run: str | Path | None) -> Path:
    """Return the folder of `run`, a name or an absolute `Path`.

    None: the first of `runs_with_models`, if its files are as recorded, or without any run `DEMO`.
    Raises InputError for an unknown model, a run that does not have it, and a name that contains a
    separator.
    """
    if model not in PARTS:
        raise InputError(f"no model {model!r}.{near_miss(model, PARTS)}")
    runs = runs_with_models(model)
    if run is None:
        if not runs and _networks(DEMO, model):
            return DEMO
        if not runs:
            notebooks = " ".join(dict.fromkeys(NOTEBOOKS[part] for part in PARTS[model]))
            what = f"{outputs_dir()}: no run has trained {model!r} yet"
            raise InputError(f"{what}; start one with `cryutils run {notebooks}`.")
        for path, digest in _recorded(runs[0], model).items():
            if not path.is_file() or file_digest(path) != digest:
                what = f"{path}: not as `cryutils run` recorded it, but a copy, changed, or made in Jupyter"
                again = f"run {NOTEBOOKS[path.stem]} again"
                raise InputError(f"{what}; {again}, or name the run that you trust: --run {runs[0].name}.")
        return runs[0]
    folder = run if isinstance(run, Path) else outputs_dir() / run
    if isinstance(run, str) and folder.parent != outputs_dir():
        raise InputError(f"run {run!r}: give a run's name alone, without a folder.")
    if not _networks(folder, model):
        hint = near_miss(folder.name, [path.name for path in runs])
        raise InputError(f"{folder}: this run has no model {model!r}; `cryutils run` trains it.{hint}")
    return folder


def _networks(run: Path, model: str) -> list[str]:
    """Return the names of the networks of `model` that the folder `run` has."""
    names = [name for name in PARTS[model] if (run / "models" / f"{name}.tflite").is_file()]
    return names if model != "ensemble" or "ensemble" in names else []


def open_model(model: str, run: Path) -> System:
    """Return the networks of `model` in the folder of `find_run`.

    Raises InputError if a file is damaged or does not fit its card, or if one of the networks is
    of another training run.
    """
    parts = {name: _open(run, name) for name in _networks(run, model)}
    face = parts.get("image", parts.get("frames"))
    sounds = tuple(part for part in parts.values() if isinstance(part.input, SoundInput))
    system = System(sounds, face, parts.get("ensemble"))
    notebooks = " and ".join(dict.fromkeys(NOTEBOOKS[name] for name in parts))
    if len({part.classes for part in system.parts}) > 1:
        what = f"{run}: {', '.join(parts)} were trained on different states"
        raise InputError(f"{what}; run {notebooks} again.")
    if system.joint:
        digests = read_card(run / "models", "ensemble").get("files")
        if digests != {name: parts[name].sha256 for name in system.joint.input.parts if name in parts}:
            what = f"{run}: the ensemble was not trained with these networks"
            raise InputError(f"{what}; run {notebooks} again.")
    return system


def named(classes: Sequence[str], p: Array) -> dict[str, float]:
    """Return probabilities, float32 (classes,), by state."""
    return dict(zip(classes, map(float, p), strict=True))


def export_model(model: str, *, run: str | Path | None = None, folder: Path | None = None) -> list[Path]:
    """Copy the networks of `model` as `<network>_float32.tflite` with their cards; return the paths.

    With "cry2" also `gate.npz` (the cry gate) and `features.npz` (its input, the classes and the
    temperatures), which `docs/device.py` runs. run: as in `find_run`. folder: where to write; None:
    `outputs/<run>/export`. Raises InputError for an unknown model or run, damaged files, or a
    folder that can't be written to.
    """
    source = find_run(model, run)
    models, folder, paths = source / "models", folder or outputs_dir() / source.name / "export", list[Path]()
    arrays: dict[str, dict[str, Any]] = {"gate": {}, "features": {"networks": []}}
    for name in _networks(source, model):
        card, path = read_card(models, name), folder / f"{name}_float32.tflite"
        about = {key: card.get(key) for key in _SHARED}
        about |= {"model": name, "run": source.name, "notice": _NOTICE}
        with explain_write_errors(folder, "choose another folder"):
            with writing(path) as part:
                shutil.copyfile(models / f"{name}.tflite", part)
            write_card(path.with_suffix(".json"), about)
        paths.append(path)
        arrays["features"]["networks"].append(name)
        arrays["features"] |= {f"temperature_{name}": card["temperature"], "classes": card["classes"]}
        if name == "cry2":
            arrays["gate"] = Gate.load().arrays()
            arrays["features"] |= SoundInput(**card["input"]).arrays()
    for name, content in arrays.items() if arrays["gate"] else ():
        paths.append(folder / f"{name}.npz")
        with writing(paths[-1]) as part, part.open("wb") as file:
            np.savez(file, **content)
    return paths


def _open(run: Path, name: str) -> Part[Any]:
    folder = run / "models"
    card, network = read_card(folder, name), Lite(folder / f"{name}.tflite")
    about: dict[str, Any] = {key: card.get(key) for key in ("data", "note", "sha256", "reference", "score")}
    part: Part[Any] = Part(
        name=name,
        network=network,
        input=INPUTS[name](**card["input"]),
        classes=tuple(card["classes"]),
        temperature=float(card["temperature"]),
        **about,
    )
    if (network.shape, network.classes) != (part.input.shape, len(part.classes)):
        raise InputError(f"{network.path}: its card does not fit; run {NOTEBOOKS[name]} again.")
    return part
