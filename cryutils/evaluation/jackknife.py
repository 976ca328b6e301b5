"""The jackknife over infants: sums by infant, standard errors, degrees of freedom, bounds.

Walked by no notebook: `intervals` stands on it and says what it is for. Arrays in, arrays out;
`counts` and `sums` are float64 (infants, classes), or (..., infants, classes) where many
simulated corpora are worked on at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "bounds",
    "clips_by_infant",
    "confusions_by_infant",
    "degrees_of_freedom",
    "lone_class",
    "macro_f1",
    "macro_f1_and_error",
    "score_and_error",
    "t_quantile",
]

# The share of a clip's variance that is its infant's, in the working model for the degrees
# of freedom: halfway between clips that tell all and an infant that tells once.
_WORKING_ICC = 0.5
_NOTHING = 1e-9  # rounding leaves 1e-17 where no deletion changes anything


def clips_by_infant(
    y: NDArray[np.int64], infants: Any, values: NDArray[Any] | None = None, *, by_class: bool
) -> NDArray[np.float64]:
    """Return clips, or the sum of `values` over them, by infant and class (or one column)."""
    group = np.unique(np.asarray(infants), return_inverse=True)[1]
    column = np.unique(y, return_inverse=True)[1] if by_class else 0 * y
    table = np.zeros((group.max() + 1, column.max() + 1))
    np.add.at(table, (group, column), 1.0 if values is None else values)
    return table


def lone_class(counts: NDArray[np.float64]) -> int | None:
    """Return the first class that fewer than two infants have, or None."""
    lone = np.flatnonzero((counts > 0).sum(axis=0) < 2)
    return int(lone[0]) if len(lone) else None


def score_and_error(
    sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the score and its jackknife standard error; `sums` may have leading dimensions."""
    total, size = sums.sum(axis=-2, keepdims=True), counts.sum(axis=0)
    score = (total / size).mean(axis=-1)[..., 0]
    with np.errstate(invalid="ignore"):  # nothing is left of a class of one infant
        without = ((total - sums) / (size - counts)).mean(axis=-1)
    n_infants = counts.shape[0]
    se = np.sqrt((n_infants - 1) * without.var(axis=-1))
    return score, np.where(se < _NOTHING, 0.0, se)


def confusions_by_infant(
    y: NDArray[np.int64], predicted: NDArray[Any], infants: Any, classes: int
) -> NDArray[np.float64]:
    """Return float64 (infants, classes, classes + 1): truth by row, prediction by column.

    `predicted` is (repeats, clips); a repeat counts each clip once, shared by their number.
    The last column holds clips without a prediction (-1).
    """
    group = np.unique(np.asarray(infants), return_inverse=True)[1]
    table = np.zeros((group.max() + 1, classes, classes + 1))
    for row in predicted:
        np.add.at(table, (group, y, row), 1.0 / len(predicted))  # -1 is the last column
    return table


def macro_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the classes' F1 from (..., classes, classes + 1) confusions.

    A class that occurs neither in truth nor in prediction counts as 0, like scikit-learn's.
    """
    classes = confusion.shape[-2]
    right = np.diagonal(confusion[..., :classes], axis1=-2, axis2=-1)
    either = confusion.sum(axis=-1) + confusion[..., :classes].sum(axis=-2)
    return (2 * right / np.where(either > 0, either, 1)).mean(axis=-1)


def macro_f1_and_error(
    tables: NDArray[np.float64], other: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return macro F1 of `confusions_by_infant` (less that of `other`) and its standard error."""
    n_infants = len(tables)
    score = macro_f1(tables.sum(axis=0))
    without = macro_f1(tables.sum(axis=0) - tables)
    if other is not None:
        score = score - macro_f1(other.sum(axis=0))
        without = without - macro_f1(other.sum(axis=0) - other)
    se = np.sqrt((n_infants - 1) * without.var())
    return score, np.where(se < _NOTHING, 0.0, se)


def degrees_of_freedom(counts: NDArray[np.float64]) -> float:
    """Return the Satterthwaite degrees of freedom of the jackknife variance; at least 1.

    Each deletion's effect is linear in the infants' deviations from their classes' means, so
    the variance is a quadratic form e'Be; with S the covariance of e in the working model,
    df = tr(BS)^2 / tr(BSBS).
    """
    n_infants = len(counts)
    centre = np.eye(n_infants) - 1 / n_infants
    spread = np.zeros((n_infants, n_infants))
    for clips in counts.T:
        effect = (np.eye(n_infants) - clips[:, None] / clips.sum()) / (clips.sum() - clips)[:, None]
        effect = centre @ effect * np.sqrt(clips * (1 + (clips - 1) * _WORKING_ICC))
        spread += effect @ effect.T
    return max(1.0, float(np.trace(spread) ** 2 / np.sum(spread**2)))


def bounds(
    score: NDArray[np.float64],
    se: NDArray[np.float64],
    counts: NDArray[np.float64],
    level: float,
    limits: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the interval's ends, clipped to what the score can be."""
    half = t_quantile(degrees_of_freedom(counts), level) * se
    weight = (counts / counts.sum(axis=0)).mean(axis=1)
    exact = 1 - ((1 - level) / 2) ** np.sum(weight**2)
    half = np.where(se == 0, exact, half)
    return np.clip(score - half, *limits), np.clip(score + half, *limits)


def t_quantile(df: float, level: float) -> float:
    """Return how many standard errors an interval of confidence `level` reaches either way."""
    from scipy import stats

    return float(stats.t.ppf((1 + level) / 2, df))
