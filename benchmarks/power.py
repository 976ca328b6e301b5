"""Simulate the power of the leak-free test on DonateACry, and with other numbers of donors.

    python benchmarks/power.py             200 corpora a point, an hour
    python benchmarks/power.py --corpora 20 --infants 220
    python benchmarks/power.py --tests --corpora 20    only the comparison of tests

The simulated corpora have DonateACry's donors with their clips of each label (without burping's 8
clips), or other numbers of donors drawn from these. Features are Gaussian, and half of their
variance is the infant's. Each corpus is judged by the project's leak-free permutation test (see
`papers.power`). The output is the share rejected by signal, and the signal and leak-free balanced
accuracy that are detected in 80 % of corpora. Names and labels come from `data/registry.csv`, so no
recording is needed.

A last part, with fewer corpora and permutations, compares the tests on the same corpora: refitted,
fixed predictions (the test of networks) and max-T over twelve cells (the test of Table 2), with the
width of the interval.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd

from cryutils._io.parallel import process_map
from cryutils.papers import power

SIGNALS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
INFANTS = (50, 100, 400)  # in addition to DonateACry's own
PERMUTATIONS, FOLDS = 99, 5
TABLE_1 = {"hungry": 20, "belly_pain": 16, "discomfort": 20, "tired": 20}
CELLS = 12  # of Table 2
COMPARED = (0.0, 0.5, 1.0, 1.5)  # signals of the comparison of tests
FEWER, AT_MOST = 39, 50  # permutations, and corpora a point


def main() -> None:
    """Simulate missing corpora and print the power curve of each number of donors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--infants", type=int, nargs="*")
    parser.add_argument("--tests", action="store_true")
    options = parser.parse_args()
    donors = power.donors()
    real = len(set(donors.infants))
    for infants in () if options.tests else options.infants or (real, *INFANTS):
        points = power.curve(simulated(donors, infants, options.corpora))
        reached = power.at_power(points)
        who = "DonateACry's own donors" if infants == real else "donors drawn from DonateACry's"
        print(f"{infants} {who}, {options.corpora} simulated corpora a point, B={PERMUTATIONS}")
        print(points.to_string(index=False, float_format="{:.3f}".format))
        words = "none of these" if reached is None else f"{reached[0]:.2f}, score {reached[1]:.3f}"
        print(f"signal detected in {power.ENOUGH:.0%} of corpora: {words}\n")
    compare(donors, min(options.corpora, AT_MOST))


def compare(donors: SimpleNamespace, corpora: int) -> None:
    """Print how often each test rejects on the same corpora, and the mean width of the interval."""
    print(f"tests compared: {corpora} simulated corpora a point, B={FEWER}; share rejected")
    print("max_t: of a cell, adjusted for twelve cells; any: of families with a rejected cell")
    for cells, who in ((1, "DonateACry's own donors"), (CELLS, "76 clips, like Table 2's")):
        seeds = [(signal, seed) for signal in COMPARED for seed in range(corpora)]
        trials = process_map(tested, seeds, shared=(donors, cells), jobs=None)
        table = pd.DataFrame(asdict(trial) for trial in trials).assign(
            any=lambda table: table.max_t > 0, signal=[signal for signal, _ in seeds]
        )
        means = table.groupby("signal").mean().rename(columns={"rejected": "refitted"})
        means = means[["balanced_accuracy", "width", "refitted", "fixed", "max_t", "any"]]
        means = means.iloc[:, : 4 if cells == 1 else 6].reset_index()
        print(f"{who}\n{means.to_string(index=False, float_format='{:.3f}'.format)}")


def tested(donors: SimpleNamespace, cells: int, point: tuple[float, int]) -> power.Trial:
    """Return the trial of one corpus: with all donors, or for several cells with Table 2's clips.

    Each corpus of Table 2 draws its own 76 clips, or fewer if a class has fewer.
    """
    signal, seed = point
    seeds = [cells, COMPARED.index(signal), seed]
    rng = np.random.default_rng(seeds)
    if cells > 1:
        classes = {label: np.flatnonzero(donors.labels == label) for label in TABLE_1}
        clips = np.concatenate([
            rng.choice(classes[label], min(count, len(classes[label])), replace=False)
            for label, count in TABLE_1.items()
        ])  # fmt: skip
        donors = SimpleNamespace(labels=donors.labels[clips], infants=donors.infants[clips])
    return power.trial(donors, signal, cells=cells, n_folds=FOLDS, permutations=FEWER, seed=seeds)


def simulated(donors: SimpleNamespace, infants: int, corpora: int) -> pd.DataFrame:
    """Return a row per simulated corpus: signal, balanced_accuracy, rejected."""
    points = [(signal, seed) for signal in SIGNALS for seed in range(corpora)]
    trials = list(process_map(judged, points, shared=(donors, infants), jobs=None))
    table = pd.DataFrame(asdict(trial) for trial in trials)[["balanced_accuracy", "rejected"]]
    return table.assign(signal=[signal for signal, _ in points])


def judged(donors: SimpleNamespace, infants: int, point: tuple[float, int]) -> power.Trial:
    """Return the trial of one corpus: with the donors themselves, or `infants` drawn from them."""
    (signal, seed), corpus = point, donors
    if infants != len(set(donors.infants)):
        corpus = power.resampled(donors, infants, np.random.default_rng([infants, seed]))
    level = SIGNALS.index(signal)
    return power.trial(
        corpus, signal, n_folds=FOLDS, permutations=PERMUTATIONS, seed=[infants, level, seed]
    )


if __name__ == "__main__":
    main()
