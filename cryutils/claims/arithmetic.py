"""Which test sets a printed percentage can come from.

A share of correct answers among n test clips is k/n for a whole k, so a printed percentage rules
out most n (the GRIM test, N. J. L. Brown and J. A. J. Heathers 2017, The GRIM test, Social
Psychological and Personality Science 8(4), https://doi.org/10.1177/1948550616673876). "Accuracy"
may also be the mean of the class recalls. On classes of different sizes such a mean has finer steps
than k/n: on 6, 5, 6 and 6 clips it is a number of 120ths. A figure that fits no stated test set is
a question to its authors: a slip of a digit, a mean of several tests and other clips than stated
look alike. Used in notebook 09, appendix_table2 and appendix_table3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from cryutils.errors import InputError

__all__ = ["chance_of_fit", "class_sizes", "correct", "fitting", "macro_recall", "sizes"]

Printing = Literal["rounded", "cut off", "either"]  # how a share becomes a printed percentage
_WHOLE = 10_000  # 100 %, in units of the last digit of a figure with two decimals


def correct(percent: float, n: int) -> int | None:
    """Return the k whose k/n is printed as `percent`, or None if there is none.

    If several k fit, the nearest. A share is rounded or cut off to two decimals: papers do both
    (65.51 is 76/116 cut off). Raises InputError if `percent` is impossible.

    >>> correct(97.41, 116)
    113
    """
    figure = _in_hundredths(percent)
    nearest, above = (2 * figure * n + _WHOLE) // (2 * _WHOLE), -(-figure * n // _WHOLE)
    return next((k for k in (nearest, above) if _fits(figure, k, n)), None)


def sizes(percent: float, *, most: int = 1000, printing: Printing = "either") -> list[int]:
    """Return every size of a test set, up to `most` clips, of which `percent` can be a share.

    >>> sizes(97.41, most=200)
    [116, 155, 193]
    >>> sizes(97.41, most=200, printing="rounded")
    [116, 193]
    """
    figure, n = _in_hundredths(percent), np.arange(1, most + 1)
    below = figure * n // _WHOLE
    above = np.minimum(below + 1, n)
    return n[_fits(figure, below, n, printing) | _fits(figure, above, n, printing)].tolist()


def _in_hundredths(percent: float) -> int:
    """Return a percentage in units of its last digit."""
    if not 0 <= percent <= 100:
        raise InputError(f"{percent}: give a percentage, 0 to 100, such as 83.33.")
    return round(100 * percent)


def _fits(figure: int, k: Any, n: Any, printing: Printing = "either") -> Any:
    """Return whether k/n is printed as `figure`, in units of its last digit."""
    beyond = _WHOLE * k - figure * n  # whole numbers, so that nothing is lost to floating point
    rounded, cut = 2 * abs(beyond) <= n, (beyond >= 0) & (beyond < n)
    return {"rounded": rounded, "cut off": cut, "either": rounded | cut}[printing]


def macro_recall(percent: float, class_sizes: Sequence[int]) -> str | None:
    """Return the mean of class recalls that is printed as `percent`, or None if there is none.

    class_sizes: test clips of each class.

    >>> macro_recall(75.83, [6, 5, 6, 6])  # no k/23 is printed so
    '91/120'
    """
    reachable, n = _recall_numerators(class_sizes)
    fits = reachable[_fits(_in_hundredths(percent), reachable, n)]
    return f"{fits[0]}/{n}" if len(fits) else None


def _recall_numerators(class_sizes: Sequence[int]) -> tuple[np.ndarray, int]:
    """Return every numerator that a mean of class recalls can have, and the denominator."""
    common_size = math.lcm(*class_sizes)
    reachable = np.zeros(1, np.int64)
    for size in class_sizes:
        steps = np.arange(size + 1) * (common_size // size)
        reachable = np.unique(reachable[:, None] + steps)
    return reachable, len(class_sizes) * common_size


def fitting(percents: Mapping[str, float], tests: Mapping[str, int | Sequence[int]]) -> pd.DataFrame:
    """Return which of the test sets named in `tests` each percentage can come from.

    percents: percentages by name. tests: clips of a test set by name; for a mean of class recalls,
    the clips of each class. Columns: `percent`, `smallest` (the fraction of fewest clips) and for
    each name in `tests` the fraction "k/n", or "none".
    """
    rows = {}
    for name, percent in percents.items():
        least = sizes(percent, most=_WHOLE)[0]  # of 10,000 clips, each figure can be a share
        row: dict[str, Any] = {"percent": percent, "smallest": f"{correct(percent, least)}/{least}"}
        for test, n in tests.items():
            if isinstance(n, int):
                k = correct(percent, n)
                row[test] = "none" if k is None else f"{k}/{n}"
            else:
                row[test] = macro_recall(percent, n) or "none"
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def chance_of_fit(test: int | Sequence[int]) -> float:
    """Return the probability that a random figure from 0 to 100 is possible in a test set.

    test: clips of a test set; for a mean of class recalls, the clips of each class.
    """
    return float(_printed_figures(test).mean())


def _printed_figures(test: int | Sequence[int]) -> np.ndarray:
    """Return which figures a test can give, bool, by the figure in units of its last digit."""
    k, n = (np.arange(test + 1), test) if isinstance(test, int) else _recall_numerators(test)
    shares = _WHOLE * k  # n times what is printed: cut off, or rounded with a half up or down
    figures = np.zeros(_WHOLE + 1, bool)
    for way in (shares // n, (2 * shares + n) // (2 * n), -((n - 2 * shares) // (2 * n))):
        figures[way] = True
    return figures


def class_sizes(
    pairs: Mapping[tuple[str, str], Iterable[float]], *, n: int, recalls: bool = False
) -> tuple[pd.DataFrame, float]:
    """Return every way to divide `n` test clips into classes that allows all `pairs`' figures.

    pairs: by two of three classes, the percentages that were printed of a test on these two alone,
    with two decimals.
    recalls: the figures are means of two class recalls, not shares of clips.

    Returns a row for each way, with a column of clips for each class, and how many ways random
    figures would allow on average.
    """
    names = sorted({name for pair in pairs for name in pair})
    printed = [sorted({round(100 * figure) for figure in pairs[pair]}) for pair in pairs]

    @cache
    def fits(test: int | tuple[int, ...]) -> list[tuple[bool, float]]:
        """Return by pair whether its figures fit a test, and the chance that random ones do."""
        possible = _printed_figures(test)
        chance = float(possible.mean())
        return [(bool(possible[figures].all()), chance ** len(figures)) for figures in printed]

    ways, chances = [], []
    for a, b in combinations(range(1, n), 2):  # the first clip of the second and the third class
        clips = dict(zip(names, (a, b - a, n - b), strict=True))
        tests = [sorted((clips[one], clips[other])) for one, other in pairs]
        of_pairs = [fits(tuple(test) if recalls else sum(test))[k] for k, test in enumerate(tests)]
        if all(allowed for allowed, _ in of_pairs):
            ways.append(clips)
        chances.append(math.prod(chance for _, chance in of_pairs))
    return pd.DataFrame(ways, columns=names), sum(chances)
