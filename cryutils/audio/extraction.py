"""Sound and features of a whole corpus: `signals`, `features`.

Explained in notebook 02_audio_features and used in all later ones (Paper A §3.2). All cores are
used, and results are cached. `files` reads the files, and `spectral` computes the features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import ragged
from cryutils._io.parallel import Identity, identities, thread_map
from cryutils.audio.files import native_rate, read
from cryutils.audio.spectral import check_settings, mel_db, mfcc, stft_db
from cryutils.errors import InputError, near_miss

Array = npt.NDArray[np.float32]

_VERSION = 3  # increase it if the same file and settings give other numbers
_TRANSFORMS: dict[str, Callable[..., Array]] = {"stft": stft_db, "mel": mel_db, "mfcc": mfcc}
KINDS = tuple(_TRANSFORMS)


def signals(corpus: Iterable[Any], *, sr: int | None = None, progress: bool = False) -> list[Array]:
    """Return the sound of each clip, a list of float32 (samples,); cached.

    corpus: clips, of which only `path` is used. sr: rate in Hz; None keeps each clip's own.
    progress: whether to show a bar.
    """
    check_settings(sr=sr)
    files = identities(clip.path for clip in corpus)

    def compute() -> Iterator[Array]:
        paths = [file.path for file in files]
        return thread_map(partial(read, sr=sr), paths, what="sound", progress=progress)

    return ragged(compute, "signals", _VERSION, sr, files)


def features(corpus: Iterable[Any], *, kind: str, sr: int | None = None) -> list[Array]:
    """Return the features of each clip in dB, a list of float32 (frames, coefficients); cached.

    kind: "stft", "mel" or "mfcc", with the defaults of `spectral`. sr: rate in Hz; None: the clips'
    own, if all have the same.
    """
    if kind not in KINDS:
        raise InputError(f"there is no feature {kind!r}.{near_miss(kind, KINDS)}")
    check_settings(sr=sr)
    clips = list(corpus)
    files = identities(clip.path for clip in clips)

    def compute() -> Iterator[Array]:
        # The STFT also needs a common rate, on which the frequency of a bin depends.
        rate = _common_rate(files) if sr is None else sr
        transform = partial(_TRANSFORMS[kind], **({} if kind == "stft" else {"sr": rate}))
        return thread_map(transform, signals(clips, sr=sr), what=kind)

    return ragged(compute, "features", _VERSION, kind, sr, files)


def _common_rate(files: Iterable[Identity]) -> int:
    rates = {native_rate(file.path): file.path for file in reversed(tuple(files))}
    if len(rates) == 1:
        return next(iter(rates))
    (other, second), (rate, path) = list(rates.items())[-2:]
    raise InputError(f"{path} has {rate} Hz, {second} {other} Hz: choose one rate with sr=.")
