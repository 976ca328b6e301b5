"""Flicker, accuracy and delay of rolling averages over frames: `over_windows`, `delays`.

Used in notebook 07_frames_resnet50 (Paper A §3.5, rolling prediction averaging: the label of a
video should not flicker). The paper does not state the length of its deque, so several lengths are
measured. The average itself is `fusion.rolling_average`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.evaluation.intervals import Interval, interval, mean_interval
from cryutils.evaluation.splits import Indices, class_indices
from cryutils.models.fusion import NO_PREDICTION, decide, rolling_average
from cryutils.papers.recognition import flicker

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus

__all__ = ["Rolled", "delays", "over_windows", "results"]

Array = npt.NDArray[np.float32]


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


def over_windows(
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


def delays(over_time: Sequence[Array], n: int) -> npt.NDArray[np.float64]:
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


def results(rolled: Sequence[Rolled], corpus: Corpus) -> pd.DataFrame:
    """Return the scores of each window as rows for `claims.record_table`.

    The `condition` is the window in frames. The longest window also has its differences from single
    frames, with "single_frames" as the `rival` and without a condition.
    """
    longest = max(rolled, key=lambda score: score.n)
    values = {
        (str(score.n), "", metric): value
        for score in rolled
        for metric, value in (
            ("flicker_per_minute", score.flicker),
            ("accuracy", score.accuracy),
            ("final_accuracy", score.final),
        )
    }
    values["", "single_frames", "flicker_per_minute"] = longest.flicker_change
    values["", "single_frames", "accuracy"] = longest.accuracy_change
    table = pd.DataFrame(
        {"condition": condition, "rival": rival, "metric": metric, **value.row()}
        for (condition, rival, metric), value in values.items()
        if value is not None
    )
    return table.assign(
        study="rolling", split="infant", data=corpus.name, trainings=longest.trainings
    )


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
