"""Simulate how often the intervals of an audit cover the true score: `python benchmarks/audited.py`.

Tables have two to ten classes and 10 to 500 groups, each of one class. *Equal* tables have equally many
groups of each class and five rows of each group. In *lopsided* ones, each class has half as many groups
as the one before, and groups have 1 to 40 rows, most of them few. Right answers are beta-binomial:
`icc` is the correlation of two rows of a group. The output has the coverage and the mean width of the
nominal 95 % interval of the balanced accuracy. A table in which a class has one group is left out, since
it has no interval. It takes about two minutes and is stored as outputs/reference/benchmarks/audited.csv.
"""

import argparse
import sys
from itertools import product

import numpy as np
import pandas as pd
from intervals import held
from numpy.typing import NDArray

CLASSES, GROUPS = (2, 3, 5, 10), (10, 20, 50, 100, 200, 500)
RECALLS = ((0.5, 0.5), (0.8, 0.8), (0.97, 0.97), (0.9, 0.2))  # of the largest class, and of the others
ICCS = (0.05, 0.3, 0.6)


def equal(classes: int, groups: int) -> NDArray[np.float64]:
    """Return five rows for each group in its class, float64 (groups, classes)."""
    return 5.0 * np.eye(classes)[np.arange(groups) % classes]


def lopsided(classes: int, groups: int) -> NDArray[np.float64]:
    """Return the rows of each group in its class, float64 (groups, classes), unequal in both."""
    shares = 0.5 ** np.arange(classes)
    ends = np.round(np.cumsum(shares) / shares.sum() * groups)
    number = np.arange(groups)
    rows = np.array([1, 1, 1, 2, 2, 3, 5, 10, 20, 40])[(7 * number + number // 10) % 10]
    return np.eye(classes)[np.searchsorted(ends, number, side="right")] * rows[:, None]


def main(simulations: int) -> pd.DataFrame:
    """Return a row for each kind of table, recall and correlation."""
    cells = []
    for shape, classes, groups in product((equal, lopsided), CLASSES, GROUPS):
        table = shape(classes, groups)
        fewest = int((table > 0).sum(axis=0).min())
        about = {"shape": shape.__name__, "classes": classes, "groups": groups, "fewest": fewest}
        for recalls, icc in product(RECALLS, ICCS) if fewest > 1 else ():
            coverage, width = held(table, recalls, icc, simulations)["library"]
            cell = about | {"recalls": "{:g}/{:g}".format(*recalls), "icc": icc}
            cells.append(cell | {"coverage": round(coverage, 4), "width": round(width, 3)})
    return pd.DataFrame(cells)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    main(parser.parse_args().simulations).to_csv(sys.stdout, index=False)
