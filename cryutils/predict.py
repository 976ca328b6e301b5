"""The trained models on any recording: `Predictor`, behind the command `cryutils predict`.

Walked by notebook 06_full. A recording is prepared as in training, with the settings kept beside
the models, judged by the sound model, the picture model or both, and fused as Paper B §3 says.
It runs the LiteRT files, so TensorFlow is never imported. It is no medical device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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

__all__ = ["MODELS", "Prediction", "Predictor", "Timeline", "runs_with_models"]

Array = npt.NDArray[np.float32]

MODELS = ("cry2", "image", "full")
_PARTS = {"cry2": ("cry2",), "image": ("image",), "full": ("cry2", "image")}


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

    `state` is None where nothing in it was usable; `used` is "both", "audio", "image" or "none";
    `probabilities` by state; `why` says what of the file could not be used, and why.
    """

    file: Path
    state: str | None
    probabilities: dict[str, float]
    used: str
    why: tuple[str, ...]
    sound: Timeline | None = field(repr=False)
    face: Timeline | None = field(repr=False)

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
    """Return the runs that hold a part of `model` as files, newest first."""
    found = {
        path.parent.parent: path.stat().st_mtime_ns
        for part in _PARTS[model]
        for path in sorted(outputs_dir().glob(f"*/models/{part}.tflite"))
    }
    return sorted(found, key=lambda run: found[run], reverse=True)


class Predictor:
    """The models of one run, ready for any file.

    >>> Predictor(run="quick")(Path("cry.mp4")).state                     # doctest: +SKIP
    'hungry'
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image" or "full", of `run` (a name or folder; None: the newest).

        "full" makes do with one of the two where a run has but one. Raises InputError where the
        run has none.
        """
        if model not in MODELS:
            raise InputError(f"no model {model!r}.{near_miss(model, MODELS)}")
        self.run = _run(model, run)
        self._parts = {
            part: _open(self.run / "models" / f"{part}.tflite")
            for part in _PARTS[model]
            if (self.run / "models" / f"{part}.tflite").is_file()
        }
        if not self._parts:
            raise InputError(f"{self.run}: no model {model!r} here; `cryutils run` trains it.")
        orders = {tuple(about["classes"]) for _, about in self._parts.values()}
        if len(orders) > 1:
            raise InputError(f"{self.run}: cry2 and image know different states; run both again.")
        self.classes = orders.pop()

    @property
    def note(self) -> str:
        """What the models were trained on, in words."""
        notes = dict.fromkeys(about["note"] for _, about in self._parts.values())
        return "; ".join(notes)

    def __call__(self, path: Path) -> Prediction:
        """Return what the models say of the file at `path`: a sound, a video or a picture.

        Raises InputError, in one line, where it can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        sound = self._hear(path, info.has_audio, why) if "cry2" in self._parts else None
        face = self._look(path, info.has_video, why) if "image" in self._parts else None
        fused = late_fusion(self._mean(sound), self._mean(face))
        (probabilities,), (used,) = fused.probabilities, fused.used
        answers = used != "none"
        return Prediction(
            file=path,
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
        network, about = self._parts["cry2"]
        settings = SoundInput(**about["input"])
        x = audio.read(path, sr=settings.sr) if has_audio else np.zeros(0, np.float32)
        if problem := sound_problem(x, settings.sr):
            why.append(f"sound: {problem}")
            return None
        rows = settings.windows(x)
        times = np.minimum(
            np.arange(len(rows)) * settings.step_s,
            max(0.0, len(x) / settings.sr - settings.window_s),
        )
        return Timeline(times, network.predict(rows))

    def _look(self, path: Path, has_video: bool, why: list[str]) -> Timeline | None:
        network, about = self._parts["image"]
        settings = FaceInput(**about["input"])
        track = (
            video.track(
                path,
                fps=settings.fps,
                size=settings.size,
                limit=settings.limit,
                detector=settings.detector,
            )
            if has_video
            else None
        )
        if (problem := picture_problem(track)) or track is None:
            why.append(f"picture: {problem}")
            return None
        usable = track.found & ~track.blank
        return Timeline(
            track.times_s[usable], network.predict(settings.crops(track)), track.boxes[usable]
        )

    def _mean(self, timeline: Timeline | None) -> Array:
        if timeline is None:
            return np.full((1, len(self.classes)), np.nan, np.float32)
        return timeline.probabilities.mean(axis=0, keepdims=True)


def _run(model: str, run: str | Path | None) -> Path:
    if run is None:
        known = runs_with_models(model)
        if not known:
            raise InputError(
                f"{outputs_dir()}: no run has trained {model!r} yet; start one with"
                " `cryutils run 04_cry2 05_image`."
            )
        return known[0]
    folder = Path(run) if Path(run).is_absolute() else outputs_dir() / run
    if not (folder / "models").is_dir():
        known_names = [path.name for path in runs_with_models(model)]
        raise InputError(f"{folder}: no models here.{near_miss(str(run), known_names)}")
    return folder


def _open(path: Path) -> tuple[Lite, Mapping[str, Any]]:
    about = path.with_suffix(".json")
    try:
        return Lite(path), json.loads(about.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{about}: missing, so nothing tells how to use {path.name}.") from error
    except ValueError as error:
        raise InputError(f"{about}: no JSON ({error}); run its notebook again.") from error
