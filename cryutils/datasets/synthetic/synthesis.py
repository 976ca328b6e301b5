"""A source-filter synthesiser that turns the contours of a cry into sound.

A periodic source and noise are filtered by a vocal tract, then by microphone and room, and
background noise is added. The tract resonates like a short uniform tube, as that of newborns does
(Lieberman, Harris, Wolff & Russell 1971, doi 10.1044/jshr.1404.718). `voice.py` plans the contours.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.states import Voice

__all__ = ["Synthesiser"]

Samples = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complex64]

TUBE_HZ = (900.0, 2700.0, 4500.0)  # quarter-wave resonances of a tube of 9.6 cm
WIDTH_HZ = (260.0, 380.0, 520.0)
OPENED = (0.45, 0.2, 0.1)  # relative rise of each formant from a shut mouth to a wide one
BLOCK_S = 0.008  # formants change from block to block


class Synthesiser:
    """The sound of one clip: `voice` has its parameters, `sr` is in Hz, `rng` draws its noise."""

    def __init__(self, voice: Voice, sr: int, rng: np.random.Generator) -> None:
        self.voice, self.sr, self.rng = voice, sr, rng

    def source(self, f0: Samples, loudness: Samples, gasp: Samples, rough: Samples) -> Samples:
        """Return harmonics of F0, breath in that rhythm and inspiration noise, float32 (samples,).

        f0: Hz, interpolated where nothing is voiced. loudness, gasp, rough: amplitudes of voice,
        inspiration and dysphonation (an added subharmonic and more breath). All float32 (samples,).
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

        opening, loudness: float32 (samples,). Blocks of 16 ms overlap by half. Each is multiplied
        by its own frequency response, so the filter changes smoothly between blocks.
        """
        from scipy import fft

        hop = round(BLOCK_S * self.sr)
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
        from scipy.signal import fftconvolve

        seconds = min(max(2**self.voice.decay, 0.05), 0.8)
        t = np.arange(round(seconds * self.sr)) / self.sr
        tail = self.rng.standard_normal(t.size) * 10 ** (-3 * t / seconds)
        tail[: round(0.004 * self.sr)] = 0
        tail *= 10 ** (self.voice.room / 20) / math.sqrt(np.sum(tail**2))
        return fftconvolve(dry, tail.astype(np.float32))[: dry.size]

    def background(self, size: int) -> Samples:
        """Return noise through the microphone, float32 (size,), `voice.colour` dB per octave."""
        from scipy import fft

        padded = fft.next_fast_len(size, real=True)
        spectrum = fft.rfft(self.rng.standard_normal(padded, dtype=np.float32))
        hz = np.fft.rfftfreq(padded, 1 / self.sr).astype(np.float32)
        spectrum *= np.maximum(hz / 100, 1) ** np.float32(self.voice.colour / 6.02)
        spectrum *= self._microphone(hz)
        noise = fft.irfft(spectrum, padded)[:size]
        return noise * np.float32(10 ** (self.voice.noise / 20) / noise.std())


def _interpolation(at: npt.NDArray[np.floating], knots: int) -> Values:
    """Return the matrix of linear interpolation from knots 0, 1, 2... to the points `at`."""
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(knots)))
