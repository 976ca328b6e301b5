"""The windows of Paper A's ensemble: `of_corpus`.

Used in notebook 09_ensemble (Paper A §3.5: "three forms of input: MFCC feature, STFT feature, and
face images"). `pairs` assigns video frames to windows of sound. The answer to a recording is the
mean over its windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils import audio
from cryutils.errors import InputError
from cryutils.evaluation.splits import Indices, Split, class_indices
from cryutils.models import backbones
from cryutils.models.inputs import PictureInput, SoundInput, by_clip, sound_problem
from cryutils.studies.embeddings import embed

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus

__all__ = ["IMAGE", "PATCH", "Streams", "gather", "of_corpus", "pairs"]

Array = npt.NDArray[np.float32]
IMAGE = "image"
PATCH = 8  # frames of a patch, the input of an autoencoder


@dataclass(frozen=True, eq=False)
class Streams:
    """The windows of a corpus, with the frames shown at the same time.

    clip: int (windows,), each window's clip in `corpus`. windows: by name ("mfcc", "stft"),
    float32 (windows, frames, coefficients). frames: float32 (frames, features), embeddings of
    pictures, and frame_window: int (frames,), the window of each; None without pictures.
    """

    corpus: Corpus
    clip: Indices = field(repr=False)
    windows: Mapping[str, Array] = field(repr=False)
    frames: Array | None = field(default=None, repr=False)
    frame_window: Indices | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def names(self) -> tuple[str, ...]:
        """The streams: those of sound, then "image" if there are pictures."""
        return (*self.windows, *([] if self.frames is None else [IMAGE]))

    @cached_property
    def y(self) -> Indices:
        """The class index of each window, int64 (windows,)."""
        return class_indices(self.corpus.labels, self.corpus.classes)[0][self.clip]

    def units(self, split: Split) -> tuple[Corpus, Indices]:
        """Return what a split divides, windows (RANDOM_FRAMES) or clips, and each window's unit."""
        if split is Split.RANDOM_FRAMES:
            return self.corpus.take(self.clip), np.arange(len(self))
        return self.corpus, self.clip

    def joint(self) -> Array:
        """Return one vector per window from all streams, float32 (windows, n).

        These are the mean and standard deviation of each coefficient, and the mean embedding.
        """
        parts = [f(w, axis=1) for w in self.windows.values() for f in (np.mean, np.std)]
        if self.frames is not None and self.frame_window is not None:
            parts.append(by_clip(self.frames, self.frame_window, len(self)))
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def side_by_side(self, patch: int) -> Array:
        """Return all streams frame by frame, float32 (windows, frames in whole patches, n).

        A frame has the coefficients of every sound stream, then its part of the window's mean
        embedding. A patch of `patch` frames contains that embedding once.
        """
        frames = min(w.shape[1] for w in self.windows.values()) // patch * patch
        parts = [window[:, :frames] for window in self.windows.values()]
        if self.frames is not None and self.frame_window is not None:
            mean = by_clip(self.frames, self.frame_window, len(self))
            filled = np.pad(mean, ((0, 0), (0, -mean.shape[1] % patch)))
            share = filled.reshape(len(self), patch, -1)
            parts.append(np.tile(share, (1, frames // patch, 1)))
        return np.concatenate(parts, axis=2, dtype=np.float32)


def of_corpus(
    corpus: Corpus,
    hearing: Mapping[str, SoundInput],
    *,
    fps: float = 30.0,
    head_fps: float = 0.0,
    seed: int = 0,
    progress: bool = False,
) -> Streams:
    """Return the windows of a corpus with the embeddings of its frames, if it has pictures.

    The network is `backbones.choose`'s; `backbones.small` gets faces, others the centred square.
    hearing, head_fps: as in `gather`. fps: frames per second. Raises InputError as `gather` and
    `embeddings.embed` do.
    """
    if not any(clip.has_video for clip in corpus):
        return gather(corpus, hearing)
    network = backbones.choose(seed=seed)
    crop = "face" if network.name == "small CNN" else "frame"
    frames = PictureInput(fps=fps, size=network.model.input_shape[1], crop=crop)
    embedded = embed(corpus, network, frames, progress=progress)
    return gather(corpus, hearing, embedded, fps=fps, head_fps=head_fps)


def gather(
    corpus: Corpus,
    hearing: Mapping[str, SoundInput],
    embeddings: Sequence[Array] | None = None,
    *,
    fps: float = 30.0,
    head_fps: float = 0.0,
) -> Streams:
    """Return the windows of all recordings that have every stream.

    hearing: the settings of each sound stream, by name. embeddings: for each clip, float32 (frames,
    features), at `fps` frames per second; None for sound alone. head_fps: embeddings to use per
    second, evenly spaced; 0: all. Raises InputError if the windows of the sound streams do not
    start together, or no recording has every stream.
    """
    timing = next(iter(hearing.values()))
    grids = {(s.sr, s.n_fft, s.hop_length, s.window_s, s.step_s) for s in hearing.values()}
    if len(grids) > 1:
        raise InputError("all streams of sound need the same sr, frames and windows.")
    usable: list[int] = []
    middles_s: list[npt.NDArray[np.float64]] = []
    # Append to byte buffers to avoid a second copy in memory.
    windows = {name: bytearray() for name in hearing}
    for k, x in enumerate(audio.signals(corpus, sr=timing.sr)):
        is_blind = embeddings is not None and not len(embeddings[k])
        if is_blind or sound_problem(x, timing.sr):
            continue
        for name, sound in hearing.items():
            cut = sound.windows(x)
            windows[name] += cut.tobytes()
        middles_s.append(timing.starts_s(len(cut), len(x)) + timing.window_s / 2)
        usable.append(k)
    if not usable:
        raise InputError(f"{corpus.name}: no recording has {', '.join(hearing)} and pictures.")
    sounds = Streams(
        corpus.take(usable),
        np.repeat(np.arange(len(usable)), [len(middles) for middles in middles_s]),
        {
            name: np.frombuffer(windows[name], np.float32).reshape(-1, *sound.shape)
            for name, sound in hearing.items()
        },
    )
    if embeddings is None:
        return sounds
    every = max(1, round(fps / (head_fps or fps)))
    return _with_pictures(sounds, [embeddings[k] for k in usable], middles_s, every, fps)


def _with_pictures(
    streams: Streams,
    embeddings: Sequence[Array],
    middles_s: Sequence[npt.NDArray[np.float64]],
    every: int,
    fps: float,
) -> Streams:
    chosen, windows, first = [], [], 0
    for embedded, middles in zip(embeddings, middles_s, strict=True):
        frame, window = pairs(np.arange(0, len(embedded), every) / fps, middles)
        chosen.append(frame * every)
        windows.append(first + window)
        first += len(middles)
    # Concatenating would need another half gigabyte for as much data as the paper has.
    frames = np.empty((sum(map(len, chosen)), embeddings[0].shape[1]), np.float32)
    parts = np.split(frames, np.cumsum([len(rows) for rows in chosen])[:-1])
    for part, rows, embedded in zip(parts, chosen, embeddings, strict=True):
        part[:] = embedded[rows]
    return replace(streams, frames=frames, frame_window=np.concatenate(windows))


def pairs(times_s: npt.NDArray[np.float64], middles_s: npt.NDArray[np.float64]) -> tuple[Indices, Indices]:
    """Return the indices of frames and of their windows of sound, two int64 (n,).

    Each frame, shown at `times_s`, belongs to the window with the nearest middle. A window without
    a frame, because frames are few or end before the sound, shares the nearest one.
    """
    apart = np.abs(times_s[:, None] - middles_s)
    window = apart.argmin(axis=1)
    empty = np.setdiff1d(np.arange(len(middles_s)), window)
    frame = np.concatenate([np.arange(len(times_s)), apart[:, empty].argmin(axis=0)])
    return frame.astype(np.int64), np.concatenate([window, empty]).astype(np.int64)
