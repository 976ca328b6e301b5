"""Synthetic infant cries, controlled by the dials of `states.py`: planned, then rendered.

Used in notebook lesson_4_who_is_in_the_data, and in every notebook if DonateACry is absent. The cries are
NEVER evidence about real infants; `states.py` has the assumptions.

The kinds of sound come from the literature: an expiratory cry with a rising-falling melody (1.4 ±
0.6 s, F0 496 ± 95 Hz, highest 583 and lowest 398 Hz; Michelsson et al. 2002, doi
10.1159/000063190), phonation at 250-700 Hz with occasional hyperphonation at 1-2 kHz and
dysphonation (Robb 2003, Folia Phoniatr Logop 55), and inspirations between cries, which are shorter
and, if voiced, higher (Grau, Robb & Cacace 1995, doi 10.1044/jshr.3802.373). Pitch, timing and
spectrum are set near DonateACry's medians: its infants are up to two years old, cry lower than
newborns and break their cries into many short ones.

A periodic source and noise are filtered by a vocal tract, then by microphone and room, and
background noise is added. The tract resonates like a short uniform tube, as that of newborns does
(Lieberman, Harris, Wolff & Russell 1971, doi 10.1044/jshr.1404.718).
"""

import math
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.states import PLAIN, VOICES, Dials, Parameters
from cryutils.datasets.synthetic.states import STATES as STATES
from cryutils.errors import InputError

Samples = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complex64]

PITCH_HZ = 400.0  # at `Voice.pitch` 0
F0_RANGE_HZ = (150.0, 2000.0)
RATE = 500.0  # frames per second of a plan's contours
TUBE_HZ = (900.0, 2700.0, 4500.0)  # quarter-wave resonances of a tube of 9.6 cm
WIDTH_HZ = (260.0, 380.0, 520.0)
OPENED = (0.45, 0.2, 0.1)  # relative rise of each formant from a shut mouth to a wide one
BLOCK_S = 0.008  # formants change from block to block


@dataclass(frozen=True, eq=False)
class CryPlan:
    """The plan of a clip's sound; contours are float32 (frames,), `RATE` frames per second.

    f0: Hz, 0 where nothing is voiced. opening: of the mouth, 0 shut to 1 wide. loudness, gasp,
    rough: amplitudes of the voice, of inspiration noise and of dysphonation.
    """

    state: str
    infant: int
    seed: int
    session: int
    dials: Dials
    duration_s: float
    voice: Parameters
    f0: Samples = field(repr=False)
    opening: Samples = field(repr=False)
    loudness: Samples = field(repr=False)
    gasp: Samples = field(repr=False)
    rough: Samples = field(repr=False)


def plan(
    state: str,
    *,
    infant: int,
    seed: int,
    session: int | None = None,
    dials: Dials = PLAIN,
    duration_s: float = 7.0,
) -> CryPlan:
    """Return the plan of a clip: timing, pitch, mouth opening and loudness of the cries.

    infant, seed: seeds of the infant's own voice and of the clip. session: seed of what clips of one
    session share; None for a session of one clip. Raises InputError for a duration below 0.5 s or
    above 600 s.

    >>> plan("hungry", infant=1, seed=1).f0.shape
    (3501,)
    """
    session = seed if session is None else session
    if not 0.5 <= duration_s <= 600:
        raise InputError(f"duration_s={duration_s} is no length for a clip; use 0.5 to 600 s")
    rng = np.random.default_rng([seed, 1])
    voice = VOICES.draw(state, infant=infant, session=session, dials=dials, rng=rng)
    draft = _Draft(voice, duration_s, rng)
    previous_end = 0.0
    for onset, end, is_whimper in draft.timing():
        draft.inhale(previous_end, onset)
        draft.exhale(onset, end, whimper=is_whimper)
        previous_end = end
    names = ("f0", "opening", "loudness", "gasp", "rough")
    contours = {name: getattr(draft, name).astype(np.float32) for name in names}
    return CryPlan(state, infant, seed, session, dials, duration_s, voice, **contours)


def render(plan: CryPlan, sr: int = 16000) -> Samples:
    """Return the sound of a plan, float32 (round(duration_s * sr),) in [-1, 1]; sr: 4000 to 192000."""
    if not 4000 <= sr <= 192_000 or sr != int(sr):
        raise InputError(f"sr={sr} is no sample rate for a cry; use 4000 to 192000 Hz")
    rng = np.random.default_rng([plan.seed, 2])
    frames = np.arange(plan.f0.size)
    at = np.arange(round(plan.duration_s * sr)) * (RATE / sr)
    voiced = plan.f0 > 0
    pitch = np.interp(frames, frames[voiced], plan.f0[voiced])
    f0, loudness, gasp, rough, opening = (
        np.interp(at, frames, contour).astype(np.float32)
        for contour in (pitch, plan.loudness, plan.gasp, plan.rough, plan.opening)
    )
    synthesiser = _Synthesiser(plan.voice, sr, rng)
    near = synthesiser.tract(synthesiser.source(f0, loudness, gasp, rough), opening, loudness)
    recording = near + synthesiser.reverberation(near)
    recording += synthesiser.background(at.size)
    peak = 10 ** (-rng.uniform(1.0, 8.0) / 20)
    return (recording * (peak / np.abs(recording).max())).astype(np.float32)


class _Draft:
    """The contours of a clip while they are drawn, float64 (frames,) each."""

    def __init__(self, voice: Parameters, duration_s: float, rng: np.random.Generator) -> None:
        self.voice, self.duration_s, self.rng = voice, duration_s, rng
        curves = np.zeros((5, math.ceil(duration_s * RATE) + 1))
        self.f0, self.opening, self.loudness, self.gasp, self.rough = curves

    def timing(self) -> list[tuple[float, float, bool]]:
        """Return start and end in s of each expiratory cry, and whether it is only a whimper."""
        voice, rng = self.voice, self.rng
        spread = max(voice.irregular, 0.1)
        bursts = []
        # The first cry starts at random, but early enough that the recording contains one.
        onset = min(rng.uniform(0, 1.5) * 2**voice.pause, 0.3 * self.duration_s)
        while onset < self.duration_s - 0.1:
            whimper = self._happens(voice.whimper)
            if whimper:
                length = rng.uniform(0.1, 0.35)
            else:
                length = min(max(2 ** rng.normal(voice.burst, spread), 0.2), 3.3)
            bursts.append((onset, min(onset + length, self.duration_s), whimper))
            pause = min(max(2 ** rng.normal(voice.pause, spread), 0.08), 2.5)
            rest = rng.uniform(0.6, 1.6) if rng.random() < 0.08 else 0.0
            onset += length + pause + rest
        return bursts

    def exhale(self, onset_s: float, end_s: float, *, whimper: bool) -> None:
        """Add a burst to the contours."""
        voice, rng = self.voice, self.rng
        first, last = round(onset_s * RATE), round(end_s * RATE)
        size = last - first
        t = (np.arange(size) + 0.5) / size
        longest = 0.4 * size / RATE
        rise, fall = min(2**voice.attack, longest), min(rng.uniform(0.05, 0.25), longest)
        edges = np.minimum(t / rise, (1 - t) / fall) * (size / RATE)
        gate = np.sin(0.5 * np.pi * np.clip(edges, 0, 1))
        semitones = voice.pitch + self._melody(t, whimper)
        if self._happens(voice.hyper) and not whimper:
            semitones += 12 * math.log2(rng.uniform(2.2, 3.0)) * self._stretch(t, 0.015)
        if self._happens(voice.rough):
            self.rough[first:last] = self._stretch(t, 0.05) * rng.uniform(0.4, 0.9)
        effort = rng.uniform(0.1, 0.4) if whimper else rng.uniform(0.5, 1.0)
        swell = (t / 0.4) ** 0.3 * np.where(t > 0.4, 1 - 0.5 * (t - 0.4), 1.0)
        shimmer = self._wander(size, 12) + 0.4 * rng.standard_normal(size)
        strength = effort * swell * gate**1.5 * 10 ** (voice.shimmer / 20 * shimmer)
        wide = voice.opening * (0.5 if whimper else 1.0) * (0.7 + 0.4 * swell)
        self.f0[first:last] = np.clip(PITCH_HZ * 2 ** (semitones / 12), *F0_RANGE_HZ)
        self.loudness[first:last] = np.clip(strength, 0, 1.5)
        self.opening[first:last] = np.clip(gate**0.7 * (wide + 0.1 * self._wander(size, 3)), 0, 1)

    def inhale(self, earliest_s: float, onset_s: float) -> None:
        """Add a gasp, sometimes a voiced one, before a burst if the pause is long enough."""
        voice, rng = self.voice, self.rng
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

    def _happens(self, logit: float) -> bool:
        return bool(self.rng.random() < 1 / (1 + math.exp(-logit)))

    def _melody(self, t: Values, whimper: bool) -> Values:
        """Return semitones above the clip's pitch: one rising-falling arch, sometimes two."""
        voice, rng = self.voice, self.rng
        seconds = t.size / RATE
        peak = min(max(voice.peak + rng.normal(0, 0.1), 0.08), 0.85)
        height = max(voice.arch, 0.5) * rng.lognormal(-0.1, 0.45) * (0.4 if whimper else 1.0)
        arch = height * (np.sin(np.pi * t ** (math.log(0.5) / math.log(peak))) ** 0.8 - 0.6)
        if seconds > 0.7 and rng.random() < 0.4:
            arch += 0.3 * height * np.sin(2 * np.pi * (rng.uniform(1, 2.5) * t + rng.random()))
        start = -rng.uniform(0.5, 2.5) * np.exp(-t * seconds / 0.035)
        release = -rng.uniform(0.5, 3.5) * np.exp(-(1 - t) * seconds / 0.06)
        tremor = 0.25 * self._wander(t.size, 9.0) + 0.35 * self._wander(t.size, 3.0)
        jitter = 12 / math.log(2) * 0.01 * 2**voice.jitter * rng.standard_normal(t.size)
        return arch + start + release + tremor + jitter + rng.normal(0, 1.5)

    def _wander(self, size: int, hz: float) -> Values:
        """Return smooth noise over frames, with `hz` knots of unit variance per second."""
        knots = self.rng.standard_normal(max(2, math.ceil(size * hz / RATE) + 1))
        before, part = np.divmod(np.linspace(0, knots.size - 1, size, endpoint=False), 1)
        here = before.astype(int)
        return knots[here] + (knots[here + 1] - knots[here]) * part * part * (3 - 2 * part)

    def _stretch(self, t: Values, edge_s: float) -> Values:
        """Return 1 in a random stretch of a burst and 0 outside, with straight edges."""
        start, length = self.rng.uniform(0.05, 0.5), self.rng.uniform(0.2, 0.45)
        inside = np.minimum(t - start, start + length - t)
        return np.clip(inside * (t.size / RATE) / edge_s, 0, 1)


class _Synthesiser:
    """The sound of one clip: `voice` has its parameters, `sr` is in Hz, `rng` draws its noise."""

    def __init__(self, voice: Parameters, sr: int, rng: np.random.Generator) -> None:
        self.voice, self.sr, self.rng = voice, sr, rng

    def source(self, f0: Samples, loudness: Samples, gasp: Samples, rough: Samples) -> Samples:
        """Return harmonics of F0, breath in that rhythm and inspiration noise, float32 (samples,).

        f0: Hz, interpolated where nothing is voiced. All float32 (samples,), as in `CryPlan`.
        """
        turns = np.cumsum(f0, dtype=np.float64) / self.sr
        sounding = np.flatnonzero(loudness)
        angle = (2 * np.pi * (turns[sounding] % 1)).astype(np.float32)
        phasor = np.empty(angle.size, np.complex64)
        phasor.real, phasor.imag = np.cos(angle), np.sin(angle)
        sung = self._harmonics(phasor, f0[sounding])
        noise = self.rng.standard_normal(f0.size, dtype=np.float32)
        uneven = rough[sounding]
        half_turns = (np.pi * (turns[sounding] % 2)).astype(np.float32)
        sung *= 1 + uneven * np.cos(half_turns)
        breath = np.float32(10 ** (self.voice.breath / 20)) * (1 + 2 * uneven)
        sung += breath * noise[sounding] * (0.7 + 0.5 * phasor.real)
        source = gasp * noise
        source[sounding] += loudness[sounding] * sung
        return source

    def _harmonics(self, phasor: Spectrum, f0: Samples) -> Samples:
        """Return the sum of a_k Re(z^k) by Horner's rule; harmonics fade out below Nyquist."""
        if not f0.size:
            return np.zeros(0, np.float32)
        count = max(1, int(0.47 * self.sr / f0.min()))
        gains = np.arange(1, count + 1) ** (self.voice.tilt / 6.02)
        gains = gains * 10 ** (self.rng.normal(0, 1.0, count) / 20)
        gains = (gains / math.sqrt(0.5 * np.sum(gains**2))).astype(np.float32)
        always_below = int(0.43 * self.sr / f0.max())
        total = np.zeros_like(phasor)
        for k in range(count, 0, -1):
            if k > always_below:
                total += gains[k - 1] * np.clip((0.47 - np.float32(k / self.sr) * f0) * 25, 0, 1)
            else:
                total += gains[k - 1]
            total *= phasor
        return total.real

    def tract(self, source: Samples, opening: Samples, loudness: Samples) -> Samples:
        """Return `source` filtered by a moving mouth and a microphone, float32 (samples,).

        Blocks of 16 ms overlap by half, each with its own frequency response.
        """
        fft, hop = _fft(), round(BLOCK_S * self.sr)
        fft_size = 4 * hop
        count = source.size // hop + 2
        padded = np.zeros((count + 1) * hop, np.float32)
        padded[hop : hop + source.size] = source
        window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)).astype(np.float32) ** 2
        blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop] * window
        at = np.minimum(np.arange(count) * hop, source.size - 1)
        response = self._response(opening[at], loudness[at], fft_size)
        filtered = fft.irfft(fft.rfft(blocks, fft_size) * response, fft_size)
        out = np.zeros((count + 4) * hop)
        for part in range(4):
            chunk = filtered[:, part * hop : (part + 1) * hop]
            out[part * hop : (part + count) * hop] += chunk.ravel()
        return out[hop : hop + source.size].astype(np.float32)

    def _response(self, opening: Samples, loudness: Samples, fft_size: int) -> Spectrum:
        """Return the gain of formants, lips and microphone, complex64 (blocks, frequencies)."""
        voice, count = self.voice, opening.size
        hz = np.fft.rfftfreq(fft_size, 1 / self.sr).astype(np.float32)
        resistance = np.ones((count, hz.size), np.complex64)
        for i, (tube, width) in enumerate(zip(TUBE_HZ, WIDTH_HZ, strict=True)):
            octaves = voice.tract + (voice.vowel if i == 1 else 0.0) + 0.08 * self._drift(count)
            centre = tube * 2**octaves * (1 + OPENED[i] * (opening - 0.6))
            square = (centre[:, None] ** 2).astype(np.float32)
            response = np.empty_like(resistance)
            response.real, response.imag = 1 - hz * hz / square, hz * np.float32(width) / square
            resistance *= response
        # Louder is brighter. The ripple over time and frequency keeps harmonics from being so
        # regular that a classifier would recognise synthetic sound by them.
        brightness = np.outer(5 * (loudness - 0.6), np.log2(np.maximum(hz, 250) / 1000))
        rows, columns = np.arange(count) / 12, hz / 400
        shape = (math.ceil(rows[-1]) + 2, math.ceil(columns[-1]) + 2)
        knots = self.rng.normal(0, 2.0, shape)
        ripple = _interpolation(rows, shape[0]) @ knots @ _interpolation(columns, shape[1]).T
        decibels = (brightness + ripple).astype(np.float32)
        steady = self._lips(hz) * self._microphone(hz)
        return steady * np.exp(np.float32(math.log(10) / 20) * decibels) / resistance

    def _drift(self, count: int) -> Values:
        """Return noise over blocks, interpolated between five knots of unit variance per second."""
        every = 0.2 / BLOCK_S
        knots = self.rng.standard_normal(math.ceil(count / every) + 2)
        return np.interp(np.arange(count) / every, np.arange(knots.size), knots)

    def _lips(self, hz: Samples) -> Spectrum:
        """Return the gain of lip radiation and of constant resonances of this voice and place."""
        voice, octave = self.voice, np.log2(np.maximum(hz, 1))
        lasting = sum(
            gain * np.exp(-2 * (octave - math.log2(centre)) ** 2)
            for gain, centre in ((voice.body, 700), (voice.presence, 1700), (voice.edge, 3000))
        )
        return ((1 + 1j * hz / 600) * 10 ** (lasting / 20)).astype(np.complex64)

    def _microphone(self, hz: Samples) -> Spectrum:
        """Return the gain of a telephone's high-pass and low-pass, each of second order."""
        low, high = 1j * hz / 2**self.voice.low_cut, 1j * hz / 2**self.voice.high_cut
        high_pass = low**2 / (1 + 1.4 * low + low**2)
        return (high_pass / (1 + 1.4 * high + high**2)).astype(np.complex64)

    def reverberation(self, dry: Samples) -> Samples:
        """Return the reverberation of `dry`, float32 (samples,): noise that decays by 60 dB."""
        seconds = min(max(2**self.voice.decay, 0.05), 0.8)
        t = np.arange(round(seconds * self.sr)) / self.sr
        tail = self.rng.standard_normal(t.size) * 10 ** (-3 * t / seconds)
        tail[: round(0.004 * self.sr)] = 0
        tail *= 10 ** (self.voice.room / 20) / math.sqrt(np.sum(tail**2))
        fft, padded = _fft(), _fast_size(dry.size + tail.size - 1)
        spectrum = fft.rfft(dry, padded) * fft.rfft(tail.astype(np.float32), padded)
        return fft.irfft(spectrum, padded)[: dry.size]

    def background(self, size: int) -> Samples:
        """Return noise through the microphone, float32 (size,), `voice.colour` dB per octave."""
        fft, padded = _fft(), _fast_size(size)
        spectrum = fft.rfft(self.rng.standard_normal(padded, dtype=np.float32))
        hz = np.fft.rfftfreq(padded, 1 / self.sr).astype(np.float32)
        spectrum *= np.maximum(hz / 100, 1) ** np.float32(self.voice.colour / 6.02)
        spectrum *= self._microphone(hz)
        noise = fft.irfft(spectrum, padded)[:size]
        return noise * np.float32(10 ** (self.voice.noise / 20) / noise.std())


def _interpolation(at: npt.NDArray[np.floating], knots: int) -> Values:
    """Return the matrix of linear interpolation from knots 0, 1, 2... to the points `at`."""
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(knots)))


def _fft() -> Any:
    """Return the module of Fourier transforms: in the browser NumPy's, which differ by rounding.

    A first sound would wait there for SciPy.
    """
    if sys.platform == "emscripten":
        from numpy import fft
    else:
        from scipy import fft
    return fft


def _fast_size(least: int) -> int:
    """Return `scipy.fft.next_fast_len(least, real=True)`, a product of powers of 2, 3 and 5."""
    odd = [3**a * 5**b for a in range(20) for b in range(14)]
    return min(factor << (-(-least // factor) - 1).bit_length() for factor in odd)
