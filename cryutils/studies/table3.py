"""What Table 3 of Paper A is made of: its rows, and the windows of its three inputs.

Used in notebook 09_ensemble, which builds and trains the networks (Paper A §3.5: "three forms of input:
MFCC feature, STFT feature, and face images"). `data/unstated.csv` lists what the paper leaves open. The
answer to a recording is the mean over its windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import audio
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import intervals
from cryutils.evaluation.intervals import Interval
from cryutils.evaluation.splits import Indices, Split, class_indices
from cryutils.models.inputs import SoundInput, by_clip, pairs, sound_problem

Array = npt.NDArray[np.float32]

SPLITS = (Split.RANDOM_FRAMES, Split.RANDOM, Split.LEAK_FREE)
ROWS = {  # the states of each row
    "sleepy_hungry": ("sleepy", "hungry"),
    "sleepy_hugging": ("sleepy", "hug"),
    "hugging_hungry": ("hug", "hungry"),
    "total": ("sleepy", "hungry", "hug"),
}
HARDEST = "hugging_hungry"  # the hardest pair, says the paper


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
        return (*self.windows, *([] if self.frames is None else ["image"]))

    @cached_property
    def y(self) -> Indices:
        """The class index of each window, int64 (windows,)."""
        return class_indices(self.corpus.labels)[0][self.clip]

    @cached_property
    def faces(self) -> Array | None:
        """The mean embedding of each window's frames, float32 (windows, features), if there are any."""
        if self.frames is None or self.frame_window is None:
            return None
        return by_clip(self.frames, self.frame_window, len(self))

    def of_states(self, states: Sequence[str]) -> "Streams":
        """Return the windows of the clips with these states."""
        clips = np.flatnonzero(np.isin(self.corpus.labels, states))
        inside = np.isin(self.clip, clips)
        windows = {name: x[inside] for name, x in self.windows.items()}
        part = Streams(self.corpus.take(clips), np.searchsorted(clips, self.clip[inside]), windows)
        if self.frames is None or self.frame_window is None:
            return part
        shown = inside[self.frame_window]
        place = np.cumsum(inside) - 1  # of each window in `part`
        return replace(part, frames=self.frames[shown], frame_window=place[self.frame_window[shown]])

    def units(self, split: Split) -> tuple[Corpus, Indices]:
        """Return what a split divides, windows (RANDOM_FRAMES) or clips, and each window's unit."""
        if split is Split.RANDOM_FRAMES:
            return self.corpus.take(self.clip), np.arange(len(self))
        return self.corpus, self.clip


def gather(
    corpus: Corpus,
    hearing: Mapping[str, SoundInput],
    embeddings: Sequence[Array] | None = None,
    *,
    fps: float = 30.0,
    head_fps: float = 0.0,
) -> Streams:
    """Return the windows of all recordings that have every stream.

    hearing: the settings of each sound stream, by name; they differ in the kind of features alone.
    embeddings: for each clip, float32 (frames, features), at `fps` frames per second; None for sound
    alone. head_fps: embeddings to use per second, evenly spaced; 0: all. Raises InputError if no
    recording has every stream.
    """
    timing, every = next(iter(hearing.values())), max(1, round(fps / (head_fps or fps)))
    usable: list[int] = []
    windows: dict[str, list[Array]] = {name: [] for name in hearing}
    clip, frames, frame_window = [np.zeros(0, np.int64)], [], []
    for k, x in enumerate(audio.signals(corpus, sr=timing.sr)):
        is_blind = embeddings is not None and not len(embeddings[k])
        if is_blind or sound_problem(x, timing.sr):
            continue
        for name, sound in hearing.items():
            windows[name].append(sound.windows(x))
        first, count = sum(map(len, clip)), len(windows[name][-1])
        if embeddings is not None:
            middles_s = timing.starts_s(count, len(x)) + timing.window_s / 2
            frame, window = pairs(np.arange(0, len(embeddings[k]), every) / fps, middles_s)
            frames.append(embeddings[k][frame * every])
            frame_window.append(first + window)
        clip.append(np.full(count, len(usable)))
        usable.append(k)
    if not usable:
        raise InputError(f"{corpus.name}: no recording has {', '.join(hearing)} and pictures.")
    whole = {name: np.concatenate(parts) for name, parts in windows.items()}
    shown = (np.concatenate(frames), np.concatenate(frame_window)) if frames else (None, None)
    return Streams(corpus.take(usable), np.concatenate(clip), whole, *shown)


def easier(answers: pd.DataFrame, pair: str) -> Interval:
    """Return a model's accuracy in one row of Table 3 minus that in the hardest one.

    Two pairs of states share clips, so the jackknife deletes an infant from both rows at once.

    answers: of one model on one split, columns of `evaluation.out_of_fold`, and condition (the row).
    """
    both = answers[answers.condition.isin([pair, HARDEST])]
    is_right, repeats = both.truth == both.predicted, both.repeat.nunique()
    by_infant = is_right.groupby([both.infant, both.condition])
    right = by_infant.sum().unstack(fill_value=0)[[pair, HARDEST]].to_numpy() / repeats
    clips = by_infant.size().unstack(fill_value=0)[[pair, HARDEST]].to_numpy() / repeats
    df = intervals.part_degrees(clips)
    bounds = intervals.combined(right, clips, [1, -1], df=df)
    by_repeat = is_right.groupby([both.repeat, both.condition]).mean().unstack()
    each = (by_repeat[pair] - by_repeat[HARDEST]).to_numpy()
    bounds = intervals.add_between_run_variance(bounds, [each], df=df.min(), limits=(-1.0, 1.0))
    return Interval.of(bounds, both["clip"].nunique(), len(clips))
