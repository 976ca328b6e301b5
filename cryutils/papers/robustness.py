"""Answers of Paper B's three models to disturbed sounds and pictures, and their calibration.

Used in notebook 11_robustness. Paper B §1 says that systems of one modality "do not function" in
noise, low light or occlusion. §4 says that fusion yields "more reliable predictions in situations
with acoustic noise or visual occlusion" and that the image model performs "regardless of lighting
changes and minor occlusions". The paper measures none of this. `STRESSES` lists the disturbances of
the test clips and their levels. No network is retrained. Pictures are disturbed as whole frames,
and the face detector runs again: a frame whose face is no longer found gives no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import evaluation
from cryutils._io.parallel import thread_map
from cryutils._io.progress import counting
from cryutils.audio import stress as sound_stress
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation import calibration
from cryutils.models.crossfit import CrossFit
from cryutils.models.examples import Examples
from cryutils.models.fusion import decide, drop_modality, late_fusion
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.video import faces
from cryutils.video import stress as picture_stress
from cryutils.video.tracks import MARGIN, FaceTrack, frames, overlap

__all__ = [
    "STRESSES", "Bench", "Calibrated", "Stress", "View", "at_fold_temperatures", "calibrated",
    "changed_answers", "face_view", "fused", "validation_answers",
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

    key: as in results, `robust.<key>.<level>.…`. name, unit: in words. amount: format string for a
    level with its short unit. modality: "audio" or "image", which is disturbed. change: function
    that disturbs one sound (x, level, sr, rng) or one frame (frame, box, level, rng); None if
    clips or frames are only left out.
    """

    key: str
    name: str
    unit: str
    amount: str
    modality: str
    levels: tuple[float, ...]
    change: Callable[..., Any] | None = None


def _covered(place: str) -> Callable[..., Pixels]:
    return lambda frame, box, level, _: picture_stress.occlude(frame, box, place=place, share=level)


def _coded(codec: str) -> Callable[..., Array]:
    return lambda x, level, sr, _: sound_stress.transcode(
        x, sr=sr, codec=codec, bits_per_s=int(level)
    )


# The levels were set before the first run. Claims in data/claims.csv refer to some of them.
_TABLE = (
    Stress(
        "noise", "pink noise", "signal to noise, dB", "{:g} dB", "audio", (20, 10, 0),
        lambda x, level, sr, rng: sound_stress.add_noise(x, snr_db=level, rng=rng),
    ),
    Stress(
        "room", "reverberation", "s until echoes fall by 60 dB", "{:g} s", "audio", (0.4, 1.2),
        lambda x, level, sr, rng: sound_stress.reverberate(x, sr=sr, rt60_s=level, rng=rng),
    ),
    Stress(
        "bandwidth", "bandwidth", "highest frequency left, Hz", "{:g} Hz", "audio", (2000, 1000),
        lambda x, level, sr, _: sound_stress.low_pass(x, sr=sr, cut_hz=level),
    ),
    Stress(
        "clipping", "clipping", "share of samples cut off", "{:.0%} of samples", "audio",
        (0.05, 0.3),
        lambda x, level, sr, _: sound_stress.clip_peaks(x, share=level),
    ),
    Stress(
        "opus", "Opus, few bits", "bits a second", "{:g} bit/s", "audio", (12000, 6000),
        _coded("opus"),
    ),
    Stress(
        "amr", "AMR, few bits", "bits a second", "{:g} bit/s", "audio", (12200, 4750),
        _coded("amr"),
    ),
    Stress("no_sound", "no sound", "share of clips", "{:.0%} of clips", "audio", (0.5, 1)),
    Stress(
        "dim", "less light", "stops (halvings of light)", "{:g} stops", "image", (2, 4, 6),
        lambda frame, box, level, rng: picture_stress.dim(frame, stops=level, rng=rng),
    ),
    Stress(
        "side_light", "light from the side", "stops, edge to edge", "{:g} stops", "image", (2, 4),
        lambda frame, box, level, _: picture_stress.side_light(frame, stops=level),
    ),
    Stress(
        "blur", "blur", "deviation, share of the height", "{:.0%} of the height", "image",
        (0.02, 0.05),
        lambda frame, box, level, _: picture_stress.blur(frame, sigma=level),
    ),
    *(
        Stress(
            place, f"covered from {side}", "share of the face", "{:.0%} of the face", "image",
            (0.2, 0.4), _covered(place),
        )
        for place, side in (("eyes", "above"), ("mouth", "below"), ("side", "a side"))
    ),
    Stress(
        "roll", "head turned", "degrees", "{:g}°", "image", (20, 45),
        lambda frame, box, level, _: picture_stress.roll(frame, box, degrees=level),
    ),
    Stress("frame_rate", "frame rate", "frames a second", "{:g} frames/s", "image", (0.5, 0.2)),
    Stress("no_picture", "no picture", "share of clips", "{:.0%} of clips", "image", (0.5, 1)),
)  # fmt: skip
STRESSES: Mapping[str, Stress] = {stress.key: stress for stress in _TABLE}


@dataclass(frozen=True, eq=False)
class View:
    """The frames from which the face crops of a clip were cut.

    frames: uint8 (height, width, 3) each. boxes: float32 (n, 4), the face in each frame, from
    `video.crops`. times_s: float64 (n,). in_sight: bool (n,), whether the detector finds that face
    in the single frame, without tracking.
    """

    frames: list[Pixels] = field(repr=False)
    boxes: Boxes = field(repr=False)
    times_s: npt.NDArray[np.float64] = field(repr=False)
    in_sight: npt.NDArray[np.bool_] = field(repr=False)

    def disturbed(self, change: Callable[[Pixels, Boxes], Pixels], face_input: FaceInput) -> Pixels:
        """Return the crops of the frames after `change`, uint8 (rows, size, size, 3).

        `change` takes a frame and its box, and returns the changed frame. A frame gives no crop if
        the detector found the face before but not after `change`, or if the crop is blank.
        """
        rows = []
        for frame, box, before in zip(self.frames, self.boxes, self.in_sight, strict=True):
            after = change(frame, box)
            if before and not _sees(after, box, face_input.detector):
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
    in_sight = [_sees(frame, box, detector) for frame, box in zip(shown, boxes, strict=True)]
    return View(shown, boxes, track.times_s[track.usable], np.array(in_sight, bool))


def _sees(frame: Pixels, box: Boxes, detector: str) -> bool:
    """Return whether the detector finds a face near `box`."""
    name = faces.resolve(detector)
    if getattr(_THREAD, "name", None) != name:  # a detector is for one thread and slow to load
        _THREAD.name, _THREAD.eye = name, faces.detector(name)
    boxes = _THREAD.eye.detect(frame)
    return bool(len(boxes)) and bool(overlap(box, boxes[:, :4]).max() >= _SAME_FACE)


def fused(answers: Mapping[str, Array]) -> Answers:
    """Return the answers, with "fused" added if both "audio" and "image" are present.

    Answers are float32 (clips, classes), or (trainings, clips, classes), fused within each
    training. Raises InputError if the shapes differ.
    """
    if not {"audio", "image"} <= answers.keys():
        return {**answers}
    audio, image = answers["audio"], answers["image"]
    if audio.shape != image.shape:
        raise InputError(f"audio {audio.shape} and image {image.shape} are not of the same clips.")
    rows = (p.reshape(-1, p.shape[-1]) for p in (audio, image))
    return {**answers, "fused": late_fusion(*rows).probabilities.reshape(audio.shape)}


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
        """Return the probabilities with one modality disturbed.

        By modality, float32 (trainings, clips, classes); a row of NaN is no answer. `level` is in
        the unit of the stress. Clips are disturbed once; the networks of all trainings answer the
        same disturbed clips. Raises InputError if the disturbed modality has no network.
        """
        if stress.modality not in self.fits:
            raise InputError(f"{stress.key}: there is no network of {stress.modality} to disturb.")
        answers = {name: fit.probabilities for name, fit in self.fits.items()}
        if stress.key in ("no_sound", "no_picture"):
            rng = np.random.default_rng(self.seed)
            lost = drop_modality(len(self.corpus), share=level, rng=rng)
            suffering = np.where(lost[:, None], np.float32(np.nan), answers[stress.modality])
        else:
            make = self._sounds if stress.modality == "audio" else self._faces
            suffering = self.fits[stress.modality].predict(make(stress, level))
        return fused({**answers, stress.modality: suffering})

    def _rng(self, clip: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, clip])

    def _sounds(self, stress: Stress, level: float) -> Examples:
        def windows(k: int) -> Array:
            change = stress.change
            assert change is not None, "only whole clips are left out"
            x = self.sounds[k]
            worse = change(x, level, self.hearing.sr, self._rng(k)) if len(x) else x
            return self.hearing.windows(worse)

        return Examples.of(list(thread_map(windows, range(len(self.sounds)), what=stress.name)))

    def _faces(self, stress: Stress, level: float) -> Examples:
        seeing = self.seeing
        assert seeing is not None, "there is a face network"

        def crops(k: int) -> Pixels:
            view, rng = self.views[k], self._rng(k)
            if stress.change is None:
                shown = picture_stress.frame_rate(view.times_s, fps=level)
                chosen = [f for f, wanted in zip(view.frames, shown, strict=True) if wanted]
                view = View(chosen, view.boxes[shown], view.times_s[shown], view.in_sight[shown])
                return view.disturbed(lambda frame, _: frame, seeing)
            change = stress.change
            return view.disturbed(lambda frame, box: change(frame, box, level, rng), seeing)

        return Examples.of(list(thread_map(crops, range(len(self.views)), what=stress.name)))

    def every(
        self, stresses: Sequence[Stress], *, progress: bool = False
    ) -> Iterator[tuple[Stress, float, Answers]]:
        """Yield each stress and level with the answers; skip modalities without a network."""
        pairs = [(s, level) for s in stresses if s.modality in self.fits for level in s.levels]
        with counting("Disturbing", "levels", shown=progress) as report:
            for done, (stress, level) in enumerate(pairs, start=1):
                yield stress, level, self.answers(stress, level)
                report(done, len(pairs))


def changed_answers(before: Array, after: Array) -> npt.NDArray[np.float64]:
    """Return 1 for each clip whose answer changes or disappears, else 0, float64 (..., clips).

    before, after: float32 (clips, classes), or (trainings, clips, classes).
    """
    return (decide(before) != decide(after)).astype(np.float64)


# Calibration, fold by fold


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


def validation_answers(fits: Mapping[str, CrossFit], examples: Mapping[str, Examples]) -> Answers:
    """Return the networks' probabilities for their validation clips, by modality and fused.

    They are float32 (trainings, folds, clips, classes), a row of NaN for any other clip. `examples`
    are those on which the networks were fitted.
    """
    single = {name: fit.validation(examples[name]) for name, fit in fits.items()}
    trainings = len(next(iter(fits.values())).folds)
    whole = fused(single)
    return {name: rows.reshape(trainings, -1, *rows.shape[1:]) for name, rows in whole.items()}


def calibrated(
    probabilities: Array,
    validation: Array,
    truth: npt.NDArray[np.integer[Any]],
    folds: Sequence[evaluation.Fold],
    *,
    coverage: float,
) -> Calibrated:
    """Return out-of-fold probabilities at each fold's temperature, and above its threshold.

    probabilities: float32 (clips, classes). validation: for the validation clips of the same folds,
    float32 (folds, clips, classes), one model and training of `validation_answers`. truth: int
    (clips,), the class of each clip. coverage: share of validation clips to answer, which sets the
    threshold.
    """
    temperatures, thresholds = np.ones((2, len(folds)))
    for k, rows in enumerate(validation):
        held = ~np.isnan(rows[:, 0])
        temperatures[k] = calibration.temperature(rows[held], truth[held])
        warmed = calibration.at_temperature(rows[held], temperatures[k])
        thresholds[k] = calibration.confidence_threshold(warmed, coverage=coverage)
    after = at_fold_temperatures(probabilities, temperatures, folds)
    sure = np.full_like(probabilities, np.nan)
    for threshold, (_, test) in zip(thresholds, folds, strict=True):
        sure[test] = calibration.unless_unsure(after[test], threshold)
    return Calibrated(probabilities, after, sure, temperatures, thresholds)


def at_fold_temperatures(
    probabilities: Array,
    temperatures: npt.NDArray[np.float64],
    folds: Sequence[evaluation.Fold],
) -> Array:
    """Return out-of-fold probabilities, float32 (clips, classes), at the temperature of each fold.

    The clips may be the original or disturbed ones. temperatures: float64 (folds,).
    """
    after = np.full_like(probabilities, np.nan)
    for value, (_, test) in zip(temperatures, folds, strict=True):
        after[test] = calibration.at_temperature(probabilities[test], value)
    return after
