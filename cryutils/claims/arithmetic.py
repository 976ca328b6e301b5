"""Arithmetic of published figures: which test sets they can come from, whether sums add up.

A share of correct answers among n test clips is k/n for a whole k, so a printed percentage rules
out most n. Notebook 03 asks this of Paper A's Table 2, notebook 09 of its Table 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from cryutils.errors import InputError

__all__ = ["common", "correct", "evaluate", "fitting", "shared", "sizes"]


def correct(percent: float, n: int, *, decimals: int = 2) -> int | None:
    """Return the k whose k/n is printed as `percent`, or None where no k is.

    `percent` lies between 0 and 100 and is printed with at most `decimals` decimals, rounded or
    cut off: papers do both (65.51 is 76/116 cut off). Where several k fit, the nearest.
    """
    k, fits = _correct(percent, np.array([n], np.int64), decimals)
    return int(k[0]) if fits[0] else None


def sizes(percent: float, *, decimals: int = 2, most: int = 1000) -> list[int]:
    """Return every size of a test set, up to `most`, of which `percent` can be a share.

    >>> sizes(97.41, most=200)
    [116, 155, 193]
    """
    n = np.arange(1, most + 1)
    return n[_correct(percent, n, decimals)[1]].tolist()


def _correct(percent: float, n: np.ndarray, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    if not 0 <= percent <= 100:
        raise InputError(f"{percent}: a percentage lies between 0 and 100.")
    whole = 100 * 10**decimals
    printed = round(percent * 10**decimals)
    # In whole numbers, so that no figure is lost to floating point: rounding gives the lower
    # bound, half a last digit below what is printed, cutting off the upper, a full one above.
    low = -((1 - 2 * printed) * n // (2 * whole))
    high = np.minimum(-(-(printed + 1) * n // whole) - 1, n)
    nearest = (2 * printed * n + whole) // (2 * whole)
    return np.clip(nearest, low, np.maximum(low, high)), low <= high


def common(percents: Iterable[float], *, most: int = 1000) -> list[int]:
    """Return every size, up to `most`, of one test set that all `percents` can be shares of."""
    possible = [set(sizes(percent, most=most)) for percent in percents]
    return sorted(set.intersection(*possible)) if possible else []


def fitting(percents: Mapping[str, float], tests: Mapping[str, int]) -> pd.DataFrame:
    """Return which of the test sets named in `tests` each percentage can come from.

    One row a figure: `percent`, `smallest` (the fraction of fewest clips that is printed so) and
    for each name in `tests` the fraction "k/n", or "none".
    """
    rows = {}
    for name, percent in percents.items():
        # Any n from here on has a k close enough, so the search always ends.
        least = sizes(percent, most=10_000)[0]
        row = {"percent": percent, "smallest": f"{correct(percent, least)}/{least}"}
        for test, n in tests.items():
            k = correct(percent, n)
            row[test] = "none" if k is None else f"{k}/{n}"
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def shared(rows: Mapping[str, Iterable[float]], *, most: int = 160) -> pd.DataFrame:
    """Return for each row of a table the one test set that all its figures can come from.

    Columns: `figures` (the percentages), `smallest` (fewest clips, missing where no size up to
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


def evaluate(rule: str, values: Mapping[str, float]) -> float:
    """Return what `rule` comes to: keys of `values` joined by " * " or " - ", left to right.

    Raises InputError for a key that `values` lacks, or for another form.
    """
    first, *rest = re.split(r" ([*-]) ", rule)
    unknown = [key for key in (first, *rest[1::2]) if key not in values]
    if unknown:
        raise InputError(f"{rule}: {unknown[0]!r} is no figure of the ledger.")
    total = values[first]
    for sign, key in zip(rest[::2], rest[1::2], strict=True):
        total = total * values[key] if sign == "*" else total - values[key]
    return float(total)
