"""The trained models on any recording: `Predictor`, behind `cryutils predict` and the live page.

Used by `cryutils predict`. A recording is prepared as in training, with the settings
stored next to the models. Paper B's sound and face models answer for each window and each frame,
and their answers are averaged (Paper B §3). Paper A's ensemble (§3.5) joins the outputs of its
submodels for each window of sound and the frames shown at the same time. Without sound, or without
pictures, the remaining submodels answer. This is not a medical device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils.models import novelty
from cryutils.models.fusion import late_fusion, rolling_average
from cryutils.models.inputs import FaceInput, by_clip, picture_problem, sound_problem
from cryutils.models.verdict import verdict
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.streams import pairs
from cryutils.papers.trained_models import (
    ENSEMBLE,
    FacePart,
    Part,
    SoundPart,
    find_run,
    is_synthetic,
    open_models,
    runs_with_models,
)
from cryutils.video import faces

__all__ = ["Models", "Prediction", "Predictor", "Timeline", "fuse"]

Array = npt.NDArray[np.float32]

NO_MODEL = "this run has no model for it"
_FACE_FPS = 2.0  # models of the whole frame also require a face: an empty room has no state
_FRAMES = 16  # per batch


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """One model's answers over a recording: times in s (n,), probabilities (n, classes).

    boxes: of the faces, float32 (n, 4) x, y, width, height in pixels; None for sound. features:
    float32 (n, features), for the ensemble. unlike: for each network with a reference, the share of
    training recordings that are nearer to the others than this sound is (`novelty`).
    """

    times_s: npt.NDArray[np.float64]
    probabilities: Array
    boxes: Array | None = None
    features: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    unlike: tuple[float, ...] = ()

    @property
    def mean(self) -> Array:
        """The answer to the whole recording: mean probabilities, float32 (classes,)."""
        return np.asarray(self.probabilities.mean(axis=0))

    def index(self, time_s: float) -> int:
        """Return the index of the last answer that starts by `time_s`, 0 if none does."""
        return max(0, int(np.searchsorted(self.times_s, time_s + 1e-6, side="right")) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The models' answer to one file.

    info: what the file contains. state: the `verdict` on `probabilities`, a state or UNSURE; None
    if nothing in the file was usable. probabilities: by state. used: "both", "audio", "image" or
    "none". why: what in the file could not be used or was changed. fused: the ensemble's answers
    over time; None if sound and face are averaged. run, model: which model answered. data, note:
    its training corpus, and a description of the corpus. unlike: the largest of `Timeline.unlike`;
    None without sound, or without a reference.
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
        """Remarks for the user: what could not be used, and whether the sound is unusual.

        Missing pictures, or the missing sound of a still, are left out unless nothing was usable.
        """
        is_still = self.file.suffix.lower() in media.STILL
        expected = ("picture: no pictures", "sound: no sound" if is_still else "")
        reasons = [why for why in self.why if why not in expected]
        if self.state is None:
            reasons = reasons or list(self.why)
        far = novelty.caution(self.unlike)
        return tuple(reasons if far is None else [*reasons, f"sound: {far}"])

    def at(self, time_s: float) -> dict[str, float]:
        """Return the probabilities at a time of the recording, by state; {} without an answer."""
        lines = [self.fused] if self.fused else [self.sound, self.face]
        answers = [line.probabilities[line.index(time_s)] if line else None for line in lines]
        p, _ = fuse(answers[0], answers[-1])
        return {} if p is None else dict(zip(self.probabilities, map(float, p), strict=True))

    def row(self) -> dict[str, Any]:
        """Return the prediction as JSON types."""
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


class Predictor:
    """The models of one run, ready for any recording.

    run: the run's folder. classes: the states. parts: the networks with their settings; those for
    sound are also in `sounds`, the one for pictures is `face` (None without one). networks: all
    networks, by file name. data, note: the training corpora, and a description of them.

    >>> Predictor(run="quick")(Path("cry.mp4")).state                     # doctest: +SKIP
    'hungry'
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image", "full" or "ensemble", of `run` (see `find_run`).

        If the run has only one of the two networks of "full", that one answers. Raises InputError
        if the run has none, or if its files are damaged or do not belong together.
        """
        self.model, self.run = model, find_run(model, run)
        self.parts, self._ensemble = open_models(model, self.run)
        self.classes = self.parts[0].classes
        self.sounds = [part for part in self.parts if isinstance(part, SoundPart)]
        self.face = next((part for part in self.parts if isinstance(part, FacePart)), None)
        self.data, self.note = _origin(self.parts)
        last = {ENSEMBLE: self._ensemble.network} if self._ensemble else {}
        self.networks = {**last, **{part.name: part.network for part in self.parts}}

    def __call__(self, path: Path) -> Prediction:
        """Return the answer to the file at `path`: a sound, a video or a picture.

        Raises InputError if the file can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        sound = self._hear_file(path, info, why) if self.model != "image" else None
        face = self._see_file(path, info, why) if self.model != "cry2" else None
        p, used = fuse(sound.mean if sound else None, face.mean if face else None)
        if joined := self._joined(sound, face):
            p = joined.mean
        shares = {} if p is None else self.named(p)
        alone = {"audio": "cry2", "image": "image"}.get(used)
        asked = [part for part in self.parts if part.name == alone]
        data, note = _origin(asked or self.parts)
        return Prediction(
            file=path,
            info=info,
            state=verdict(shares) if shares else None,
            probabilities=shares,
            used=used,
            why=tuple(why),
            sound=sound,
            face=self._rolled(face),
            fused=joined,
            run=self.run.name,
            model=asked[0].name if asked else self.model,
            data=data,
            note=note,
            unlike=max(sound.unlike, default=None) if sound else None,
        )

    def hear(self, x: Array, *, newest: bool = False) -> Timeline | str:
        """Return the answers to the windows of a sound, or why the sound can't be judged.

        x: float32 (samples,) at the rate of `sounds[0].input`. newest: answer for the last window
        only.
        """
        hearing = self.sounds[0].input
        if problem := sound_problem(x, hearing.sr):
            return problem
        answers, unlike = [], []
        for part in self.sounds:
            rows = part.input.windows(x)
            answers.append(part.predict(rows[-1:] if newest else rows))
            if part.reference:
                unlike.append(part.reference.share(rows))
        features, probabilities = zip(*answers, strict=True)
        times_s = hearing.starts_s(len(rows), len(x))
        return Timeline(
            times_s[-1:] if newest else times_s,
            np.asarray(np.mean(probabilities, axis=0, dtype=np.float32)),
            features=np.concatenate(features, axis=1),
            unlike=tuple(unlike),
        )

    def named(self, probabilities: Array) -> dict[str, float]:
        """Return probabilities (classes,) by state."""
        return dict(zip(self.classes, map(float, probabilities), strict=True))

    def _hear_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> Timeline | None:
        """Return the answers to a file's sound; add to `why` what is wrong with it."""
        if not info.has_audio or not self.sounds:
            why.append(f"sound: {NO_MODEL if info.has_audio else info.missing('sound')}")
            return None
        problem, pieces = "", list[Timeline]()
        for start_s, x in audio.pieces(path, sr=self.sounds[0].input.sr):
            heard = self.hear(x)
            if isinstance(heard, str):
                problem = heard
            else:
                pieces.append(replace(heard, times_s=start_s + heard.times_s))
        if not pieces:
            why.append(f"sound: {problem}")
            return None
        inspected = audio.inspect(path)
        why += [f"sound: {what}" for what in (*inspected.changes, *inspected.doubts)]
        return Timeline(
            np.concatenate([piece.times_s for piece in pieces]),
            np.concatenate([piece.probabilities for piece in pieces]),
            features=np.concatenate([piece.features for piece in pieces]),
            unlike=tuple(map(min, zip(*(piece.unlike for piece in pieces), strict=True))),
        )

    def _see_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> Timeline | None:
        """Return the answers to a file's usable frames; add to `why` what is wrong with them."""
        if not info.has_video or self.face is None:
            why.append(f"picture: {NO_MODEL if info.has_video else info.missing('picture')}")
            return None
        seeing = self.face.input
        follows = isinstance(seeing, FaceInput) or seeing.crop == "face"
        fps = seeing.fps if follows else _FACE_FPS
        track = video.track(path, fps=fps, size=seeing.size, detector=seeing.detector)
        if problem := picture_problem(track):
            why.append(f"picture: {problem}")
            return None
        frames = (
            seeing.frames(path) if isinstance(seeing, FrameInput) and not follows else track.crops
        )
        usable = (
            (k, frame)
            for k, frame in enumerate(frames)
            if (track.usable[k] if follows else not faces.is_blank(frame))
        )
        numbers, answers = list[int](), list[tuple[Array, Array]]()
        while batch := list(islice(usable, _FRAMES)):
            numbers += [k for k, _ in batch]
            answers.append(self.face.predict(np.stack([frame for _, frame in batch])))
        if not answers:
            why.append("picture: black or blank frames")
            return None
        features, probabilities = map(np.concatenate, zip(*answers, strict=True))
        return Timeline(
            track.times_s[numbers] if follows else np.array(numbers) / seeing.fps,
            probabilities,
            track.boxes[numbers] if follows else None,
            features,
        )

    def _joined(self, sound: Timeline | None, face: Timeline | None) -> Timeline | None:
        """Return the ensemble's answer for each window of sound; None if an input is missing."""
        if self._ensemble is None or sound is None or (self.face and face is None):
            return None
        features = [sound.features]
        if face:
            middles = sound.times_s + self.sounds[0].input.window_s / 2
            frame, window = pairs(face.times_s, middles)
            features.append(by_clip(face.features[frame], window, len(middles)))
        x = np.concatenate(features, axis=1)
        return Timeline(sound.times_s, self._ensemble.network.predict(x))

    def _rolled(self, face: Timeline | None) -> Timeline | None:
        """Return the frames' answers, in the ensemble with Paper A's rolling average."""
        if self._ensemble is None or face is None:
            return face
        frames = face.probabilities
        rolled = rolling_average(frames, self._ensemble.rolling or len(frames))
        return replace(face, probabilities=rolled)


class Models:
    """A model of one run, and a run on synthetic infants as the fallback where it has no network.

    A run on real infants may have only a sound model. The best run on synthetic infants then
    answers for pictures, and the prediction says so.
    """

    def __init__(self, model: str, *, run: str | Path | None = None) -> None:
        """Open `model` as `Predictor` does; with a named `run` there is no fallback."""
        self.first = Predictor(model, run=run)
        self._answers_alone = run is not None

    def __call__(self, path: Path) -> Prediction:
        """Return the answer to the file at `path`. Raises InputError as `Predictor` does."""
        prediction = self.first(path)
        lacking = any(reason.endswith(NO_MODEL) for reason in prediction.why)
        if prediction.state is None and lacking and self._stand_in:
            return self._stand_in(path)
        return prediction

    @cached_property
    def _stand_in(self) -> Predictor | None:
        model, run = self.first.model, self.first.run
        others = [] if self._answers_alone else runs_with_models(model)
        others = [other for other in others if is_synthetic(other, model) and other != run]
        return Predictor(model, run=others[0]) if others else None


def fuse(sound: Array | None, face: Array | None) -> tuple[Array | None, str]:
    """Return the mean of the available probabilities, float32 (classes,), and which were available.

    The second is "both", "audio", "image" or "none" (Paper B §3, fusion strategy).
    """
    if sound is None and face is None:
        return None, "none"
    missing = np.full_like(sound if face is None else face, np.nan)
    fused = late_fusion(missing if sound is None else sound, missing if face is None else face)
    return fused.probabilities[0], str(fused.used[0])


def _origin(parts: Sequence[Part]) -> tuple[str, str]:
    """Return the names of the parts' corpora, and a note on these and on uncalibrated parts."""
    raw = ", ".join(dict.fromkeys(part.label for part in parts if part.temperature is None))
    notes = [*dict.fromkeys(part.note for part in parts), *([f"{raw}: not calibrated"] * bool(raw))]
    return ", ".join(dict.fromkeys(part.data for part in parts)), "; ".join(notes)
