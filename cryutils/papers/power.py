"""What a corpus of this shape could have shown: the power of the leak-free permutation test.

Walked by notebook 10_leakage_audit. A score that is not shown to be above chance says little where
the corpus could hardly have shown it. So corpora are simulated that have the same infants with
the same clips of each label, Gaussian features of which a share is the infant's, and classes that
lie `signal` standard deviations from the middle, each along an axis of its own; the project's
own permutation test judges each of them. It is a model of size and structure, not of cries: what a
signal of 0.5 sounds like, it doesn't know. `benchmarks/power.py` runs it at full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError
from cryutils.evaluation.permutation import permutation_test
from cryutils.evaluation.splits import Labelled, Protocol, class_indices

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALPHA",
    "ENOUGH",
    "Trial",
    "at_power",
    "curve",
    "features",
    "resampled",
    "trial",
]

ALPHA = 0.05
ENOUGH = 0.8  # the power that is asked for
ICC = 0.5  # assumed share of a feature's variance that is the infant's
DIMENSIONS = 8  # of the features; each class has an axis of its own


@dataclass(frozen=True)
class Trial:
    """One simulated corpus: its leak-free balanced accuracy, and whether the test rejects."""

    balanced_accuracy: float
    rejected: bool


def features(
    corpus: Labelled, signal: float, rng: np.random.Generator, *, icc: float = ICC
) -> NDArray[np.float64]:
    """Return Gaussian features of a corpus' clips, float64 (clips, dimensions), of variance 1.

    signal: how far, in standard deviations, each class lies along its own axis. icc: share of the
    variance within a class that is the infant's.
    """
    y, names = class_indices(corpus.labels)
    infant = np.unique(np.asarray(corpus.infants), return_inverse=True)[1]
    shape = (len(y), max(DIMENSIONS, len(names)))
    x = np.sqrt(icc) * rng.normal(size=(infant.max() + 1, shape[1]))[infant]
    x += np.sqrt(1 - icc) * rng.normal(size=shape)
    x[np.arange(len(y)), y] += signal
    return x


def resampled(corpus: Labelled, infants: int, rng: np.random.Generator) -> Labelled:
    """Return labels of a corpus with `infants` infants drawn from this one's, each a new infant.

    Redrawn until each class comes from two infants, without which nothing can be tested.
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
    n_folds: int = 5,
    permutations: int = 99,
    seed: int | Sequence[int] = 0,
) -> Trial:
    """Return what the project's leak-free test says of one simulated corpus of this structure.

    The model is the nearest class mean, which for such features is the best there is; labels are
    permuted in blocks and each permutation is refitted.

    Parameters
    ----------
    corpus : Corpus
        Its labels and infants; its recordings aren't asked for.
    signal : float
        As in `features`.
    n_folds : int
        Of the cross-validation, infants kept whole.
    permutations : int
        Of the labels.
    seed : int or sequence of int
        Of features, folds and permutations.
    """
    from sklearn.neighbors import NearestCentroid

    rng = np.random.default_rng(seed)
    x = features(corpus, signal, rng)
    test = permutation_test(
        {"nearest": (NearestCentroid(), x)}, corpus, Protocol.LEAK_FREE, permutations=permutations,
        n_splits=n_folds, seed=int(rng.integers(2**31)), jobs=1,
    )  # fmt: skip
    return Trial(float(test.observed[0]), test.p_values["nearest"] <= ALPHA)


def curve(trials: pd.DataFrame) -> pd.DataFrame:
    """Return for each signal the corpora tried, the power, and the mean balanced accuracy.

    Parameters
    ----------
    trials : pandas.DataFrame
        A row a corpus: `signal`, `balanced_accuracy` (0 to 1), `rejected` (bool).

    Returns
    -------
    pandas.DataFrame
        Columns `signal`, `corpora`, `power` (0 to 1), `balanced_accuracy`.
    """
    groups = trials.groupby("signal")
    return groups.agg(
        corpora=("rejected", "size"),
        power=("rejected", "mean"),
        balanced_accuracy=("balanced_accuracy", "mean"),
    ).reset_index()


def at_power(points: pd.DataFrame) -> tuple[float, float] | None:
    """Return the signal, and the balanced accuracy there, at which a `curve` reaches `ENOUGH`.

    Power is made to rise with the signal (isotonic regression, since simulation shakes it), and
    both are interpolated linearly.

    Parameters
    ----------
    points : pandas.DataFrame
        From `curve`.

    Returns
    -------
    (float, float) or None
        Signal and balanced accuracy; None where the largest signal tried has less power.
    """
    from sklearn.isotonic import IsotonicRegression

    signal = points.signal.to_numpy(float)
    rising = IsotonicRegression().fit_transform(signal, points.power, sample_weight=points.corpora)
    if rising[-1] < ENOUGH:
        return None
    first = int(np.argmax(rising >= ENOUGH))
    if first == 0:
        return float(signal[0]), float(points.balanced_accuracy.iloc[0])
    low, high = rising[first - 1], rising[first]
    share = (ENOUGH - low) / (high - low)

    def between(values: NDArray[Any]) -> float:
        return float(values[first - 1] + share * (values[first] - values[first - 1]))

    return between(signal), between(points.balanced_accuracy.to_numpy(float))
