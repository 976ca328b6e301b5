"""Three views of the same moments: what Paper A's ensemble is given, `Streams`, from `gather`.

Walked by notebook 09_ensemble (Paper A §3.5: "three forms of input: MFCC feature, STFT feature,
and face images"). A moment is a window of sound, as MFCC and as STFT, with the frames shown
meanwhile. A recording has several, and its answer is the mean of theirs. Recordings without
pictures have two streams, and everything behind works with those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils import audio
from cryutils._io import cache
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.splits import Indices, class_indices
from cryutils.models.examples import by_clip
from cryutils.models.inputs import SoundInput, sound_problem

__all__ = ["IMAGE", "Streams", "Unit", "Units", "gather", "pairs", "with_pictures"]

Array = npt.NDArray[np.float32]
Unit = Literal["clip", "frame"]
IMAGE = "image"


class Units(NamedTuple):
    """What a split divides: label and infant of each unit, and the unit of each moment."""

    labels: npt.NDArray[np.str_]
    infants: npt.NDArray[np.str_]
    of_moment: Indices


@dataclass(frozen=True, eq=False)
class Streams:
    """The moments of a corpus.

    clip: int (moments,), of each moment its clip's number in `corpus`. windows: by name
    ("mfcc", "stft"), float32 (moments, frames, coefficients). frames: float32 (frames,
    features), embeddings of pictures, and moment: int (frames,), to which moment each belongs;
    None without pictures. middle_s: float64 (moments,), when in its recording the middle of
    each moment is. left_out: a line for each recording that lacks a stream.
    """

    corpus: Corpus
    clip: Indices = field(repr=False)
    windows: Mapping[str, Array] = field(repr=False)
    middle_s: npt.NDArray[np.float64] = field(repr=False)
    frames: Array | None = field(default=None, repr=False)
    moment: Indices | None = field(default=None, repr=False)
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def names(self) -> tuple[str, ...]:
        """Its streams: those of sound, then "image" where there are pictures."""
        return (*self.windows, *([] if self.frames is None else [IMAGE]))

    @property
    def y(self) -> Indices:
        """The class index of each moment, int64 (moments,)."""
        return class_indices(self.corpus.labels, self.corpus.classes)[0][self.clip]

    def units(self, unit: Unit) -> Units:
        """Return what a split of clips, or of moments ("frame"), divides."""
        of_moment = self.clip if unit == "clip" else np.arange(len(self.clip))
        owner = np.arange(len(self.corpus)) if unit == "clip" else self.clip
        return Units(self.corpus.labels[owner], self.corpus.infants[owner], of_moment)

    def by_moment(self, values: Array) -> Array:
        """Return the mean over each moment's frames of `values` (frames, n), (moments, n)."""
        assert self.moment is not None
        return by_clip(values, self.moment, len(self))

    def joint(self) -> Array:
        """Return all streams of a moment as one vector, float32 (moments, n).

        Mean and deviation over the moment of each coefficient, and the mean embedding.
        """
        parts = [f(w, axis=1) for w in self.windows.values() for f in (np.mean, np.std)]
        if self.frames is not None:
            parts.append(self.by_moment(self.frames))
        return np.concatenate(parts, axis=1, dtype=np.float32)


def gather(
    corpus: Corpus,
    hearing: Mapping[str, SoundInput],
    embeddings: Sequence[Array] | None = None,
    *,
    fps: float = 30.0,
    head_fps: float | None = None,
    progress: bool = False,
) -> Streams:
    """Return the moments of all recordings that have every stream.

    Args:
        corpus: clips with sound.
        hearing: how each sound stream is computed; their windows must start together.
        embeddings: of each clip, float32 (frames, features), None for sound alone.
        fps: frames a second of the embeddings.
        head_fps: frames a second that are kept of them, evenly spread (None: all).
        progress: show the decoding of sound on a terminal.

    Raises:
        InputError: windows that don't start together, or no recording with every stream.
    """
    some = next(iter(hearing.values()))
    for one in hearing.values():
        if (one.sr, one.n_fft, one.hop_length, one.window_s, one.step_s) != (
            some.sr, some.n_fft, some.hop_length, some.window_s, some.step_s,
        ):  # fmt: skip
            raise InputError("all streams of sound need the same sr, frames and windows.")
    sounds = audio.signals(corpus, sr=some.sr, progress=progress)
    kept: list[int] = []
    left_out: list[str] = []
    clip, middle_s = [], []
    windows: dict[str, list[Array]] = {name: [] for name in hearing}
    for k, x in enumerate(sounds):
        problem = sound_problem(x, some.sr)
        if problem is None and embeddings is not None and not len(embeddings[k]):
            problem = "no pictures"
        if problem:
            left_out.append(f"{corpus[k].id}: {problem}")
            continue
        rows = {name: one.windows(x) for name, one in hearing.items()}
        cache.let_go(x)
        count = len(next(iter(rows.values())))
        for name, row in rows.items():
            windows[name].append(row)
        middle_s.append(some.starts_s(count, len(x)) + some.window_s / 2)
        clip.append(np.full(count, len(kept)))
        kept.append(k)
    if not kept:
        raise InputError(f"{corpus.name}: no recording has {', '.join(hearing)} and pictures.")
    found = Streams(
        corpus.take(kept),
        np.concatenate(clip),
        {name: np.concatenate(rows) for name, rows in windows.items()},
        np.concatenate(middle_s),
        left_out=tuple(left_out),
    )
    if embeddings is None:
        return found
    return with_pictures(found, [embeddings[k] for k in kept], fps=fps, head_fps=head_fps)


def with_pictures(
    streams: Streams,
    embeddings: Sequence[Array],
    *,
    fps: float = 30.0,
    head_fps: float | None = None,
) -> Streams:
    """Return the same moments with these pictures: embeddings of each clip of `streams.corpus`.

    fps and head_fps as in `gather`.
    """
    moment, frames, first = [], [], 0
    every = max(1, round(fps / (head_fps or fps)))
    for k, own in enumerate(embeddings):
        middles = streams.middle_s[streams.clip == k]
        which, where = pairs(np.arange(0, len(own), every) / fps, middles)
        moment.append(first + where)
        frames.append(np.asarray(own[which * every]))
        cache.let_go(own)
        first += len(middles)
    return replace(streams, frames=np.concatenate(frames), moment=np.concatenate(moment))


def pairs(
    times_s: npt.NDArray[np.float64], middles_s: npt.NDArray[np.float64]
) -> tuple[Indices, Indices]:
    """Return which frames belong to which moments, two int64 (n,): the nearest in time.

    Each frame belongs to one moment, and a moment that would have none, since pictures are few
    or end before the sound does, shares the nearest frame. times_s: of each frame. middles_s: of
    each moment's window.
    """
    apart = np.abs(times_s[:, None] - middles_s)
    moment = apart.argmin(axis=1)
    empty = np.setdiff1d(np.arange(len(middles_s)), moment)
    which = np.concatenate([np.arange(len(times_s)), apart[:, empty].argmin(axis=0)])
    return which.astype(np.int64), np.concatenate([moment, empty]).astype(np.int64)
