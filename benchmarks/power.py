"""Simulate the power of the leak-free test on DonateACry, and with other numbers of donors.

    python benchmarks/power.py             200 corpora a point, an hour
    python benchmarks/power.py --corpora 20 --infants 220

A score that is not significantly above chance says little if the test has low power on that corpus.
The simulated corpora have DonateACry's donors with their clips of each label (without burping's 8
clips), or other numbers of donors drawn from these. Features are Gaussian, half of their variance
is the infant's, and the mean of each class is `signal` standard deviations from 0 along its own
axis. Each corpus is judged by the project's leak-free permutation test. This models size and
structure, not cries: it does not show what a signal of 0.5 sounds like. The output is the share
rejected by signal, and the signal and leak-free balanced accuracy that are detected in 80 % of
corpora. Names and labels come from `data/registry.csv`, so no recording is needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from refitting import refitted_test

from cryutils.datasets import donateacry
from cryutils.errors import InputError
from cryutils.evaluation.splits import class_indices

SIGNALS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
INFANTS = (50, 100, 400)  # in addition to DonateACry's own
PERMUTATIONS, FOLDS = 99, 5
ALPHA = 0.05
ENOUGH = 0.8  # the power to reach
ICC = 0.5  # assumed share of a feature's variance that is between infants
DIMENSIONS = 8  # of the features; one axis for each class


def main() -> None:
    """Simulate missing corpora and print the power curve of each number of donors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--infants", type=int, nargs="*")
    options = parser.parse_args()
    donors = donateacry_donors()
    real = len(set(donors.infants))
    for infants in options.infants or (real, *INFANTS):
        points = curve(simulated(donors, infants, options.corpora))
        reached = at_power(points)
        who = "DonateACry's own donors" if infants == real else "donors drawn from DonateACry's"
        print(f"{infants} {who}, {options.corpora} simulated corpora a point, B={PERMUTATIONS}")
        print(points.to_string(index=False, float_format="{:.3f}".format))
        words = "none of these" if reached is None else f"{reached[0]:.2f}, score {reached[1]:.3f}"
        print(f"signal detected in {ENOUGH:.0%} of corpora: {words}\n")


def simulated(donors: Design, infants: int, corpora: int) -> pd.DataFrame:
    """Return a row per simulated corpus: signal, balanced_accuracy, rejected."""
    points = [(signal, seed) for signal in SIGNALS for seed in range(corpora)]
    trials = Parallel(n_jobs=-1)(delayed(judged)(donors, infants, point) for point in points)
    table = pd.DataFrame(trials)
    return table.assign(signal=[signal for signal, _ in points])


def judged(donors: Design, infants: int, point: tuple[float, int]) -> Trial:
    """Return the trial of one corpus: with the donors themselves, or `infants` drawn from them."""
    (signal, seed), corpus = point, donors
    if infants != len(set(donors.infants)):
        corpus = resampled(donors, infants, np.random.default_rng([infants, seed]))
    level = SIGNALS.index(signal)
    return trial(corpus, signal, seed=[infants, level, seed])


class Design(NamedTuple):
    """Labels and infants of the clips of a corpus, str (clips,)."""

    labels: NDArray[np.str_]
    infants: NDArray[np.str_]


class Trial(NamedTuple):
    """The leak-free balanced accuracy of a simulated corpus, and whether the test rejects."""

    balanced_accuracy: float
    rejected: bool


def features(corpus: Design, signal: float, rng: np.random.Generator) -> NDArray[np.float64]:
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


def resampled(corpus: Design, infants: int, rng: np.random.Generator) -> Design:
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
            return Design(labels[clips], np.array([f"{i:05d}" for i in number]))
    raise InputError(f"no {infants} infants drawn have each class twice; draw more of them")


def trial(corpus: Design, signal: float, *, seed: Sequence[int]) -> Trial:
    """Return the result of the leak-free test on one simulated corpus of this structure.

    The model is the nearest class mean, which is optimal for such features, and it is fitted again
    for each permutation of the labels in blocks. signal: as in `features`. seed: of features,
    folds and permutations.
    """
    from sklearn.neighbors import NearestCentroid

    rng = np.random.default_rng(seed)
    x = features(corpus, signal, rng)
    test = refitted_test(
        NearestCentroid(),
        x,
        *corpus,
        groups=corpus.infants,
        permutations=PERMUTATIONS,
        n_splits=FOLDS,
        seed=int(rng.integers(2**31)),
    )
    return Trial(float(test.observed[0]), test.p_values["model"] <= ALPHA)


def donateacry_donors() -> Design:
    """Return the labels and infants of DonateACry's clips, by file name, without burping's 8 clips.

    They come from `data/registry.csv`, so no recording is needed.
    """
    files = (file.split("/") for file in donateacry.FILES.registry())
    rows = [(label, donateacry.parse_name(name)["infant"]) for label, name in files]
    labels, infants = zip(*(row for row in rows if row[0] != "burping"), strict=True)
    return Design(np.array(labels), np.array(infants))


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

    rising = IsotonicRegression().fit_transform(points.signal, points.power, sample_weight=points.corpora)
    if rising[-1] < ENOUGH:
        return None
    first = int(np.argmax(rising >= ENOUGH))
    around = slice(max(first - 1, 0), first + 1)
    signal, score = (
        float(np.interp(ENOUGH, rising[around], points[column][around]))
        for column in ("signal", "balanced_accuracy")
    )
    return signal, score


if __name__ == "__main__":
    main()
