"""The sound of a clip, and the features of a corpus: `read`, `signals`, `features`.

Walked by notebook 02_audio_features and used by every later one. Reads any container and
codec through PyAV (Paper A §3.2 takes the sound out of videos with ffmpeg, which PyAV
carries). Over a whole corpus the work is spread over all cores and kept on disk, keyed by
everything that shaped it. The mathematics is in `spectral`, Paper A's scaling in `scaling`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cryutils._io import cache
from cryutils._io.media import probe
from cryutils._io.parallel import Identity, identities, thread_map
from cryutils._io.paths import cache_dir
from cryutils.audio.decode import blocks, decode, no_sound, pcm16
from cryutils.audio.scaling import SignalScaler, stats_row
from cryutils.audio.spectral import (
    HOP_LENGTH,
    N_FFT,
    N_MELS,
    N_MFCC,
    check_settings,
    mel_db,
    mfcc,
    resample,
    stft_db,
)
from cryutils.errors import InputError, near_miss

__all__ = [
    "FEATURE_VERSION",
    "KINDS",
    "common_rate",
    "features",
    "native_rate",
    "pieces",
    "read",
    "signal_stats",
    "signals",
]

Array = npt.NDArray[np.float32]

PIECE_S = 600
FEATURE_VERSION = 1  # raise it whenever the same file and settings give other numbers
_TRANSFORMS: dict[str, Callable[..., Array]] = {"stft": stft_db, "mel": mel_db, "mfcc": mfcc}
KINDS = tuple(_TRANSFORMS)


class HasPath(Protocol):
    """What this module asks of a clip."""

    @property
    def path(self) -> Path: ...


def read(path: str | os.PathLike[str], *, sr: int | None = None) -> Array:
    """Return the sound of a file, float32 (samples,), mono, in [-1, 1], at `sr` Hz.

    The first sound track of any container FFmpeg knows; channels are averaged; `sr=None`
    keeps the file's own rate (`native_rate`). A 16-bit sample k becomes exactly k / 32768.
    A file cut short gives the samples that are left, but for FLAC, which states how many there
    are. Raises InputError for a file that is missing, empty, damaged, or holds no sound.

    >>> read("cry.3gp", sr=16000)                               # doctest: +SKIP
    array([...], dtype=float32)
    """
    check_settings(sr=sr)
    rate, x = decode(Path(path).absolute())
    return _at(x, rate, sr)


def pieces(
    path: str | os.PathLike[str], *, sr: int | None = None, seconds: int = PIECE_S
) -> Iterator[tuple[float, Array]]:
    """Yield the sound of a file of any length as (start in s, float32 (samples,) at `sr` Hz).

    Each piece lasts `seconds` (less above 48 kHz), the last one up to twice that, so that it is
    never a mere rest; a file shorter than that is one piece, as `read` gives it. Raises
    InputError as `read` does, but for the length.
    """
    check_settings(sr=sr)
    parts: list[Array] = []
    rate = start = count = 0
    for rate, block in blocks(Path(path).absolute()):
        parts.append(block)
        count += len(block)
        length = seconds * min(rate, 48_000)  # in memory, not in time, above that
        if count >= 2 * length:
            x = np.concatenate(parts)
            while len(x) >= 2 * length:
                yield start / rate, _at(x[:length], rate, sr)
                start, x = start + length, x[length:]
            parts, count = [x.copy()], len(x)
    yield start / rate, _at(np.concatenate(parts), rate, sr)


def _at(x: Array, rate: int, sr: int | None) -> Array:
    # Lossy codecs and steep filters overshoot a little.
    return np.clip(resample(x, sr=rate, to=rate if sr is None else sr), -1.0, 1.0)


def native_rate(path: str | os.PathLike[str]) -> int:
    """Return the sample rate of a file's sound in Hz. Raises InputError as `read` does."""
    path = Path(path).absolute()
    with pcm16(path) as sound:
        if sound is not None:
            return sound.getframerate()
    if rate := probe(path).sr:
        return rate
    raise InputError(no_sound(path))


def common_rate(corpus: Iterable[HasPath]) -> int:
    """Return the one sample rate in Hz that all clips share.

    Raises InputError where they differ: features at two rates cannot be compared.
    """
    return _common_rate(_identities(corpus))


def signals(
    corpus: Iterable[HasPath],
    *,
    sr: int | None = None,
    progress: bool = False,
    jobs: int | None = None,
) -> list[Array]:
    """Return the sound of each clip, a list of float32 (samples,), at `sr` Hz (None: their own).

    Decoded on `jobs` threads (None: all cores) and kept in the cache.
    """
    check_settings(sr=sr)
    return _signals(_identities(corpus), sr=sr, progress=progress, jobs=jobs)


def features(
    corpus: Iterable[HasPath],
    *,
    kind: str,
    sr: int | None = None,
    scaler: SignalScaler | None = None,
    n_fft: int = N_FFT,
    hop_length: int = HOP_LENGTH,
    n_mfcc: int = N_MFCC,
    n_mels: int = N_MELS,
    progress: bool = False,
    jobs: int | None = None,
) -> list[Array]:
    """Return the features of each clip, a list of float32 (frames, coefficients), in dB.

    `kind` is "stft", "mel" or "mfcc" (see `spectral`). `sr` in Hz (None: the clips' own,
    which must be one and the same). `scaler` scales the signals first (Paper A §3.2); fit it
    on training clips only. Computed on `jobs` threads (None: all cores), kept in the cache,
    and found there again as long as files, settings and `scaler.low, scaler.high` are the
    same. `progress` shows a bar on a terminal or in a notebook.
    """
    if kind not in KINDS:
        raise InputError(f"there is no feature {kind!r}.{near_miss(kind, KINDS)}")
    check_settings(sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, n_mfcc=n_mfcc)
    files = _identities(corpus)
    options: dict[str, Any] = {"n_fft": n_fft, "hop_length": hop_length}
    if kind != "stft":
        options |= {"n_mels": n_mels}
    if kind == "mfcc":
        options |= {"n_mfcc": n_mfcc}

    def compute() -> Iterator[Array]:
        # Even the STFT needs one rate: a bin is a frequency only with it.
        rate = _common_rate(files) if sr is None else sr
        known: dict[str, Any] = {} if kind == "stft" else {"sr": rate}
        sound = _signals(files, sr=sr, progress=progress, jobs=jobs)
        transform = partial(_transformed, kind=kind, scaler=scaler, **options, **known)
        return thread_map(transform, sound, what=kind, progress=progress, jobs=jobs)

    limits = None if scaler is None else [scaler.low.hex(), scaler.high.hex()]
    return cache.ragged(_stem(files, kind=kind, sr=sr, limits=limits, **options), compute)


def signal_stats(corpus: Iterable[HasPath], *, sr: int | None = None) -> npt.NDArray[np.float64]:
    """Return low, high, sum, sum of squares and number of samples of each clip, float64 (clips, 5).

    `SignalScaler.from_stats(signal_stats(corpus)[train])` is then the scaler of a training
    set, with no signal read twice.
    """
    return _signal_stats(_identities(corpus), sr).copy()


def _identities(corpus: Iterable[HasPath]) -> tuple[Identity, ...]:
    return identities(clip.path for clip in corpus)


def _stem(files: tuple[Identity, ...], **settings: Any) -> Path:
    key = json.dumps([FEATURE_VERSION, settings, files], sort_keys=True)
    return cache_dir() / "features" / hashlib.sha256(key.encode()).hexdigest()[:32]


@lru_cache(maxsize=8)
def _common_rate(files: tuple[Identity, ...]) -> int:
    rates: dict[int, str] = {}
    for file in files:
        rates.setdefault(native_rate(file.path), file.path)
    if len(rates) == 1:
        return next(iter(rates))
    (rate, path), (other, second) = list(rates.items())[:2]
    raise InputError(f"{path} has {rate} Hz, {second} {other} Hz: choose one rate with sr=.")


def _transformed(x: Array, *, kind: str, scaler: SignalScaler | None, **settings: int) -> Array:
    return _TRANSFORMS[kind](x if scaler is None else scaler.transform(x), **settings)


def _signals(
    files: tuple[Identity, ...], *, sr: int | None, progress: bool = False, jobs: int | None = None
) -> list[Array]:
    def decoded() -> Iterator[Array]:
        paths = [file.path for file in files]
        return thread_map(partial(read, sr=sr), paths, what="sound", progress=progress, jobs=jobs)

    return cache.ragged(_stem(files, kind="signal", sr=sr), decoded)


@lru_cache(maxsize=8)
def _signal_stats(files: tuple[Identity, ...], sr: int | None) -> npt.NDArray[np.float64]:
    return np.array([stats_row(x) for x in _signals(files, sr=sr)])
