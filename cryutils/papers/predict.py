"""The trained models on any recording: `Predictor`, behind the command `cryutils predict`.

Walked by notebook 06_full. A recording is prepared as in training, with the settings kept beside
the models, judged by the sound model, the picture model or both, and fused as Paper B §3 says.
It runs the LiteRT files, so TensorFlow is never imported. It is no medical device. Paper A's
ensemble is asked by `predict_ensemble`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import outputs_dir
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.calibration import at_temperature
from cryutils.models import novelty
from cryutils.models.export import Lite
from cryutils.models.fusion import late_fusion
from cryutils.models.inputs import FaceInput, SoundInput, picture_problem, sound_problem
from cryutils.models.model_card import NOTEBOOKS, ModelCard, from_json
from cryutils.models.verdict import verdict

__all__ = [
    "MODELS", "NO_MODEL", "PARTS", "Part", "Prediction", "Predictor", "Timeline", "find_run",
    "is_synthetic", "open_parts", "runs_with_models", "sound_changes", "trained_on",
]  # fmt: skip

Array = npt.NDArray[np.float32]

MODELS = ("cry2", "image", "full", "ensemble")
_INPUTS: dict[str, type[SoundInput] | type[FaceInput]] = {"cry2": SoundInput, "image": FaceInput}
PARTS = {
    "cry2": ("cry2",), "image": ("image",), "full": ("cry2", "image"), "ensemble": ("ensemble",),
}  # fmt: skip
NO_MODEL = "no model of it in this run"


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """One model's answers over a recording: times in s (n,), probabilities (n, classes).

    `boxes` are the faces, float32 (n, 4) x, y, width, height in pixels; None for sound.
    """

    times_s: npt.NDArray[np.float64]
    probabilities: Array
    boxes: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the models say of one file.

    `info` is what the file holds. `state` is the `verdict` on `probabilities`, by state:
    a state or UNSURE; None where nothing in the file was usable. `used` is "both", "audio",
    "image" or "none"; `why` says what of the file could not be used or was changed. `fused`
    are the ensemble's answers over time; None where sound and face are averaged as they are.
    `run`, `model` and `data` name who answered and the corpus that it learned from, `note` says
    what that is. `unlike` is the share of the training's sounds that are nearer to the others
    than this sound is (see `novelty`); None where there's no sound, or nothing to compare with.
    """

    file: Path
    info: media.MediaInfo
    state: str | None
    probabilities: dict[str, float]
    used: str
    why: tuple[str, ...]
    sound: Timeline | None = field(repr=False)
    face: Timeline | None = field(repr=False)
    fused: Timeline | None = field(repr=False, default=None)
    run: str = ""
    model: str = ""
    data: str = ""
    note: str = ""
    unlike: float | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said with the answer: what could not be used, and an unlikely sound.

        Not that a sound has no pictures, or a picture no sound, where the rest was answered.
        """
        is_still = self.file.suffix.lower() in media.STILL
        expected = ("picture: no pictures", "sound: no sound" if is_still else "")
        reasons = [why for why in self.why if why not in expected]
        if self.state is None:
            reasons = reasons or list(self.why)
        far = novelty.caution(self.unlike)
        return tuple(reasons if far is None else [*reasons, f"sound: {far}"])

    def row(self) -> dict[str, Any]:
        """Return the prediction as JSON's types."""
        shares = {name: round(value, 4) for name, value in self.probabilities.items()}
        return {
            "file": str(self.file),
            "state": self.state,
            "probabilities": shares,
            "used": self.used,
            "why": list(self.why),
            "run": self.run,
            "model": self.model,
            "data": self.data,
            "unlike": None if self.unlike is None else round(self.unlike, 2),
        }


def runs_with_models(model: str = "full") -> list[Path]:
    """Return the runs that hold a part of `model` as files.

    Those trained on real infants come before those on synthetic ones, then all parts before
    some, then the newest.
    """
    parts: dict[Path, list[int]] = {}
    for part in PARTS[model]:
        for path in sorted(outputs_dir().glob(f"*/models/{part}.tflite")):
            parts.setdefault(path.parent.parent, []).append(path.stat().st_mtime_ns)
    return sorted(
        parts,
        key=lambda run: (not is_synthetic(run, model), len(parts[run]), max(parts[run])),
        reverse=True,
    )


def is_synthetic(run: Path, model: str) -> bool:
    """Return whether a part of `model` in the folder `run` was trained on synthetic infants.

    False where nothing tells: who opens it will say what is wrong with it.
    """
    data = []
    for part in PARTS[model]:
        try:
            content = json.loads((run / "models" / f"{part}.json").read_text(encoding="utf-8"))
            data.append(content["data"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return "synthetic" in data


@dataclass(frozen=True, slots=True)
class Part:
    """One model of a run, how a recording is prepared for it, and what it was trained on.

    temperature: at which its probabilities are calibrated, see `calibration`; None where its
    training fitted none.
    """

    network: Lite
    input: SoundInput | FaceInput
    classes: tuple[str, ...]
    data: str
    note: str
    reference: novelty.Reference | None
    temperature: float | None

    def predict(self, x: npt.NDArray[Any]) -> Array:
        """Return the calibrated probabilities of prepared examples, float32 (n, classes)."""
        return at_temperature(self.network.predict(x), self.temperature or 1.0)


def trained_on(parts: Mapping[str, Part]) -> str:
    """Return what the models `parts` were trained on, and which of them are not calibrated."""
    names = {"cry2": "sound model", "image": "face model"}
    raw = [names[name] for name, part in parts.items() if part.temperature is None]
    trained = dict.fromkeys(part.note for part in parts.values())
    return "; ".join([*trained, *([f"{', '.join(raw)}: not calibrated"] if raw else [])])


class Predictor:
    """The models of one run, ready for any file.

    >>> Predictor(run="quick")(Path("cry.mp4")).state                     # doctest: +SKIP
    'hungry'
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image" or "full", of `run`, a name or an absolute `Path`.

        None: the first of `runs_with_models`. "full" makes do with one of the two where a run
        has but one. Raises InputError where the run has none, or its files are damaged.
        """
        self.model, self._wanted = model, PARTS.get(model, ())
        self.run, self._parts = open_parts(model, run)
        self.classes = next(iter(self._parts.values())).classes

    @property
    def networks(self) -> dict[str, Lite]:
        """The networks that are asked, by the names of their files."""
        return {name: part.network for name, part in self._parts.items()}

    @property
    def note(self) -> str:
        """What the models were trained on, and which are not calibrated."""
        return trained_on(self._parts)

    @property
    def data(self) -> str:
        """The corpora that the models were trained on, by name."""
        return ", ".join(dict.fromkeys(part.data for part in self._parts.values()))

    def __call__(self, path: Path) -> Prediction:
        """Return what the models say of the file at `path`: a sound, a video or a picture.

        Raises InputError, in one line, where it can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        sound, unlike = self._hear(path, info, why) if "cry2" in self._wanted else (None, None)
        face = self._look(path, info, why) if "image" in self._wanted else None
        fused = late_fusion(self._mean(sound), self._mean(face))
        (probabilities,), (used,) = fused.probabilities, fused.used
        answers = used != "none"
        shares = dict(zip(self.classes, map(float, probabilities), strict=True)) if answers else {}
        name = {"audio": "cry2", "image": "image"}.get(str(used), self.model)
        asked = {part: self._parts[part] for part in PARTS[name] if part in self._parts}
        return Prediction(
            file=path,
            info=info,
            state=verdict(shares) if shares else None,
            probabilities=shares,
            used=str(used),
            why=tuple(why),
            sound=sound,
            face=face,
            run=self.run.name,
            model=name,
            data=", ".join(dict.fromkeys(part.data for part in asked.values())),
            note=trained_on(asked),
            unlike=unlike,
        )

    def _hear(
        self, path: Path, info: media.MediaInfo, why: list[str]
    ) -> tuple[Timeline | None, float | None]:
        """Return the answers to a sound, and how unlike the training's it is."""
        if not info.has_audio:
            why.append(f"sound: {info.missing('sound')}")
            return None, None
        part = self._parts.get("cry2")
        if part is None or not isinstance(part.input, SoundInput):
            why.append(f"sound: {NO_MODEL}")
            return None, None
        settings, problem = part.input, None
        times, answers, unlike = [], [], []
        for start_s, x in audio.pieces(path, sr=settings.sr):
            if unusable := sound_problem(x, settings.sr):
                problem = unusable
                continue
            rows = settings.windows(x)
            times.append(start_s + settings.starts_s(len(rows), len(x)))
            answers.append(part.predict(rows))
            if part.reference:
                unlike.append(part.reference.share(rows))
        if not answers:
            why.append(f"sound: {problem}")
            return None, None
        why += sound_changes(path)
        timeline = Timeline(np.concatenate(times), np.concatenate(answers))
        return timeline, min(unlike, default=None)

    def _look(self, path: Path, info: media.MediaInfo, why: list[str]) -> Timeline | None:
        if not info.has_video:
            why.append(f"picture: {info.missing('picture')}")
            return None
        part = self._parts.get("image")
        if part is None or not isinstance(part.input, FaceInput):
            why.append(f"picture: {NO_MODEL}")
            return None
        settings = part.input
        track = video.track(path, fps=settings.fps, size=settings.size, detector=settings.detector)
        if problem := picture_problem(track):
            why.append(f"picture: {problem}")
            return None
        answers = part.predict(settings.crops(track))
        return Timeline(track.times_s[track.usable], answers, track.boxes[track.usable])

    def _mean(self, timeline: Timeline | None) -> Array:
        if timeline is None:
            return np.full((1, len(self.classes)), np.nan, np.float32)
        return timeline.probabilities.mean(axis=0, keepdims=True)


def sound_changes(path: Path) -> list[str]:
    """Return what is changed in the sound of a file, or looks wrong, for `Prediction.why`."""
    heard = audio.inspect(path)
    return [f"sound: {what}" for what in (*heard.changes, *heard.doubts)]


def find_run(model: str, run: str | Path | None) -> Path:
    """Return the folder of `run`; None: the first of `runs_with_models`.

    run: a name, or an absolute `Path` of a folder. Raises InputError where there is none, and
    for a name that holds a separator.
    """
    if model not in MODELS:
        raise InputError(f"no model {model!r}.{near_miss(model, MODELS)}")
    if run is None:
        runs = runs_with_models(model)
        if not runs:
            notebooks = " ".join(NOTEBOOKS[part] for part in PARTS[model])
            raise InputError(
                f"{outputs_dir()}: no run has trained {model!r} yet; start one with"
                f" `cryutils run {notebooks}`."
            )
        return runs[0]
    hint = near_miss(Path(run).name, [path.name for path in runs_with_models(model)])
    if not (isinstance(run, Path) and run.is_absolute()):
        if run in ("", ".", "..") or Path(run).name != str(run):
            raise InputError(f"run {str(run)!r}: give a run's name alone, without a folder.{hint}")
        run = outputs_dir() / run
    if not (run / "models").is_dir():
        raise InputError(f"{run}: no models here.{hint}")
    return run


def open_parts(model: str, run: str | Path | None) -> tuple[Path, dict[str, Part]]:
    """Return the folder of `run` and its parts of `model`, "cry2" and "image", by name.

    They know the same states in the same order. Raises InputError as `Predictor` does.
    """
    if model == "ensemble":
        raise InputError("ensemble: it is opened by `predict_ensemble.Models`.")
    home = find_run(model, run)
    folder = home / "models"
    parts = {
        part: _open(folder, part) for part in PARTS[model] if (folder / f"{part}.tflite").is_file()
    }
    if not parts:
        raise InputError(f"{home}: no model {model!r} here; `cryutils run` trains it.")
    if len({part.classes for part in parts.values()}) > 1:
        raise InputError(f"{home}: cry2 and image know different states; run both again.")
    return home, parts


def _open(folder: Path, name: str) -> Part:
    card = ModelCard.read(folder, name)
    network = card.network(f"{name}.tflite")
    try:
        temperature = card.content.get("temperature")
        if temperature is not None and not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature!r}")
        part = Part(
            network,
            from_json(_INPUTS[name], card.content["input"]),
            card.classes,
            card.text("data"),
            card.text("note"),
            novelty.Reference.from_json(card.content.get("reference")),
            temperature,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise card.refusal(error) from error
    if network.shape != part.input.shape or network.classes != len(part.classes):
        raise card.refusal()
    return part
