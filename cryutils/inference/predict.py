"""The trained models on any recording: `Predictor`, behind `cryutils predict` and the live page.

The cry gate finds the bursts of crying in a file. Paper B's sound and face models answer for its
windows and frames, and their answers are averaged (Paper B §3). Paper A's ensemble joins three
answers for each window: by MFCC, by STFT and by the frames shown meanwhile (§3.5). Without usable
sound, or without a face, what is there answers alone. A model trained on drawn faces answers for
synthetic videos only. One trained on synthetic voices answers for every file, since a sound file has
no mark of what made it. The shipped model answers for films with the mark only. This is not a
medical device.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from cryutils import audio
from cryutils._io import media
from cryutils.inference.readings import Frame, Kind, Reading, verdict
from cryutils.inference.trained_models import DEMO, System, find_run, named, open_model
from cryutils.models import novelty
from cryutils.models.gate import CRY_PAUSE_S, STEP_S, WINDOW_S, Gate, bursts
from cryutils.models.inputs import PictureInput, by_clip, pairs, picture_problem, sound_problem
from cryutils.words import GAP, NO_CRY, QUIET, UNSURE

Array = npt.NDArray[np.float32]
# Times in s, float64 (frames,), and probabilities, float32 (frames, classes), of usable frames.
Looks: TypeAlias = tuple[npt.NDArray[np.float64], Array]

NO_MODEL = "this run has no model for it"
TOO_QUIET = "too quiet to judge"
DRAWN = "the face model was trained on drawn faces"
DEMO_ONLY = "the demonstration's models answer for its synthetic infants only; train some: `cryutils run`"
ROLLED_S = 3.0  # as in the live monitor; Paper A does not say how many frames are averaged


class Answer(NamedTuple):
    """The answers of models: probabilities, float32 (windows, models, classes), or None.

    why: the reason if there are none, or a caution. kind: as in `Reading`. middles_s: the middle of
    each window since the start of the sound, float64 (windows,).
    """

    probabilities: Array | None
    why: str = ""
    kind: Kind = Kind.PLAIN
    middles_s: npt.NDArray[np.float64] = np.zeros(0)


Cry: TypeAlias = tuple[float | None, float, Answer]  # start and end in s; None: the whole file


class Predictor:
    """The models of one run, ready for any recording.

    run: the run's folder. system: its networks. classes: the states. gate: the cry gate. data, note:
    the training corpora, and a description of them and of a frozen network.

    >>> [reading.verdict for reading in Predictor(run="quick")(Path("cry.mp4"))]        # doctest: +SKIP
    ['hungry']
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model` ("cry2", "image", "full" or "ensemble") of `run` (see `find_run`).

        A run that has only one of `full`'s networks answers with that one. Raises InputError if the
        run has none, or if its files are damaged or do not fit each other.
        """
        self.model, self.run, self.gate = model, find_run(model, run), Gate.load()
        self.system = open_model(model, self.run)
        self.classes = self.system.classes
        self.data = ", ".join(dict.fromkeys(part.data for part in self.system.parts))
        notes = "; ".join(part.note for part in self.system.parts)
        self.note = "; ".join(dict.fromkeys(notes.split("; ")))

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
        sound, face = heard.probabilities, None
        frames: tuple[Frame, ...] = ()
        remarks = [*why, *([f"sound: {heard.why}"] if heard.why else [])]
        if looks is not None:
            times, rows = looks
            inside = slice(None) if start is None else (times >= start) & (times <= end)
            times, face = times[inside], rows[inside][:, None]
            frames = self._rolled(times, face[:, 0])
            if not len(face):
                face = None
                remarks.append("picture: no face while the infant cries")
        fields = self.system.fields(sound, face)
        if self.system.joins(sound, face):
            if sound is not None and face is not None:  # a row for each window
                frame, window = pairs(times, heard.middles_s)
                face = by_clip(face[frame, 0], window, len(sound))[:, None]
        else:
            sound, face = (None if p is None else p.mean(axis=0, keepdims=True) for p in (sound, face))
            if self.system.joint and fields["submodels"]:
                remarks.append(f"not the ensemble: mean of {' and '.join(fields['submodels'])}")
        p = self.system.fuse(sound, face)
        shares = {} if p is None else named(self.classes, p.mean(axis=0))
        return Reading(
            time=end,
            verdict=without if p is None else UNSURE if heard.kind == Kind.UNLIKE else verdict(shares),
            probabilities=shares,
            note="; ".join(remarks),
            kind=heard.kind,
            start=start,
            frames=frames,
            **fields,
        )

    def _rolled(self, times: npt.NDArray[np.float64], rows: Array) -> tuple[Frame, ...]:
        """Return the time of each frame in s, and the mean probabilities of the last `ROLLED_S`.

        Rolling prediction averaging, Paper A §3.5. Frames without a face are left out.
        """
        first = np.searchsorted(times, times - ROLLED_S + 1e-6, side="right")
        means = [rows[begin : k + 1].mean(axis=0) for k, begin in enumerate(first)]
        return tuple((float(at), named(self.classes, p)) for at, p in zip(times, means, strict=True))

    def _hear_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> tuple[list[Cry], str]:
        """Return the cries in a file, and the verdict without any.

        That is GAP if the sound is not usable. Adds to `why` what is wrong with the sound.
        """
        if not info.has_audio or not self.system.sounds:
            is_still = path.suffix.lower() in media.STILL
            if info.has_audio or "sound" in info.lost or not is_still or self.system.face is None:
                why.append(f"sound: {NO_MODEL if info.has_audio else info.missing('sound')}")
            return [], GAP
        hearing = self.system.sounds[0].input
        sr = hearing.sr
        cries: list[Cry] = []
        problems, quiet = [], []
        for piece_s, x in audio.pieces(path, sr=sr):
            problems.append(sound_problem(x, sr))
            scores = self.gate.scores(x, sr)
            quiet += list(scores == 0)
            for start, end in bursts(scores >= self.gate.threshold):
                size = round(max(hearing.window_s, end - start) * sr)
                first = max(0, min(round((start + end) / 2 * sr) - size // 2, len(x) - size))
                answer = hear(self.system, x[first:][:size])
                if answer.probabilities is None:
                    continue
                answer = answer._replace(middles_s=piece_s + first / sr + answer.middles_s)
                cry: Cry = (piece_s + start, piece_s + end, answer)
                if cries and piece_s + start - cries[-1][1] <= CRY_PAUSE_S - WINDOW_S:
                    begun, _, before = cries.pop()  # in the piece before
                    both = np.concatenate([before.probabilities, answer.probabilities])
                    middles_s = np.concatenate([before.middles_s, answer.middles_s])
                    answer = before._replace(probabilities=both, middles_s=middles_s)
                    cry = (begun, piece_s + end, answer)
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
        face = self.system.face
        if not info.has_video or face is None:
            if info.has_video or "picture" in info.lost or not self.system.sounds:
                why.append(f"picture: {NO_MODEL if info.has_video else info.missing('picture')}")
            return None
        if not face.answers_for(synthetic=info.is_synthetic):
            why.append(f"picture: {DRAWN}")
            return None
        times_s, crops, problem = look(face.input, path)
        if problem:
            why.append(f"picture: {problem}")
            return None
        return times_s, face.predict(crops)


def look(
    seeing: PictureInput, path: Path
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8], str | None]:
    """Return a file's usable frames as a model's input, their times in s, and why there are none.

    float64 (frames,), and uint8 (frames, size, size, 3). With "face", those that show one.
    """
    from cryutils import video
    from cryutils.video import faces

    if seeing.crop == "face":
        track = video.track(path, fps=seeing.fps, size=seeing.size)
        return track.times_s[track.usable], track.crops[track.usable], picture_problem(track)
    crops = np.array(list(seeing.frames(path)), np.uint8).reshape(-1, *seeing.shape)
    usable = ~np.array([faces.is_blank(crop) for crop in crops], bool)
    problem = None if usable.any() else "black or blank frames" if len(crops) else "no pictures"
    return np.flatnonzero(usable) / seeing.fps, crops[usable], problem


def hear(system: System, x: Array, *, newest: bool = False) -> Answer:
    """Return the answer of a system's networks for sound, of which there is one or more.

    x: float32 (samples,) at the rate of their input. newest: answer for the last window only.
    """
    hearing = system.sounds[0].input
    if problem := sound_problem(x, hearing.sr):
        return Answer(None, problem)
    caution, answers = None, []
    for part in system.sounds:
        rows = part.input.windows(x)
        if part.reference:
            caution = novelty.caution(novelty.share(part.reference, rows))
        answers.append(part.predict(rows[-1:] if newest else rows))
    middles_s = hearing.starts_s(len(rows), len(x)) + hearing.window_s / 2
    kind = Kind.UNLIKE if caution else Kind.PLAIN
    return Answer(np.stack(answers, axis=1), caution or "", kind, middles_s)
