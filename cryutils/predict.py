"""The trained models on any recording: `Predictor`, behind the command `cryutils predict`.

Walked by notebook 06_full. A recording is prepared as in training, with the settings kept beside
the models, judged by the sound model, the picture model or both, and fused as Paper B §3 says.
It runs the LiteRT files, so TensorFlow is never imported. It is no medical device. Paper A's
ensemble is asked by `predict_ensemble`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, media, video
from cryutils.errors import InputError, near_miss
from cryutils.export import Lite
from cryutils.fusion import late_fusion
from cryutils.inputs import FaceInput, SoundInput, picture_problem, sound_problem
from cryutils.locations import outputs_dir

__all__ = ["MODELS", "Prediction", "Predictor", "Timeline", "find_run", "runs_with_models"]

Array = npt.NDArray[np.float32]

MODELS = ("cry2", "image", "full", "ensemble")
_INPUTS: dict[str, type[SoundInput] | type[FaceInput]] = {"cry2": SoundInput, "image": FaceInput}
_PARTS = {
    "cry2": ("cry2",), "image": ("image",), "full": ("cry2", "image"), "ensemble": ("ensemble",),
}  # fmt: skip
_TRAINED_BY = {"cry2": "04_cry2", "image": "05_image", "full": "04_cry2 05_image"}


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

    `info` is what the file holds. `state` is None where nothing in it was usable; `used` is
    "both", "audio", "image" or "none";
    `probabilities` by state; `why` says what of the file could not be used, and why. `fused`
    are the ensemble's answers over time; None where sound and face are averaged as they are.
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

    def row(self) -> dict[str, Any]:
        """Return the prediction as JSON's types."""
        shares = {name: round(value, 4) for name, value in self.probabilities.items()}
        return {
            "file": str(self.file),
            "state": self.state,
            "probabilities": shares,
            "used": self.used,
            "why": list(self.why),
        }


def runs_with_models(model: str = "full") -> list[Path]:
    """Return the runs that hold a part of `model` as files: all parts before some, then newest."""
    found: dict[Path, list[int]] = {}
    for part in _PARTS[model]:
        for path in sorted(outputs_dir().glob(f"*/models/{part}.tflite")):
            found.setdefault(path.parent.parent, []).append(path.stat().st_mtime_ns)
    return sorted(found, key=lambda run: (len(found[run]), max(found[run])), reverse=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """One model of a run, how a recording is prepared for it, and what it was trained on."""

    network: Lite
    given: SoundInput | FaceInput
    classes: tuple[str, ...]
    note: str


class Predictor:
    """The models of one run, ready for any file.

    >>> Predictor(run="quick")(Path("cry.mp4")).state                     # doctest: +SKIP
    'hungry'
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image" or "full", of `run` (a name or folder; None: the
        newest, one that holds both parts before one that doesn't).

        "full" makes do with one of the two where a run has but one. Raises InputError where the
        run has none.
        """
        if model == "ensemble":
            raise InputError("ensemble: it is opened by `predict_ensemble.open_models`.")
        if model not in _TRAINED_BY:
            raise InputError(f"no model {model!r}.{near_miss(model, MODELS)}")
        self.run = find_run(model, run)
        folder = self.run / "models"
        self._wanted = _PARTS[model]
        self._parts = {
            part: _open(folder, part)
            for part in self._wanted
            if (folder / f"{part}.tflite").is_file()
        }
        if not self._parts:
            raise InputError(f"{self.run}: no model {model!r} here; `cryutils run` trains it.")
        orders = {part.classes for part in self._parts.values()}
        if len(orders) > 1:
            raise InputError(f"{self.run}: cry2 and image know different states; run both again.")
        self.classes = orders.pop()

    @property
    def note(self) -> str:
        """What the models were trained on, in words."""
        notes = dict.fromkeys(part.note for part in self._parts.values())
        return "; ".join(notes)

    def __call__(self, path: Path) -> Prediction:
        """Return what the models say of the file at `path`: a sound, a video or a picture.

        Raises InputError, in one line, where it can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        sound = self._hear(path, info.has_audio, why) if "cry2" in self._wanted else None
        face = self._look(path, info.has_video, why) if "image" in self._wanted else None
        fused = late_fusion(self._mean(sound), self._mean(face))
        (probabilities,), (used,) = fused.probabilities, fused.used
        answers = used != "none"
        return Prediction(
            file=path,
            info=info,
            state=self.classes[int(probabilities.argmax())] if answers else None,
            probabilities={
                name: float(p) for name, p in zip(self.classes, probabilities, strict=True)
            }
            if answers
            else {},
            used=str(used),
            why=tuple(why),
            sound=sound,
            face=face,
        )

    def _hear(self, path: Path, has_audio: bool, why: list[str]) -> Timeline | None:
        part = self._parts.get("cry2")
        if part is None or not isinstance(part.given, SoundInput):
            why.append(f"sound: {'no model of it in this run' if has_audio else 'no sound'}")
            return None
        settings, problem = part.given, "no sound"
        times, answers = [], []
        for start_s, x in audio.pieces(path, sr=settings.sr) if has_audio else ():
            if unusable := sound_problem(x, settings.sr):
                problem = unusable
                continue
            rows = settings.windows(x)
            times.append(start_s + settings.starts_s(len(rows), len(x)))
            answers.append(part.network.predict(rows))
        if not answers:
            why.append(f"sound: {problem}")
            return None
        return Timeline(np.concatenate(times), np.concatenate(answers))

    def _look(self, path: Path, has_video: bool, why: list[str]) -> Timeline | None:
        part = self._parts.get("image")
        if part is None or not isinstance(part.given, FaceInput):
            why.append(f"picture: {'no model of it in this run' if has_video else 'no pictures'}")
            return None
        settings = part.given
        track = (
            video.track(
                path,
                fps=settings.fps,
                size=settings.size,
                detector=settings.detector,
            )
            if has_video
            else None
        )
        if (problem := picture_problem(track)) or track is None:
            why.append(f"picture: {problem}")
            return None
        answers = part.network.predict(settings.crops(track))
        return Timeline(track.times_s[track.usable], answers, track.boxes[track.usable])

    def _mean(self, timeline: Timeline | None) -> Array:
        if timeline is None:
            return np.full((1, len(self.classes)), np.nan, np.float32)
        return timeline.probabilities.mean(axis=0, keepdims=True)


def find_run(model: str, run: str | Path | None) -> Path:
    """Return the folder of `run` (a name or folder), or of the newest that has `model`.

    Raises InputError where there is none.
    """
    if run is None:
        known = runs_with_models(model)
        if not known:
            raise InputError(
                f"{outputs_dir()}: no run has trained {model!r} yet; start one with"
                f" `cryutils run {_TRAINED_BY.get(model, '09_ensemble')}`."
            )
        return known[0]
    folder = Path(run) if Path(run).is_absolute() else outputs_dir() / run
    if not (folder / "models").is_dir():
        known_names = [path.name for path in runs_with_models(model)]
        raise InputError(f"{folder}: no models here.{near_miss(str(run), known_names)}")
    return folder


def _open(folder: Path, name: str) -> _Part:
    path, about = folder / f"{name}.tflite", folder / f"{name}.json"
    network = Lite(path)
    try:
        told = json.loads(about.read_text(encoding="utf-8"))
        given = _INPUTS[name](**told["input"])
        part = _Part(network, given, tuple(told["classes"]), str(told["note"]))
    except FileNotFoundError as error:
        raise InputError(f"{about}: missing, so nothing tells how to use {path.name}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{about}: it doesn't tell how to use {path.name} ({error}); run its notebook again."
        ) from error
    if network.shape != given.shape or network.classes != len(part.classes):
        raise InputError(f"{about}: it isn't of {path.name}; run its notebook again.")
    return part
