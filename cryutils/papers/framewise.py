"""Predictions for single frames and rolling averages over them: `fit`, `rolling_scores`.

Used in notebook 07_frames_resnet50 (Paper A §3.5: a second model behind the frozen ResNet-50
predicts each frame). The paper does not say whether it divided videos or frames, nor over how many
frames it averaged, so three splits (`evaluation.Split`) and several lengths are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.evaluation.intervals import Interval, interval, mean_interval
from cryutils.evaluation.splits import Division, Indices, Split, class_indices, fold_numbers
from cryutils.models import stacked
from cryutils.models.fusion import NO_PREDICTION, decide, rolling_average
from cryutils.models.inputs import by_clip
from cryutils.models.stacked import DenseSettings, FitSpec, Monitor, NetworkBatch
from cryutils.papers.recognition import flicker
from cryutils.papers.scored import Scored
from cryutils.papers.streams import Units, divide

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus

__all__ = [
    "PAIRS", "Framewise", "Rolled", "fit", "frame_similarity", "headline", "leak_free_folds",
    "rolling_delays", "rolling_scores", "subsample_frames",
]  # fmt: skip

Array = npt.NDArray[np.float32]
PAIRS = ("neighbours", "same clip", "same infant", "other infants")

_APART_S = 1.0  # least time between the two frames of a "same clip" pair


@dataclass(frozen=True, eq=False)
class Framewise:
    """The second models of one split, one per fold, and their answers to the test frames.

    rows: float32 (frames, classes), the answer to each frame by the fold that tests it. clip: int
    (frames,), each frame's clip. networks: one per fold.
    """

    split: Split
    rows: Array = field(repr=False)
    clip: Indices = field(repr=False)
    networks: NetworkBatch = field(repr=False)
    folds: list[Division] = field(repr=False)

    def by_clip(self, n_clips: int) -> Array:
        """Return the mean over each clip's frames, float32 (n_clips, classes); NaN if no frames."""
        return by_clip(self.rows, self.clip, n_clips)

    def over_time(self, embeddings: Sequence[Array]) -> list[Array]:
        """Return the answers to all frames of each clip, by the network of the fold that tests it.

        One array per clip, float32 (frames, classes). Not for RANDOM_FRAMES, where every
        network has seen frames of every clip.
        """
        tester = fold_numbers((fold.test for fold in self.folds), len(embeddings))
        return [self.networks.predict(int(k), x) for k, x in zip(tester, embeddings, strict=True)]


def fit(
    embeddings: Sequence[Array],
    corpus: Corpus,
    *,
    split: Split,
    settings: DenseSettings,
    every: int = 1,
    n_folds: int = 5,
    seed: int = 0,
    progress: bool = False,
) -> Framewise:
    """Return the second model, cross-fitted on every `every`-th frame of all clips.

    With a random split the best epoch is chosen by the accuracy on the test part (§4);
    leak-free, it is chosen by the loss on some of the training infants. embeddings: of each clip of
    `corpus`, float32 (frames, features). settings: of the networks. seed: of the folds.
    """
    x, clip = subsample_frames(embeddings, every=every)
    units = Units.of(corpus, clip, split)
    folds = divide(units, split, n_folds=n_folds, seed=seed)
    parts = [[units.rows(part) for part in (f.fit, f.stop, f.test)] for f in folds]
    monitor: Monitor = "accuracy" if all(fold.stops_on_test for fold in folds) else "loss"
    tasks = [FitSpec(train, stop, monitor=monitor) for train, stop, _ in parts]
    y, names = class_indices(corpus.labels)
    networks = stacked.fit(
        x, y[clip], tasks, classes=len(names), settings=settings, progress=progress
    )
    rows = np.full((len(x), len(names)), np.nan, np.float32)
    for k, (_, _, test) in enumerate(parts):
        rows[test] = networks.predict(k, x[test])
    return Framewise(split, rows, clip, networks, folds)


def leak_free_folds(corpus: Corpus, *, n_folds: int = 5, seed: int = 0) -> list[Division]:
    """Return the folds on which `fit` trains with `Split.LEAK_FREE`, as indices of clips."""
    units = Units.of(corpus, np.arange(0), Split.LEAK_FREE)
    return divide(units, Split.LEAK_FREE, n_folds=n_folds, seed=seed)


def subsample_frames(embeddings: Sequence[Array], *, every: int = 1) -> tuple[Array, Indices]:
    """Return every `every`-th frame of all clips, (frames, features), and each frame's clip."""
    parts = [frames[::every] for frames in embeddings]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(p) for p in parts])


def frame_similarity(
    embeddings: Sequence[Array], corpus: Corpus, *, fps: float, pairs: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return the distances between the embeddings of random pairs of frames.

    Pairs are neighbouring frames, frames of one clip a second or more apart, frames of two clips of
    one infant, and frames of two infants; `pairs` of each kind. There is a row per pair: `pair`,
    one of `PAIRS`, and `distance`, the Euclidean distance of features scaled to unit deviation,
    divided by its median between infants. embeddings: of each clip of `corpus`, float32 (frames,
    features).
    """
    rng = np.random.default_rng(seed)
    number = np.unique(corpus.infants, return_inverse=True)[1]
    least = max(2, round(_APART_S * fps))
    drawn: dict[str, list[tuple[Array, Array]]] = {name: [] for name in PAIRS}
    long_enough = [k for k, frames in enumerate(embeddings) if len(frames) > least]
    shown = np.array([k for k, frames in enumerate(embeddings) if len(frames)], np.int64)
    for _ in range(pairs if long_enough else 0):
        frames = embeddings[int(rng.choice(long_enough))]
        at = int(rng.integers(len(frames) - least))
        drawn["neighbours"].append((frames[at], frames[at + 1]))
        drawn["same clip"].append((frames[at], frames[int(rng.integers(at + least, len(frames)))]))
    for name, same in (("same infant", True), ("other infants", False)):
        for _ in range(pairs):
            a = int(rng.choice(shown))
            others = shown[(shown != a) & ((number[shown] == number[a]) == same)]
            if len(others):
                clips = embeddings[a], embeddings[int(rng.choice(others))]
                x, y = (frames[rng.integers(len(frames))] for frames in clips)
                drawn[name].append((x, y))
    spread = subsample_frames(embeddings, every=max(1, round(fps)))[0].std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    apart = {
        name: [float(np.linalg.norm((a - b) / scale)) for a, b in drawn_pairs]
        for name, drawn_pairs in drawn.items()
    }
    unit = float(np.median(apart["other infants"])) if apart["other infants"] else 1.0
    rows = [(name, value / unit) for name, values in apart.items() for value in values]
    return pd.DataFrame(rows, columns=["pair", "distance"])


def headline(trainings: Sequence[Framewise], corpus: Corpus) -> Scored:
    """Return the scores of the units that the split divides: frames for RANDOM_FRAMES, else clips.

    A clip's answer is the mean over its frames. trainings: of one split on `corpus`, each with its
    own seed and divisions; scores are their means.
    """
    split = trainings[0].split
    if split is Split.RANDOM_FRAMES:
        units, p = corpus.take(trainings[0].clip), [fit.rows for fit in trainings]
    else:
        units, p = corpus, [fit.by_clip(len(corpus)) for fit in trainings]
    folds = [[(fold.training, fold.test) for fold in fit.folds] for fit in trainings]
    return Scored.of(np.stack(p), units, folds, split=split)


@dataclass(frozen=True)
class Rolled:
    """The scores of a rolling average over `n` frames on the videos of a corpus.

    flicker: label changes per minute. accuracy: share of a clip's frames with the right label, as
    the mean over clips. final: share of clips whose last label is right. flicker_change and
    accuracy_change: differences from single frames, clip by clip. All are means over `trainings`
    networks, with intervals over infants. Flicker is None if no clip has two frames.
    """

    n: int
    trainings: int
    flicker: Interval | None
    accuracy: Interval
    final: Interval
    flicker_change: Interval | None
    accuracy_change: Interval


def rolling_scores(
    trainings: Sequence[Sequence[Array]], corpus: Corpus, windows: Sequence[int], *, fps: float
) -> list[Rolled]:
    """Return the scores of a rolling average for each number of frames in `windows`.

    A clip without frames has no label, which counts as wrong. trainings: out-of-fold probabilities
    by training and clip, float32 (frames, classes), at `fps` frames per second.
    """
    truth, _ = class_indices(corpus.labels)
    infants = corpus.infants.tolist()
    before = _measured(trainings, truth, 1, fps)
    rolled = []
    for n in windows:
        changes, right, last = _measured(trainings, truth, n, fps)
        answered = np.isfinite(changes).any()
        rolled.append(
            Rolled(
                n=n,
                trainings=len(trainings),
                flicker=mean_interval(changes, infants, limits=(0.0, np.inf)) if answered else None,
                accuracy=mean_interval(right, infants, limits=(0.0, 1.0)),
                final=interval(last, truth, infants, metric="accuracy"),
                flicker_change=mean_interval(changes - before[0], infants) if answered else None,
                accuracy_change=mean_interval(right - before[1], infants),
            )
        )
    return rolled


def rolling_delays(over_time: Sequence[Array], n: int) -> npt.NDArray[np.float64]:
    """Return how many frames a rolling average needs to follow a change of state, float64 (pairs,).

    Two consecutive clips whose means give different labels are joined. The delay is the number of
    frames after the joint until the average shows the second clip's label, or all its frames if it
    never does. over_time: probabilities of each clip, float32 (frames, classes). n: frames.
    """
    clips = [p for p in over_time if len(p) and np.isfinite(p).all()]
    found = []
    for first, second in pairwise(clips):
        before, after = (int(p.mean(axis=0).argmax()) for p in (first, second))
        if before != after:
            joined = np.concatenate([first, second])
            labels = decide(rolling_average(joined, n))[len(first) :]
            found.append(int(np.argmax(labels == after)) if after in labels else len(labels))
    return np.array(found, np.float64)


def _measured(
    trainings: Sequence[Sequence[Array]], truth: Indices, n: int, fps: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Indices]:
    """Return changes per minute, share of right frames and last label, each (trainings, clips)."""
    changes, right, last = [], [], []
    for over_time in trainings:
        averages = [rolling_average(p, n) for p in over_time]
        pairs = zip(averages, truth, strict=True)
        changes.append(flicker(averages, step_s=1 / fps))
        right.append([np.mean(decide(p) == y) if len(p) else 0.0 for p, y in pairs])
        last.append([decide(p)[-1] if len(p) else NO_PREDICTION for p in averages])
    return np.array(changes), np.array(right), np.array(last)
