"""The power of the leak-free permutation test on a corpus of a given shape.

Used in notebook 10_leakage_audit. A score that is not significantly above chance says little if the
test has low power on that corpus. So corpora are simulated with the same infants and the same clips
of each label. Their features are Gaussian, a share of the variance is between infants, and the
mean of each class is `signal` standard deviations from 0 along its own axis. The project's own
tests are applied to each. This models size and structure, not cries: it does not show what a
signal of 0.5 sounds like. `benchmarks/power.py` runs it at full size.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils.datasets import donateacry
from cryutils.errors import InputError
from cryutils.evaluation.crossval import Features, out_of_fold
from cryutils.evaluation.intervals import interval
from cryutils.evaluation.permutation import fixed_prediction_test, permutation_test
from cryutils.evaluation.splits import Labelled, Split, class_indices

__all__ = [
    "ALPHA", "ENOUGH", "Trial", "at_power", "curve", "donors", "features", "resampled", "simulate",
    "trial",
]  # fmt: skip

ALPHA = 0.05
ENOUGH = 0.8  # the power to reach
ICC = 0.5  # assumed share of a feature's variance that is between infants
DIMENSIONS = 8  # of the features; one axis for each class


@dataclass(frozen=True)
class Trial:
    """The leak-free balanced accuracy of a simulated corpus, and which tests reject.

    rejected: by the refitted test. fixed: by the test of fixed predictions. width: of the interval
    of the balanced accuracy. max_t: the share of a family's cells that max-T rejects. All are of
    the first cell, except `max_t`.
    """

    balanced_accuracy: float
    rejected: bool
    fixed: bool
    width: float
    max_t: float


def features(corpus: Labelled, signal: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return Gaussian features of a corpus's clips, float64 (clips, dimensions), of variance 1.

    The mean of each class is `signal` along its own axis.
    """
    y, names = class_indices(corpus.labels)
    infant = np.unique(np.asarray(corpus.infants), return_inverse=True)[1]
    shape = (len(y), max(DIMENSIONS, len(names)))
    x = np.sqrt(ICC) * rng.normal(size=(infant.max() + 1, shape[1]))[infant]
    x += np.sqrt(1 - ICC) * rng.normal(size=shape)
    x[np.arange(len(y)), y] += signal
    return x


def resampled(corpus: Labelled, infants: int, rng: np.random.Generator) -> Labelled:
    """Return the labels and infants of a corpus with `infants` infants drawn from this one.

    Each draw is a new infant. Draws are repeated until each class has two infants, which the test
    needs.
    """
    labels, whose = np.asarray(corpus.labels), np.asarray(corpus.infants)
    names, classes = np.unique(whose), set(labels)
    for _ in range(1000):
        drawn = [np.flatnonzero(whose == name) for name in rng.choice(names, infants)]
        clips = np.concatenate(drawn)
        number = np.repeat(np.arange(infants), [len(part) for part in drawn])
        if all(len(set(number[labels[clips] == label])) > 1 for label in classes):
            return SimpleNamespace(
                labels=labels[clips], infants=np.array([f"{i:05d}" for i in number])
            )
    raise InputError(f"no {infants} infants drawn have each class twice; draw more of them")


def trial(
    corpus: Labelled,
    signal: float,
    *,
    cells: int = 1,
    n_folds: int = 5,
    permutations: int = 99,
    seed: int | Sequence[int] = 0,
) -> Trial:
    """Return the results of the leak-free tests on one simulated corpus of this structure.

    The model is the nearest class mean, which is optimal for such features. Labels are permuted in
    blocks. signal: as in `features`. cells: members of the family for max-T, each with its own
    features of the same signal; half of the variance of each further cell is the first one's. seed:
    of features, folds and permutations.
    """
    from sklearn.neighbors import NearestCentroid

    rng = np.random.default_rng(seed)
    first = features(corpus, signal, rng)
    rest = (np.sqrt(2) - 1) * signal  # so that the sum below has class means of `signal` again
    others = [np.sqrt(0.5) * (first + features(corpus, rest, rng)) for _ in range(1, cells)]
    members: dict[Hashable, tuple[Any, Features]] = {
        cell: (NearestCentroid(), x) for cell, x in enumerate([first, *others])
    }
    draw = int(rng.integers(2**31))
    test = permutation_test(
        members, corpus, Split.LEAK_FREE, permutations=permutations, n_splits=n_folds, seed=draw,
        jobs=1,
    )  # fmt: skip
    folds = Split.LEAK_FREE.k_folds(corpus, n_splits=n_folds, repeats=1, seed=draw)
    predicted = out_of_fold(NearestCentroid(), first, corpus.labels, folds)
    fixed = fixed_prediction_test({0: predicted}, corpus, permutations=permutations, seed=draw)
    ends = interval(predicted, corpus.labels, corpus.infants)
    return Trial(
        balanced_accuracy=float(test.observed[0]),
        rejected=test.p_values[0] <= ALPHA,
        fixed=fixed.p_values[0] <= ALPHA,
        width=np.nan if ends.low is None or ends.high is None else ends.high - ends.low,
        max_t=float(np.mean([p <= ALPHA for p in test.adjusted.values()])),
    )


def donors() -> Labelled:
    """Return the labels and infants of DonateACry's clips, by file name, without burping's 8 clips.

    They come from `data/registry.csv`, so no recording is needed.
    """
    files = (file.split("/") for file in donateacry.FILES.registry())
    rows = [(label, donateacry.parse_name(name).infant) for label, name in files]
    labels, infants = zip(*(row for row in rows if row[0] != "burping"), strict=True)
    return SimpleNamespace(labels=np.array(labels), infants=np.array(infants))


def simulate(
    corpus: Labelled,
    signals: Sequence[float],
    *,
    corpora: int,
    permutations: int = 19,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the trials of `corpora` simulated corpora for each signal, for `curve`.

    corpus, permutations: as in `trial`. seed: of all trials.
    """
    rows = []
    for signal in signals:
        for number in range(corpora):
            result = trial(corpus, signal, permutations=permutations, seed=[seed, number])
            rows.append((signal, result.balanced_accuracy, result.rejected))
    return pd.DataFrame(rows, columns=["signal", "balanced_accuracy", "rejected"])


def curve(trials: pd.DataFrame) -> pd.DataFrame:
    """Return `corpora`, `power` (0 to 1) and mean `balanced_accuracy` for each `signal`.

    trials: one row per corpus: `signal`, `balanced_accuracy` (0 to 1), `rejected` (bool).
    """
    groups = trials.groupby("signal")
    return groups.agg(
        corpora=("rejected", "size"),
        power=("rejected", "mean"),
        balanced_accuracy=("balanced_accuracy", "mean"),
    ).reset_index()


def at_power(points: pd.DataFrame) -> tuple[float, float] | None:
    """Return the signal and the balanced accuracy at which a `curve` reaches `ENOUGH`.

    Isotonic regression makes the simulated power rise with the signal; both results are
    interpolated linearly. None if the largest signal has less power.
    """
    from sklearn.isotonic import IsotonicRegression

    rising = IsotonicRegression().fit_transform(
        points.signal, points.power, sample_weight=points.corpora
    )
    if rising[-1] < ENOUGH:
        return None
    first = int(np.argmax(rising >= ENOUGH))
    around = slice(max(first - 1, 0), first + 1)
    signal, score = (
        float(np.interp(ENOUGH, rising[around], points[column][around]))
        for column in ("signal", "balanced_accuracy")
    )
    return signal, score
