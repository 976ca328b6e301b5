"""From contours to sound: the voice's source, the moving tract, microphone, room and noise.

The signal half of `voice.py`; notebook 01 (data and playback) shows what it makes and notebook
02 (audio features) what features see of it. The source-filter model is the one of speech: a
periodic source and noise, filtered by a tract that resonates like a short uniform tube, as
newborns' does (Lieberman et al. 1971, doi 10.1044/jshr.1404.718). All functions are pure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.states import Voice

__all__ = ["background", "glottal_source", "reverberation", "through_tract"]

Samples = npt.NDArray[np.float32]

TUBE_HZ = (900.0, 2700.0, 4500.0)  # quarter-wave resonances of a tube of 9.6 cm
WIDTH_HZ = (260.0, 380.0, 520.0)
OPENED = (0.45, 0.2, 0.1)  # how far each formant rises from a shut mouth to a wide one
BLOCK_S = 0.008  # formants move from block to block


def glottal_source(
    f0: Samples,
    loudness: Samples,
    gasp: Samples,
    rough: Samples,
    *,
    voice: Voice,
    sr: int,
    rng: np.random.Generator,
) -> Samples:
    """Return harmonics of F0, breath in their rhythm and inspiration noise, float32 (samples,).

    f0: Hz, held where nothing is voiced. loudness, gasp, rough: amplitudes of voice,
    inspiration and dysphonation (an added subharmonic and more breath). All float32 (samples,).
    """
    turns = np.cumsum(f0, dtype=np.float64) / sr
    sounding = np.flatnonzero(loudness)
    angle = (2 * np.pi * (turns[sounding] % 1)).astype(np.float32)
    phasor = np.empty(angle.size, np.complex64)
    phasor.real, phasor.imag = np.cos(angle), np.sin(angle)
    sung = _harmonics(phasor, f0[sounding], tilt=voice.tilt, sr=sr, rng=rng)
    noise = rng.standard_normal(f0.size, dtype=np.float32)
    uneven = rough[sounding]
    half_turns = (np.pi * (turns[sounding] % 2)).astype(np.float32)
    sung *= 1 + uneven * np.cos(half_turns)
    breath = np.float32(10 ** (voice.breath / 20)) * (1 + 2 * uneven)
    sung += breath * noise[sounding] * (0.7 + 0.5 * phasor.real)
    source = gasp * noise
    source[sounding] += loudness[sounding] * sung
    return source


def _harmonics(
    phasor: npt.NDArray[np.complex64],
    f0: Samples,
    *,
    tilt: float,
    sr: int,
    rng: np.random.Generator,
) -> Samples:
    """Sum of a_k Re(z^k) by Horner's rule, each harmonic silenced before it reaches Nyquist."""
    if not f0.size:
        return np.zeros(0, np.float32)
    count = max(1, int(0.47 * sr / f0.min()))
    gains = np.arange(1, count + 1) ** (tilt / 6.02) * 10 ** (rng.normal(0, 1.0, count) / 20)
    gains = (gains / math.sqrt(0.5 * np.sum(gains**2))).astype(np.float32)
    always_below = int(0.43 * sr / f0.max())
    total = np.zeros_like(phasor)
    for k in range(count, 0, -1):
        if k > always_below:
            total += gains[k - 1] * np.clip((0.47 - np.float32(k / sr) * f0) * 25, 0, 1)
        else:
            total += gains[k - 1]
        total *= phasor
    return total.real


def through_tract(
    source: Samples,
    opening: Samples,
    loudness: Samples,
    *,
    voice: Voice,
    sr: int,
    rng: np.random.Generator,
) -> Samples:
    """Return `source` as the microphone hears it through a mouth that moves, float32 (samples,).

    opening, loudness: float32 (samples,). Blocks of 16 ms overlap by half, each multiplied by
    its own response in frequency and added up again, so the filter glides from one to the next.
    """
    from scipy import fft

    hop = round(BLOCK_S * sr)
    fft_size = 4 * hop
    count = source.size // hop + 2
    padded = np.zeros((count + 1) * hop, np.float32)
    padded[hop : hop + source.size] = source
    window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)).astype(np.float32) ** 2
    blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop] * window
    at = np.minimum(np.arange(count) * hop, source.size - 1)
    response = _response(opening[at], loudness[at], fft_size, voice=voice, sr=sr, rng=rng)
    filtered = fft.irfft(fft.rfft(blocks, fft_size) * response, fft_size)
    out = np.zeros((count + 4) * hop)
    for part in range(4):
        chunk = filtered[:, part * hop : (part + 1) * hop]
        out[part * hop : (part + count) * hop] += chunk.ravel()
    return out[hop : hop + source.size].astype(np.float32)


def _response(
    opening: Samples,
    loudness: Samples,
    fft_size: int,
    *,
    voice: Voice,
    sr: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.complex64]:
    """Gain (blocks, frequencies) of three formants, lips and microphone, never quite at rest."""
    count = opening.size
    hz = np.fft.rfftfreq(fft_size, 1 / sr).astype(np.float32)
    resistance = np.ones((count, hz.size), np.complex64)
    for i, (tube, width) in enumerate(zip(TUBE_HZ, WIDTH_HZ, strict=True)):
        octaves = voice.tract + (voice.vowel if i == 1 else 0.0) + 0.08 * _drift(count, rng)
        centre = tube * 2**octaves * (1 + OPENED[i] * (opening - 0.6))
        square = (centre[:, None] ** 2).astype(np.float32)
        one = np.empty_like(resistance)
        one.real, one.imag = 1 - hz * hz / square, hz * np.float32(width) / square
        resistance *= one
    # Louder is brighter; and a ripple over time and frequency, because without one a
    # classifier tells synthetic from real by harmonics that are too regular.
    brightness = np.outer(5 * (loudness - 0.6), np.log2(np.maximum(hz, 250) / 1000))
    rows, columns = np.arange(count) / 12, hz / 400
    knots = rng.normal(0, 2.0, (math.ceil(rows[-1]) + 2, math.ceil(columns[-1]) + 2))
    ripple = _hat(rows, knots.shape[0]) @ knots @ _hat(columns, knots.shape[1]).T
    decibels = (brightness + ripple).astype(np.float32)
    steady = _at_the_lips(hz, voice) * _microphone(hz, voice)
    return steady * np.exp(np.float32(math.log(10) / 20) * decibels) / resistance


def _drift(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise over blocks of unit variance at its knots, five knots a second."""
    every = 0.2 / BLOCK_S
    knots = rng.standard_normal(math.ceil(count / every) + 2)
    return np.interp(np.arange(count) / every, np.arange(knots.size), knots)


def _hat(at: npt.NDArray[np.floating], knots: int) -> npt.NDArray[np.float64]:
    """Linear interpolation from knots 0, 1, 2... to the points `at`, as a matrix."""
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(knots)))


def _at_the_lips(hz: Samples, voice: Voice) -> npt.NDArray[np.complex64]:
    """Radiation from the lips, and what is lasting in this voice and place."""
    octave = np.log2(np.maximum(hz, 1))
    lasting = sum(
        gain * np.exp(-2 * (octave - math.log2(centre)) ** 2)
        for gain, centre in ((voice.body, 700), (voice.presence, 1700), (voice.edge, 3000))
    )
    return ((1 + 1j * hz / 600) * 10 ** (lasting / 20)).astype(np.complex64)


def _microphone(hz: Samples, voice: Voice) -> npt.NDArray[np.complex64]:
    """A telephone's high-pass and low-pass, each of second order."""
    low, high = 1j * hz / 2**voice.low_cut, 1j * hz / 2**voice.high_cut
    high_pass = low**2 / (1 + 1.4 * low + low**2)
    return (high_pass / (1 + 1.4 * high + high**2)).astype(np.complex64)


def reverberation(dry: Samples, *, voice: Voice, sr: int, rng: np.random.Generator) -> Samples:
    """Return the room's answer to `dry`, float32 (samples,): noise that decays by 60 dB."""
    from scipy.signal import fftconvolve

    seconds = min(max(2**voice.decay, 0.05), 0.8)
    t = np.arange(round(seconds * sr)) / sr
    tail = rng.standard_normal(t.size) * 10 ** (-3 * t / seconds)
    tail[: round(0.004 * sr)] = 0
    tail *= 10 ** (voice.room / 20) / math.sqrt(np.sum(tail**2))
    return fftconvolve(dry, tail.astype(np.float32))[: dry.size]


def background(size: int, *, voice: Voice, sr: int, rng: np.random.Generator) -> Samples:
    """Return noise as the microphone hears it, float32 (size,), `voice.colour` dB an octave."""
    from scipy import fft

    # Padded, because a transform of prime length is slow.
    padded = fft.next_fast_len(size, real=True)
    spectrum = fft.rfft(rng.standard_normal(padded, dtype=np.float32))
    hz = np.fft.rfftfreq(padded, 1 / sr).astype(np.float32)
    spectrum *= np.maximum(hz / 100, 1) ** np.float32(voice.colour / 6.02)
    spectrum *= _microphone(hz, voice)
    noise = fft.irfft(spectrum, padded)[:size]
    return noise * np.float32(10 ** (voice.noise / 20) / noise.std())
