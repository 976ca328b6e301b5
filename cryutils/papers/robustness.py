"""Answers of Paper B's three models to disturbed sounds and pictures, and their calibration.

Used in notebook 11_robustness; 06_full uses `fused`. Paper B claims much about noise, light and
occlusion (§1, §4), and measures none of it. No network is retrained. Pictures are disturbed as
whole frames, and the face detector runs again: a frame whose face is lost gives no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.parallel import thread_map
from cryutils._io.progress import counting
from cryutils.audio import stress as sound_stress
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.evaluation import calibration
from cryutils.models.fusion import drop_modality, late_fusion
from cryutils.models.inputs import Examples, FaceInput, SoundInput
from cryutils.models.training import CrossFit
from cryutils.papers.scored import Scored
from cryutils.video import degradation, faces
from cryutils.video.tracks import MARGIN, FaceTrack, frames, overlap

__all__ = [
    "STRESSES", "Bench", "Calibrated", "Stress", "Tested", "View", "at_fold_temperatures",
    "calibrate", "face_view", "fused", "sees_face",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]
Answers = dict[str, Array]

_SAME_FACE = 0.3  # least overlap of a detected box with the box of the face
_THREAD = threading.local()


@dataclass(frozen=True)
class Stress:
    """One disturbance of the test clips, with its levels, mildest first.

    key: as in results, `robust.<key>.<level>.…`. name, unit: in words. modality: "audio" or
    "image", which is disturbed. change: function that disturbs one sound (x, level, sr, rng) or one
    frame (frame, box, level, rng); None if clips are only left out.
    """

    key: str
    name: str
    unit: str
    modality: str
    levels: tuple[float, ...]
    change: Callable[..., Any] | None = None


# The levels were set before the first run. Claims in data/claims.csv refer to some of them.
STRESSES: Mapping[str, Stress] = {stress.key: stress for stress in (
    Stress("noise", "pink noise", "signal to noise, dB", "audio", (20, 10, 0),
           lambda x, level, sr, rng: sound_stress.add_noise(x, snr_db=level, rng=rng)),
    Stress("room", "reverberation", "s until echoes fall by 60 dB", "audio", (0.4, 1.2),
           lambda x, level, sr, rng: sound_stress.reverberate(x, sr=sr, rt60_s=level, rng=rng)),
    Stress("bandwidth", "bandwidth", "highest frequency left, Hz", "audio", (2000, 1000),
           lambda x, level, sr, _: sound_stress.low_pass(x, sr=sr, cut_hz=level)),
    Stress("clipping", "clipping", "share of samples cut off", "audio", (0.05, 0.3),
           lambda x, level, sr, _: sound_stress.clip_peaks(x, share=level)),
    Stress("no_sound", "no sound", "share of clips", "audio", (0.5, 1)),
    Stress("dim", "less light", "stops (halvings of light)", "image", (2, 4, 6),
           lambda frame, box, level, rng: degradation.dim(frame, stops=level, rng=rng)),
    Stress("blur", "blur", "deviation, share of the height", "image", (0.02, 0.05),
           lambda frame, box, level, _: degradation.blur(frame, sigma=level)),
    *(Stress(place, f"covered from {side}", "share of the face", "image", (0.2, 0.4),
             lambda frame, box, level, _, place=place: degradation.occlude(
                 frame, box, place=place, share=level))
      for place, side in (("eyes", "above"), ("mouth", "below"), ("side", "a side"))),
    Stress("no_picture", "no picture", "share of clips", "image", (0.5, 1)),
)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class View:
    """The frames from which the face crops of a clip were cut.

    frames: uint8 (height, width, 3) each. boxes: float32 (n, 5), the face in each frame, from
    `video.crops`. in_sight: bool (n,), whether the cascade finds that face in the single frame,
    without tracking.
    """

    frames: list[Pixels] = field(repr=False)
    boxes: Boxes = field(repr=False)
    in_sight: npt.NDArray[np.bool_] = field(repr=False)

    def disturbed(self, change: Callable[[Pixels, Boxes], Pixels], face_input: FaceInput) -> Pixels:
        """Return the crops of the frames after `change`, uint8 (rows, size, size, 3).

        `change` takes a frame and its box. A frame gives no crop if the detector found the face
        before but not after, or if the crop is blank.
        """
        rows = []
        for frame, box, before in zip(self.frames, self.boxes, self.in_sight, strict=True):
            after = change(frame, box)
            if before and not sees_face(after, box, face_input.detector):
                continue
            crop = faces.crop(after, box, size=face_input.size, margin=MARGIN)
            if not faces.is_blank(crop):
                rows.append(crop)
        return np.stack(rows) if rows else np.zeros((0, *face_input.shape), np.uint8)


def face_view(clip: Clip, track: FaceTrack, *, fps: float, detector: str) -> View:
    """Return the frames of a clip in which `track`, made at `fps`, has a usable face.

    detector: see `faces`. Raises InputError as `video.frames` does.
    """
    wanted = {round(time * fps) for time in track.times_s[track.usable]}
    source = clip.path if clip.still is None else clip.still
    series = enumerate(frames(source, fps=fps)) if wanted else ()
    shown = [frame for k, frame in series if k in wanted]
    boxes = track.boxes[track.usable]
    in_sight = [sees_face(frame, box, detector) for frame, box in zip(shown, boxes, strict=True)]
    return View(shown, boxes, np.array(in_sight, bool))


def sees_face(frame: Pixels, box: Boxes, detector: str) -> bool:
    """Return whether the cascade of `detector` (see `faces`) finds a face near `box` in a frame."""
    name = faces.resolve(detector)
    if getattr(_THREAD, "name", None) != name:  # a detector is for one thread and slow to load
        _THREAD.name, _THREAD.eye = name, faces.Detector(name)
    boxes = _THREAD.eye.detect(frame)
    return bool(len(boxes)) and bool(overlap(box, boxes).max() >= _SAME_FACE)


def fused(answers: Mapping[str, Array]) -> Answers:
    """Return the answers, with "fused" added if both "audio" and "image" are present.

    Answers are float32 (clips, classes), or (trainings, clips, classes), fused within each
    training.
    """
    if not {"audio", "image"} <= answers.keys():
        return {**answers}
    rows = (answers[m].reshape(-1, answers[m].shape[-1]) for m in ("audio", "image"))
    return {**answers, "fused": late_fusion(*rows).probabilities.reshape(answers["audio"].shape)}


@dataclass(frozen=True, eq=False)
class Bench:
    """Fold networks of sound, and optionally of faces, to answer disturbed clips of unseen infants.

    fits: by modality, "audio" and "image", with equally many repeats; a repeat is one training.
    sounds: float32 (samples,) by clip. views: one per clip; empty without a face network. seed: of
    the disturbances. Each clip has its own random numbers, the same at every level.
    """

    corpus: Corpus
    fits: Mapping[str, CrossFit]
    hearing: SoundInput
    sounds: Sequence[Array] = field(repr=False)
    seeing: FaceInput | None = None
    views: Sequence[View] = field(default=(), repr=False)
    seed: int = 0

    @property
    def undisturbed(self) -> Answers:
        """The probabilities of each modality and fused, float32 (trainings, clips, classes)."""
        return fused({name: fit.probabilities for name, fit in self.fits.items()})

    def answers(self, stress: Stress, level: float) -> Answers:
        """Return the probabilities by modality with one of them disturbed; NaN is no answer.

        The networks of all trainings answer the same disturbed clips.
        """
        answers = {name: fit.probabilities for name, fit in self.fits.items()}
        if stress.change is None:
            rng = np.random.default_rng(self.seed)
            lost = drop_modality(len(self.corpus), share=level, rng=rng)
            suffering = np.where(lost[:, None], np.float32(np.nan), answers[stress.modality])
        else:
            suffering = self.fits[stress.modality].predict(self._disturbed(stress, level))
        return fused({**answers, stress.modality: suffering})

    def _disturbed(self, stress: Stress, level: float) -> Examples:
        change, seeing = stress.change, self.seeing
        assert change is not None, "only whole clips are left out"

        def example(k: int) -> Array | Pixels:
            rng = np.random.default_rng([self.seed, k])
            if stress.modality == "image":
                assert seeing is not None, "there is a face network"
                return self.views[k].disturbed(lambda *face: change(*face, level, rng), seeing)
            x, sr = self.sounds[k], self.hearing.sr
            return self.hearing.windows(change(x, level, sr, rng) if len(x) else x)

        clips = range(len(self.corpus))
        return Examples.of(list(thread_map(example, clips, what=stress.name)))

    def test(self, stresses: Sequence[Stress], *, progress: bool = False) -> Tested:
        """Return the answers and scores of all models, undisturbed and at every level.

        Stresses of a modality without a network are skipped.
        """
        folds = next(iter(self.fits.values())).folds

        def scored(p: Array) -> Scored:
            return Scored.of(p, self.corpus, folds, split="leak_free")

        answers = {("none", 0.0): self.undisturbed}
        scores = {("none", 0.0, m): scored(p) for m, p in self.undisturbed.items()}
        levels = [(s, level) for s in stresses if s.modality in self.fits for level in s.levels]
        with counting("Disturbing", "levels", shown=progress) as report:
            for done, (stress, level) in enumerate(levels, start=1):
                answers[stress.key, level] = self.answers(stress, level)
                for m, p in answers[stress.key, level].items():
                    is_hit = m in (stress.modality, "fused")
                    scores[stress.key, level, m] = scored(p) if is_hit else scores["none", 0.0, m]
                report(done, len(levels))
        return Tested(answers, scores)


@dataclass(frozen=True, eq=False)
class Tested:
    """Answers and scores, undisturbed (key "none", level 0) and at each level of each disturbance.

    answers: by (key of the stress, level), by modality and fused, float32 (trainings, clips,
    classes). scores: by (key, level, model), models "audio", "image" and "fused".
    """

    answers: dict[tuple[str, float], Answers] = field(repr=False)
    scores: dict[tuple[str, float, str], Scored] = field(repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """Macro F1 with its interval, a row for each level and model.

        Columns key, name, unit (of the disturbance), hit (the disturbed modality), level, modality
        (the model), macro_f1, low, high, and answered, the share of clips with an answer.
        """
        rows = []
        for (key, level, m), scored in self.scores.items():
            about = STRESSES.get(key, Stress("none", "", "", "", ()))
            interval = scored.interval("macro_f1")
            rows.append({
                "key": key, "name": about.name, "unit": about.unit, "hit": about.modality,
                "level": level, "modality": m,
                "macro_f1": interval.value, "low": interval.low, "high": interval.high,
                "answered": float(np.mean(scored.predicted >= 0)),
            })  # fmt: skip
        return pd.DataFrame(rows).astype({"low": float, "high": float})


@dataclass(frozen=True, eq=False)
class Calibrated:
    """One model's probabilities before and after temperature scaling, and without unsure answers.

    before, after, sure: float32 (clips, classes); `sure` is `after` with a row of NaN where the
    confidence is below its fold's threshold. temperatures, thresholds: float64 (folds,), each
    chosen on the validation clips of the fold's network, never on test clips.
    """

    before: Array = field(repr=False)
    after: Array = field(repr=False)
    sure: Array = field(repr=False)
    temperatures: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]


def at_fold_temperatures(
    probabilities: Array, temperatures: npt.NDArray[np.float64], folds: Sequence[evaluation.Fold]
) -> Array:
    """Return out-of-fold probabilities, float32 (clips, classes), at the temperature of each fold.

    The clips may be the original or disturbed ones. temperatures: float64 (folds,).
    """
    after = np.full_like(probabilities, np.nan)
    for value, (_, test) in zip(temperatures, folds, strict=True):
        after[test] = calibration.at_temperature(probabilities[test], value)
    return after


def calibrate(
    fits: Mapping[str, CrossFit], examples: Mapping[str, Examples], corpus: Corpus, *,
    coverage: float,
) -> dict[str, list[Calibrated]]:  # fmt: skip
    """Return the calibration of each model ("audio", "image", "fused"), one per training.

    examples: on which the networks were fitted. coverage: share of a fold's validation clips to
    answer, which sets the fold's threshold.
    """
    truth, _ = evaluation.class_indices(corpus.labels)
    whole = fused({name: fit.probabilities for name, fit in fits.items()})
    validation = fused({name: fit.validation(examples[name]) for name, fit in fits.items()})
    folds = next(iter(fits.values())).folds
    held = {m: p.reshape(len(folds), -1, *p.shape[1:]) for m, p in validation.items()}
    return {
        m: [
            _calibrated(*training, truth, coverage)
            for training in zip(whole[m], held[m], folds, strict=True)
        ]
        for m in whole
    }


def _calibrated(
    probabilities: Array,
    validation: Array,
    folds: Sequence[evaluation.Fold],
    truth: npt.NDArray[np.int64],
    coverage: float,
) -> Calibrated:
    """Return the calibration of one training; `validation` is float32 (folds, clips, classes)."""
    temperatures, thresholds = np.ones((2, len(folds)))
    for k, rows in enumerate(validation):
        held = ~np.isnan(rows[:, 0])
        temperatures[k] = calibration.temperature(rows[held], truth[held])
        warmed = calibration.at_temperature(rows[held], temperatures[k])
        thresholds[k] = calibration.confidence_threshold(warmed, coverage=coverage)
    after = at_fold_temperatures(probabilities, temperatures, folds)
    sure = np.full_like(after, np.nan)
    for threshold, (_, test) in zip(thresholds, folds, strict=True):
        sure[test] = calibration.unless_unsure(after[test], threshold)
    return Calibrated(probabilities, after, sure, temperatures, thresholds)
