"""The live analysis: sound and pictures in as they come, a `Reading` out every half second.

Paper B §3, the real-time pipeline; walked by notebook 13_live_and_deployment. A window of sound
passes the cry gate or is "no cry"; what passes is asked of the run's sound model, the newest
picture of its face model, both from LiteRT files, so that a live kernel needs no TensorFlow. Their
probabilities are calibrated, averaged over both and over the last seconds, and where no state is
likelier than all the others together the reading is "unsure". Where one modality is missing or
stale the other answers alone, and the reading says so; without sound and without a face it is a
gap, never a silence. It is no medical device.

What comes is only put in its place, which takes no time worth naming; whoever asks for `readings`
pays for them. So nothing that comes late, twice, in bursts, out of order, damaged or not at all can
block or break it, and its memory is bounded.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import time as unix_time

import numpy as np
import numpy.typing as npt

from cryutils.app.readings import GAP, HOP_S, NO_CRY, UNSURE, Reading
from cryutils.app.ring import JITTER_S, Ring
from cryutils.audio import spectral
from cryutils.evaluation.crossval import one_thread
from cryutils.models import novelty
from cryutils.models.fusion import RollingAverage, late_fusion
from cryutils.models.gate import WINDOW_S, Gate
from cryutils.models.inputs import SHORTEST_S, FaceInput, SoundInput, sound_problem
from cryutils.models.verdict import verdict
from cryutils.papers.predict import Part, open_parts, trained_on
from cryutils.video import faces, tracks

__all__ = ["KEPT_S", "PATIENCE_S", "Monitor"]

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

KEPT_S = 30.0  # of sound: what comes in one burst and is still judged
PATIENCE_S = 0.75  # how long a reading waits for its sound
_CONTEXT_S = 7.0  # that is brought to peak 1 together, as recordings of the training were
_AVERAGED = 6  # readings, 3 s
_FRESH_S = 1.0  # a picture older than this is stale
_STRAYS = 3  # inputs in a row whose time is far off, before they are believed
_RATES = (4000, 192_000)
_LATEST = 1e11  # s since 1970
_LONGEST_SIDE = 640  # pixels of a picture that is kept
_PICTURES = 16  # kept, at most 20 MB
_BETWEEN_S = 0.2  # pictures that are kept


class Monitor:
    """The models of one run on a microphone and a camera.

    >>> monitor = Monitor()                                              # doctest: +SKIP
    >>> monitor.push_audio(block, 48000)                                 # doctest: +SKIP
    >>> [reading.verdict for reading in monitor.readings()]              # doctest: +SKIP
    ['no cry', 'hungry']
    """

    _ring: Ring | None
    _newest: float  # when the newest input ended, in s since 1970

    def __init__(self, run: str | Path | None = None) -> None:
        """Open the models of `run`, a name or an absolute `Path`; None: as `cryutils predict` does.

        Makes do with one of "cry2" and "image" where a run has but one. Raises InputError, in
        one line, where no run has either, or its files are damaged.
        """
        self.run, self._parts = open_parts("full", run)
        self.classes = next(iter(self._parts.values())).classes
        self.gate = Gate.load()
        seeing = self._parts["image"].input if "image" in self._parts else None
        self._eye = faces.detector(seeing.detector) if isinstance(seeing, FaceInput) else None
        self.restart()

    @property
    def note(self) -> str:
        """What the models were trained on, and whether their confidence is calibrated."""
        return trained_on(self._parts)

    def push_audio(self, samples: npt.ArrayLike, sr: int, time: float | None = None) -> None:
        """Take a block of sound.

        A block may come late or before its turn, if it is longer than 0.1 s. Samples that are no
        numbers count as not heard. What can't be used is left out, and the next reading says so.

        Parameters
        ----------
        samples : array of float
            Mono (samples,) in [-1, 1].
        sr : int
            Their rate in Hz.
        time : float, optional
            When the first sample was heard, in s since 1970. None: it follows the block before, or
            ends now.
        """
        x = np.asarray(samples)
        if x.ndim != 1 or x.dtype.kind != "f":
            return self._refuse(f"sound left out: {x.dtype} {x.shape}, not float (samples,)")
        if not (isinstance(sr, int | np.integer) and _RATES[0] <= sr <= _RATES[1]):
            return self._refuse(f"sound left out: sr={sr}, not {_RATES[0]} to {_RATES[1]} Hz")
        if not self._is_time(time):
            return self._refuse(f"sound left out: time={time}")
        start_s = self._follows(len(x) / sr) if time is None else float(time)
        if self._is_stray(start_s, start_s + len(x) / sr):
            return self._refuse(f"sound left out: its time, {start_s:.1f}, is far off")
        if self._ring is None or self._ring.sr != sr:
            self._ring = Ring(sr=int(sr), seconds=KEPT_S + _CONTEXT_S)
        start, length = self._ring.position(start_s), len(x)
        with np.errstate(over="ignore"):  # beyond float32's range is no number, either
            x = x[-len(self._ring) :].astype(np.float32)
        start += length - len(x)
        self._ring.write(start, np.where(np.isfinite(x), np.clip(x, -1, 1), np.nan))

    def push_frame(self, rgb: npt.ArrayLike, time: float | None = None) -> None:
        """Take a picture.

        About five a second are kept, and of several hundred pixels. What can't be used is left
        out, and the next reading says so.

        Parameters
        ----------
        rgb : array of uint8
            (height, width, 3).
        time : float, optional
            When it was seen, in s since 1970 (None: now).
        """
        frame = np.asarray(rgb)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            return self._refuse(f"picture left out: {frame.dtype} {frame.shape}, not uint8 RGB")
        if not self._is_time(time):
            return self._refuse(f"picture left out: time={time}")
        at = unix_time() if time is None else float(time)
        if self._is_stray(at, at):
            return self._refuse(f"picture left out: its time, {at:.1f}, is far off")
        if all(abs(at - other) >= _BETWEEN_S for other, _ in self._pictures):
            self._pictures.append((at, _small(frame)))

    def readings(self, now: float | None = None) -> Iterator[Reading]:
        """Yield the readings that are due, in order of time, each judged when it is asked for.

        One is due at each hop once its sound has come, or `PATIENCE_S` after its time without it.
        What lies more than `KEPT_S` back is no longer judged: one gap stands for it.

        Parameters
        ----------
        now : float, optional
            s since 1970, of the clock that inputs are stamped by; None: when what has come ends, so
            that without input there's no reading.
        """
        if self._origin is None:
            if now is None:
                return
            self._begin(now - PATIENCE_S)
        self._newest = newest = self._newest if now is None else max(now, self._newest)
        while self._is_heard(self._due_s) or self._due_s <= newest - PATIENCE_S:
            behind_s = newest - self._due_s
            if behind_s > KEPT_S:
                self._count += int((behind_s - KEPT_S) / HOP_S) + 1
                skipped = f"nothing judged for {behind_s - KEPT_S:.0f} s"
                yield self._gap(self._due_s - HOP_S, skipped)
                continue
            end = self._due_s
            self._count += 1
            # Beside other work a second thread is waited for longer than all of this takes: on two
            # busy cores a spectrogram's mel bands took 12 ms with it and 0.6 ms without.
            with one_thread(), faces.single_threaded():
                reading = self._judged(end)
            yield reading

    def restart(self) -> None:
        """Forget all that came: another infant, or another recording."""
        self._refused: list[str] = []
        self._begin(None)

    def _begin(self, origin: float | None) -> None:
        """Forget what came, and count the hops from `origin` on, in s since 1970."""
        self._origin, self._count, self._strays = origin, 1, 0
        self._newest = -math.inf if origin is None else origin
        self._ring = None
        self._pictures: deque[tuple[float, Pixels]] = deque(maxlen=_PICTURES)
        self._looks: deque[tuple[float, npt.NDArray[np.float32]]] = deque(maxlen=4)
        self._face: tuple[float, Array | None, str] = (-math.inf, None, "")
        self._quiet = 0
        self._rolling = RollingAverage(_AVERAGED)

    @property
    def _due_s(self) -> float:
        """When the next window ends."""
        assert self._origin is not None
        return self._origin + self._count * HOP_S

    def _is_heard(self, time: float) -> bool:
        """Return whether sound has come up to `time`; in samples, since seconds are rounded."""
        ring = self._ring
        return ring is not None and ring.head is not None and ring.head >= round(time * ring.sr)

    @property
    def _heard_s(self) -> float:
        end = None if self._ring is None else self._ring.end_s
        return -math.inf if end is None else end

    def _is_time(self, time: float | None) -> bool:
        return time is None or (math.isfinite(time) and 0 <= time < _LATEST)

    def _follows(self, length_s: float) -> float:
        """Return when a block without a time starts: after the last one, unless that is long ago.

        Faster than the clock is no mistake: a file may be pushed as fast as it can be read.
        """
        now = unix_time()
        if math.isinf(self._heard_s) or now - length_s - self._heard_s > PATIENCE_S:
            return now - length_s
        return self._heard_s

    def _is_stray(self, start_s: float, end_s: float) -> bool:
        """Return whether an input lies so far from the newest that its time must be wrong.

        Several such in a row are right: the machine has slept, or its clock was set.
        """
        if self._origin is None:
            self._begin(start_s)
        is_old = self._newest - end_s > KEPT_S
        if is_old or start_s - self._newest > KEPT_S:
            self._strays += 1
            if self._strays <= _STRAYS:
                return True
            if is_old:
                self._begin(start_s)
        self._strays = 0
        self._newest = max(self._newest, end_s)
        return False

    def _refuse(self, why: str) -> None:
        self._refused = [why]

    def _gap(self, time: float, note: str) -> Reading:
        self._rolling = RollingAverage(_AVERAGED)
        return Reading(time=time, verdict=GAP, note=self._noted([note]))

    def _noted(self, notes: list[str]) -> str:
        words, self._refused = [*notes, *self._refused], []
        return "; ".join(words)

    def _judged(self, end: float) -> Reading:
        """Return what is to be said of the window that ends at `end`."""
        x, cry = self._heard(end), None
        if len(x):
            assert self._ring is not None
            cry = self.gate.score(x[-round(WINDOW_S * self._ring.sr) :], self._ring.sr)
            if cry < self.gate.threshold:
                return self._without_a_cry(end, cry)
        sound, why_no_sound, remarks = self._sound(x)
        face, why_no_face, is_stale = self._seen(end)
        if cry is None and face is None:  # an empty room tells nothing of the baby
            why = "nothing heard or seen" if is_stale else f"{why_no_sound}, {why_no_face}"
            return self._gap(end, why)
        self._quiet = 0
        notes = [*remarks]
        if sound is None and face is None:
            words = [f"{why_no_sound}, {why_no_face}", *notes]
            return Reading(time=end, verdict=UNSURE, cry=cry, note=self._noted(words))
        if sound is None or face is None:
            alone = why_no_face if face is None else why_no_sound
            notes.insert(0, f"by {'face' if sound is None else 'sound'} alone: {alone}")
        missing = np.full(len(self.classes), np.nan)
        fused = late_fusion(missing if sound is None else sound, missing if face is None else face)
        averaged = self._rolling.push(fused.probabilities[0])
        probabilities = self._named(averaged)
        return Reading(
            time=end,
            verdict=verdict(probabilities),
            probabilities=probabilities,
            sound=None if sound is None else self._named(sound),
            face=None if face is None else self._named(face),
            cry=cry,
            note=self._noted(notes),
        )

    def _without_a_cry(self, end: float, cry: float) -> Reading:
        self._quiet += 1
        if self._quiet >= _AVERAGED:  # else the last cry would colour the next one
            self._rolling = RollingAverage(_AVERAGED)
        return Reading(time=end, verdict=NO_CRY, cry=cry, note=self._noted([]))

    def _named(self, probabilities: Array) -> dict[str, float]:
        return dict(zip(self.classes, map(float, probabilities), strict=True))

    def _heard(self, end: float) -> Array:
        """Return the unbroken sound up to `end`, at most `_CONTEXT_S` of it; none if too short."""
        ring = self._ring
        if ring is None or ring.head is None:
            return np.zeros(0, np.float32)
        stop = round(end * ring.sr)
        if 0 < stop - ring.head <= JITTER_S * ring.sr:
            stop = ring.head
        x = ring.before(stop, most=round(_CONTEXT_S * ring.sr))
        return x if len(x) >= SHORTEST_S * ring.sr else x[:0]

    def _sound(self, x: Array) -> tuple[Array | None, str, list[str]]:
        """Return the sound model's probabilities, or None and why; and what else is to be said."""
        part = self._parts.get("cry2")
        if not len(x):
            return None, "no sound", []
        if part is None or not isinstance(part.input, SoundInput) or self._ring is None:
            return None, "these models do not listen", []
        y = spectral.resample(x, sr=self._ring.sr, to=part.input.sr)
        if problem := sound_problem(y, part.input.sr):
            return None, problem, []
        windows = part.input.windows(y)
        far = novelty.caution(part.reference.share(windows)) if part.reference else None
        return part.predict(windows[-1:])[0], "", [] if far is None else [far]

    def _seen(self, end: float) -> tuple[Array | None, str, bool]:
        """Return the face model's probabilities, or None and why; and whether all is stale."""
        fresh = [shot for shot in self._pictures if end - _FRESH_S < shot[0] <= end]
        if not fresh:
            return None, "no picture", True
        part = self._parts.get("image")
        if part is None or self._eye is None or not isinstance(part.input, FaceInput):
            return None, "these models do not use the camera", False
        at, frame = max(fresh, key=lambda shot: shot[0])
        if at != self._face[0]:
            self._face = (at, *self._looked(at, frame, part, part.input))
        return self._face[1], self._face[2], False

    def _looked(
        self, at: float, frame: Pixels, part: Part, settings: FaceInput
    ) -> tuple[Array | None, str]:
        """Return the probabilities of the face that is followed, or None and why there are none."""
        assert self._eye is not None
        self._looks.append((at, self._eye.detect(frame)))
        times, boxes = zip(*self._looks, strict=True)
        (box,), (is_near,) = tracks.follow(tracks.choose(boxes, times), np.array([at]))
        if not is_near:
            return None, "no face in the picture"
        crop = faces.crop(frame, box, size=settings.size, margin=tracks.MARGIN)
        if faces.is_blank(crop):
            return None, "black or blank picture"
        return part.predict(crop[None])[0], ""


def _small(frame: Pixels) -> Pixels:
    """Return a copy of a picture, its longer side `_LONGEST_SIDE` at most."""
    import cv2

    scale = _LONGEST_SIDE / max(frame.shape[:2])
    if scale >= 1:
        return frame.copy()
    size = [max(1, round(side * scale)) for side in frame.shape[1::-1]]
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
