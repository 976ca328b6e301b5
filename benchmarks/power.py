"""Simulate the power of the leak-free test on DonateACry, and with other numbers of donors.

    python benchmarks/power.py             200 corpora a point, an hour
    python benchmarks/power.py --corpora 20 --infants 220

The simulated corpora have DonateACry's donors with their clips of each label (without burping's 8
clips), or other numbers of donors drawn from these. Features are Gaussian, and half of their
variance is the infant's. Each corpus is judged by the project's leak-free permutation test (see
`papers.power`). The output is the share rejected by signal, and the signal and leak-free balanced
accuracy that are detected in 80 % of corpora. Names and labels come from `data/registry.csv`, so no
recording is needed.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import numpy as np
import pandas as pd

from cryutils._io.parallel import process_map
from cryutils.errors import InputError
from cryutils.evaluation.splits import Labelled
from cryutils.papers import power

SIGNALS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
INFANTS = (50, 100, 400)  # in addition to DonateACry's own
PERMUTATIONS, FOLDS = 99, 5


def main() -> None:
    """Simulate missing corpora and print the power curve of each number of donors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--infants", type=int, nargs="*")
    options = parser.parse_args()
    donors = power.donors()
    real = len(set(donors.infants))
    for infants in options.infants or (real, *INFANTS):
        points = power.curve(simulated(donors, infants, options.corpora))
        reached = power.at_power(points)
        who = "DonateACry's own donors" if infants == real else "donors drawn from DonateACry's"
        print(f"{infants} {who}, {options.corpora} simulated corpora a point, B={PERMUTATIONS}")
        print(points.to_string(index=False, float_format="{:.3f}".format))
        words = "none of these" if reached is None else f"{reached[0]:.2f}, score {reached[1]:.3f}"
        print(f"signal detected in {power.ENOUGH:.0%} of corpora: {words}\n")


def simulated(donors: Labelled, infants: int, corpora: int) -> pd.DataFrame:
    """Return a row per simulated corpus: signal, balanced_accuracy, rejected."""
    points = [(signal, seed) for signal in SIGNALS for seed in range(corpora)]
    trials = list(process_map(judged, points, shared=(donors, infants), jobs=None))
    table = pd.DataFrame(trials)
    return table.assign(signal=[signal for signal, _ in points])


def judged(donors: Labelled, infants: int, point: tuple[float, int]) -> power.Trial:
    """Return the trial of one corpus: with the donors themselves, or `infants` drawn from them."""
    (signal, seed), corpus = point, donors
    if infants != len(set(donors.infants)):
        corpus = resampled(donors, infants, np.random.default_rng([infants, seed]))
    level = SIGNALS.index(signal)
    return power.trial(
        corpus, signal, n_folds=FOLDS, permutations=PERMUTATIONS, seed=[infants, level, seed]
    )


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


if __name__ == "__main__":
    main()
