"""From a signal to its spectrogram: conditioning, STFT, mel spectrogram and MFCC.

Lesson 3 explains the steps, with librosa's calls where they are one line; the library calls this
module. Paper B's preprocessing (resample, normalise the amplitude, pre-emphasise; `stft` frames and
windows) and the features of both papers (Paper A §3.2), one short function for each step.
Conventions and defaults are those of librosa, and tests compare the numbers with it. Only the axes
differ: time comes first, `(frames, coefficients)`.

Throughout, `x` is a signal, float32 (samples,), and `sr` its rate in Hz. `n_fft` is the length of a
frame in samples, and `hop_length` the distance between frames. Transforms raise InputError for
samples that are NaN or infinite, and for settings out of range.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io import extras
from cryutils.errors import InputError

Array = npt.NDArray[np.float32]

N_FFT = 2048
HOP_LENGTH = 512
N_MELS = 128
N_MFCC = 20
PRE_EMPHASIS = 0.97
_PADDING = 0.0005  # of full scale; the dither of a 16-bit file is below it
_FRAMES_AT_ONCE = 16  # 256 kB of double-precision samples at the default n_fft
_RANGES = {
    "sr": (1, 768_000),  # Hz
    "to": (1, 768_000),
    "n_fft": (2, 1 << 20),
    "hop_length": (1, 1 << 20),
    "n_mels": (1, 4096),
    "n_mfcc": (1, 4096),
}
_FRACTIONAL = ("sr", "to")


def check_settings(**settings: Any) -> None:
    """Raise InputError for the first setting that is out of its range or not a finite number.

    Settings other than those of this module may be any finite number; None is always accepted.
    """
    for name, value in settings.items():
        if value is None:
            continue
        low, high = _RANGES.get(name, (-np.inf, np.inf))
        is_whole = name in _RANGES and name not in _FRACTIONAL
        is_number = isinstance(value, Integral if is_whole else Real) and isfinite(value)
        if not is_number or not low <= value <= high:
            kind = "a whole number" if is_whole else "a number"
            limits = f" from {low} to {high}" if name in _RANGES else ""
            raise InputError(f"{name}={value}: give {kind}{limits}.")


def check_finite(x: npt.NDArray[Any]) -> None:
    """Raise InputError if a value of `x` is NaN or infinite."""
    if not np.isfinite(x).all():
        raise InputError("some samples are NaN or infinite; leave them out, or set them to 0.")


def resample(x: Array, *, sr: int, to: int) -> Array:
    """Return `x` resampled to the rate `to` in Hz, float32 (ceil(samples * to / sr),).

    Band-limited (soxr, high quality), so that frequencies above half the lower rate don't alias.
    """
    check_settings(sr=sr, to=to)
    check_finite(x)
    if sr == to:
        return x
    extras.require("soxr", "course", f"resampling from {sr} to {to} Hz")
    import soxr

    y = soxr.resample(x, sr, to, quality="HQ")
    length = -(-len(x) * to // sr)
    # soxr rounds the length to the nearest sample; librosa rounds it up.
    return np.pad(y, (0, max(0, length - len(y))))[:length].astype(np.float32, copy=False)


def normalise_amplitude(x: Array) -> Array:
    """Return `x / max|x|`, float32 (samples,); silence is unchanged."""
    loudest = float(np.max(np.abs(x), initial=0.0))
    return x * np.float32(1 / loudest) if loudest > 0 else x.copy()


def without_padding(x: Array) -> Array:
    """Return a sound without the samples below 0.0005 of full scale at both ends, float32 (samples,).

    Such samples are padding, or a recorder that starts: nearly all files of Corvin et al. begin and end
    with half a second of them. A sound of such samples alone is unchanged.
    """
    is_sound = np.flatnonzero(np.abs(x) > _PADDING)
    return x[is_sound[0] : is_sound[-1] + 1] if len(is_sound) else x


def min_max(x: Array) -> Array:
    """Return a recording scaled to [0, 1] by its own extremes, float32 (samples,).

    This is Paper A's scaling of signal values (§3.2). The paper standardises first, which changes
    nothing, because mean and deviation cancel (notebook 02). Raises InputError if all samples are
    equal.
    """
    exact = x.astype(np.float64)
    low, high = exact.min(initial=np.inf), exact.max(initial=-np.inf)
    if not low < high:
        raise InputError(f"scaling needs two values, but all {len(x)} samples are equal.")
    return ((exact - low) / (high - low)).astype(np.float32)


def pre_emphasis(x: Array, *, coefficient: float = PRE_EMPHASIS) -> Array:
    """Return `x` with raised treble, `y[n] = x[n] - coefficient * x[n - 1]`, float32 (samples,).

    Silence is assumed before the first sample, as in librosa's `effects.preemphasis(x, zi=[0])`.
    """
    y = x.astype(np.float32)
    y[1:] -= np.float32(coefficient) * x[:-1]
    return y


@lru_cache(maxsize=16)
def window(length: int) -> npt.NDArray[np.float64]:
    """Return the periodic Hann window `0.5 - 0.5 cos(2 pi n / length)`, float64 (length,)."""
    # SciPy's window differs in the last bit.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    hann.setflags(write=False)
    return hann


def stft(x: Array, *, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH) -> npt.NDArray[np.complex64]:
    """Return the short-time Fourier transform, complex64 (1 + samples // hop_length, bins).

    `X[t, k] = sum_n w[n] x[t * hop_length - n_fft / 2 + n] exp(-2 pi i k n / n_fft)`: Hann-windowed
    frames centred on each hop, zeros beyond the ends, bins = 1 + n_fft // 2. The same as
    `librosa.stft(x, n_fft=, hop_length=).T`, but computed in double precision. Single precision
    leaves an error of 0.01 dB or more in the quietest cells that `stft_db` keeps.
    """
    return np.concatenate(list(_stft_blocks(x, n_fft=n_fft, hop_length=hop_length)))


def istft(spectrum: npt.NDArray[np.complexfloating], *, n_fft: int, hop_length: int, length: int) -> Array:
    """Return the signal of a short-time Fourier transform from `stft`, float32 (length,).

    Griffin & Lim's least squares, the same as `librosa.istft(spectrum.T, n_fft=, length=, ...)`.
    """
    hann = window(n_fft)
    squared = hann**2
    frames = np.fft.irfft(spectrum, n_fft) * hann
    total = np.zeros(n_fft + hop_length * (len(frames) - 1))
    weight = np.zeros_like(total)
    for t, windowed in enumerate(frames):
        here = slice(t * hop_length, t * hop_length + n_fft)
        total[here] += windowed
        weight[here] += squared
    total /= np.where(weight > np.finfo(np.float32).tiny, weight, 1)
    y = total[n_fft // 2 :][:length].astype(np.float32)
    return np.pad(y, (0, length - len(y)))


def power_to_db(power: Array) -> Array:
    """Return `10 log10(max(power, 1e-10))` in dB re 1, float32, at most 80 dB below its peak."""
    db = np.log10(np.maximum(power, np.float32(1e-10)))
    db *= np.float32(10.0)
    return np.maximum(db, db.max() - np.float32(80.0))


def stft_db(x: Array, *, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH) -> Array:
    """Return the level of the short-time Fourier transform.

    The same as `librosa.amplitude_to_db(abs(librosa.stft(x))).T`.

    Parameters
    ----------
    x : array
        A sound, float32 (samples,).
    n_fft, hop_length : int
        Length of a frame and distance between frames, in samples.

    Returns
    -------
    array
        dB re 1, float32 (1 + samples // hop_length, 1 + n_fft // 2): a row for each frame, a column
        for each multiple of sr / n_fft. Cells more than 80 dB below the loudest are raised to that
        floor.

    Raises
    ------
    InputError
        For samples that are NaN or infinite, and for settings out of range.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000).astype(np.float32)
    >>> int(stft_db(tone, n_fft=800).mean(axis=0).argmax()) * 8000 // 800
    440
    """
    return power_to_db(_power(x, n_fft=n_fft, hop_length=hop_length))


def mel_db(
    x: Array, *, sr: int, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH, n_mels: int = N_MELS
) -> Array:
    """Return the level in bands that are evenly spaced in mel.

    The same as `librosa.power_to_db(librosa.feature.melspectrogram(y=x, sr=sr)).T`.

    Parameters
    ----------
    x, n_fft, hop_length
        As in `stft_db`, which raises the same errors.
    sr : int
        Rate of `x` in Hz.
    n_mels : int
        Number of bands from 0 to sr / 2.

    Returns
    -------
    array
        dB re 1 with 80 dB of range, float32 (1 + samples // hop_length, n_mels).

    Examples
    --------
    >>> mel_db(np.ones(8000, np.float32), sr=8000).shape
    (16, 128)
    """
    filters = mel_filters(sr=sr, n_fft=n_fft, n_mels=n_mels)
    return power_to_db(_power(x, n_fft=n_fft, hop_length=hop_length) @ filters.T)


def mfcc(
    x: Array,
    *,
    sr: int,
    n_fft: int = N_FFT,
    hop_length: int = HOP_LENGTH,
    n_mfcc: int = N_MFCC,
    n_mels: int = N_MELS,
) -> Array:
    """Return the mel-frequency cepstral coefficients, the same as `librosa.feature.mfcc(y=x, sr=sr).T`.

    Parameters
    ----------
    x, sr, n_fft, hop_length, n_mels
        As in `mel_db`, which raises the same errors.
    n_mfcc : int
        Number of coefficients, at most `n_mels`.

    Returns
    -------
    array
        Float32 (1 + samples // hop_length, n_mfcc). Coefficient 0 is the level, 1 the spectral tilt.

    Examples
    --------
    >>> mfcc(np.ones(8000, np.float32), sr=8000).shape
    (16, 20)
    """
    log_mel = mel_db(x, sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels)
    return cepstrum(log_mel, n_mfcc=n_mfcc)


def cepstrum(log_mel: Array, *, n_mfcc: int = N_MFCC) -> Array:
    """Return the first `n_mfcc` cepstral coefficients of `mel_db`, float32 (frames, n_mfcc)."""
    # In double precision: in a sum of 128 levels of one sign, float32 would lose 0.001 dB.
    cosines = dct_matrix(n_mfcc=n_mfcc, n_mels=log_mel.shape[1])
    return (log_mel.astype(np.float64) @ cosines.T).astype(np.float32)


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Slaney's mel of a frequency: linear up to 1 kHz (= 15 mel), logarithmic above.

    M. Slaney, Auditory Toolbox, Interval Research report 1998-010.
    """
    hz = np.asarray(hz, dtype=np.float64)
    above = 15.0 + 27.0 * np.log(np.maximum(hz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, above)


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the frequency in Hz of Slaney's mel, the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0))


@lru_cache(maxsize=16)
def mel_filters(*, sr: int, n_fft: int = N_FFT, n_mels: int = N_MELS) -> Array:
    """Return the filters of a mel spectrogram, float32 (n_mels, 1 + n_fft // 2), read-only.

    Overlapping triangles from 0 to sr / 2, evenly spaced in mel, each of unit area.
    """
    check_settings(sr=sr, n_fft=n_fft, n_mels=n_mels)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sr)
    edges = mel_to_hz(np.linspace(0.0, float(hz_to_mel(sr / 2)), n_mels + 2))
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (right - left)
    filters = triangles.astype(np.float32)
    filters.setflags(write=False)
    return filters


@lru_cache(maxsize=16)
def dct_matrix(*, n_mfcc: int = N_MFCC, n_mels: int = N_MELS) -> npt.NDArray[np.float64]:
    """Return the orthonormal DCT-II as a matrix, float64 (n_mfcc, n_mels), read-only.

    `D[k, n] = sqrt(2 / n_mels) cos(pi k (2 n + 1) / (2 n_mels))`, row 0 divided by sqrt(2).
    Raises InputError for more coefficients than mel bands.
    """
    if not 1 <= n_mfcc <= n_mels:
        raise InputError(f"n_mfcc={n_mfcc} must be from 1 to n_mels={n_mels}.")
    k, n = np.arange(n_mfcc)[:, None], np.arange(n_mels)[None, :]
    matrix = np.sqrt(2.0 / n_mels) * np.cos(np.pi * k * (2 * n + 1) / (2 * n_mels))
    matrix[0] /= np.sqrt(2.0)
    matrix.setflags(write=False)
    return matrix


def arrays(*, sr: int, n_fft: int, hop_length: int, n_mels: int, n_mfcc: int) -> dict[str, Any]:
    """Return the numbers behind `mel_db` and `cepstrum`, for a device's own code (`docs/device.py`).

    hann, bands, cosines: see `window`, `mel_filters` and `dct_matrix`. padding: for `np.pad`.
    """
    return {
        "hann": window(n_fft),
        "bands": mel_filters(sr=sr, n_fft=n_fft, n_mels=n_mels),
        "cosines": dct_matrix(n_mfcc=n_mfcc, n_mels=n_mels),
        "hop_length": hop_length,
        "padding": [[0, 0], [n_fft // 2, n_fft // 2]],
    }


def summarise(features: Sequence[Array]) -> Array:
    """Return a vector for each clip, for classical models, float32 (clips, 2 * coefficients).

    features: float32 (frames, coefficients) of each clip. The means of the coefficients over time
    come first, then their standard deviations (population, `ddof=0`).
    """
    if not len(features) or not all(len(f) for f in features):
        raise InputError("there are no features to summarise: give at least one frame of a clip.")
    check_finite(np.concatenate(features))
    rows = [np.r_[f.mean(0, dtype=np.float64), f.std(0, dtype=np.float64)] for f in features]
    return np.stack(rows).astype(np.float32)


def _power(x: Array, *, n_fft: int, hop_length: int) -> Array:
    """Return the power spectrum |X|^2, float32 (frames, bins)."""
    blocks = _stft_blocks(x, n_fft=n_fft, hop_length=hop_length)
    return np.concatenate([block.real**2 + block.imag**2 for block in blocks])


def _stft_blocks(x: Array, *, n_fft: int, hop_length: int) -> Iterator[npt.NDArray[np.complex64]]:
    """Yield the rows of `stft` a few at a time, so that they fit into the processor's cache."""
    check_settings(n_fft=n_fft, hop_length=hop_length)
    check_finite(x)
    if len(x) == 0:
        raise InputError("an empty signal has no spectrum: give at least one sample.")
    padded = np.pad(x, n_fft // 2)
    if len(padded) < n_fft:
        raise InputError(f"n_fft={n_fft} is too long for a sound this short, len={len(x)}.")
    # `sliding_window_view` has a row for each sample, too many for an index of 32 bits.
    count, step = 1 + (len(padded) - n_fft) // hop_length, padded.strides[0]
    frames = np.lib.stride_tricks.as_strided(
        padded, (count, n_fft), (hop_length * step, step), writeable=False
    )
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        block = frames[start : start + _FRAMES_AT_ONCE] * window(n_fft)
        yield np.fft.rfft(block).astype(np.complex64)
