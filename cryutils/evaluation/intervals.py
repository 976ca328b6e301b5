"""How sure a score is, when clips of one infant are no independent evidence.

Notebook 03 prints these beside every score that rebuilds Paper A's Tables 1 and 2; neither
paper gives an interval. The unit that is drawn anew is the infant, so the jackknife deletes
infants, and few infants mean a wide interval. In its functions, `counts` and `sums` are float64
(infants, classes), or (..., infants, classes) where many simulated corpora are worked on at once.

The degrees of freedom were chosen by simulation (`benchmarks/intervals.py`): for scores of 0.25
to 0.85 on DonateACry's classes and donors, where one infant gave half of a class, quantiles with
(infants - 1) degrees cover 87-95 % where 95 % are promised, with (infants of a class - 1) 88-96 %,
those used here 91-98 %. Near 1 all of them fall short, which `measured_coverage` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Protocol, class_indices

__all__ = [
    "Interval", "Metric", "bounds", "clips_by_infant", "degrees_of_freedom", "interval",
    "mean_interval", "measured_coverage", "paired_interval", "score_and_error",
]  # fmt: skip

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


Metric = Literal["balanced_accuracy", "accuracy", "macro_f1"]

# The share assumed where coverage is simulated; clips minutes apart are much alike.
_SIMULATED_ICC = 0.3


@dataclass(frozen=True)
class Interval:
    """A score with its confidence interval over infants.

    `low` and `high` are None where none can be had, and `reason` says why. `df` are the
    degrees of freedom of the t quantile, `se` the jackknife's standard error, `n` the clips,
    `n_infants` the infants, `estimand` what the interval is about, in words.
    """

    value: float
    low: float | None
    high: float | None
    df: float | None
    se: float | None
    n: int
    n_infants: int
    level: float
    estimand: str
    reason: str = ""

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (no interval: {self.reason})"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def row(
        self, key: str, *, protocol: str | None, data: str, n: int | None = None
    ) -> dict[str, Any]:
        """Return a row for `claims.record_table`; `n` where its clips are not its own units."""
        return {
            "key": key, "value": self.value, "low": self.low, "high": self.high,
            "n": self.n if n is None else n, "n_infants": self.n_infants, "protocol": protocol,
            "data": data,
        }  # fmt: skip


def interval(
    predicted: NDArray[np.integer[Any]],
    y: Sequence[str] | NDArray[Any],
    infants: Sequence[str],
    *,
    metric: Metric = "balanced_accuracy",
    protocol: Protocol | str = Protocol.LEAK_FREE,
    level: float = 0.95,
) -> Interval:
    """Return the pooled out-of-fold score, averaged over repeats, with its interval.

    Infants are deleted one by one from the pooled predictions (no model is refitted); the
    variance of what is left, times (infants - 1), is the jackknife's. The t quantile has the
    Satterthwaite degrees of freedom of that variance (Bell & McCaffrey 2002) in a working model
    in which every class varies alike and half of a clip's variance is its infant's. Where no
    deletion changes the score (all right, all wrong), Clopper & Pearson's bound at the effective
    number of infants stands in.

    Args:
        predicted: class indices, integer `(repeats, clips)` or `(clips,)`; -1 where there is
            no prediction, which is wrong.
        y: true labels, or their class indices, `(clips,)`.
        infants: one a clip.
        metric: "balanced_accuracy" (mean of the classes' recalls), "accuracy" or "macro_f1",
            for whose degrees of freedom and bounds balanced accuracy stands in.
        protocol: how the predictions came about; it only changes the estimand's words.
        level: confidence, between 0 and 1.

    Raises:
        InputError: lengths differ, or no such metric.
    """
    sample = _sample(predicted, y, infants)
    words = (
        f"{_in_words(metric, protocol)}, of models trained on about as many infants as here;"
        " how the score varies with the training set is seen only through the repeats"
    )
    return _jackknife(sample, None, metric, level, words)


def paired_interval(
    predicted_a: NDArray[np.integer[Any]],
    predicted_b: NDArray[np.integer[Any]],
    y: Sequence[str] | NDArray[Any],
    infants: Sequence[str],
    *,
    metric: Metric = "balanced_accuracy",
    protocol: Protocol | str = Protocol.LEAK_FREE,
    level: float = 0.95,
) -> Interval:
    """Return how much better A scores than B on the same clips, with its interval over infants.

    The same jackknife as `interval`, on the differences; for use where folds lack a class, or
    where a fold is no fair unit. Arguments as there; A and B may differ in their repeats.
    """
    a, b = _sample(predicted_a, y, infants), _sample(predicted_b, y, infants)
    words = f"model A's less model B's {_in_words(metric, protocol)}"
    return _jackknife(a, b, metric, level, words)


def mean_interval(
    values: NDArray[np.floating[Any]],
    infants: Sequence[str],
    *,
    level: float = 0.95,
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Return the mean of `values`, one a clip, with its jackknife interval over infants.

    Clips with NaN are left out, and `n` counts what remains. Where no deletion changes the mean,
    two finite limits give `interval`'s exact bound, one gives no interval.

    Args:
        values: float `(clips,)`.
        infants: one a clip.
        level: confidence, between 0 and 1.
        limits: lowest and highest that a value can be, which the interval does not leave; (0, 1)
            for shares, (0, np.inf) for rates, None for what may be anything.

    Raises:
        InputError: lengths differ, no value remains, or one lies outside the limits.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (len(infants),):
        raise InputError(
            f"{numbers.shape} values and {len(infants)} infants do not belong together"
        )
    _check_level(level)
    finite = np.isfinite(numbers)
    if not finite.any():
        raise InputError("every value is missing, so there is no mean")
    numbers, whose = numbers[finite], np.asarray(infants)[finite]
    least, most = limits or (-np.inf, np.inf)
    if not (least < most and least <= numbers.min() and numbers.max() <= most):
        raise InputError(
            f"limits={limits} do not hold values from {numbers.min():g} to {numbers.max():g};"
            " give the lowest and the highest that a value can be"
        )
    everyone = np.zeros(len(numbers), dtype=np.int64)
    counts = clips_by_infant(everyone, whose, by_class=False)
    sums = clips_by_infant(everyone, whose, numbers, by_class=False)
    score, se = score_and_error(sums, counts)
    score = np.clip(score, least, most)  # rounding may carry a mean out
    n, n_infants = len(numbers), len(counts)
    words = "expected value on clips of infants like these"
    reason = ""
    if n_infants < 2:
        reason = "all clips come from one infant, so nothing tells how infants differ"
    elif limits and se == 0 and np.isinf(most - least):
        reason = "the same without any infant, so nothing tells how infants differ"
    if reason:
        return Interval(float(score), None, None, None, None, n, n_infants, level, words, reason)
    low, high = _mean_bounds(score, se, counts, level, (least, most))
    df = degrees_of_freedom(counts)
    return Interval(
        float(score), float(low), float(high), df, float(se), n, n_infants, level, words
    )


def _mean_bounds(
    score: Any, se: Any, counts: NDArray[np.float64], level: float, limits: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a mean's interval; the jackknife's exact bound is of shares, so it is scaled."""
    if se > 0:
        return bounds(score, se, counts, level, limits)
    least, width = limits[0], limits[1] - limits[0]
    if np.isinf(width):
        return score, score
    low, high = bounds((score - least) / width, se, counts, level, (0.0, 1.0))
    return np.clip(least + width * low, *limits), np.clip(least + width * high, *limits)


def measured_coverage(
    labels: Sequence[str] | NDArray[Any],
    infants: Sequence[str],
    *,
    value: float,
    metric: Metric = "balanced_accuracy",
    level: float = 0.95,
    icc: float = _SIMULATED_ICC,
    simulations: int = 2000,
    seed: int = 0,
) -> float:
    """Return how often `interval` holds the truth, simulated on these infants' clips.

    Each simulated infant has a share of clips predicted right, drawn from a beta distribution
    around `value`, and as many clips of each class as the real one; its clips are drawn with
    that share (beta-binomial). That models are trained on one another's infants is left out.

    Args:
        labels: one a clip.
        infants: one a clip.
        value: the true score, between 0 and 1; the observed one is the natural choice.
        metric: "balanced_accuracy" or "accuracy".
        level: confidence promised.
        icc: correlation of two clips of one infant, 0 to below 1.
        simulations: draws; 2000 give a standard error of 0.5 % at 95 %.
        seed: the same seed gives the same figure.

    Returns:
        A share between 0 and 1; nan where `interval` gives none (a class with one infant).
    """
    if metric == "macro_f1":
        raise InputError("metric='macro_f1': coverage is simulated for accuracies only")
    if not 0 <= value <= 1 or not 0 <= icc < 1:
        raise InputError(f"value={value} and icc={icc} must be shares, icc below 1")
    y, _ = class_indices(np.asarray(labels).astype(str))
    counts = clips_by_infant(y, infants, by_class=metric == "balanced_accuracy")
    if lone_class(counts) is not None:
        return float("nan")
    rng = np.random.default_rng(seed)
    share = np.full((simulations, len(counts), 1), float(value))
    if icc > 0 and 0 < value < 1:
        a, b = (p * (1 - icc) / icc for p in (value, 1 - value))
        share = rng.beta(a, b, size=share.shape)
    right = rng.binomial(counts.astype(int), np.broadcast_to(share, (simulations, *counts.shape)))
    score, se = score_and_error(right.astype(float), counts)
    low, high = bounds(score, se, counts, level, (0.0, 1.0))
    return float(np.mean((low <= value + 1e-12) & (value <= high + 1e-12)))


_WORDS: dict[str, str] = {
    "balanced_accuracy": "expected balanced accuracy",
    "accuracy": "expected accuracy at these class shares",
    "macro_f1": "expected macro F1 at these class shares",
}


def _in_words(metric: str, protocol: Protocol | str) -> str:
    """Return the estimand of a score: of what, on whose clips."""
    if metric not in _WORDS:
        raise InputError(f"no interval for metric {metric!r}.{near_miss(metric, _WORDS)}")
    if Protocol(protocol) is Protocol.LEAK_FREE:
        return f"{_WORDS[metric]} on clips of new infants like these"
    return f"{_WORDS[metric]} on clips of infants like these who are mostly heard in training too"


class _Sample(NamedTuple):
    """What was predicted for clips of known label and infant."""

    truth: NDArray[np.int64]
    predicted: NDArray[Any]
    infants: Sequence[str]
    names: list[str]


def _sample(
    predicted: NDArray[Any], y: Sequence[str] | NDArray[Any], infants: Sequence[str]
) -> _Sample:
    answers = np.asarray(y)
    if answers.dtype.kind in "iu":
        truth, names = answers.astype(np.int64), [str(k) for k in range(int(answers.max()) + 1)]
    else:
        truth, names = class_indices(answers)
    rows = np.atleast_2d(np.asarray(predicted))
    if rows.ndim != 2 or rows.shape[1] != len(truth) or len(infants) != len(truth):
        raise InputError(
            f"predictions {rows.shape}, labels ({len(truth)},) and infants ({len(infants)},)"
            " do not belong together; give (repeats, clips), (clips,) and (clips,)"
        )
    return _Sample(truth, rows, infants, names)


def _jackknife(a: _Sample, b: _Sample | None, metric: Metric, level: float, words: str) -> Interval:
    """Return A's score, or A's less B's, with its interval."""
    _check_level(level)
    counts = clips_by_infant(a.truth, a.infants, by_class=metric != "accuracy")
    score, se = (_macro_f1 if metric == "macro_f1" else _share_right)(a, b, metric)
    n, n_infants = len(a.truth), len(counts)
    lone = lone_class(counts)
    if lone is not None:
        which = (
            "all clips come"
            if metric == "accuracy"
            else f"class {a.names[np.unique(a.truth)[lone]]!r} comes"
        )
        reason = f"{which} from one infant, so nothing tells how infants differ"
        return Interval(float(score), None, None, None, None, n, n_infants, level, words, reason)
    low, high = bounds(score, se, counts, level, (0.0 if b is None else -1.0, 1.0))
    df = degrees_of_freedom(counts)
    return Interval(
        float(score), float(low), float(high), df, float(se), n, n_infants, level, words
    )


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level={level} is no confidence; use one between 0 and 1, such as 0.95")


def _share_right(
    a: _Sample, b: _Sample | None, metric: Metric
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    by_class = metric == "balanced_accuracy"
    right = (a.predicted == a.truth).mean(axis=0)
    if b is not None:
        right = right - (b.predicted == b.truth).mean(axis=0)
    counts = clips_by_infant(a.truth, a.infants, by_class=by_class)
    sums = clips_by_infant(a.truth, a.infants, right, by_class=by_class)
    return score_and_error(sums, counts)


def _macro_f1(
    a: _Sample, b: _Sample | None, metric: Metric
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    tables = [
        confusions_by_infant(s.truth, s.predicted, s.infants, len(s.names))
        for s in (a, b)
        if s is not None
    ]
    return macro_f1_and_error(*tables)
