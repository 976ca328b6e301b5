"""Disturbances of a sound by noise, room and recorder, each of a known amount.

Used in notebook 11_robustness; 06_full and 08_autoencoder_dnn add noise. Paper B §4 says that
fusion gives "more reliable predictions in situations with acoustic noise or visual occlusion", but
tests neither.

Each function takes a sound `x`, float32 (samples,) at `sr` Hz, and returns one of the same length.
The result isn't clipped to [-1, 1], because that would change the amount. Silence is returned
unchanged. Samples or amounts that are not finite or out of range raise InputError.
"""

import numpy as np
import numpy.typing as npt

from cryutils.audio.spectral import check_finite, check_settings
from cryutils.errors import InputError

Array = npt.NDArray[np.float32]

_SLOPE_DB = -3.0  # per octave: pink noise, closer to household noise than white noise
_ORDER = 8  # of the Butterworth filter: 48 dB per octave, applied forwards and backwards


def add_noise(x: Array, *, snr_db: float, rng: np.random.Generator) -> Array:
    """Return `x` with pink noise at a signal-to-noise ratio of `snr_db`, float32 (samples,).

    The ratio compares mean powers over the whole recording. The generator `rng` draws the noise.
    """
    check_settings(snr_db=snr_db)
    check_finite(x)
    power = float(np.mean(np.square(x, dtype=np.float64))) if len(x) else 0.0
    if power == 0:
        return x.copy()
    noise = coloured_noise(len(x), _SLOPE_DB, rng)
    noise *= np.sqrt(power / np.mean(noise**2) / 10 ** (snr_db / 10))
    return (x + noise).astype(np.float32)


def coloured_noise(size: int, slope_db: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return noise with a slope of `slope_db` per octave and no constant, float64 (size,)."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum *= 10 ** (slope_db * np.log2(np.maximum(np.arange(len(spectrum)), 1)) / 20)
    spectrum[0] = 0
    return np.fft.irfft(spectrum, size)


def reverberate(
    x: Array, *, sr: int, rt60_s: float, rng: np.random.Generator, direct_db: float = 0.0
) -> Array:
    """Return `x` as heard in a room whose echoes decay by 60 dB in `rt60_s` seconds.

    Polack's (1988) room: the direct sound, followed by noise that decays exponentially, which `rng`
    draws. `direct_db` is the energy of the direct sound relative to all echoes, in dB. 0 is the
    critical distance, half a metre in a room of 30 cubic metres with 0.4 s.
    """
    check_settings(sr=sr, rt60_s=rt60_s, direct_db=direct_db)
    check_finite(x)
    if rt60_s <= 0:
        raise InputError(f"rt60_s={rt60_s}: give the seconds in which echoes fall by 60 dB.")
    if not x.any():
        return x.copy()
    from scipy.signal import fftconvolve

    after_s = np.arange(1, max(2, round(rt60_s * sr))) / sr
    echoes = rng.standard_normal(len(after_s)) * 10 ** (-3 * after_s / rt60_s)
    echoes *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(echoes**2))
    response = np.concatenate([[1.0], echoes])
    return fftconvolve(x.astype(np.float64), response)[: len(x)].astype(np.float32)


def low_pass(x: Array, *, sr: int, cut_hz: float) -> Array:
    """Return `x` without frequencies above `cut_hz`, float32 (samples,), in phase with `x`.

    A Butterworth filter forwards and backwards: -6 dB at the cutoff, -96 dB an octave above it.
    """
    check_settings(sr=sr, cut_hz=cut_hz)
    check_finite(x)
    if cut_hz <= 0:
        raise InputError(f"cut_hz={cut_hz}: give a frequency above 0 Hz.")
    if cut_hz >= sr / 2 or not len(x):
        return x.copy()
    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, cut_hz, fs=sr, output="sos")
    edge = min(len(x) - 1, 3 * round(sr / cut_hz) * _ORDER)  # padding in which the filter settles
    return sosfiltfilt(sections, x, padlen=edge).astype(np.float32)
