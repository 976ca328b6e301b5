"""The trained models on any recording: `Predictor`, behind `cryutils predict` and the live page.

A recording is prepared as in training, with the settings stored next to the models. Paper B's sound
and face models answer for each window and each frame, and their answers are averaged (Paper B §3).
Without usable sound, or without a face, the other model answers alone. This is not a medical
device.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils.models import novelty
from cryutils.models.fusion import late_fusion, verdict
from cryutils.models.inputs import picture_problem, sound_problem
from cryutils.papers.trained_models import find_run, open_model
from cryutils.video import faces

__all__ = ["Prediction", "Predictor", "SoundAnswer", "fuse"]

Array = npt.NDArray[np.float32]

NO_MODEL = "this run has no model for it"


@dataclass(frozen=True, slots=True, eq=False)
class SoundAnswer:
    """The sound model's answer: probabilities of each window, float32 (windows, classes).

    unlike: the share of training recordings that are nearer to the others than this sound is
    (`novelty`); None without a reference.
    """

    probabilities: Array
    unlike: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The models' answer to one file.

    state: the `verdict` on `probabilities`, a state or "unsure"; None if nothing in the file was
    usable. probabilities: by state. used: "both", "audio", "image" or "none". why: what in the file
    could not be used or was changed. run, model: which model answered. data: its training corpus.
    unlike: as in `SoundAnswer`, None without sound.
    """

    file: Path
    state: str | None
    probabilities: dict[str, float]
    used: str
    why: tuple[str, ...]
    run: str
    model: str
    data: str
    unlike: float | None

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

    run: the run's folder. classes: the states. sound, face: the networks with their settings, None
    without one. data, note: the training corpora, and a description of them.

    >>> Predictor(run="quick")(Path("cry.mp4")).state                     # doctest: +SKIP
    'hungry'
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image" or "full", of `run` (see `find_run`).

        If the run has only one of the two networks of "full", that one answers. Raises InputError
        if the run has none, or if its files are damaged or do not fit each other.
        """
        self.model, self.run = model, find_run(model, run)
        self.sound, self.face = open_model(model, self.run)
        parts = [part for part in (self.sound, self.face) if part]
        self.classes = parts[0].classes
        self.data = ", ".join(dict.fromkeys(part.data for part in parts))
        self.note = "; ".join(dict.fromkeys(part.note for part in parts))

    def __call__(self, path: Path) -> Prediction:
        """Return the answer to the file at `path`: a sound, a video or a picture.

        Raises InputError if the file can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        sound = self._hear_file(path, info, why) if self.model != "image" else None
        face = self._see_file(path, info, why) if self.model != "cry2" else None
        p, used = fuse(sound.probabilities.mean(axis=0) if sound else None, face)
        shares = {} if p is None else self.named(p)
        alone = {"audio": self.sound, "image": self.face}.get(used)
        return Prediction(
            file=path,
            state=verdict(shares) if shares else None,
            probabilities=shares,
            used=used,
            why=tuple(why),
            run=self.run.name,
            model={"audio": "cry2", "image": "image"}.get(used, self.model),
            data=alone.data if alone else self.data,
            unlike=sound.unlike if sound else None,
        )

    def hear(self, x: Array, *, newest: bool = False) -> SoundAnswer | str:
        """Return the answer to a sound, or why the sound can't be judged.

        x: float32 (samples,) at the rate of `sound.input`. newest: answer for the last window only.
        """
        assert self.sound is not None
        if problem := sound_problem(x, self.sound.input.sr):
            return problem
        rows, reference = self.sound.input.windows(x), self.sound.reference
        unlike = novelty.share(reference, rows) if reference else None
        return SoundAnswer(self.sound.predict(rows[-1:] if newest else rows), unlike)

    def named(self, probabilities: Array) -> dict[str, float]:
        """Return probabilities (classes,) by state."""
        return dict(zip(self.classes, map(float, probabilities), strict=True))

    def _hear_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> SoundAnswer | None:
        """Return the answer to a file's sound; add to `why` what is wrong with it."""
        if not info.has_audio or self.sound is None:
            why.append(f"sound: {NO_MODEL if info.has_audio else info.missing('sound')}")
            return None
        answers = [self.hear(x) for _, x in audio.pieces(path, sr=self.sound.input.sr)]
        pieces = [answer for answer in answers if isinstance(answer, SoundAnswer)]
        if not pieces:
            why.append(f"sound: {answers[-1] if answers else 'no sound'}")
            return None
        inspected = audio.inspect(path)
        why += [f"sound: {what}" for what in (*inspected.changes, *inspected.doubts)]
        return SoundAnswer(
            np.concatenate([piece.probabilities for piece in pieces]),
            min((piece.unlike for piece in pieces if piece.unlike is not None), default=None),
        )

    def _see_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> Array | None:
        """Return the mean answer to a file's faces; add to `why` what is wrong with them."""
        if not info.has_video or self.face is None:
            why.append(f"picture: {NO_MODEL if info.has_video else info.missing('picture')}")
            return None
        seeing = self.face.input
        detector = faces.resolve(seeing.detector, search=True)
        track = video.track(path, fps=seeing.fps, size=seeing.size, detector=detector)
        if problem := picture_problem(track):
            why.append(f"picture: {problem}")
            return None
        return np.asarray(self.face.predict(seeing.crops(track)).mean(axis=0))


def fuse(sound: Array | None, face: Array | None) -> tuple[Array | None, str]:
    """Return the mean of the available probabilities, float32 (classes,), and which were available.

    The second is "both", "audio", "image" or "none" (Paper B §3, fusion strategy).
    """
    if sound is None and face is None:
        return None, "none"
    missing = np.full_like(sound if face is None else face, np.nan)
    fused = late_fusion(missing if sound is None else sound, missing if face is None else face)
    return fused.probabilities[0], str(fused.used[0])
