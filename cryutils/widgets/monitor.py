"""The live analysis, `Monitor`: buffers sound and pictures, yields a `Reading` every half second.

Paper B §3, the real-time pipeline, in notebook 13_live_and_deployment. Outside of the cry gate's
bursts of crying, the reading is "no cry", or "quiet" if the sound is too quiet to judge. In a burst,
the run's sound model judges each window that passes the gate and its face model the newest picture,
as for files. Probabilities are averaged over both models and the last six answers. The reading is
"unsure" if no state reaches a probability of 0.5, or if the sound is unlike the training cries
(`novelty`). A model trained on synthetic infants answers for synthetic recordings only; without
another one, each cry is "unsure". If one modality is missing or stale, the other is used alone, and
the reading says so. Without sound and without a face, or with a microphone that gives no sound, the
reading is a gap, never silence. This is no medical device.

`push_audio` and `push_frame` only buffer their input; inference runs in `readings`. Late, damaged or
missing input can therefore not block or break the analysis, and its memory is bounded.
"""

import heapq
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from threadpoolctl import ThreadpoolController

from cryutils import audio
from cryutils._io import media
from cryutils._io.paths import resolve
from cryutils.audio import spectral
from cryutils.audio.files import SHORTEST_S
from cryutils.inference.predict import TOO_QUIET, Answer, Predictor, hear
from cryutils.inference.readings import HOP_S, Kind, Reading, verdict
from cryutils.inference.trained_models import Part, System, find_run, named
from cryutils.models.gate import CRY_PAUSE_S, LEAST, STEP_S, Gate, bursts
from cryutils.models.inputs import PictureInput
from cryutils.words import GAP, NO_CRY, QUIET, UNSURE

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Event = tuple[float, bool, tuple[Any, ...]]  # time in s, whether it is sound, arguments of `push_*`

JITTER_S = 0.1  # a block whose time is at most this far from the newest sound's end is appended
DEAD_DB = -81.0  # re full scale, at 16 kHz; the noise of a microphone in a quiet room is louder
DEAD_S = 2.0  # a microphone that gives no sound for so long is dead
KEPT_S = 15.0  # of sound; what is older than this is not judged
PATIENCE_S = 0.75  # how long a reading waits for its sound
_CONTEXT_S = 7.0  # of sound, scaled together to peak 1 as the training recordings were
_AVERAGED = 6  # readings, 3 s
_FRESH_S = 1.0  # an older picture is stale
_RATES = (4000, 192_000)  # Hz
_LATEST = 1e11  # s since 1970
_LONGEST_SIDE = 640  # of a buffered picture, in pixels
_PICTURES = 16  # buffered, at most 20 MB
_BETWEEN_S = 0.2  # the least time between buffered pictures
_NO_PICTURE = Answer(None, "no picture")
_NO_FACE = Answer(None, "no face: it may be too small or lying sideways", Kind.NO_FACE)
_BLOCK_S, _FPS = 0.05, 4.0  # of a recording that is replayed


class Ring:
    """Sound at `sr` Hz by position, in samples since time 0. NaN marks where nothing was heard.

    head: the position after the newest sample. Sound keeps its original rate, because soxr delays a
    stream by up to 0.16 s (48 to 8 kHz), longer than a reading may take.

    >>> ring = Ring(sr=4, seconds=2)
    >>> ring.write(2.5, np.ones(2, np.float32))
    >>> ring.write(3.25, np.zeros(3, np.float32))
    >>> ring.before(16, most=8)
    array([0., 0., 0.], dtype=float32)
    """

    def __init__(self, *, sr: int, seconds: float) -> None:
        self.sr, self.head = sr, 0
        self._samples = np.full(round(seconds * sr), np.nan, np.float32)

    def write(self, time: float, x: Array) -> None:
        """Write sound that begins at `time` (s), however late; what is too old is dropped.

        Sound that begins within `JITTER_S` of `head` is appended there.
        """
        start, size = round(time * self.sr), len(self._samples)
        if abs(start - self.head) <= JITTER_S * self.sr:
            start = self.head
        end = max(self.head, start + len(x))
        first = max(start, end - size)
        self._samples[np.arange(max(self.head, end - size), first) % size] = np.nan
        self._samples[np.arange(first, start + len(x)) % size] = x[first - start :]
        self.head = end

    def before(self, end: int, *, most: int) -> Array:
        """Return the unbroken sound that ends at position `end`, at most `most` samples."""
        if end > self.head:
            return np.zeros(0, np.float32)
        size = len(self._samples)
        x = self._samples[np.arange(max(end - most, self.head - size), end) % size]
        breaks = np.flatnonzero(np.isnan(x))
        return x[breaks[-1] + 1 :] if len(breaks) else x


class Models(threading.local):
    """The models of one run, for any number of monitors.

    Each thread opens its own copy when it first uses them, because networks and the face detector
    are for one thread. run: the run's folder, from `find_run`; None: the cry gate alone.
    """

    def __init__(self, run: Path | None) -> None:
        self.gate, self.predictor = Gate.load(), None if run is None else Predictor(run=run)
        # Of OpenCV, which is imported only if pictures are judged.
        self.one_thread: Callable[[], AbstractContextManager[None]] = nullcontext
        if self.predictor and self.predictor.system.face:
            from cryutils.video import faces

            self.detector, self.one_thread = faces.Detector(), faces.single_threaded
        self.pools = ThreadpoolController()  # of BLAS and OpenMP; finding their libraries takes 8 ms

    def answering(self, *, synthetic: bool) -> System:
        """Return the networks that answer for these infants."""
        return self.predictor.system.answering(synthetic=synthetic) if self.predictor else System()


class Monitor:
    """The live analysis of a microphone and a camera with the models of one run.

    run: the run's folder, None without one. classes: the states that it can name for the infants of
    `restart`, none if only the cry gate answers. note: what the models were trained on. gate: scores
    each second; an object with `threshold` and `scores`, as `Gate` has, may take its place. least: of
    four windows, how many must pass before it is crying.
    uses_camera: whether one of the models is for real faces.
    """

    _ring: Ring | None
    _newest: float  # when the newest input ended, in s since 1970

    def __init__(self, run: str | Path | None = None, *, models: Models | None = None) -> None:
        """Open the networks of `run`, as `Predictor` does, or share `models`."""
        self._models = models or Models(find_run("full", run))
        predictor = self._models.predictor
        self.run = predictor.run if predictor else None
        self.note = predictor.note if predictor else ""
        self.gate, self.least = self._models.gate, LEAST
        self.uses_camera = self._models.answering(synthetic=False).face is not None
        self.restart()

    @property
    def _answering(self) -> System:
        return self._models.answering(synthetic=self._synthetic)

    def push_audio(self, samples: npt.ArrayLike, sr: int, time: float) -> None:
        """Buffer a block of sound, float (samples,) in [-1, 1] at `sr` Hz.

        `time` is that of the first sample in s since 1970. Blocks longer than 0.1 s may arrive late
        or out of order. Samples that are not finite count as missing. Unusable input is left out.
        """
        x = np.asarray(samples)
        is_sound = x.ndim == 1 and x.dtype.kind == "f" and _RATES[0] <= sr <= _RATES[1]
        if not is_sound or not 0 <= time < _LATEST:
            return
        self._advance(time, time + len(x) / sr)
        if self._ring is None or self._ring.sr != sr:
            self._ring = Ring(sr=int(sr), seconds=KEPT_S + _CONTEXT_S)
        with np.errstate(over="ignore"):  # a number beyond float32's range becomes infinite
            x = x.astype(np.float32)
        self._ring.write(time, np.where(np.isfinite(x), np.clip(x, -1, 1), np.nan))

    def push_frame(self, rgb: npt.ArrayLike, time: float) -> None:
        """Buffer a picture, uint8 (height, width, 3), taken at `time` in s since 1970.

        About five pictures per second are kept, reduced to at most 640 pixels a side. Unusable
        input is left out.
        """
        frame = np.asarray(rgb)
        is_rgb = frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
        if not is_rgb or not frame.size or not 0 <= time < _LATEST or not self._answering.face:
            return
        self._advance(time, time)
        if all(abs(time - other) >= _BETWEEN_S for other, _ in self._pictures):
            self._pictures.append((time, _small(frame)))

    def readings(self, now: float | None = None) -> Iterator[Reading]:
        """Yield the readings that are due, in order of time. Each is computed when requested.

        A reading is due at each hop once its sound has arrived, at the latest `PATIENCE_S` after
        the hop. One gap replaces everything older than `KEPT_S`. `now` is in s since 1970; by
        default it is the end of the newest input, so there is no reading without input.
        """
        if self._origin is None:
            if now is None:
                return
            self._begin(now - PATIENCE_S)
        self._newest = newest = self._newest if now is None else max(now, self._newest)
        while self._has_sound_to(self._due_s) or self._due_s <= newest - PATIENCE_S:
            behind_s = newest - self._due_s
            if behind_s > KEPT_S:
                self._count += int((behind_s - KEPT_S) / HOP_S) + 1
                skipped = f"nothing judged for {behind_s - KEPT_S:.0f} s"
                yield self._gap(self._due_s - HOP_S, skipped)
                continue
            end = self._due_s
            self._count += 1
            # On two busy cores a spectrogram's mel bands took 12 ms with two threads and 0.6 ms
            # with one, because waiting for the second thread takes longer than the work.
            with self._models.pools.limit(limits=1), self._models.one_thread():
                self._last = self._judged(end)
            yield self._last

    def restart(self, *, synthetic: bool = False) -> None:
        """Forget all input, before another infant or another recording.

        synthetic: whether what follows is of a synthetic infant.
        """
        self._synthetic = synthetic
        self.classes = self._answering.classes
        self._begin(None)

    def _begin(self, origin: float | None) -> None:
        """Forget all input, and count the hops from `origin` on, in s since 1970."""
        self._origin, self._count = origin, 1
        self._newest = -math.inf if origin is None else origin
        self._ring = None
        self._pictures: deque[tuple[float, Pixels]] = deque(maxlen=_PICTURES)
        self._looks: deque[tuple[float, Array]] = deque(maxlen=4)
        self._face: tuple[float, Answer] = (-math.inf, _NO_PICTURE)  # for the newest picture judged
        self._last = Reading(time=self._newest, verdict=GAP)
        self._forget_cry()

    @property
    def _due_s(self) -> float:
        """When the next window ends, in s since 1970."""
        assert self._origin is not None
        return self._origin + self._count * HOP_S

    def _has_sound_to(self, time: float) -> bool:
        """Return whether sound has arrived up to `time`, in samples because seconds are rounded."""
        return self._ring is not None and self._ring.head >= round(time * self._ring.sr)

    def _advance(self, start_s: float, end_s: float) -> None:
        """Note the time of an input; one that is long past means that the clock was set back."""
        if self._origin is None or self._newest - end_s > KEPT_S:
            self._begin(start_s)
        self._newest = max(self._newest, end_s)

    def _forget_cry(self) -> None:
        """End the burst of crying, so that it does not affect the next."""
        self._answers = deque[Array](maxlen=_AVERAGED)
        self._passing = [False]  # which windows pass the gate, since the last burst of crying

    def _gap(self, time: float, note: str) -> Reading:
        self._forget_cry()
        return Reading(time=time, verdict=GAP, note=note)

    def _judged(self, end: float) -> Reading:
        """Return the reading of the window that ends at `end`."""
        x, cry = self._heard(end), None
        if len(x):
            assert self._ring is not None
            newest = x[-round(DEAD_S * self._ring.sr) :]
            if np.std(newest, dtype=np.float64) < 10 ** (DEAD_DB / 20):  # muted or broken
                return self._gap(end, "the microphone gives no sound")
            cry = float(self.gate.scores(x, self._ring.sr, newest=True)[0])
            self._passing.append(cry >= self.gate.threshold)
            if not any(self._passing[-round(CRY_PAUSE_S / STEP_S) :]):
                self._forget_cry()
            if not bursts(self._passing, least=self.least):
                what, note = (NO_CRY, "") if cry else (QUIET, TOO_QUIET)
                return Reading(time=end, verdict=what, cry=cry, note=note)
            if not self._passing[-1]:  # the infant draws breath
                return replace(self._last, time=end, cry=cry)
        else:
            self._passing = [False]
        sound, face = self._sound(x), self._seen(end)
        reasons = ", ".join(part.why for part in (sound, face) if part.probabilities is None and part.why)
        if cry is None and face.probabilities is None:  # an empty room says nothing about the infant
            return self._gap(end, "nothing heard or seen" if face is _NO_PICTURE else reasons)
        p = self._answering.fuse(sound.probabilities, face.probabilities)
        if p is None:
            return Reading(time=end, verdict=UNSURE, cry=cry, note=reasons)
        by_ear, by_eye = sound.probabilities is not None, face.probabilities is not None
        alone = "" if by_ear and by_eye else "by sound alone: " if by_ear else "by face alone: "
        caution = sound.why if by_ear else ""
        self._answers.append(p[0])  # rolling prediction averaging, Paper A §3.5
        mean = np.asarray(np.mean(self._answers, axis=0, dtype=np.float64), np.float32)
        probabilities = named(self.classes, mean)
        return Reading(
            time=end,
            verdict=UNSURE if caution else verdict(probabilities),
            probabilities=probabilities,
            cry=cry,
            note="; ".join(filter(None, (reasons and alone + reasons, caution))),
            kind=sound.kind or (face.kind if by_ear else Kind.PLAIN),
            **self._answering.fields(sound.probabilities, face.probabilities),
        )

    def _heard(self, end: float) -> Array:
        """Return the unbroken sound up to `end`, at most `_CONTEXT_S` long; empty if too short."""
        ring = self._ring
        if ring is None:
            return np.zeros(0, np.float32)
        stop = round(end * ring.sr)
        if 0 < stop - ring.head <= JITTER_S * ring.sr:
            stop = ring.head
        x = ring.before(stop, most=round(_CONTEXT_S * ring.sr))
        return x if len(x) >= SHORTEST_S * ring.sr else x[:0]

    def _sound(self, x: Array) -> Answer:
        """Return the sound model's answer to the newest window."""
        if self._ring is None or not len(x):
            return Answer(None, "no sound")
        if not (system := self._answering).sounds:
            return Answer(None, "no model for sound")
        y = spectral.resample(x, sr=self._ring.sr, to=system.sounds[0].input.sr)
        return hear(system, y, newest=True)

    def _seen(self, end: float) -> Answer:
        """Return the face model's answer to the newest picture that is not stale."""
        if self._answering.face is None:
            return Answer(None)
        fresh = [shot for shot in self._pictures if end - _FRESH_S < shot[0] <= end]
        if not fresh:
            return _NO_PICTURE
        at, frame = max(fresh, key=lambda shot: shot[0])
        if at != self._face[0]:
            self._face = (at, self._looked(at, frame))
        return self._face[1]

    def _looked(self, at: float, frame: Pixels) -> Answer:
        """Return the face model's answer for the tracked face in a picture."""
        from cryutils.video import faces, tracks

        model = self._answering.face
        assert model is not None
        if model.input.crop == "frame":
            crop = faces.crop(frame, faces.centre(*frame.shape[:2]), size=model.input.size)
            return _answer(model, crop)
        self._looks.append((at, self._models.detector.detect(frame)))
        times, boxes = zip(*self._looks, strict=True)
        (box,), (is_near,) = tracks.follow(tracks.choose(boxes, times), np.array([at]))
        if not is_near:
            return _NO_FACE
        crop = faces.crop(frame, box, size=model.input.size, margin=tracks.MARGIN)
        return _answer(model, crop)


def _answer(model: Part[PictureInput], crop: Pixels) -> Answer:
    """Return a face model's answer to a picture."""
    from cryutils.video import faces

    if faces.is_blank(crop):
        return Answer(None, "black or blank picture")
    return Answer(model.predict(crop[None])[:, None])


def _small(frame: Pixels) -> Pixels:
    """Return a copy of a picture, its longer side at most `_LONGEST_SIDE`."""
    picture = Image.fromarray(frame)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BOX)
    return np.array(picture)


def replay(path: str | os.PathLike[str], monitor: Monitor) -> Iterator[Reading]:
    """Yield a monitor's readings of a recording, with or without video, pushed block by block.

    The monitor is restarted first. Times are relative to the recording: its first sample is at 0 s.
    Raises InputError for a file that can't be read.
    """
    from cryutils import video

    path = resolve(path)
    info = media.probe(path)
    monitor.restart(synthetic=info.is_synthetic)
    frames = enumerate(video.frames(path, fps=_FPS)) if info.has_video else ()
    pictures = ((k / _FPS, False, (frame, k / _FPS)) for k, frame in frames)
    end = 0.0
    for end, is_sound, values in heapq.merge(pictures, _blocks(path) if info.has_audio else ()):
        push = monitor.push_audio if is_sound else monitor.push_frame
        push(*values)
        yield from monitor.readings(end)
    yield from monitor.readings(end + PATIENCE_S)


def _blocks(path: Path) -> Iterator[Event]:
    sr = audio.inspect(path).sr
    size = round(_BLOCK_S * sr)
    for piece_s, x in audio.pieces(path, sr=sr):
        for start in range(0, len(x), size):
            block, at = x[start : start + size], piece_s + start / sr
            yield at + len(block) / sr, True, (block, sr, at)
