"""What single frames say, and what becomes of it over time: `fit`, `over_windows`.

Walked by notebook 07_frames_resnet50 (Paper A §3.5: a second model behind the frozen ResNet-50
answers for each frame, and a rolling average over the past ones for the video). The second model
is trained once a fold under one of three splits (`nested.SCHEMES`), since the paper doesn't say
whether it divided videos or frames; `alike` and `nearest` show why that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils import claims, dense
from cryutils.dense import Dense, DenseSettings, Task
from cryutils.errors import InputError
from cryutils.examples import by_clip
from cryutils.fusion import decide, last_value, rolling_average
from cryutils.inference import Interval, interval, mean_interval
from cryutils.nested import Nested, divide, unit_of
from cryutils.recognition import flicker
from cryutils.splits import Indices, class_indices
from cryutils.streams import Units

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.clips import Corpus

__all__ = ["PAIRS", "Framewise", "Rolled", "alike", "fit", "nearest", "over_windows", "record"]

Array = npt.NDArray[np.float32]
PAIRS = ("neighbours", "same clip", "same infant", "other infants")

_APART_S = 1.0  # two frames of a clip that count as more than neighbours
_FAR = "another infant"


@dataclass(frozen=True, eq=False)
class Framewise:
    """A second model for each fold of one split, and its answers to frames it has not seen.

    rows: float32 (frames, classes), the answer to each frame trained or tested on; clip: int
    (frames,), its clip. networks: one a fold.
    """

    scheme: str
    rows: Array = field(repr=False)
    clip: Indices = field(repr=False)
    networks: Dense = field(repr=False)
    folds: list[Nested] = field(repr=False)

    def by_clip(self, n_clips: int) -> Array:
        """Return the mean over each clip's frames, float32 (n_clips, classes); NaN without any."""
        return by_clip(self.rows, self.clip, n_clips)

    def over_time(self, embeddings: Sequence[Array]) -> list[Array]:
        """Return the answers to all frames of each clip, by the network that hasn't seen it.

        float32 (frames, classes), one array a clip, one clip in memory at a time. Raises
        InputError where frames were divided, for every network has seen some of each clip.
        """
        if unit_of(self.scheme) == "frame":
            raise InputError("split by frame, every network has seen frames of every clip.")
        tester = {int(clip): k for k, fold in enumerate(self.folds) for clip in fold.test}
        return [self.networks.predict(tester[k], frames) for k, frames in enumerate(embeddings)]


def fit(
    embeddings: Sequence[Array],
    corpus: Corpus,
    *,
    scheme: str,
    every: int = 1,
    settings: DenseSettings | None = None,
    n_folds: int = 5,
    seed: int = 0,
    progress: bool = False,
) -> Framewise:
    """Return the second model, cross-fitted on every `every`-th frame of all clips.

    Under the paper's protocol the best epoch is chosen by the accuracy on the test part (§4);
    leak-free by the loss on a part of the training infants.

    Args:
        embeddings: of each clip of `corpus`, float32 (frames, features).
        corpus: whose labels and infants count.
        scheme: "frame", "clip" or "leak_free", what is divided.
        every: 1 takes all frames.
        settings: of the networks; its `monitor` follows from the split.
        n_folds: 5 test 20 % each.
        seed: of the folds.
        progress: count on a terminal.
    """
    settings = settings or DenseSettings(epochs=10, batch_size=64, patience=10)
    x, clip = taken(embeddings, every=every)
    units = _units(corpus, clip, scheme)
    folds = divide(units, scheme, n_folds=n_folds, n_inner=2, seed=seed)
    parts = [[np.flatnonzero(np.isin(units.of_moment, part)) for part in (f.fit, f.stop, f.test)]
             for f in folds]  # fmt: skip
    tasks = [Task(train, stop) for train, stop, _ in parts]
    y, names = class_indices(corpus.labels)
    by_accuracy = all(fold.stops_on_test for fold in folds)
    settings = replace(settings, monitor="accuracy" if by_accuracy else "loss")
    networks = dense.fit(
        x, y[clip], tasks, classes=len(names), settings=settings,
        progress=progress,
    )  # fmt: skip
    rows = np.full((len(x), len(names)), np.nan, np.float32)
    for k, (_, _, test) in enumerate(parts):
        rows[test] = networks.predict(k, x[test])
    return Framewise(scheme, rows, clip, networks, folds)


def taken(embeddings: Sequence[Array], *, every: int = 1) -> tuple[Array, Indices]:
    """Return every `every`-th frame of all clips, (frames, features), and the clip of each."""
    if every < 1:
        raise InputError(f"every={every}: give 1 for all frames, or more.")
    parts = [frames[::every] for frames in embeddings]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(p) for p in parts])


def alike(
    embeddings: Sequence[Array], corpus: Corpus, *, fps: float, pairs: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return how far apart two frames' embeddings lie: a row a pair, `pair` and `distance`.

    `pair` is of `PAIRS`: frames in a row; of one clip, a second or more apart; of two clips of
    one infant; of two infants. `distance` is Euclid's after each feature was scaled to unit
    deviation, over the median between infants: 1 is what strangers have.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    number = np.unique(corpus.infants, return_inverse=True)[1]
    least = max(2, round(_APART_S * fps))
    drawn: dict[str, list[tuple[Array, Array]]] = {name: [] for name in PAIRS}
    long_enough = [k for k, frames in enumerate(embeddings) if len(frames) > least]
    some = np.array([k for k, frames in enumerate(embeddings) if len(frames)], np.int64)
    for _ in range(pairs if long_enough else 0):
        own = embeddings[int(rng.choice(long_enough))]
        at = int(rng.integers(len(own) - least))
        drawn["neighbours"].append((own[at], own[at + 1]))
        drawn["same clip"].append((own[at], own[int(rng.integers(at + least, len(own)))]))
    for name, same in (("same infant", True), ("other infants", False)):
        for _ in range(pairs):
            a = int(rng.choice(some))
            others = some[(some != a) & ((number[some] == number[a]) == same)]
            if len(others):
                one, other = embeddings[a], embeddings[int(rng.choice(others))]
                drawn[name].append((one[rng.integers(len(one))], other[rng.integers(len(other))]))
    spread = taken(embeddings, every=max(1, round(fps)))[0].std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    apart = {
        name: [float(np.linalg.norm((a - b) / scale)) for a, b in found]
        for name, found in drawn.items()
    }
    unit = float(np.median(apart["other infants"])) if apart["other infants"] else 1.0
    rows = [(name, value / unit) for name, found in apart.items() for value in found]
    return pd.DataFrame(rows, columns=["pair", "distance"])


def nearest(
    embeddings: Sequence[Array],
    corpus: Corpus,
    fitted: Framewise,
    *,
    every: int = 1,
    most: int = 500,
    seed: int = 0,
) -> dict[str, float]:
    """Return where the training frame most like a test frame comes from, as shares.

    "same clip", "same infant" (another clip of it) and "another infant", over at most `most` test
    frames of the first fold. Distances as in `alike`.
    """
    from sklearn.neighbors import NearestNeighbors

    x, clip = taken(embeddings, every=every)
    units = _units(corpus, clip, fitted.scheme)
    fold = fitted.folds[0]
    train = np.flatnonzero(np.isin(units.of_moment, np.union1d(fold.fit, fold.stop)))
    test = np.flatnonzero(np.isin(units.of_moment, fold.test))
    train = np.setdiff1d(train, test)
    test = np.random.default_rng(seed).permutation(test)[:most]
    scale = x[train].std(axis=0)
    scaled = x / np.where(scale > 0, scale, 1)
    found = NearestNeighbors(n_neighbors=1).fit(scaled[train]).kneighbors(scaled[test])[1][:, 0]
    a, b = clip[train[found]], clip[test]
    infants = corpus.infants
    where = np.select([a == b, infants[a] == infants[b]], ["same clip", "same infant"], _FAR)
    return {name: float(np.mean(where == name)) for name in ("same clip", "same infant", _FAR)}


@dataclass(frozen=True)
class Rolled:
    """What a rolling average over `n` frames does to the videos of a corpus.

    flicker: label changes a minute. accuracy: share of a clip's frames whose label is right,
    the mean over clips. final: share of clips whose last label is right. flicker_change and
    accuracy_change: against single frames, clip by clip. All with intervals over infants; None
    where no clip has two frames.
    """

    n: int
    flicker: Interval | None
    accuracy: Interval
    final: Interval
    flicker_change: Interval | None
    accuracy_change: Interval


def over_windows(
    over_time: Sequence[Array],
    corpus: Corpus,
    windows: Sequence[int],
    *,
    fps: float,
    protocol: str = "leak_free",
) -> list[Rolled]:
    """Return what a rolling average over each number of frames in `windows` does.

    over_time: float32 (frames, classes) of each clip, `fps` a second, answered by networks
    that have not seen it. A clip without a frame has no label, which is wrong.
    """
    truth, _ = class_indices(corpus.labels)
    infants = corpus.infants.tolist()
    before = _measured(over_time, truth, 1, fps)
    found = []
    for n in windows:
        changes, right, last = _measured(over_time, truth, n, fps)
        known = np.isfinite(changes).any()
        found.append(
            Rolled(
                n=n,
                flicker=mean_interval(changes, infants) if known else None,
                accuracy=mean_interval(right, infants),
                final=interval(last, truth, infants, metric="accuracy", protocol=protocol),
                flicker_change=mean_interval(changes - before[0], infants) if known else None,
                accuracy_change=mean_interval(right - before[1], infants),
            )
        )
    return found


def record(rolled: Sequence[Rolled], corpus: Corpus, *, protocol: str = "leak_free") -> None:
    """Store `rolling.<n>.flicker_per_minute`, `.accuracy`, `.final_accuracy` and the changes."""
    for one in rolled:
        for name, found in (
            ("flicker_per_minute", one.flicker),
            ("accuracy", one.accuracy),
            ("final_accuracy", one.final),
            ("flicker_change", one.flicker_change),
            ("accuracy_change", one.accuracy_change),
        ):
            if found is None:
                continue
            claims.record(
                f"rolling.{one.n}.{name}", found.value, low=found.low, high=found.high,
                n=found.n, n_infants=found.n_infants, protocol=protocol, data=corpus.name,
            )  # fmt: skip


def _units(corpus: Corpus, clip: Indices, scheme: str) -> Units:
    if unit_of(scheme) == "clip":
        return Units(corpus.labels, corpus.infants, clip)
    return Units(corpus.labels[clip], corpus.infants[clip], np.arange(len(clip)))


def _measured(
    over_time: Sequence[Array], truth: Indices, n: int, fps: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Indices]:
    """Return of each clip: changes a minute, share of frames right, and the last label."""
    said = [rolling_average(p, n) for p in over_time]
    right = np.array(
        [np.mean(decide(p) == y) if len(p) else 0.0 for p, y in zip(said, truth, strict=True)]
    )
    last = np.array([int(decide(last_value(p))) for p in said])
    return flicker(said, step_s=1 / fps), right, last
