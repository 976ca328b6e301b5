"""A source-filter synthesiser of infant cries with two dials, `signal` and `identity`.

Walked by notebook 01 (data and playback) and used by every notebook where DonateACry is
absent; it stands in for the recordings of Paper A (§2) and Paper B. It is a test bench whose
truth is known, and NEVER evidence about real infants: how states differ in it (`STATES`) is an
assumption made for teaching, see `states.py`.

From the literature come the kinds of sound: an expiratory cry with a rising-falling melody
(1.4 ± 0.6 s, F0 496 ± 95 Hz, highest 583 and lowest 398 Hz; Michelsson et al. 2002), phonation
at 250-700 Hz with occasional hyperphonation at 1-2 kHz and dysphonation (Robb 2003), and
inspirations between cries that, where voiced, are shorter and higher (Grau, Robb & Cacace
1995). Pitch, timing and spectrum are set near DonateACry's medians: its infants are up to two
years old, cry lower than newborns and break their cries into many short ones.

References: Michelsson, Eklund, Leppänen & Lyytinen 2002, doi 10.1159/000063190. Robb 2003,
Folia Phoniatr Logop 55. Grau, Robb & Cacace 1995, doi 10.1044/jshr.3802.373.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.source_filter import (
    background,
    glottal_source,
    reverberation,
    through_tract,
)
from cryutils.datasets.synthetic.states import STATES, Voice, blend
from cryutils.errors import InputError, near_miss

__all__ = ["Burst", "CryPlan", "check", "check_rate", "cry", "plan", "render"]

Contour = npt.NDArray[np.float32]

PITCH_HZ = 400.0  # what `Voice.pitch` counts from
F0_RANGE_HZ = (150.0, 2000.0)
RATE = 500.0  # frames a second of a plan's contours


@dataclass(frozen=True)
class Burst:
    """One expiratory cry: when it sounds, in seconds, and whether it is a mere whimper."""

    onset_s: float
    end_s: float
    whimper: bool


@dataclass(frozen=True, eq=False)
class CryPlan:
    """All decisions about a clip but the sound itself; contours are float32 (frames,).

    `voice` holds the parameters used, `rate` the frames a second of the contours: `f0` in Hz
    (0 where nothing is voiced), `opening` of the mouth (0 shut, 1 wide), and the amplitudes
    of the voice (`loudness`), of inspiration noise (`gasp`) and of dysphonation (`rough`).
    """

    state: str
    infant: int
    seed: int
    duration_s: float
    voice: Voice
    bursts: tuple[Burst, ...]
    f0: Contour = field(repr=False)
    opening: Contour = field(repr=False)
    loudness: Contour = field(repr=False)
    gasp: Contour = field(repr=False)
    rough: Contour = field(repr=False)
    rate: float = RATE


def plan(
    state: str,
    *,
    infant: int,
    seed: int,
    signal: float = 1.0,
    identity: float = 1.0,
    duration_s: float = 7.0,
) -> CryPlan:
    """Return when, how high and how open the mouth is in a clip, before any sound is made.

    state: a name in `STATES`. infant: seeds the infant's own voice, at least 0. seed: seeds
    the clip, at least 0. signal, identity: dials in [0, 1]; at `signal=0` the state, at
    `identity=0` the infant shapes nothing at all. duration_s: seconds, 0.5 to 600.
    Raises InputError for anything else.

    >>> plan("hungry", infant=1, seed=1).f0.shape
    (3501,)
    """
    check(state, infant=infant, seed=seed, signal=signal, identity=identity, duration_s=duration_s)
    rng = np.random.default_rng([seed, 1])
    voice = blend(state, infant=infant, signal=signal, identity=identity, rng=rng)
    bursts = _timing(voice, duration_s, rng)
    track = _Track(math.ceil(duration_s * RATE) + 1)
    previous_end = 0.0
    for burst in bursts:
        track.inhale(previous_end, burst.onset_s, voice, rng)
        track.exhale(burst, voice, rng)
        previous_end = burst.end_s
    return CryPlan(
        state=state,
        infant=infant,
        seed=seed,
        duration_s=duration_s,
        voice=voice,
        bursts=tuple(bursts),
        f0=_frozen(track.f0),
        opening=_frozen(track.opening),
        loudness=_frozen(track.loudness),
        gasp=_frozen(track.gasp),
        rough=_frozen(track.rough),
    )


def render(plan: CryPlan, sr: int = 16000) -> npt.NDArray[np.float32]:
    """Return the sound of a plan as float32 (samples,) in [-1, 1], `round(duration_s * sr)` long.

    sr: samples a second, 4000 to 192000, else InputError.
    """
    check_rate(sr)
    rng = np.random.default_rng([plan.seed, 2])
    voice = plan.voice
    frames = np.arange(plan.f0.size)
    at = np.arange(round(plan.duration_s * sr)) * (plan.rate / sr)
    voiced = plan.f0 > 0
    held = np.interp(frames, frames[voiced], plan.f0[voiced])
    f0, loudness, gasp, rough, opening = (
        np.interp(at, frames, contour).astype(np.float32)
        for contour in (held, plan.loudness, plan.gasp, plan.rough, plan.opening)
    )
    source = glottal_source(f0, loudness, gasp, rough, voice=voice, sr=sr, rng=rng)
    near = through_tract(source, opening, loudness, voice=voice, sr=sr, rng=rng)
    heard = near + reverberation(near, voice=voice, sr=sr, rng=rng)
    heard += background(at.size, voice=voice, sr=sr, rng=rng)
    peak = 10 ** (-rng.uniform(1.0, 8.0) / 20)
    return (heard * (peak / np.abs(heard).max())).astype(np.float32)


def cry(
    state: str,
    *,
    infant: int,
    seed: int,
    signal: float = 1.0,
    identity: float = 1.0,
    duration_s: float = 7.0,
    sr: int = 16000,
) -> npt.NDArray[np.float32]:
    """Return a synthetic cry, float32 (samples,) in [-1, 1]; see `plan` for the arguments.

    >>> cry("hungry", infant=1, seed=1, duration_s=1.0, sr=8000).shape
    (8000,)
    """
    drawn = plan(
        state, infant=infant, seed=seed, signal=signal, identity=identity, duration_s=duration_s
    )
    return render(drawn, sr)


def check(
    state: str, *, infant: int, seed: int, signal: float, identity: float, duration_s: float
) -> None:
    """Raise InputError where `plan` could not use these arguments."""
    if state not in STATES:
        raise InputError(f"No state {state!r}.{near_miss(str(state), STATES)}")
    for name, dial in (("signal", signal), ("identity", identity)):
        if not 0.0 <= dial <= 1.0:
            raise InputError(f"{name}={dial} is outside the dial; use a number from 0 to 1")
    for name, number in (("infant", infant), ("seed", seed)):
        if number < 0:
            raise InputError(f"{name}={number} is negative; use 0 or more")
    if not 0.5 <= duration_s <= 600:
        raise InputError(f"duration_s={duration_s} is no length for a clip; use 0.5 to 600 s")


def check_rate(sr: int) -> None:
    """Raise InputError where `sr`, in Hz, is too low for a cry or no whole number."""
    if not 4000 <= sr <= 192_000 or sr != int(sr):
        raise InputError(f"sr={sr} is no sample rate for a cry; use 4000 to 192000 Hz")


def _frozen(values: npt.NDArray[np.float64]) -> Contour:
    contour = values.astype(np.float32)
    contour.setflags(write=False)
    return contour


def _happens(logit: float, rng: np.random.Generator) -> bool:
    return bool(rng.random() < 1 / (1 + math.exp(-logit)))


def _timing(voice: Voice, duration_s: float, rng: np.random.Generator) -> list[Burst]:
    """Bursts and pauses, log-normal, with whimpers between and now and then a long rest."""
    spread = max(voice.irregular, 0.1)
    bursts = []
    # A recording starts anywhere, but not so late that no cry is left to hear.
    onset = min(rng.uniform(0, 1.5) * 2**voice.pause, 0.3 * duration_s)
    while onset < duration_s - 0.1:
        whimper = _happens(voice.whimper, rng)
        if whimper:
            length = rng.uniform(0.1, 0.35)
        else:
            length = min(max(2 ** rng.normal(voice.burst, spread), 0.2), 3.3)
        bursts.append(Burst(onset, min(onset + length, duration_s), whimper))
        pause = min(max(2 ** rng.normal(voice.pause, spread), 0.08), 2.5)
        rest = rng.uniform(0.6, 1.6) if rng.random() < 0.08 else 0.0
        onset += length + pause + rest
    return bursts


class _Track:
    """The contours of a clip while they are drawn."""

    def __init__(self, frames: int) -> None:
        self.f0, self.opening, self.loudness, self.gasp, self.rough = np.zeros((5, frames))

    def exhale(self, burst: Burst, voice: Voice, rng: np.random.Generator) -> None:
        first, last = round(burst.onset_s * RATE), round(burst.end_s * RATE)
        size = last - first
        t = (np.arange(size) + 0.5) / size
        longest = 0.4 * size / RATE
        rise, fall = min(2**voice.attack, longest), min(rng.uniform(0.05, 0.25), longest)
        edges = np.minimum(t / rise, (1 - t) / fall) * (size / RATE)
        gate = np.sin(0.5 * np.pi * np.clip(edges, 0, 1))
        semitones = voice.pitch + _melody(t, burst.whimper, voice, rng)
        if _happens(voice.hyper, rng) and not burst.whimper:
            semitones += 12 * math.log2(rng.uniform(2.2, 3.0)) * _stretch(t, 0.015, rng)
        if _happens(voice.rough, rng):
            self.rough[first:last] = _stretch(t, 0.05, rng) * rng.uniform(0.4, 0.9)
        effort = rng.uniform(0.1, 0.4) if burst.whimper else rng.uniform(0.5, 1.0)
        swell = (t / 0.4) ** 0.3 * np.where(t > 0.4, 1 - 0.5 * (t - 0.4), 1.0)
        shimmer = _wander(size, 12, rng) + 0.4 * rng.standard_normal(size)
        strength = effort * swell * gate**1.5 * 10 ** (voice.shimmer / 20 * shimmer)
        wide = voice.opening * (0.5 if burst.whimper else 1.0) * (0.7 + 0.4 * swell)
        self.f0[first:last] = np.clip(PITCH_HZ * 2 ** (semitones / 12), *F0_RANGE_HZ)
        self.loudness[first:last] = np.clip(strength, 0, 1.5)
        self.opening[first:last] = np.clip(gate**0.7 * (wide + 0.1 * _wander(size, 3, rng)), 0, 1)

    def inhale(
        self, earliest_s: float, onset_s: float, voice: Voice, rng: np.random.Generator
    ) -> None:
        """Draw a gasp before a burst where the pause leaves room, now and then a voiced one."""
        length = min(rng.uniform(0.12, 0.35), 0.7 * (onset_s - earliest_s))
        audible, voiced = rng.random() < 0.6, rng.random() < 0.15
        if length < 0.06 or not audible:
            return
        last = round((onset_s - rng.uniform(0.0, 0.4) * length) * RATE) - 1
        first = max(last - round(length * RATE), 0)
        t = (np.arange(last - first) + 0.5) / (last - first)
        shape = np.sin(np.pi * t ** rng.uniform(0.6, 1.6)) ** 1.2
        level = min(10 ** ((voice.gasp + rng.normal(0, 5)) / 20), 0.6)
        self.gasp[first:last] = level * shape
        self.opening[first:last] = 0.35 * shape
        if voiced:
            rising = voice.pitch + 7 + 5 * t
            self.f0[first:last] = np.clip(PITCH_HZ * 2 ** (rising / 12), *F0_RANGE_HZ)
            self.loudness[first:last] = 0.25 * shape


def _melody(
    t: npt.NDArray[np.float64], whimper: bool, voice: Voice, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Semitones above the clip's pitch: mostly one rising-falling arch, sometimes two."""
    seconds = t.size / RATE
    peak = min(max(voice.peak + rng.normal(0, 0.1), 0.08), 0.85)
    height = max(voice.arch, 0.5) * rng.lognormal(-0.1, 0.45) * (0.4 if whimper else 1.0)
    arch = height * (np.sin(np.pi * t ** (math.log(0.5) / math.log(peak))) ** 0.8 - 0.6)
    if seconds > 0.7 and rng.random() < 0.4:
        arch += 0.3 * height * np.sin(2 * np.pi * (rng.uniform(1, 2.5) * t + rng.random()))
    start = -rng.uniform(0.5, 2.5) * np.exp(-t * seconds / 0.035)
    release = -rng.uniform(0.5, 3.5) * np.exp(-(1 - t) * seconds / 0.06)
    tremor = 0.25 * _wander(t.size, 9.0, rng) + 0.35 * _wander(t.size, 3.0, rng)
    jitter = 12 / math.log(2) * 0.01 * 2**voice.jitter * rng.standard_normal(t.size)
    return arch + start + release + tremor + jitter + rng.normal(0, 1.5)


def _wander(size: int, hz: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Smooth noise over frames, of unit variance at its `hz` knots a second."""
    knots = rng.standard_normal(max(2, math.ceil(size * hz / RATE) + 1))
    before, part = np.divmod(np.linspace(0, knots.size - 1, size, endpoint=False), 1)
    here = before.astype(int)
    return knots[here] + (knots[here + 1] - knots[here]) * part * part * (3 - 2 * part)


def _stretch(
    t: npt.NDArray[np.float64], edge_s: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A stretch inside a burst: 0 outside, 1 inside, with straight edges."""
    start, length = rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.45)
    inside = np.minimum(t - start, start + length - t)
    return np.clip(inside * (t.size / RATE) / edge_s, 0, 1)
