"""What a home, a room and a telephone do to a recording: each in a known amount.

Walked by notebook 11_robustness; 06_full and 08_autoencoder_dnn add noise. Paper B §4 says that
fusion gives "more reliable predictions in situations with acoustic noise or visual occlusion", and
tests neither; here they are made on purpose (`video.stress` does the same to pictures,
`fusion.drop_modality` takes sound or face away altogether). Each function takes a sound, float32
(samples,), and returns one of the same length, which isn't clipped to [-1, 1]: the amount would
else be another one. Silence comes back as it is. InputError: samples or settings that are no
numbers, or out of range.
"""

from __future__ import annotations

import io
from enum import StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.audio.spectral import check_finite, check_settings, guarded, resample
from cryutils.errors import InputError, near_miss

__all__ = ["Codec", "add_noise", "clip_peaks", "low_pass", "reverberate", "transcode"]

Array = npt.NDArray[np.float32]

_SLOPE_DB = -3.0  # of noise, an octave: pink, which is nearer to a household's than white
_ORDER = 8  # of the Butterworth filter: 48 dB an octave, and twice that, forwards and backwards


class Codec(StrEnum):
    """What a telephone makes of a sound: Opus of calls over the internet, AMR of 3gp recordings."""

    OPUS = "opus"
    AMR = "amr"


# The encoder in FFmpeg, the container, and the only rate in Hz that it takes (None: many).
_ENCODERS = {Codec.OPUS: ("libopus", "ogg", None), Codec.AMR: ("libopencore_amrnb", "amr", 8000)}
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


def add_noise(x: Array, *, snr_db: float, rng: np.random.Generator) -> Array:
    """Return `x` with pink noise added, float32 (samples,), at `snr_db` of signal to noise.

    The ratio is that of mean powers over the whole recording. Silence comes back as it is: no noise
    has a ratio to it.

    Parameters
    ----------
    x : ndarray of float32
        (samples,).
    snr_db : float
        In dB.
    rng : numpy.random.Generator
        Draws the noise.

    Examples
    --------
    >>> x = np.sin(np.arange(8000) / 5, dtype=np.float32)
    >>> noise = add_noise(x, snr_db=10, rng=np.random.default_rng(0)) - x
    >>> round(float(10 * np.log10(np.mean(x**2) / np.mean(noise**2))), 2)
    10.0
    """
    check_settings(snr_db=snr_db)
    check_finite(x)
    power = float(np.mean(np.square(x, dtype=np.float64))) if len(x) else 0.0
    if power == 0:
        return x.copy()
    spectrum = np.fft.rfft(rng.standard_normal(len(x)))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)), 1))
    spectrum *= 10 ** (_SLOPE_DB * octaves / 20)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(x))
    noise *= np.sqrt(power / np.mean(noise**2) / 10 ** (snr_db / 10))
    return (x + noise).astype(np.float32)


def reverberate(
    x: Array, *, sr: int, rt60_s: float, rng: np.random.Generator, direct_db: float = 0.0
) -> Array:
    """Return `x` as heard in a room whose echoes fall by 60 dB in `rt60_s` seconds.

    The room is Polack's (1988): behind the direct sound, noise that decays exponentially.

    Parameters
    ----------
    x
        Sound at `sr` Hz, float32 (samples,).
    rt60_s
        Reverberation time in s, above 0.
    rng
        Draws the room: the same state gives the same room.
    direct_db
        Energy of the direct sound over that of all echoes, in dB. 0 is the critical distance,
        about `0.057 * sqrt(V / rt60_s)` m in a room of V cubic metres (Kuttruff, Room acoustics):
        half a metre for 30 cubic metres and 0.4 s.
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


@guarded
def low_pass(x: Array, *, sr: int, cut_hz: float) -> Array:
    """Return `x` without what lies above `cut_hz`, float32 (samples,), in phase with it.

    Butterworth's filter of order 8, forwards and backwards: 6 dB less at the cut, 96 dB less an
    octave above it. Half the sampling rate or more changes nothing.

    Parameters
    ----------
    x : ndarray of float32
        (samples,).
    sr : int
        In Hz.
    cut_hz : float
        In Hz, above 0.

    Raises
    ------
    InputError
        `cut_hz` is 0 or less.
    """
    if cut_hz <= 0:
        raise InputError(f"cut_hz={cut_hz}: give a frequency above 0 Hz.")
    if cut_hz >= sr / 2 or not len(x):
        return x.copy()
    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, cut_hz, fs=sr, output="sos")
    edge = min(len(x) - 1, 3 * round(sr / cut_hz) * _ORDER)  # in which the filter settles
    return sosfiltfilt(sections, x, padlen=edge).astype(np.float32)


@guarded
def clip_peaks(x: Array, *, share: float) -> Array:
    """Return `x` recorded so loud that a `share` of its samples is cut off at the largest level.

    The level stays that of `x`: its peaks are cut where the recorder's range would end.

    Parameters
    ----------
    x : ndarray of float32
        (samples,).
    share : float
        0 to below 1.

    Raises
    ------
    InputError
        `share` is no share.
    """
    if not 0 <= share < 1:
        raise InputError(f"share={share} is no share of samples; use one from 0 to below 1.")
    level = np.sort(np.abs(x))
    cut = round(share * len(x))
    limit = level[-cut] if cut else np.inf
    return np.clip(x, -limit, limit)


def transcode(x: Array, *, sr: int, codec: Codec | str, bits_per_s: int) -> Array:
    """Return `x` encoded with so few bits and decoded again, float32 (samples,) at `sr` Hz.

    Parameters
    ----------
    x
        Sound at `sr` Hz, within [-1, 1]; louder samples are cut off, as any codec does.
    codec
        One of `Codec`, by FFmpeg through PyAV. AMR knows 8 kHz only.
    bits_per_s
        The codec's bit rate; AMR's are 4750 to 12200.

    Raises
    ------
    InputError
        A codec that is none of these or that this PyAV lacks, or a bit rate it doesn't have.
    """
    import av

    check_settings(sr=sr, bits_per_s=bits_per_s)
    check_finite(x)
    if codec not in _ENCODERS:
        raise InputError(f"there is no codec {codec!r}.{near_miss(str(codec), _ENCODERS)}")
    name, container_format, rate = _ENCODERS[Codec(codec)]
    rate = rate or next((r for r in _OPUS_RATES if r >= sr), _OPUS_RATES[-1])
    if not x.any():
        return x.copy()
    samples = np.clip(resample(x, sr=sr, to=rate), -1, 1)
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=container_format) as container:
            stream: Any = container.add_stream(name, rate=rate, layout="mono", format="s16")
            stream.bit_rate = int(bits_per_s)
            pcm = np.round(samples * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(pcm, "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (ValueError, av.error.FFmpegError) as error:
        raise InputError(f"codec={codec}, bits_per_s={bits_per_s}: FFmpeg refuses it.") from error
    file.seek(0)
    with av.open(file, "r") as encoded:
        resampler = av.AudioResampler("flt", "mono", rate)
        decoded = [y for f in encoded.decode(audio=0) for y in resampler.resample(f)]
    y = np.concatenate([block.to_ndarray()[0] for block in decoded])
    y = resample(y.astype(np.float32), sr=rate, to=sr)[: len(x)]
    return np.pad(y, (0, len(x) - len(y)))
