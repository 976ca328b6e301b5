"""Arithmetic of published figures: which test sets they can come from, whether sums add up.

A share of correct answers among n test clips is k/n for a whole k, so a printed percentage rules
out most n (the GRIM test, granularity-related inconsistency of means: Brown & Heathers 2017). A
figure that fits no stated test set is a question to its authors: a slip of a digit, a mean of
several tests and other clips than stated look alike. Nothing here needs a recording. Notebook 03
asks this of Paper A's Table 2, `appendix_table3` of its Table 3.

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
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from cryutils.errors import InputError, near_miss

__all__ = [
    "Comparison", "Divisions", "chance_of_fit", "class_sizes", "common", "compared", "correct",
    "evaluate", "expected_common", "fitting", "gains", "largest_pair_share", "macro_recall",
    "pair_errors", "printings", "shared", "sizes",
]  # fmt: skip

Printing = Literal["rounded", "cut off", "either"]  # how a share becomes a printed percentage
_WHOLE = 10_000  # 100 %, in units of the last printed digit; every figure is a share of so many


def correct(percent: float, n: int) -> int | None:
    """Return the k whose k/n is printed as `percent`, or None where no k is.

    Where several k fit, the nearest. A share is rounded or cut off to two decimals: papers do both
    (65.51 is 76/116 cut off).

    >>> correct(97.41, 116)
    113
    """
    (low,), (high,) = _numerators(percent, np.array([n]))
    nearest = (2 * round(100 * percent) * n + _WHOLE) // (2 * _WHOLE)
    return int(min(max(nearest, low), high)) if low <= high else None


def sizes(percent: float, *, most: int = 1000, printing: Printing = "either") -> list[int]:
    """Return every size of a test set, up to `most` clips, of which `percent` can be a share.

    >>> sizes(97.41, most=200)
    [116, 155, 193]
    >>> sizes(97.41, most=200, printing="rounded")
    [116, 193]
    """
    n = np.arange(1, most + 1)
    low, high = _numerators(percent, n, printing)
    return n[low <= high].tolist()


def _numerators(
    percent: float, n: np.ndarray, printing: Printing = "either"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest k for which k/n is printed as `percent`."""
    if not 0 <= percent <= 100:
        raise InputError(f"{percent}: a percentage lies between 0 and 100.")
    printed = round(100 * percent)
    # In whole numbers, so that no figure is lost to floating point. Rounding puts the share
    # within half a last digit, both ends counted; cutting off between it and the next digit.
    rounded = -((1 - 2 * printed) * n // (2 * _WHOLE)), (2 * printed + 1) * n // (2 * _WHOLE)
    cut = -(-printed * n // _WHOLE), -(-(printed + 1) * n // _WHOLE) - 1
    low, high = {
        "rounded": rounded,
        "cut off": cut,
        "either": (rounded[0], np.maximum(rounded[1], cut[1])),
    }[printing]
    return low, np.minimum(high, n)


def macro_recall(percent: float, class_sizes: Sequence[int]) -> str | None:
    """Return the mean of class recalls that is printed as `percent`, or None where no mean is.

    class_sizes: test clips of each class.

    >>> macro_recall(75.83, [6, 5, 6, 6])  # no k/23 is printed so
    '91/120'
    """
    reachable, n = _recall_numerators(class_sizes)
    (low,), (high,) = _numerators(percent, np.array([n]))
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
    """Return every size, up to `most` clips, of one test that all `percents` can be shares of."""
    return sorted(set.intersection(*(set(sizes(percent, most=most)) for percent in percents)))


def fitting(
    percents: Mapping[str, float], tests: Mapping[str, int | Sequence[int]]
) -> pd.DataFrame:
    """Return which of the test sets named in `tests` each percentage can come from.

    percents: percentages by name. tests: clips of a test set by name; for a mean of class recalls,
    the clips of each class. A row a figure, columns: `percent`, `smallest` (the fraction of fewest
    clips that is printed so) and for each name in `tests` the fraction "k/n", or "none".
    """
    rows = {}
    for name, percent in percents.items():
        least = sizes(percent, most=_WHOLE)[0]
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

    percents: percentages by name. Columns: `rounded` and `cut off`, in clips, missing where no size
    up to `most` serves.
    """
    ways: tuple[Printing, ...] = ("rounded", "cut off")
    rows = {
        name: {way: next(iter(sizes(percent, most=most, printing=way)), None) for way in ways}
        for name, percent in percents.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").astype("Int64")


def shared(rows: Mapping[str, Sequence[float]], *, most: int = 160) -> pd.DataFrame:
    """Return for each row of a table the one test set that all its figures can come from.

    rows: percentages by the row's name. Columns: `figures` (the percentages), `smallest` (fewest
    clips, missing where no size up to `most` serves) and `sizes` (how many sizes up to `most` do).
    """
    denominators = {}
    for name, percents in rows.items():
        serve = common(percents, most=most)
        denominators[name] = {
            "figures": ", ".join(f"{percent:g}" for percent in percents),
            "smallest": serve[0] if serve else None,
            "sizes": len(serve),
        }
    return pd.DataFrame.from_dict(denominators, orient="index").astype({"smallest": "Int64"})


def chance_of_fit(test: int | Sequence[int]) -> float:
    """Return the share of all figures from 0 to 100 that a test set can give.

    This is the probability that a random figure fits. Every share is rounded (a half up or down)
    and cut off to two decimals.

    test: clips of a test set; for a mean of class recalls, the clips of each class.
    """
    return float(_printed_figures(test).mean())


def _printed_figures(test: int | Sequence[int]) -> np.ndarray:
    """Return which figures a test can give, bool, by the figure in units of its last digit."""
    k, n = (np.arange(test + 1), test) if isinstance(test, int) else _recall_numerators(test)
    shares = _WHOLE * k  # n times what is printed
    figures = np.zeros(_WHOLE + 1, bool)
    for way in (shares // n, (2 * shares + n) // (2 * n), -((n - 2 * shares) // (2 * n))):
        figures[way] = True
    return figures


def expected_common(figures: int, *, most: int = 160) -> float:
    """Return how many sizes up to `most` clips so many random figures are expected to share.

    The chance that they share any is no larger than this, so it is small where a shared size
    means something.
    """
    chances = [chance_of_fit(n) for n in range(1, most + 1)]
    return float(np.sum(np.power(chances, figures)))


def gains(percent: float, rivals: Mapping[str, float]) -> pd.DataFrame:
    """Return what `percent` is above each of `rivals`, percentages by name.

    Columns: `points` (the difference of the printed figures), `least` and `most` (what it can be
    before printing, each figure rounded or cut off to two decimals), `relative` (in percent of the
    rival).
    """
    rows = {
        name: {
            "points": percent - rival,
            "least": percent - rival - 0.015,
            "most": percent - rival + 0.015,
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


def compared(better: float, worse: float) -> Comparison:
    """Return both percentages as clips of the smallest test set that both can be shares of.

    The p-value is Fisher's exact one, two-sided, for two tests of so many clips; models that were
    tested on the same clips would allow a sharper test if their answers were known.
    """
    from scipy import stats

    n = common([better, worse], most=_WHOLE)[0]
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
    pairs: Mapping[tuple[str, str], Iterable[float]], *, n: int, recalls: bool = False
) -> Divisions:
    """Return every way to divide `n` test clips into classes that allows all `pairs`' figures.

    pairs: by two of three classes, the percentages that were printed of a test on these two alone.
    A figure that is printed twice for a pair counts once. recalls: the pairs' figures are means of
    two class recalls, not shares of clips.

    Raises
    ------
    InputError
        Pairs that are not those of three classes.
    """
    names = sorted({name for pair in pairs for name in pair})
    if len(names) != 3 or len({frozenset(pair) for pair in pairs}) != 3:
        raise InputError(f"{list(pairs)}: give every pair of three classes.")
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
    return Divisions(pd.DataFrame(ways, columns=names), sum(chances))


def pair_errors(total: float, pair: float, *, n: int) -> pd.DataFrame:
    """Return what each size of a pair's test set makes of `pair`, a percentage, in wrong answers.

    A model of three states that is right `total` percent of `n` times is wrong so often at most
    when it is asked about two of them alone, on the clips of these two.

    total, pair: percentages. n: clips of all three. Columns: `size` (every one up to `n` that
    `pair` fits), `errors` (in the pair), `allowed` (in all `n` clips, rounded up where `total`
    doesn't fit `n`) and `within` (no more errors than allowed).
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

    >>> round(largest_pair_share(97.41, 86.67), 3)
    0.194
    """
    return 1.0 if pair >= total else (100 - total) / (100 - pair)


def _one_test(most: float, *shares: float) -> float:
    fitting_sizes = [sizes(round(100 * share, 2), most=int(most)) for share in shares]
    return max(Counter(chain.from_iterable(fitting_sizes)).values(), default=0)


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
