"""The trained models on any recording: `Predictor`, behind `cryutils predict` and the live page.

The cry gate finds the episodes of crying in a file. Each is prepared as in training, with the
settings stored next to the models. Paper B's sound and face models answer for its windows and
frames, and their answers are averaged (Paper B §3). Without usable sound, or without a face, the
other model answers alone. A model trained on drawn faces answers for synthetic videos only. One
trained on synthetic voices answers for every file, since a sound file has no mark of what made it.
This is not a medical device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils.inference.readings import NO_CRY, QUIET, UNSURE, verdict
from cryutils.inference.trained_models import Part, find_run, open_model
from cryutils.models import novelty
from cryutils.models.gate import CRY_PAUSE_S, STEP_S, WINDOW_S, Gate, bursts
from cryutils.models.inputs import DEAD_S, SoundInput, is_dead, picture_problem, sound_problem
from cryutils.video import faces

__all__ = ["DRAWN", "TOO_QUIET", "Prediction", "Predictor", "SoundAnswer", "fuse", "hear"]

Array = npt.NDArray[np.float32]
# Times in s, float64 (frames,), and probabilities, float32 (frames, classes), of usable frames.
Looks: TypeAlias = tuple[npt.NDArray[np.float64], Array]

NO_MODEL = "this run has no model for it"
TOO_QUIET = "too quiet to judge"
DRAWN = "the face model was trained on drawn faces"


@dataclass(frozen=True, slots=True, eq=False)
class SoundAnswer:
    """The sound model's answer: probabilities of each window, float32 (windows, classes).

    unlike: the share of training recordings that are nearer to the others than this sound is
    (`novelty`); None without a reference. start_s, end_s: of the episode of crying in a file.
    """

    probabilities: Array
    unlike: float | None
    start_s: float = 0.0
    end_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The models' answer to one episode of crying, or to a file without one.

    start_s, end_s: the episode's; None for a whole file. state: a state or "unsure", also for a
    sound unlike the training cries; "no cry" or "quiet" without an episode; None if nothing in the
    file was usable. probabilities: by state. used: "both", "audio", "image" or "none". why: what in
    the file could not be used or was changed. run, model: which model answered. data: its training
    corpus. unlike: as in `SoundAnswer`, None without sound.
    """

    file: Path
    start_s: float | None
    end_s: float | None
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
        expected = [f"{kind}: {media.ABSENT[kind]}" for kind in ("picture", "sound")[: 1 + is_still]]
        reasons = [why for why in self.why if why not in expected]
        if self.state is None:
            reasons = reasons or list(self.why)
        far = novelty.caution(self.unlike)
        return tuple(reasons if far is None else [*reasons, f"sound: {far}"])

    def row(self) -> dict[str, Any]:
        """Return the prediction as JSON types."""
        return asdict(self) | {
            "file": str(self.file),
            "probabilities": {name: round(value, 4) for name, value in self.probabilities.items()},
            "why": list(self.why),
            "unlike": None if self.unlike is None else round(self.unlike, 2),
        }


class Predictor:
    """The models of one run, ready for any recording.

    run: the run's folder. classes: the states. sound, face: the networks with their settings, None
    without one. gate: the cry gate. data, note: the training corpora, and a description of them.

    >>> [p.state for p in Predictor(run="quick")(Path("cry.mp4"))]        # doctest: +SKIP
    ['hungry']
    """

    def __init__(self, model: str = "full", *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image" or "full", of `run` (see `find_run`).

        If the run has only one of the two networks of "full", that one answers. Raises InputError
        if the run has none, or if its files are damaged or do not fit each other.
        """
        self.model, self.run, self.gate = model, find_run(model, run), Gate.load()
        self.sound, self.face = open_model(model, self.run)
        parts = [part for part in (self.sound, self.face) if part]
        self.classes = parts[0].classes
        self.data = ", ".join(dict.fromkeys(part.data for part in parts))
        self.note = "; ".join(dict.fromkeys(part.note for part in parts))

    def __call__(self, path: Path) -> list[Prediction]:
        """Return the answers to the file at `path`: a sound, a video or a picture.

        There is one for each episode of crying, in order, or one for a file without an episode.
        Without usable sound, and by the model "image", the whole file is judged. Raises InputError
        if the file can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        cries, state = self._hear_file(path, info, why) if self.model != "image" else ([], None)
        looks = self._see_file(path, info, why) if self.model != "cry2" and not state else None
        if not cries:
            return [self.prediction(path, None, looks, why, state)]
        return [self.prediction(path, cry, looks, why, state) for cry in cries]

    def prediction(
        self,
        path: Path,
        sound: SoundAnswer | None = None,
        looks: Looks | None = None,
        why: Sequence[str] = (),
        state: str | None = None,
    ) -> Prediction:
        """Return the answer to an episode of crying, or without `sound` to a whole file.

        looks: the answers to the file's faces. state: the answer if neither model has one.
        """
        face = None
        if looks is not None:
            times, faces = looks
            if sound is not None:
                faces = faces[(times >= sound.start_s) & (times <= sound.end_s)]
            if len(faces):
                face = faces.mean(axis=0)
            else:
                why = [*why, "picture: no face while the infant cries"]
        p, used = fuse(None if sound is None else sound.probabilities.mean(axis=0), face)
        shares = {} if p is None else dict(zip(self.classes, map(float, p), strict=True))
        unlike = None if sound is None else sound.unlike
        if shares:
            state = UNSURE if novelty.caution(unlike) else verdict(shares)
        alone = {"audio": self.sound, "image": self.face}.get(used)
        return Prediction(
            file=path,
            start_s=None if sound is None else sound.start_s,
            end_s=None if sound is None else sound.end_s,
            state=state,
            probabilities=shares,
            used=used,
            why=tuple(why),
            run=self.run.name,
            model={"audio": "cry2", "image": "image"}.get(used, self.model),
            data=alone.data if alone else self.data,
            unlike=unlike,
        )

    def _hear_file(
        self, path: Path, info: media.MediaInfo, why: list[str]
    ) -> tuple[list[SoundAnswer], str | None]:
        """Return the answers to a file's episodes, and its state if usable sound has none.

        Adds to `why` what is wrong with the sound.
        """
        if not info.has_audio or self.sound is None:
            why.append(f"sound: {NO_MODEL if info.has_audio else info.missing('sound')}")
            return [], None
        sr, block = self.sound.input.sr, round(DEAD_S * self.sound.input.sr)
        cries: list[SoundAnswer] = []
        problems, quiet, dead_s = [], [], 0.0
        for piece_s, x in audio.pieces(path, sr=sr):
            problems.append(sound_problem(x, sr))
            scores = self.gate.scores(x, sr)
            quiet += list(scores == 0)
            dead_s += DEAD_S * sum(is_dead(y) for y in x[: len(x) // block * block].reshape(-1, block))
            for start, end in bursts(scores >= self.gate.threshold):
                answer = self._hear_episode(x, start, end)
                if cries and piece_s + start - cries[-1].end_s <= CRY_PAUSE_S - WINDOW_S:
                    last = cries.pop()  # it began in the piece before
                    both = np.concatenate([last.probabilities, answer.probabilities])
                    answer, start = replace(last, probabilities=both), last.start_s - piece_s
                cries.append(replace(answer, start_s=piece_s + start, end_s=piece_s + end))
        inspected = audio.inspect(path)
        unusable = problems[-1:] if all(problems) else []
        why += [f"sound: {what}" for what in (*unusable, *inspected.changes, *inspected.doubts)]
        if unusable:
            return [], None
        quiet_s, total_s = STEP_S * sum(quiet) - dead_s, piece_s + len(x) / sr
        if dead_s:
            why.append(f"sound: the microphone gives none for {timedelta(seconds=dead_s)}")
        if quiet_s > total_s / 2:
            spent, total = (timedelta(seconds=round(s)) for s in (quiet_s, total_s))
            why.append(f"sound: {TOO_QUIET} for {spent} of {total}")
        return cries, None if cries else QUIET if all(quiet) else NO_CRY

    def _hear_episode(self, x: Array, start_s: float, end_s: float) -> SoundAnswer:
        """Return the answer to an episode, as long as a window of the sound model or longer."""
        assert self.sound is not None
        size = round(max(self.sound.input.window_s, end_s - start_s) * self.sound.input.sr)
        first = min(round((start_s + end_s) / 2 * self.sound.input.sr) - size // 2, len(x) - size)
        answer = hear(self.sound, x[max(0, first) :][:size])
        if isinstance(answer, SoundAnswer):
            return answer
        return SoundAnswer(np.full((1, len(self.classes)), 1 / len(self.classes), np.float32), None)

    def _see_file(self, path: Path, info: media.MediaInfo, why: list[str]) -> Looks | None:
        """Return the answers to a file's faces; add to `why` what is wrong with them."""
        if not info.has_video or self.face is None:
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
        return track.times_s[track.usable], self.face.predict(seeing.crops(track))


def hear(model: Part[SoundInput], x: Array, *, newest: bool = False) -> SoundAnswer | str:
    """Return the answer to a sound, or why the sound can't be judged.

    x: float32 (samples,) at the rate of `model.input`. newest: answer for the last window only.
    """
    if problem := sound_problem(x, model.input.sr):
        return problem
    rows, reference = model.input.windows(x), model.reference
    unlike = novelty.share(reference, rows) if reference else None
    return SoundAnswer(model.predict(rows[-1:] if newest else rows), unlike)


def fuse(sound: Array | None, face: Array | None) -> tuple[Array | None, str]:
    """Return the mean of the available probabilities, float32 (classes,), and which were available.

    The second is "both", "audio", "image" or "none" (Paper B §3, fusion strategy).
    """
    if sound is not None and face is not None:
        return ((sound + face) / 2).astype(np.float32), "both"
    return (face, "none" if face is None else "image") if sound is None else (sound, "audio")
