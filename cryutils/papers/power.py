"""The power of the leak-free permutation test on a corpus of a given shape.

Used in notebook 10_leakage_audit. A score that is not significantly above chance says little if the
test has low power on that corpus. So corpora are simulated with the same infants and the same clips
of each label. Their features are Gaussian, a share of the variance is between infants, and the
mean of each class is `signal` standard deviations from 0 along its own axis. The project's own
tests are applied to each. This models size and structure, not cries: it does not show what a
signal of 0.5 sounds like. `benchmarks/power.py` runs it at full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils.datasets import donateacry
from cryutils.evaluation.permutation import permutation_test
from cryutils.evaluation.splits import Labelled, Split, class_indices

__all__ = [
    "ALPHA", "ENOUGH", "Trial", "at_power", "curve", "donors", "features", "simulate", "trial",
]  # fmt: skip

ALPHA = 0.05
ENOUGH = 0.8  # the power to reach
ICC = 0.5  # assumed share of a feature's variance that is between infants
DIMENSIONS = 8  # of the features; one axis for each class


class Trial(NamedTuple):
    """The leak-free balanced accuracy of a simulated corpus, and whether the test rejects."""

    balanced_accuracy: float
    rejected: bool


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


def trial(
    corpus: Labelled,
    signal: float,
    *,
    n_folds: int = 5,
    permutations: int = 99,
    seed: int | Sequence[int] = 0,
) -> Trial:
    """Return the result of the leak-free test on one simulated corpus of this structure.

    The model is the nearest class mean, which is optimal for such features, and it is fitted again
    for each permutation of the labels in blocks. signal: as in `features`. seed: of features,
    folds and permutations.
    """
    from sklearn.neighbors import NearestCentroid

    rng = np.random.default_rng(seed)
    x = features(corpus, signal, rng)
    test = permutation_test(
        {0: (NearestCentroid(), x)}, corpus, Split.LEAK_FREE, permutations=permutations,
        n_splits=n_folds, seed=int(rng.integers(2**31)), jobs=1,
    )  # fmt: skip
    return Trial(float(test.observed[0]), test.p_values[0] <= ALPHA)


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
