"""Arithmetic of published figures: which test sets they can come from, whether sums add up.

A share of correct answers among n test clips is k/n for a whole k, so a printed percentage rules
out most n (the GRIM test, granularity-related inconsistency of means: Brown & Heathers 2017). A
figure that fits no stated test set is a question to its authors: a slip of a digit, a mean of
several tests and other clips than stated look alike. Nothing here needs a recording. Notebook 03
asks this of Paper A's Table 2, notebook 09 of its Table 3.

"Accuracy" may also be the mean of the class recalls (macro recall, or balanced accuracy). On
classes of different sizes such a mean has finer steps than k/n: on 6, 5, 6 and 6 clips it is a
number of 120ths.

References: N. J. L. Brown, J. A. J. Heathers (2017). The GRIM test. Social Psychological and
Personality Science 8(4), https://doi.org/10.1177/1948550616673876.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import combinations, combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cryutils.errors import InputError, near_miss

__all__ = [
    "Comparison", "Divisions", "Printing", "chance_of_fit", "class_sizes", "common", "compared",
    "correct", "evaluate", "expected_common", "fitting", "gains", "largest_agreement",
    "largest_pair_share", "macro_recall", "pair_errors", "printings", "shared", "sizes",
]  # fmt: skip


class Printing(StrEnum):
    """How a share becomes a printed percentage."""

    ROUNDED = "rounded"
    CUT = "cut off"
    EITHER = "either"


def correct(
    percent: float, n: int, *, decimals: int = 2, printing: Printing = Printing.EITHER
) -> int | None:
    """Return the k whose k/n is printed as `percent`, or None where no k is.

    Where several k fit, the nearest.

    Parameters
    ----------
    percent : float
        0 to 100.
    n : int
        Size of the test set.
    decimals : int
        That are printed at most.
    printing : Printing
        Rounded, cut off, or either: papers do both (65.51 is 76/116 cut off).
    """
    k, fits = _correct(percent, np.array([n], np.int64), decimals, printing)
    return int(k[0]) if fits[0] else None


def sizes(
    percent: float, *, decimals: int = 2, most: int = 1000, printing: Printing = Printing.EITHER
) -> list[int]:
    """Return every size of a test set, up to `most`, of which `percent` can be a share.

    Parameters
    ----------
    percent, decimals, printing : as in `correct`
    most : int
        Clips.

    Examples
    --------
    >>> sizes(97.41, most=200)
    [116, 155, 193]
    >>> sizes(97.41, most=200, printing=Printing.ROUNDED)
    [116, 193]
    """
    n = np.arange(1, most + 1)
    return n[_correct(percent, n, decimals, printing)[1]].tolist()


def _correct(
    percent: float, n: np.ndarray, decimals: int, printing: Printing
) -> tuple[np.ndarray, np.ndarray]:
    low, high = _numerators(percent, n, decimals, printing)
    whole = 100 * 10**decimals
    nearest = (2 * round(percent * 10**decimals) * n + whole) // (2 * whole)
    return np.clip(nearest, low, np.maximum(low, high)), low <= high


def _numerators(
    percent: float, n: np.ndarray, decimals: int, printing: Printing
) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest k for which k/n is printed as `percent`."""
    if not 0 <= percent <= 100:
        raise InputError(f"{percent}: a percentage lies between 0 and 100.")
    whole = 100 * 10**decimals
    printed = round(percent * 10**decimals)
    # In whole numbers, so that no figure is lost to floating point. Rounding puts the share
    # within half a last digit, both ends counted; cutting off between it and the next digit.
    rounded = -((1 - 2 * printed) * n // (2 * whole)), (2 * printed + 1) * n // (2 * whole)
    cut = -(-printed * n // whole), -(-(printed + 1) * n // whole) - 1
    low, high = {
        Printing.ROUNDED: rounded,
        Printing.CUT: cut,
        Printing.EITHER: (rounded[0], np.maximum(rounded[1], cut[1])),
    }[printing]
    return low, np.minimum(high, n)


def macro_recall(
    percent: float,
    class_sizes: Sequence[int],
    *,
    decimals: int = 2,
    printing: Printing = Printing.EITHER,
) -> str | None:
    """Return the mean of class recalls that is printed as `percent`, or None where no mean is.

    Parameters
    ----------
    percent, decimals, printing : as in `correct`
    class_sizes : sequence of int
        Test clips of each class.

    Examples
    --------
    >>> macro_recall(75.83, [6, 5, 6, 6])  # no k/23 is printed so
    '91/120'
    """
    reachable, n = _recall_numerators(class_sizes)
    (low,), (high,) = _numerators(percent, np.array([n]), decimals, printing)
    fits = reachable[(low <= reachable) & (reachable <= high)]
    return f"{fits[0]}/{n}" if len(fits) else None


def _recall_numerators(class_sizes: Sequence[int]) -> tuple[np.ndarray, int]:
    """Return every numerator that a mean of class recalls can have, and the denominator."""
    common_size = math.lcm(*class_sizes)
    reachable = np.zeros(1, np.int64)
    for size in class_sizes:
        steps = np.arange(size + 1) * (common_size // size)
        reachable = np.unique(reachable[:, None] + steps)
    return reachable, len(class_sizes) * common_size


def common(percents: Iterable[float], *, most: int = 1000) -> list[int]:
    """Return every size, up to `most`, of one test set that all `percents` can be shares of.

    Parameters
    ----------
    percents : iterable of float
        Percentages.
    most : int
        Clips.
    """
    possible = [set(sizes(percent, most=most)) for percent in percents]
    return sorted(set.intersection(*possible)) if possible else []


def largest_agreement(percents: Sequence[float], *, most: int = 1000) -> int:
    """Return how many of `percents` at most can be shares of one test set of up to `most` clips.

    >>> largest_agreement([65.51, 93.75, 97.41], most=160)
    2
    """
    counts = np.zeros(most + 1, int)
    for percent in percents:
        counts[sizes(percent, most=most)] += 1
    return int(counts.max())


def fitting(
    percents: Mapping[str, float], tests: Mapping[str, int | Sequence[int]]
) -> pd.DataFrame:
    """Return which of the test sets named in `tests` each percentage can come from.

    Parameters
    ----------
    percents : mapping
        Percentages by name.
    tests : mapping
        Clips of a test set by name; for a mean of class recalls, the clips of each class.

    Returns
    -------
    pandas.DataFrame
        A row a figure: `percent`, `smallest` (the fraction of fewest clips that is printed so) and
        for each name in `tests` the fraction "k/n", or "none".
    """
    rows = {}
    for name, percent in percents.items():
        # Any n from here on has a k close enough, so the search always ends.
        least = sizes(percent, most=10_000)[0]
        row = {"percent": percent, "smallest": f"{correct(percent, least)}/{least}"}
        for test, n in tests.items():
            if isinstance(n, int):
                k = correct(percent, n)
                row[test] = "none" if k is None else f"{k}/{n}"
            else:
                row[test] = macro_recall(percent, n) or "none"
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def printings(percents: Mapping[str, float], *, most: int = 160) -> pd.DataFrame:
    """Return for each percentage the smallest test set that gives it, by way of printing.

    A table in which one figure can only be rounded and another only cut off was printed in two
    ways.

    Parameters
    ----------
    percents : mapping
        Percentages by name.
    most : int
        Clips.

    Returns
    -------
    pandas.DataFrame
        Columns `rounded` and `cut off`: fewest clips, missing where no size up to `most` serves.
    """
    rows = {
        name: {
            str(printing): next(iter(sizes(percent, most=most, printing=printing)), None)
            for printing in (Printing.ROUNDED, Printing.CUT)
        }
        for name, percent in percents.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").astype("Int64")


def shared(rows: Mapping[str, Iterable[float]], *, most: int = 160) -> pd.DataFrame:
    """Return for each row of a table the one test set that all its figures can come from.

    Parameters
    ----------
    rows : mapping
        Percentages by the row's name.
    most : int
        Clips.

    Returns
    -------
    pandas.DataFrame
        Columns `figures` (the percentages), `smallest` (fewest clips, missing where no size up to
        `most` serves) and `sizes` (how many sizes up to `most` do).
    """
    denominators = {}
    for name, figures in rows.items():
        percents = list(figures)
        serve = common(percents, most=most)
        denominators[name] = {
            "figures": ", ".join(f"{percent:g}" for percent in percents),
            "smallest": serve[0] if serve else None,
            "sizes": len(serve),
        }
    table = pd.DataFrame.from_dict(
        denominators, orient="index", columns=["figures", "smallest", "sizes"]
    )
    return table.astype({"smallest": "Int64"})


def chance_of_fit(test: int | Sequence[int], *, decimals: int = 2) -> float:
    """Return the share of all figures from 0 to 100 that a test set can give.

    This is the probability that a random figure fits. Every share is rounded (a half up or down)
    and cut off.

    Parameters
    ----------
    test : int or sequence of int
        Clips of a test set; for a mean of class recalls, the clips of each class.
    decimals : int
        That are printed.
    """
    return float(_printed_figures(test, decimals).mean())


def _printed_figures(test: int | Sequence[int], decimals: int = 2) -> np.ndarray:
    """Return which figures a test can give, bool, by the figure in units of its last digit."""
    whole = 100 * 10**decimals
    k, n = (np.arange(test + 1), test) if isinstance(test, int) else _recall_numerators(test)
    shares = whole * k  # n times what is printed
    figures = np.zeros(whole + 1, bool)
    for way in (shares // n, (2 * shares + n) // (2 * n), -((n - 2 * shares) // (2 * n))):
        figures[way] = True
    return figures


def expected_common(figures: int, *, most: int = 160, decimals: int = 2) -> float:
    """Return how many sizes up to `most` so many random figures are expected to share.

    The chance that they share any is no larger than this, so it is small where a shared size
    means something.

    Parameters
    ----------
    figures : int
        How many.
    most : int
        Clips.
    decimals : int
        That are printed.
    """
    chances = [chance_of_fit(n, decimals=decimals) for n in range(1, most + 1)]
    return float(np.sum(np.power(chances, figures)))


def gains(percent: float, rivals: Mapping[str, float], *, decimals: int = 2) -> pd.DataFrame:
    """Return what `percent` is above each of `rivals`, in points and relative to the rival.

    Parameters
    ----------
    percent : float
    rivals : mapping
        Percentages by name.
    decimals : int
        That are printed.

    Returns
    -------
    pandas.DataFrame
        Columns `points` (the difference of the printed figures), `least` and `most` (what it can be
        before printing, each figure rounded or cut off), `relative` (in percent of the rival).
    """
    digit = 10.0**-decimals
    rows = {
        name: {
            "points": percent - rival,
            "least": percent - rival - 1.5 * digit,
            "most": percent - rival + 1.5 * digit,
            "relative": 100 * (percent / rival - 1),
        }
        for name, rival in rivals.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


class Comparison(NamedTuple):
    """Two percentages as counts in the smallest test set that both fit, and Fisher's test."""

    better: int
    worse: int
    n: int
    p_value: float


def compared(better: float, worse: float, *, most: int = 10_000) -> Comparison:
    """Return both percentages as clips of the smallest test set that both can be shares of.

    The p-value is Fisher's exact one, two-sided, for two tests of so many clips; models that were
    tested on the same clips would allow a sharper test if their answers were known.

    Parameters
    ----------
    better, worse : float
        Percentages.
    most : int
        Clips.

    Raises
    ------
    InputError
        Percentages that share no test set of up to `most` clips.
    """
    from scipy import stats

    shared_sizes = common([better, worse], most=most)
    if not shared_sizes:
        raise InputError(f"{better} and {worse}: shares of no test set of up to {most} clips.")
    n = shared_sizes[0]
    k = [correct(percent, n) or 0 for percent in (better, worse)]
    p_value = float(stats.fisher_exact([[k[0], n - k[0]], [k[1], n - k[1]]]).pvalue)
    return Comparison(k[0], k[1], n, p_value)


class Divisions(NamedTuple):
    """Ways to divide test clips into classes: one row a way, one column a class (clips).

    by_chance: how many ways random figures would allow on average.
    """

    ways: pd.DataFrame
    by_chance: float


def class_sizes(
    pairs: Mapping[tuple[str, str], Iterable[float]],
    *,
    n: int,
    totals: Iterable[float] = (),
    recalls: bool = False,
) -> Divisions:
    """Return every way to divide `n` test clips into classes that allows all `pairs`' figures.

    Parameters
    ----------
    pairs : mapping
        By two of three classes, the percentages that were printed of a test on these two alone. A
        figure that is printed twice for a pair counts once.
    n : int
        Clips.
    totals : iterable of float
        Percentages of all `n` clips. If one does not fit `n`, there is no way.
    recalls : bool
        The pairs' figures are means of two class recalls, not shares of clips.

    Raises
    ------
    InputError
        Pairs that are not those of three classes.
    """
    names = sorted({name for pair in pairs for name in pair})
    if {frozenset(pair) for pair in pairs} != {frozenset(pair) for pair in combinations(names, 2)}:
        raise InputError(f"{list(pairs)}: give every pair of three classes.")
    if len(names) != 3:
        raise InputError(f"{', '.join(names)}: give three classes.")
    printed = [sorted({round(100 * figure) for figure in pairs[pair]}) for pair in pairs]

    def fit(test: int | tuple[int, int]) -> tuple[list[bool], list[float]]:
        """Return whether each pair's figures fit a test, and the chance that random ones do."""
        possible = _printed_figures(test)
        chances = [float(possible.mean()) ** len(figures) for figures in printed]
        return [bool(possible[figures].all()) for figures in printed], chances

    of_size = np.array([fit(max(size, 1)) for size in range(n + 1)])  # (n + 1, 2, pairs)
    table = of_size[np.add.outer(np.arange(n + 1), np.arange(n + 1)).clip(max=n)]
    for i, j in combinations_with_replacement(range(1, n - 1), 2) if recalls else ():
        if i + j < n:
            table[i, j] = table[j, i] = fit((i, j))
    a, b = np.meshgrid(np.arange(1, n - 1), np.arange(1, n - 1), indexing="ij")
    clips = dict(zip(names, (a, b, n - a - b), strict=True))
    of_pairs = [
        table[np.clip(clips[one], 0, n), np.clip(clips[other], 0, n), :, k]
        for k, (one, other) in enumerate(pairs)
    ]
    allowed, likely = np.moveaxis(np.prod(of_pairs, axis=0), -1, 0)
    exists = clips[names[2]] >= 1
    allowed, likely = exists & (allowed == 1), likely * exists
    if any(correct(percent, n) is None for percent in totals):
        allowed[:] = False
    ways = pd.DataFrame({name: size[allowed] for name, size in clips.items()})
    return Divisions(ways, float(likely.sum()))


def pair_errors(total: float, pair: float, *, n: int) -> pd.DataFrame:
    """Return what each size of a pair's test set makes of `pair`, a percentage, in wrong answers.

    A model of three states that is right `total` percent of `n` times is wrong so often at most
    when it is asked about two of them alone, on the clips of these two.

    Parameters
    ----------
    total, pair : float
        Percentages.
    n : int
        Clips of all three.

    Returns
    -------
    pandas.DataFrame
        Columns `size` (every one up to `n` that `pair` fits), `errors` (in the pair), `allowed` (in
        all `n` clips, rounded up where `total` doesn't fit `n`) and `within` (no more errors than
        allowed).
    """
    k = correct(total, n)
    allowed = n - k if k is not None else int(np.ceil(n * (1 - total / 100)))
    rows = [(size, size - (correct(pair, size) or 0)) for size in sizes(pair, most=n)]
    table = pd.DataFrame(rows, columns=["size", "errors"])
    return table.assign(allowed=allowed, within=table.errors <= allowed)


def largest_pair_share(total: float, pair: float) -> float:
    """Return the largest share of the test clips that a pair can hold, 0 to 1.

    With more, `pair` percent right of the two states alone would be more wrong answers than
    `total` percent right of all three leaves, wherever the wrong ones lie.

    Parameters
    ----------
    total, pair : float
        Percentages.

    Examples
    --------
    >>> round(largest_pair_share(97.41, 86.67), 3)
    0.194
    """
    return 1.0 if pair >= total else (100 - total) / (100 - pair)


def _one_test(most: float, *shares: float) -> float:
    return largest_agreement([round(100 * share, 2) for share in shares], most=int(most))


def _fits(n: float, *shares: float) -> float:
    return sum(correct(round(100 * share, 2), int(n)) is not None for share in shares)


def _fits_recall(a: float, b: float, c: float, d: float, *shares: float) -> float:
    class_sizes = [int(n) for n in (a, b, c, d)]
    return sum(macro_recall(round(100 * share, 2), class_sizes) is not None for share in shares)


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "max": max, "min": min, "one_test": _one_test, "fits": _fits, "fits_recall": _fits_recall,
}  # fmt: skip


def evaluate(rule: str, values: Mapping[str, float]) -> float:
    """Return what `rule` comes to: keys of `values` and numbers, joined by `+ - * /`.

    Also `max(…)`, `min(…)`, `fits(n, …)` (how many of the shares a test of n clips can give),
    `fits_recall(a, b, c, d, …)` (how many of them are means of class recalls on a, b, c and d
    clips) and `one_test(n, …)` (how many of them one test of up to n clips can).

    Raises
    ------
    InputError
        A key that `values` lacks, or another form.
    """
    try:
        return float(_evaluated(ast.parse(rule, mode="eval").body, values))
    except (SyntaxError, TypeError, ZeroDivisionError) as error:
        raise InputError(f"{rule!r}: no rule ({error}).") from error


def _evaluated(node: ast.AST, values: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluated(left, values), _evaluated(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_evaluated(part, values) for part in arguments))
        case ast.Name() | ast.Attribute():
            key = ast.unparse(node)
            if key not in values:
                raise InputError(f"{key!r} is no figure of the ledger.{near_miss(key, values)}")
            return values[key]
    raise InputError(f"{ast.unparse(node)!r}: a rule holds keys, numbers, + - * / and functions.")
