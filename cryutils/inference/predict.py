"""The trained models on any recording: `Predictor`, behind `cryutils predict` and the live page.

The cry gate finds the bursts of crying in a file. Paper B's sound and face models answer for its
windows and frames, and their answers are averaged (Paper B §3). Without usable sound, or without a
face, the other model answers alone. A model trained on drawn faces answers for synthetic videos
only. One trained on synthetic voices answers for every file, since a sound file has no mark of what
made it. The shipped model answers for films with the mark only. This is not a medical device.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils.inference.readings import Kind, Reading, verdict
from cryutils.inference.trained_models import DEMO, Part, find_run, open_model
from cryutils.models import novelty
from cryutils.models.gate import CRY_PAUSE_S, STEP_S, WINDOW_S, Gate, bursts
from cryutils.models.inputs import SoundInput, picture_problem, sound_problem
from cryutils.video import faces
from cryutils.words import GAP, NO_CRY, QUIET, UNSURE

Array = npt.NDArray[np.float32]
# Times in s, float64 (frames,), and probabilities, float32 (frames, classes), of usable frames.
Looks: TypeAlias = tuple[npt.NDArray[np.float64], Array]

NO_MODEL = "this run has no model for it"
TOO_QUIET = "too quiet to judge"
DRAWN = "the face model was trained on drawn faces"
DEMO_ONLY = "the demonstration's models answer for its synthetic infants only; train some: `cryutils run`"


class Answer(NamedTuple):
    """A model's answer: probabilities, float32 (windows, classes), or None.

    why: the reason if there are none, or a caution. kind: as in `Reading`.
    """

    probabilities: Array | None
    why: str = ""
    kind: Kind = Kind.PLAIN


Cry: TypeAlias = tuple[float | None, float, Answer]  # start and end in s; None: the whole file


class Predictor:
    """The models of one run, ready for any recording.

    run: the run's folder. classes: the states. sound, face: the networks with their settings, None
    without one. gate: the cry gate. data, note: the training corpora, and a description of them.

    >>> [reading.verdict for reading in Predictor(run="quick")(Path("cry.mp4"))]        # doctest: +SKIP
    ['hungry']
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image" or "full" (or the only one of both), of `run` (see `find_run`).

        Raises InputError if the run has none, or if its files are damaged or do not fit each other.
        """
        self.model, self.run, self.gate = model, find_run(model, run), Gate.load()
        self.sound, self.face = open_model(model, self.run)
        parts = [part for part in (self.sound, self.face) if part]
        self.classes = parts[0].classes
        self.data = ", ".join(dict.fromkeys(part.data for part in parts))
        self.note = "; ".join(dict.fromkeys(part.note for part in parts))

    def __call__(self, path: Path) -> list[Reading]:
        """Return the answers to the file at `path`: a sound, a video or a picture.

        There is one for each cry, in order, or one for a file without any, with the verdict GAP if
        nothing in it was usable. Without usable sound, and by the model "image", the whole file is
        judged. Raises InputError if the file can't be read.
        """
        info = media.probe(path)
        if self.run == DEMO and not info.is_synthetic:
            return [Reading(0.0, GAP, note=DEMO_ONLY)]
        why: list[str] = []
        cries, without = self._hear_file(path, info, why) if self.model != "image" else ([], GAP)
        looks = self._see_file(path, info, why) if self.model != "cry2" and without == GAP else None
        cries = cries or [(None, 0.0, Answer(None))]
        return [self._reading(cry, looks, why, without) for cry in cries]

    def _reading(self, cry: Cry, looks: Looks | None, why: Sequence[str], without: str) -> Reading:
        """Return the answer to a cry, or to a whole file if the start of `cry` is None.

        why: what could not be used or was changed. without: the verdict if neither model answers.
        """
        start, end, heard = cry
        sound = face = None
        remarks = [*why, *([f"sound: {heard.why}"] if heard.why else [])]
        if heard.probabilities is not None:
            sound = heard.probabilities.mean(axis=0)
        if looks is not None:
            times, rows = looks
            rows = rows if start is None else rows[(times >= start) & (times <= end)]
            if len(rows):
                face = rows.mean(axis=0)
            else:
                remarks.append("picture: no face while the infant cries")
        p = fuse(sound, face)
        shares = {} if p is None else named(self.classes, p)
        return Reading(
            time=end,
            verdict=without if p is None else UNSURE if heard.kind == Kind.UNLIKE else verdict(shares),
            probabilities=shares,
            sound=None if sound is None else named(self.classes, sound),
            face=None if face is None else named(self.classes, face),
            note="; ".join(remarks),
            kind=heard.kind,
            start=start,
        )

    def _hear_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> tuple[list[Cry], str]:
        """Return the cries in a file, and the verdict without any.

        That is GAP if the sound is not usable. Adds to `why` what is wrong with the sound.
        """
        if not info.has_audio or self.sound is None:
            is_still = path.suffix.lower() in media.STILL
            if info.has_audio or "sound" in info.lost or not is_still or self.face is None:
                why.append(f"sound: {NO_MODEL if info.has_audio else info.missing('sound')}")
            return [], GAP
        sr = self.sound.input.sr
        cries: list[Cry] = []
        problems, quiet = [], []
        for piece_s, x in audio.pieces(path, sr=sr):
            problems.append(sound_problem(x, sr))
            scores = self.gate.scores(x, sr)
            quiet += list(scores == 0)
            for start, end in bursts(scores >= self.gate.threshold):
                size = round(max(self.sound.input.window_s, end - start) * sr)
                first = min(round((start + end) / 2 * sr) - size // 2, len(x) - size)
                answer = hear(self.sound, x[max(0, first) :][:size])
                if answer.probabilities is None:
                    continue
                cry: Cry = (piece_s + start, piece_s + end, answer)
                if cries and piece_s + start - cries[-1][1] <= CRY_PAUSE_S - WINDOW_S:
                    begun, _, before = cries.pop()  # in the piece before
                    both = np.concatenate([before.probabilities, answer.probabilities])
                    cry = (begun, piece_s + end, before._replace(probabilities=both))
                cries.append(cry)
        inspected = audio.inspect(path)
        unusable = problems[-1:] if all(problems) else []
        why += [f"sound: {what}" for what in (*unusable, *inspected.changes, *inspected.doubts)]
        if unusable:
            return [], GAP
        if 2 * sum(quiet) > len(quiet):
            spent, total = (timedelta(seconds=round(STEP_S * n)) for n in (sum(quiet), len(quiet)))
            why.append(f"sound: {TOO_QUIET} for {spent} of {total}")
        return cries, GAP if cries else QUIET if all(quiet) else NO_CRY

    def _see_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> Looks | None:
        """Return the answers to a file's faces; add to `why` what is wrong with them."""
        if not info.has_video or self.face is None:
            if info.has_video or "picture" in info.lost or self.sound is None:
                why.append(f"picture: {NO_MODEL if info.has_video else info.missing('picture')}")
            return None
        if not self.face.answers_for(synthetic=info.is_synthetic):
            why.append(f"picture: {DRAWN}")
            return None
        seeing = self.face.input
        detector = faces.resolve(seeing.detector, search=True)
        track = video.track(path, fps=seeing.fps, size=seeing.size, detector=detector)
        if problem := picture_problem(track):
            why.append(f"picture: {problem}")
            return None
        return track.times_s[track.usable], self.face.predict(track.crops[track.usable])


def hear(model: Part[SoundInput], x: Array, *, newest: bool = False) -> Answer:
    """Return the answer to a sound.

    x: float32 (samples,) at the rate of `model.input`. newest: answer for the last window only.
    """
    if problem := sound_problem(x, model.input.sr):
        return Answer(None, problem)
    rows = model.input.windows(x)
    caution = novelty.caution(novelty.share(model.reference, rows)) if model.reference else None
    kind = Kind.UNLIKE if caution else Kind.PLAIN
    return Answer(model.predict(rows[-1:] if newest else rows), caution or "", kind)


def fuse(sound: Array | None, face: Array | None) -> Array | None:
    """Return the mean of the available probabilities, float32, or None (Paper B §3, fusion strategy)."""
    available = [p for p in (sound, face) if p is not None]
    return np.mean(available, axis=0, dtype=np.float32) if available else None


def named(classes: Sequence[str], p: Array) -> dict[str, float]:
    """Return probabilities, float32 (classes,), by state."""
    return dict(zip(classes, map(float, p), strict=True))
