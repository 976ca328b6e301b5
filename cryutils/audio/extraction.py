"""The sound and the features of a whole corpus: `signals`, `features`.

Walked by notebook 02_audio_features and used by every later one (Paper A §3.2). The work is
spread over all cores and kept on disk, keyed by everything that shaped it. Files are read in
`files`; the mathematics is in `spectral`, Paper A's scaling in `scaling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cryutils._io import cache
from cryutils._io.parallel import Identity, identities, thread_map
from cryutils.audio.files import native_rate, read
from cryutils.audio.scaling import RecordingScaler, SignalScaler, stats_row
from cryutils.audio.spectral import (
    HOP_LENGTH,
    N_FFT,
    N_MELS,
    N_MFCC,
    check_settings,
    mel_db,
    mfcc,
    stft_db,
)
from cryutils.errors import InputError, near_miss

__all__ = [
    "FEATURE_VERSION",
    "KINDS",
    "features",
    "signal_stats",
    "signals",
]

Array = npt.NDArray[np.float32]

FEATURE_VERSION = 2  # raise it whenever the same file and settings give other numbers
_TRANSFORMS: dict[str, Callable[..., Array]] = {"stft": stft_db, "mel": mel_db, "mfcc": mfcc}
KINDS = tuple(_TRANSFORMS)


class HasPath(Protocol):
    """What this module asks of a clip."""

    @property
    def path(self) -> Path: ...


def signals(
    corpus: Iterable[HasPath],
    *,
    sr: int | None = None,
    progress: bool = False,
    jobs: int | None = None,
) -> list[Array]:
    """Return the sound of each clip, a list of float32 (samples,), kept in the cache.

    Parameters
    ----------
    corpus : iterable of clips
        Each with a `path`.
    sr : int, optional
        In Hz; None: each clip's own.
    progress : bool
        Show a bar on a terminal or in a notebook.
    jobs : int, optional
        Threads; None: all cores.
    """
    check_settings(sr=sr)
    return _signals(_identities(corpus), sr=sr, progress=progress, jobs=jobs)


def features(
    corpus: Iterable[HasPath],
    *,
    kind: str,
    sr: int | None = None,
    scaler: SignalScaler | RecordingScaler | None = None,
    n_fft: int = N_FFT,
    hop_length: int = HOP_LENGTH,
    n_mfcc: int = N_MFCC,
    n_mels: int = N_MELS,
    progress: bool = False,
    jobs: int | None = None,
) -> list[Array]:
    """Return the features of each clip, a list of float32 (frames, coefficients), in dB.

    Kept in the cache, and found there again as long as files, settings and `scaler.low,
    scaler.high` are the same.

    Parameters
    ----------
    corpus : iterable of clips
        Each with a `path`.
    kind : {"stft", "mel", "mfcc"}
        See `spectral`.
    sr : int, optional
        In Hz; None: the clips' own, which must be one and the same.
    scaler : SignalScaler or RecordingScaler, optional
        Scales the signals first (Paper A §3.2). Fit the former on training clips only; the latter
        needs no fit.
    n_fft, hop_length : int
        Samples of a frame, and from one frame to the next.
    n_mfcc, n_mels : int
        Coefficients and mel bands.
    progress : bool
        Show a bar on a terminal or in a notebook.
    jobs : int, optional
        Threads; None: all cores.
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
        rates: dict[str, Any] = {} if kind == "stft" else {"sr": rate}
        sound = _signals(files, sr=sr, progress=progress, jobs=jobs)
        transform = partial(_transformed, kind=kind, scaler=scaler, **options, **rates)
        return thread_map(transform, sound, what=kind, progress=progress, jobs=jobs)

    limits: list[str] | str | None = None if scaler is None else str(scaler)
    if isinstance(scaler, SignalScaler):  # its mean and deviation change nothing
        limits = [scaler.low.hex(), scaler.high.hex()]
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
    return cache.at("features", FEATURE_VERSION, settings, files)


@lru_cache(maxsize=8)
def _common_rate(files: tuple[Identity, ...]) -> int:
    rates: dict[int, str] = {}
    for file in files:
        rates.setdefault(native_rate(file.path), file.path)
    if len(rates) == 1:
        return next(iter(rates))
    (rate, path), (other, second) = list(rates.items())[:2]
    raise InputError(f"{path} has {rate} Hz, {second} {other} Hz: choose one rate with sr=.")


def _transformed(
    x: Array, *, kind: str, scaler: SignalScaler | RecordingScaler | None, **settings: int
) -> Array:
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
