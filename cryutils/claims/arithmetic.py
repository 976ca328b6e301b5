"""Which test sets a printed percentage can come from.

A share of correct answers among n test clips is k/n for a whole k, so a printed percentage rules
out most n (the GRIM test, N. J. L. Brown and J. A. J. Heathers 2017, The GRIM test, Social
Psychological and Personality Science 8(4), https://doi.org/10.1177/1948550616673876). "Accuracy"
may also be the mean of the class recalls. On classes of different sizes such a mean has finer steps
than k/n: on 6, 5, 6 and 6 clips it is a number of 120ths. A figure that fits no stated test set is
a question to its authors: a slip of a digit, a mean of several tests and other clips than stated
look alike. Used in notebook 09, appendix_table2 and appendix_table3.

A *test* is its number of clips or, for a mean of class recalls, the clips of each class.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Literal

import numpy as np
import pandas as pd

from cryutils.errors import InputError

Printing = Literal["rounded", "cut off", "either"]  # how a share becomes a printed percentage
_WHOLE = 10_000  # 100 %, in units of the last digit of a figure with two decimals


def correct(percent: float, n: int) -> int | None:
    """Return the k whose k/n is printed as `percent`, or None if there is none.

    If several k fit, the nearest. A share is rounded or cut off to two decimals: papers do both
    (65.51 is 76/116 cut off). Raises InputError if `percent` is impossible.

    >>> correct(97.41, 116)
    113
    """
    share = fraction(percent, n)
    return share[0] if share else None


def sizes(percent: float, *, most: int = 1000, printing: Printing = "either") -> list[int]:
    """Return every size of a test set of which a percentage can be a share.

    Parameters
    ----------
    percent : float
        With two decimals, as it is printed.
    most : int
        The largest size that is tried.
    printing : str
        How a share became the percentage: "rounded", "cut off" or "either".

    Returns
    -------
    list of int

    Examples
    --------
    >>> sizes(97.41, most=200, printing="rounded")
    [116, 193]
    """
    return [n for n in range(1, most + 1) if fraction(percent, n, printing)]


def fraction(
    percent: float, test: int | Sequence[int], printing: Printing = "either"
) -> tuple[int, int] | None:
    """Return the k and n of a test whose k/n is printed as `percent`, None if there is none."""
    if not 0 <= percent <= 100:
        raise InputError(f"{percent}: give a percentage, 0 to 100, such as 83.33.")
    figure, (k, n) = round(100 * percent), _numerators(test)
    beyond = _WHOLE * k - figure * n  # whole numbers, so that nothing is lost to floating point
    rounded, cut = 2 * abs(beyond) <= n, (beyond >= 0) & (beyond < n)
    fits = {"rounded": rounded, "cut off": cut, "either": rounded | cut}[printing]
    return (int(k[fits][abs(beyond[fits]).argmin()]), n) if fits.any() else None


def _numerators(test: int | Sequence[int]) -> tuple[np.ndarray, int]:
    """Return every numerator that a test can have, int64, and the denominator."""
    if isinstance(test, int):
        return np.arange(test + 1), test
    common_size = math.lcm(*test)
    reachable = np.zeros(1, np.int64)
    for size in test:
        steps = np.arange(size + 1) * (common_size // size)
        reachable = np.unique(reachable[:, None] + steps)
    return reachable, len(test) * common_size


def fitting(percents: Mapping[str, float], tests: Mapping[str, int | Sequence[int]]) -> pd.DataFrame:
    """Return which of the tests each percentage can come from, both by name.

    Columns: `percent`, `smallest` (the fraction of fewest clips) and for each name in `tests` the
    fraction "k/n", or "none".
    """
    rows = {}
    for name, percent in percents.items():
        # Of 10,000 clips, each figure can be a share.
        smallest = next(filter(None, (fraction(percent, n) for n in count(1))))
        row: dict[str, Any] = {"percent": percent, "smallest": "{}/{}".format(*smallest)}
        for test, clips in tests.items():
            share = fraction(percent, clips)
            row[test] = "{}/{}".format(*share) if share else "none"
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def chance_of_fit(test: int | Sequence[int]) -> float:
    """Return the probability that a random figure from 0 to 100 is possible in a test."""
    k, n = _numerators(test)
    shares = _WHOLE * k  # n times what is printed: cut off, or rounded with a half up or down
    ways = (shares // n, (2 * shares + n) // (2 * n), -((n - 2 * shares) // (2 * n)))
    return len(np.unique(ways)) / (_WHOLE + 1)
