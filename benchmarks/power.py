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

import argparse
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from refitting import refitted_test
from sklearn.isotonic import IsotonicRegression
from sklearn.neighbors import NearestCentroid

from cryutils.datasets import donateacry
from cryutils.evaluation.splits import class_indices

SIGNALS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
INFANTS = (50, 100, 400)  # in addition to DonateACry's own
PERMUTATIONS, FOLDS = 99, 5
ALPHA = 0.05
ENOUGH = 0.8  # the power to reach
ICC = 0.5  # assumed share of a feature's variance that is between infants
DIMENSIONS = 8  # of the features; one axis for each class


class Design(NamedTuple):
    """Labels and infants of the clips of a corpus, str (clips,)."""

    labels: NDArray[np.str_]
    infants: NDArray[np.str_]


def main() -> None:
    """Print the power curve of each number of donors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--infants", type=int, nargs="*")
    options = parser.parse_args()
    donors = without_burping(donateacry_donors())
    real = len(set(donors.infants))
    for infants in options.infants or (real, *INFANTS):
        cells = [*product(SIGNALS, range(options.corpora))]
        trials = Parallel(n_jobs=-1)(delayed(trial)(donors, infants, *cell) for cell in cells)
        points = pd.DataFrame(trials).groupby("signal").mean().reset_index()
        points.insert(1, "corpora", options.corpora)
        who = "DonateACry's own donors" if infants == real else "donors drawn from DonateACry's"
        print(f"{infants} {who}, {options.corpora} simulated corpora a point, B={PERMUTATIONS}")
        print(points.to_string(index=False, float_format="{:.3f}".format))
        reached = at_power(points)
        words = "none of these" if reached is None else "{:.2f}, score {:.3f}".format(*reached)
        print(f"signal detected in {ENOUGH:.0%} of corpora: {words}\n")


def donateacry_donors() -> Design:
    """Return the labels and infants of DonateACry's clips, by the names of its files."""
    files = (file.split("/") for file in donateacry.FILES.registry())
    rows = [(label, donateacry.parse_name(name)["infant"]) for label, name in files]
    return Design(*map(np.array, zip(*rows, strict=True)))


def without_burping(corpus: Design) -> Design:
    """Return a corpus without the few clips of burping, a class of neither paper."""
    kept = corpus.labels != "burping"
    return Design(corpus.labels[kept], corpus.infants[kept])


def trial(donors: Design, infants: int, signal: float, seed: int) -> dict[str, float]:
    """Return the leak-free balanced accuracy of one simulated corpus, and whether the test rejects.

    The corpus has the donors themselves, or `infants` drawn from them. The model is the nearest
    class mean, which is optimal for such features, and it is fitted again for each permutation of
    the labels in blocks.
    """
    corpus = donors
    if infants != len(set(donors.infants)):
        corpus = resampled(donors, infants, np.random.default_rng([infants, seed]))
    rng = np.random.default_rng([infants, SIGNALS.index(signal), seed])
    X = features(corpus, signal, rng)
    options = {"permutations": PERMUTATIONS, "n_splits": FOLDS, "seed": int(rng.integers(2**31))}
    test = refitted_test(NearestCentroid(), X, *corpus, groups=corpus.infants, **options)
    rejects = test.p_values["model"] <= ALPHA
    return {"signal": signal, "power": rejects, "balanced_accuracy": float(test.observed[0])}


def features(corpus: Design, signal: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return Gaussian features of a corpus's clips, float64 (clips, dimensions), of variance 1.

    The mean of each class is `signal` along its own axis.
    """
    y, names = class_indices(corpus.labels)
    infant = np.unique(corpus.infants, return_inverse=True)[1]
    shape = (len(y), max(DIMENSIONS, len(names)))
    X = np.sqrt(ICC) * rng.normal(size=(infant.max() + 1, shape[1]))[infant]
    X += np.sqrt(1 - ICC) * rng.normal(size=shape)
    X[np.arange(len(y)), y] += signal
    return X


def resampled(corpus: Design, infants: int, rng: np.random.Generator) -> Design:
    """Return the labels and infants of a corpus with `infants` infants drawn from this one.

    Each draw is a new infant. Draws are repeated until each class has two infants, which the test
    needs.
    """
    labels, whose = corpus
    names, classes = np.unique(whose), set(labels)
    for _ in range(1000):
        drawn = [np.flatnonzero(whose == name) for name in rng.choice(names, infants)]
        clips = np.concatenate(drawn)
        number = np.repeat(np.arange(infants), [len(part) for part in drawn])
        if all(len(set(number[labels[clips] == label])) > 1 for label in classes):
            return Design(labels[clips], np.array([f"{i:05d}" for i in number]))
    raise SystemExit(f"--infants {infants}: too few to draw each class twice; give a larger number.")


def at_power(points: pd.DataFrame) -> tuple[float, float] | None:
    """Return the signal and the balanced accuracy at which a power curve reaches `ENOUGH`.

    Isotonic regression makes the simulated power rise with the signal; both results are
    interpolated linearly. None if the largest signal has less power.

    points: by rising `signal`, the `power` (0 to 1) and the mean `balanced_accuracy`.
    """
    rising = IsotonicRegression().fit_transform(points.signal, points.power)
    if rising[-1] < ENOUGH:
        return None
    first = int(np.argmax(rising >= ENOUGH))
    around = slice(max(first - 1, 0), first + 1)
    columns = points.signal, points.balanced_accuracy
    signal, score = (float(np.interp(ENOUGH, rising[around], column[around])) for column in columns)
    return signal, score


if __name__ == "__main__":
    main()
