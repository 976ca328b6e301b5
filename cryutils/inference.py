"""How sure a score is, when clips of one infant are no independent evidence.

Notebook 03 prints these beside every score that rebuilds Paper A's Tables 1 and 2; neither
paper gives an interval. The unit that is drawn anew is the infant, so the jackknife deletes
infants, and few infants mean a wide interval. Import these names from `cryutils.evaluation`.

The degrees of freedom were chosen by simulation (`benchmarks/intervals.py`): for scores of 0.25
to 0.85 on DonateACry's classes and donors, where one infant gave half of a class, quantiles with
(infants - 1) degrees cover 87-95 % where 95 % are promised, with (infants of a class - 1) 88-96 %,
those used here 91-98 %. Near 1 all of them fall short, which `measured_coverage` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError, near_miss
from cryutils.splits import Protocol, class_indices

__all__ = [
    "Interval",
    "Metric",
    "interval",
    "measured_coverage",
    "paired_interval",
]

Metric = Literal["balanced_accuracy", "accuracy"]

# The share of a clip's variance that is its infant's, in the working model for the degrees
# of freedom: halfway between clips that tell all and an infant that tells once.
_WORKING_ICC = 0.5
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
        predicted: class indices, integer `(repeats, clips)` or `(clips,)`.
        y: true labels, or their class indices, `(clips,)`.
        infants: one a clip.
        metric: "balanced_accuracy" (mean of the classes' recalls) or "accuracy".
        protocol: how the predictions came about; it only changes the estimand's words.
        level: confidence, between 0 and 1.

    Raises:
        InputError: lengths differ, or no such metric.
    """
    truth, right, names = _correctness(predicted, y, infants)
    words = (
        f"{_in_words(metric, protocol)}, of models trained on about as many infants as here;"
        " how the score varies with the training set is seen only through the repeats"
    )
    return _jackknife(right, truth, names, infants, metric, level, words, (0.0, 1.0))


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
    truth, right_a, names = _correctness(predicted_a, y, infants)
    _, right_b, _ = _correctness(predicted_b, y, infants)
    words = f"model A's less model B's {_in_words(metric, protocol)}"
    difference = right_a - right_b
    return _jackknife(difference, truth, names, infants, metric, level, words, (-1.0, 1.0))


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
        metric: as in `interval`.
        level: confidence promised.
        icc: correlation of two clips of one infant, 0 to below 1.
        simulations: draws; 2000 give a standard error of 0.5 % at 95 %.
        seed: the same seed gives the same figure.

    Returns:
        A share between 0 and 1; nan where `interval` gives none (a class with one infant).
    """
    if not 0 <= value <= 1 or not 0 <= icc < 1:
        raise InputError(f"value={value} and icc={icc} must be shares, icc below 1")
    y, _ = class_indices(np.asarray(labels).astype(str))
    counts = _clips_by_infant(y, infants, metric)
    if _lone_class(counts) is not None:
        return float("nan")
    rng = np.random.default_rng(seed)
    share = np.full((simulations, len(counts), 1), float(value))
    if icc > 0 and 0 < value < 1:
        a, b = (p * (1 - icc) / icc for p in (value, 1 - value))
        share = rng.beta(a, b, size=share.shape)
    right = rng.binomial(counts.astype(int), np.broadcast_to(share, (simulations, *counts.shape)))
    score, se = _score_and_error(right.astype(float), counts)
    low, high = _bounds(score, se, counts, level, (0.0, 1.0))
    return float(np.mean((low <= value + 1e-12) & (value <= high + 1e-12)))


_WORDS: dict[str, str] = {
    "balanced_accuracy": "expected balanced accuracy",
    "accuracy": "expected accuracy at these class shares",
}


def _in_words(metric: str, protocol: Protocol | str) -> str:
    """Return the estimand of a score: of what, on whose clips."""
    if metric not in _WORDS:
        raise InputError(f"no interval for metric {metric!r}.{near_miss(metric, _WORDS)}")
    if Protocol(protocol) is Protocol.LEAK_FREE:
        return f"{_WORDS[metric]} on clips of new infants like these"
    return f"{_WORDS[metric]} on clips of infants like these who are mostly heard in training too"


def _correctness(
    predicted: NDArray[Any], y: Sequence[str] | NDArray[Any], infants: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    """Return class indices, the share of repeats that got each clip right, the classes' names."""
    given = np.asarray(y)
    if given.dtype.kind in "iu":
        truth, names = given.astype(np.int64), [str(k) for k in range(int(given.max()) + 1)]
    else:
        truth, names = class_indices(given)
    rows = np.atleast_2d(np.asarray(predicted))
    if rows.ndim != 2 or rows.shape[1] != len(truth) or len(infants) != len(truth):
        raise InputError(
            f"predictions {rows.shape}, labels ({len(truth)},) and infants ({len(infants)},)"
            " do not belong together; give (repeats, clips), (clips,) and (clips,)"
        )
    return truth, (rows == truth).mean(axis=0), names


def _clips_by_infant(
    y: NDArray[np.int64], infants: Sequence[str], metric: str, values: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return clips, or the sum of `values` over them, by infant and class (one for accuracy)."""
    group = np.unique(np.asarray(infants), return_inverse=True)[1]
    column = np.unique(y, return_inverse=True)[1] if metric == "balanced_accuracy" else 0 * y
    table = np.zeros((group.max() + 1, column.max() + 1))
    np.add.at(table, (group, column), 1.0 if values is None else values)
    return table


def _lone_class(counts: NDArray[np.float64]) -> int | None:
    """Return the first class that fewer than two infants have, or None."""
    lone = np.flatnonzero((counts > 0).sum(axis=0) < 2)
    return int(lone[0]) if len(lone) else None


def _jackknife(
    right: NDArray[np.float64],
    y: NDArray[np.int64],
    names: list[str],
    infants: Sequence[str],
    metric: Metric,
    level: float,
    words: str,
    limits: tuple[float, float],
) -> Interval:
    if not 0 < level < 1:
        raise InputError(f"level={level} is no confidence; use one between 0 and 1, such as 0.95")
    counts = _clips_by_infant(y, infants, metric)
    sums = _clips_by_infant(y, infants, metric, right)
    n, n_infants = len(y), len(counts)
    lone = _lone_class(counts)
    if lone is not None:
        value = float((sums.sum(axis=0) / counts.sum(axis=0)).mean())
        present = np.unique(y)
        which = (
            "all clips come" if metric == "accuracy" else f"class {names[present[lone]]!r} comes"
        )
        reason = f"{which} from one infant, so nothing tells how infants differ"
        return Interval(value, None, None, None, None, n, n_infants, level, words, reason)
    score, se = _score_and_error(sums, counts)
    low, high = _bounds(score, se, counts, level, limits)
    df = _degrees_of_freedom(counts)
    return Interval(
        float(score), float(low), float(high), df, float(se), n, n_infants, level, words
    )


def _score_and_error(
    sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the score and its jackknife standard error; `sums` may have leading dimensions."""
    total, size = sums.sum(axis=-2, keepdims=True), counts.sum(axis=0)
    score = (total / size).mean(axis=-1)[..., 0]
    without = ((total - sums) / (size - counts)).mean(axis=-1)
    n_infants = counts.shape[0]
    se = np.sqrt((n_infants - 1) * without.var(axis=-1))
    # Rounding leaves 1e-17 where no deletion changes anything.
    return score, np.where(se < 1e-9, 0.0, se)


def _degrees_of_freedom(counts: NDArray[np.float64]) -> float:
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


def _bounds(
    score: NDArray[np.float64],
    se: NDArray[np.float64],
    counts: NDArray[np.float64],
    level: float,
    limits: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the interval's ends, clipped to what the score can be."""
    from scipy import stats

    half = stats.t.ppf((1 + level) / 2, _degrees_of_freedom(counts)) * se
    weight = (counts / counts.sum(axis=0)).mean(axis=1)
    exact = 1 - ((1 - level) / 2) ** np.sum(weight**2)
    half = np.where(se == 0, exact, half)
    return np.clip(score - half, *limits), np.clip(score + half, *limits)
