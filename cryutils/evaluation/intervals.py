"""How sure a score is, when clips of one infant are no independent evidence.

Notebook 03 prints these beside every score that rebuilds Paper A's Tables 1 and 2; neither
paper gives an interval. The unit that is drawn anew is the infant. A score is made of *parts*,
each a share of clips: the recalls of the classes for balanced accuracy, all clips for accuracy;
for macro F1 the share J that is right among the clips that are of a class or are called so,
since F1 = 2J / (1 + J). A part has Clopper & Pearson's bounds at the number of independent clips
that would vary as much as its clips do by the jackknife over infants (Korn & Graubard 1998, Survey
Methodology 24:193). So a class of which nothing is recognised is not taken for certain. The
bounds of parts make those of the score by MOVER, with the parts' correlations (Zou & Donner
2008, doi 10.1002/sim.3095). Where a score is the mean of repeats, each with folds and trainings of
its own, what these differ by widens the bounds in the same way.

In `combined`, `right` and `clips` are float64 (infants, parts), or (..., infants, parts) for many
simulated corpora at once: `benchmarks/intervals.py` simulates how often the intervals cover the
true score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Fold, Names, Protocol, class_indices, fold_numbers

__all__ = [
    "Interval",
    "Metric",
    "add_between_run_variance",
    "auc_interval",
    "combined",
    "degrees_of_freedom",
    "interval",
    "mean_interval",
    "paired_interval",
    "part_degrees",
]  # fmt: skip

Array = NDArray[np.float64]
Metric = Literal["balanced_accuracy", "accuracy", "macro_f1"]

# The share of a clip's variance that is its infant's, in the working model for degrees of freedom
# and for parts in which nothing varies: halfway between clips that tell all and an infant that
# tells once.
_WORKING_ICC = 0.5
_NOTHING = 1e-9  # rounding leaves 1e-17 where no deletion changes anything


class Bounds(NamedTuple):
    """A score with its interval's ends and its jackknife standard error, float64 (...)."""

    score: Array
    low: Array
    high: Array
    se: Array


def combined(
    right: Array,
    clips: Array,
    weights: Sequence[float] | Array,
    *,
    df: float | Array,
    level: float,
    f1: bool = False,
) -> Bounds:
    """Return the sum of `weights` times the parts' shares (or their F1), with its interval.

    df: degrees of freedom of each part's variance, (parts,).
    """
    total, size = right.sum(axis=-2, keepdims=True), clips.sum(axis=-2, keepdims=True)
    share, without = (total / size)[..., 0, :], (total - right) / (size - clips)
    return _joined(
        share, without, size[..., 0, :], _by_model(clips), weights, df=df, level=level, f1=f1
    )


def _joined(
    share: Array,
    without: Array,
    most: Array,
    by_model: Array,
    weights: Sequence[float] | Array,
    *,
    df: float | Array,
    level: float,
    f1: bool = False,
) -> Bounds:
    """Return what `combined` does, from shares and what they are `without` each infant, in turn."""
    weights = np.asarray(weights)
    variance = _jackknife(without).diagonal(axis1=-2, axis2=-1)
    low, high = _share_bounds(share, variance, most, by_model, df, level)
    if f1:
        share, low, high, without = (2 * j / (1 + j) for j in (share, low, high, without))
    covariance = _jackknife(without)
    sd = np.sqrt(covariance.diagonal(axis1=-2, axis2=-1))
    product = sd[..., :, None] * sd[..., None, :]
    # Drawn towards 0 by one infant, for two parts that always move together may do so by chance.
    certain = 1 - 1 / without.shape[-2]
    correlation = np.divide(covariance, product, out=np.zeros_like(product), where=product > 0)
    correlation = np.where(np.eye(len(weights), dtype=bool), 1.0, certain * correlation)

    def reach(below: Array, above: Array) -> Array:
        each = weights * np.where(weights > 0, below, above)
        squared = np.einsum("...j,...jk,...k->...", each, correlation, each)
        return np.sqrt(np.maximum(squared, 0))

    score = (weights * share).sum(axis=-1)
    ends = weights[weights < 0].sum(), weights[weights > 0].sum()
    return Bounds(
        score,
        np.clip(score - reach(share - low, high - share), *ends),
        np.clip(score + reach(high - share, share - low), *ends),
        np.sqrt(np.maximum(np.einsum("j,...jk,k->...", weights, covariance, weights), 0)),
    )


def _jackknife(without: Array) -> Array:
    """Return the covariance (..., parts, parts) of what scores without each infant, in turn."""
    infants = without.shape[-2]
    deviation = without - without.mean(axis=-2, keepdims=True)
    deviation = np.where(np.abs(deviation) < _NOTHING, 0.0, deviation)
    return (infants - 1) / infants * np.swapaxes(deviation, -1, -2) @ deviation


def _by_model(clips: Array) -> Array:
    """Return the effective number of clips of each part, (..., parts), by the working model."""
    n = clips.sum(axis=-2)
    return n / (1 + ((clips**2).sum(axis=-2) / n - 1) * _WORKING_ICC)


def _share_bounds(
    share: Array, variance: Array, most: Array, by_model: Array, df: float | Array, level: float
) -> tuple[Array, Array]:
    """Return Clopper & Pearson's bounds (..., parts) at each part's effective number of clips.

    That is at most `most`, and `by_model` where nothing varies.
    """
    from scipy.special import betaincinv  # as `scipy.stats.beta.ppf`, but for its checks

    tail = (1 - level) / 2
    effective = np.divide(share * (1 - share), variance, out=by_model.copy(), where=variance > 0)
    raised = (t_quantile(most - 1, level) / t_quantile(df, level)) ** 2
    effective = np.minimum(effective, most) * raised
    right = effective * share
    low = betaincinv(np.where(share > 0, right, 1), effective - right + 1, tail)
    high = betaincinv(right + 1, np.where(share < 1, effective - right, 1), 1 - tail)
    return np.where(share > 0, low, 0.0), np.where(share < 1, high, 1.0)


def t_quantile(df: float | Array, level: float) -> Any:
    """Return how many standard errors an interval of confidence `level` reaches either way."""
    from scipy.special import stdtrit  # as `scipy.stats.t.ppf`, but for its checks

    return stdtrit(df, (1 + level) / 2)


def degrees_of_freedom(clips: Array) -> float:
    """Return the Satterthwaite degrees of freedom of the variance of a mean of parts; at least 1.

    Each deletion's effect is linear in the infants' deviations from their parts' means, so
    the variance is a quadratic form e'Be; with S the covariance of e in the working model (every
    part varies alike, half of a clip's variance is its infant's), df = tr(BS)^2 / tr(BSBS)
    (Bell & McCaffrey 2002).
    """
    n_infants = len(clips)
    centre = np.eye(n_infants) - 1 / n_infants
    spread = np.zeros((n_infants, n_infants))
    for column in clips.T:
        left = (column.sum() - column)[:, None]
        effect = (np.eye(n_infants) - column[:, None] / column.sum()) / left
        effect = centre @ effect * np.sqrt(column * (1 + (column - 1) * _WORKING_ICC))
        spread += effect @ effect.T
    return max(1.0, float(np.trace(spread) ** 2 / np.sum(spread**2)))


def part_degrees(clips: Array) -> Array:
    """Return each part's degrees of freedom: its infants' less one, or the mean's where more."""
    return np.maximum((clips > 0).sum(axis=0) - 1.0, degrees_of_freedom(clips))


@dataclass(frozen=True)
class Interval:
    """A score with its confidence interval over infants.

    `low` and `high` are None where none can be had, and `reason` says why. `se` is the
    jackknife's standard error, `n` the clips, `n_infants` the infants, `estimand` what the
    interval is about, in words.
    """

    value: float
    low: float | None
    high: float | None
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

    def row(self) -> dict[str, Any]:
        """Return the score, its ends, clips and infants as columns of `claims.record_table`."""
        names = ("value", "low", "high", "n", "n_infants")
        return {name: getattr(self, name) for name in names}


def interval(
    predicted: NDArray[np.integer[Any]],
    y: Names,
    infants: Names,
    *,
    metric: Metric = "balanced_accuracy",
    protocol: Protocol | str = Protocol.LEAK_FREE,
    level: float = 0.95,
) -> Interval:
    """Return the pooled out-of-fold score, averaged over repeats, with its interval.

    No model is refitted. How far repeats differ is part of it; one repeat tells nothing of how
    another training would have scored. A class's (effective) number of clips is lowered by the t
    quantiles of its clips and of its degrees of freedom, as Korn & Graubard do; these are its
    infants less one, or Satterthwaite's of the mean over classes where that is more.

    Parameters
    ----------
    predicted : ndarray of int
        Class indices (repeats, clips) or (clips,); -1 where there is no prediction, which is wrong.
    y : sequence
        True labels, or their class indices (clips,).
    infants : sequence of str
        One a clip.
    metric : {"balanced_accuracy", "accuracy", "macro_f1"}
        The first is the mean of the classes' recalls.
    protocol : {"leak_free", "paper"}
        How the predictions came about; it only changes the estimand's words.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    Interval
        Score and ends are shares, 0 to 1.

    Raises
    ------
    InputError
        Lengths differ, or no such metric.
    """
    sample = _sample(predicted, y, infants)
    words = (
        f"{_in_words(metric, protocol)}, of models trained on about as many infants as here;"
        " how the score varies with the training is seen only through the repeats"
    )
    return _of_clips(sample, None, metric, level, words)


def paired_interval(
    predicted_a: NDArray[np.integer[Any]],
    predicted_b: NDArray[np.integer[Any]],
    y: Names,
    infants: Names,
    *,
    metric: Metric = "balanced_accuracy",
    protocol: Protocol | str = Protocol.LEAK_FREE,
    level: float = 0.95,
) -> Interval:
    """Return how much better A scores than B on the same clips, with its interval over infants.

    A's parts and B's make one score, so what they share counts by their correlation.

    Parameters
    ----------
    predicted_a, predicted_b : ndarray of int
        As `predicted` in `interval`; they may differ in their repeats.
    y, infants, metric, protocol, level : as in `interval`

    Returns
    -------
    Interval
        A's score less B's, -1 to 1.

    Raises
    ------
    InputError
        Lengths differ, or no such metric.
    """
    a, b = _sample(predicted_a, y, infants), _sample(predicted_b, y, infants)
    words = f"model A's less model B's {_in_words(metric, protocol)}"
    return _of_clips(a, b, metric, level, words)


def auc_interval(
    probabilities: NDArray[np.floating[Any]],
    y: Names,
    infants: Names,
    folds: Sequence[Sequence[Fold]] | None = None,
    *,
    protocol: Protocol | str = Protocol.LEAK_FREE,
    level: float = 0.95,
) -> Interval:
    """Return the area under the ROC curve, a class against the rest, with its interval.

    The mean over classes asks how well a model ranks clips, whatever its threshold: 0.5 is
    guessing, however common a class is. A class's area is a share, that of its clips and others
    which are ranked right, and has the bounds of one; it counts no more independent clips than
    make Mann & Whitney's variance of guesses.

    Parameters
    ----------
    probabilities : ndarray of float
        Or any scores, (repeats, clips, classes) or (clips, classes), classes in alphabetical
        order; a clip of NaN is neither above nor below another.
    y, infants, protocol, level : as in `interval`
    folds : list of lists of (train, test), optional
        Of each repeat, as `evaluation.folds` gives them. Only clips that one fold tests are
        compared then, since each fold's model has a scale of its own.

    Returns
    -------
    Interval
        The area and its ends are shares, 0 to 1.

    Raises
    ------
    InputError
        Lengths differ, or columns aren't the classes.
    """
    _check_level(level)
    rows = np.asarray(probabilities, dtype=np.float64)
    rows = rows[None] if rows.ndim == 2 else rows
    sample = _sample(rows.argmax(axis=-1), y, infants)
    if rows.shape[-1] != len(sample.names):
        raise InputError(
            f"probabilities of {rows.shape[-1]} classes, but clips of {len(sample.names)}"
        )
    clips = _confusions(sample)[0].sum(axis=-1)
    n, n_infants = len(sample.truth), len(clips)
    words = f"{_in_words('roc_auc', protocol)}, of models trained on about as many infants as here"
    fold = _fold_numbers(rows, folds)
    parts = [_ranked(rows[..., k], sample, k, fold) for k in range(len(sample.names))]
    share, without, alone = (np.stack(part, axis=-1) for part in zip(*parts, strict=True))
    lone = np.flatnonzero(~np.isfinite(without).all(axis=0))
    if len(lone):
        reason = f"class {sample.names[lone[0]]!r}, or all others, comes from one infant"
        return Interval(
            float(share.mean()), None, None, None, n, n_infants, level, words,
            f"{reason}, so nothing tells how infants differ",
        )  # fmt: skip
    others = clips.sum(axis=-1, keepdims=True) - clips
    fewer = np.where(clips.sum(axis=0) <= others.sum(axis=0), clips, others)
    most = 3 * clips.sum(axis=0) * others.sum(axis=0) / (n + 1)
    weights, df = np.full(len(parts), 1 / len(parts)), part_degrees(clips)
    bounds = _joined(share, without, most, _by_model(fewer), weights, df=df, level=level)
    ends = add_between_run_variance(
        bounds, [alone.mean(axis=1)], df=df.min(), level=level, limits=(0.0, 1.0)
    )
    score, low, high, se = map(float, (bounds.score, *ends, bounds.se))
    return Interval(score, low, high, se, n, n_infants, level, words)


def _fold_numbers(rows: Array, folds: Sequence[Sequence[Fold]] | None) -> NDArray[np.int64]:
    """Return which fold of its repeat tests a clip, (repeats, clips); -1 without folds."""
    repeats, clips = rows.shape[:2]
    tests = [[test for _, test in repeat] for repeat in folds or [()] * repeats]
    return np.stack([fold_numbers(parts, clips) for parts in tests])


def _ranked(
    scores: Array, sample: _Sample, label: int, fold: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """Return the share of a class's clips and others that are ranked right, and without infants.

    Float64 (), (infants,) without each in turn, NaN where that leaves none, and (repeats,) in
    each alone. Ties count half, and so does a class of which no fold tests clips beside others.
    """
    inside = sample.truth == label
    whose = np.unique(np.asarray(sample.infants), return_inverse=True)[1]
    infants = whose.max() + 1
    alone, lost = [], []  # (right, pairs) of each repeat, and those of each infant's clips
    for row, of_fold in zip(scores, fold, strict=True):
        clips = _outranked(row, inside, of_fold)
        within = _outranked(row, inside, of_fold * infants + whose)  # pairs of an infant's clips
        alone.append(clips[:, inside].sum(axis=1))
        lost.append([
            np.bincount(whose, all_its, infants) - np.bincount(whose[inside], twice, infants)
            for all_its, twice in zip(clips, within[:, inside], strict=True)
        ])  # fmt: skip
    total = np.sum(alone, axis=0)
    right, pairs = total[:, None] - np.sum(lost, axis=0)
    without = np.divide(right, pairs, out=np.full(infants, np.nan), where=pairs > 0.5)
    share, *each = (float(r / n) if n else 0.5 for r, n in [total, *alone])
    return np.asarray(share), without, np.asarray(each)


def _outranked(
    scores: Array, inside: NDArray[np.bool_], group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return of each clip's pairs with the other side in its group how many are ranked right.

    Float64 (2, clips): those, and all pairs. A pair is ranked right where the clip `inside`
    has the higher score; a tie counts half, and so does a pair without a score. Each side is sorted
    once and searched for the other's scores, so no pair is looked at by itself.
    """
    group, scored = np.unique(group, return_inverse=True)[1], ~np.isnan(scores)
    # Places by score, group after group, so that a clip outranks none of a group further on.
    place = np.unique(scores, return_inverse=True)[1] + group * (len(scores) + 1)
    right, pairs = np.zeros(len(scores)), np.zeros(len(scores))
    for side in (inside, ~inside):
        others = np.sort(place[~side & scored])
        all_its = np.bincount(group[~side], minlength=group.max() + 1)
        with_score = np.bincount(group[~side & scored], minlength=group.max() + 1)
        before = np.cumsum(with_score) - with_score  # of the other side, in groups further down
        mine, here = side & scored, group[side & scored]
        below, not_above = (np.searchsorted(others, place[mine], end) for end in ("left", "right"))
        pairs[side] = all_its[group[side]]
        right[side] = pairs[side] / 2
        right[mine] = (below + not_above + (all_its - with_score)[here]) / 2 - before[here]
    right[~inside] = pairs[~inside] - right[~inside]
    return np.stack([right, pairs])


def add_between_run_variance(
    bounds: Bounds,
    repeats: Sequence[Array],
    *,
    df: float,
    level: float,
    limits: tuple[float, float],
) -> tuple[Array, Array]:
    """Return the ends of a score's interval, further apart by what its repeats differ by, (...).

    Both variances, over infants and of the mean over repeats, are added, and the t quantile has
    Welch and Satterthwaite's degrees of freedom: two repeats that differ little count for
    little.

    Parameters
    ----------
    bounds : Bounds
        Over infants alone.
    repeats : sequence of ndarray
        The scores of each repeat alone, float64 (..., repeats), for every model whose repeats are
        of their own; a single repeat tells nothing.
    df : float
        Degrees of freedom of the variance over infants, the fewest of the parts'.
    level : float
        Confidence, between 0 and 1.
    limits : (float, float)
        Which the ends do not leave.
    """
    telling = [a for a in repeats if a.shape[-1] > 1]
    among = [np.var(a, axis=-1, ddof=1) / a.shape[-1] for a in telling]
    degrees = [df, *(a.shape[-1] - 1 for a in telling)]
    ends = []
    for side, end in ((-1, bounds.low), (1, bounds.high)):
        half = np.abs(end - bounds.score)
        variances = [(half / t_quantile(df, level)) ** 2, *among]
        total = sum(variances)
        per_degree = sum(v**2 / d for v, d in zip(variances, degrees, strict=True))
        differ = np.asarray(sum(among)) > 0  # the same in all repeats: as sure as a single one
        together = total**2 / np.where(differ, per_degree, 1)
        wider = t_quantile(np.where(differ, together, df), level) * np.sqrt(total)
        ends.append(np.clip(bounds.score + side * np.where(differ, wider, half), *limits))
    return ends[0], ends[1]


def mean_interval(
    values: NDArray[np.floating[Any]],
    infants: Names,
    *,
    level: float = 0.95,
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Return the mean of `values`, one a clip, with its interval over infants.

    Between two finite limits it is a share, with the bounds of one; else the jackknife's standard
    error times a t quantile. How far repeats differ is part of it. Clips with NaN are left out, and
    `n` counts what remains.

    Parameters
    ----------
    values : ndarray of float
        (clips,) or (repeats, clips), NaN where one is missing.
    infants : sequence of str
        One a clip.
    level : float
        Confidence, between 0 and 1.
    limits : (float, float), optional
        Lowest and highest that a value can be, which the interval does not leave; (0, 1) for
        shares, (0, np.inf) for rates, None for what may be anything.

    Returns
    -------
    Interval
        In the unit of the values.

    Raises
    ------
    InputError
        Lengths differ, no value remains, or one lies outside the limits.
    """
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if rows.ndim != 2 or rows.shape[1] != len(infants):
        raise InputError(
            f"{np.shape(values)} values and {len(infants)} infants do not belong together"
        )
    _check_level(level)
    finite = np.isfinite(rows).all(axis=0)
    if not finite.any():
        raise InputError("every value is missing, so there is no mean")
    rows, whose = rows[:, finite], np.asarray(infants)[finite]
    least, most = limits or (-np.inf, np.inf)
    if not (least < most and least <= rows.min() and rows.max() <= most):
        raise InputError(
            f"limits={limits} do not hold values from {rows.min():g} to {rows.max():g};"
            " give the lowest and the highest that a value can be"
        )
    numbers, alone = rows.mean(axis=0), rows.mean(axis=1)
    group = np.unique(whose, return_inverse=True)[1]
    clips = np.bincount(group).astype(float)[:, None]
    words = "expected value on clips of infants like these"
    common = {"n": len(numbers), "n_infants": len(clips), "level": level, "estimand": words}
    mean, reason = float(np.clip(numbers.mean(), least, most)), ""  # rounding may carry it out
    if len(clips) < 2:
        reason = "all clips come from one infant, so nothing tells how infants differ"
        return Interval(mean, None, None, None, **common, reason=reason)  # type: ignore[arg-type]
    start, width = (least, most - least) if np.isfinite(most - least) else (0.0, 1.0)
    total = np.bincount(group, (numbers - start) / width)[:, None].astype(float)
    if limits and np.isfinite(most - least):
        share = combined(total, clips, [1.0], df=part_degrees(clips), level=level)
        ends = start + width * share.low, start + width * share.high
        bounds = Bounds(np.asarray(mean), *ends, width * share.se)
    else:
        without = (total.sum() - total) / (clips.sum() - clips)
        se = np.sqrt(_jackknife(without)[0, 0])
        if limits and se == 0:
            reason = "the same without any infant, so nothing tells how infants differ"
            return Interval(mean, None, None, None, **common, reason=reason)  # type: ignore[arg-type]
        half = t_quantile(degrees_of_freedom(clips), level) * se
        bounds = Bounds(np.asarray(mean), mean - half, mean + half, se)
    ends = add_between_run_variance(
        bounds, [alone], df=part_degrees(clips).min(), level=level, limits=(least, most)
    )
    low, high = map(float, ends)
    return Interval(mean, low, high, float(bounds.se), **common)  # type: ignore[arg-type]


_WORDS: dict[str, str] = {
    "balanced_accuracy": "expected balanced accuracy",
    "accuracy": "expected accuracy at these class shares",
    "macro_f1": "expected macro F1 at these class shares",
    "roc_auc": "expected area under the ROC curve, a class against the rest,",
}


def _in_words(metric: str, protocol: Protocol | str) -> str:
    """Return the estimand of a score: of what, on whose clips."""
    if metric not in _WORDS:
        raise InputError(f"no interval for metric {metric!r}.{near_miss(metric, _WORDS)}")
    if Protocol(protocol) is Protocol.LEAK_FREE:
        return f"{_WORDS[metric]} on clips of new infants like these"
    return f"{_WORDS[metric]} on clips of infants like these who are mostly heard in training too"


class _Sample(NamedTuple):
    """What was predicted for clips of known label and infant; -1 and foreign classes are last."""

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    infants: Names
    names: list[str]


def _sample(predicted: NDArray[Any], y: Names, infants: Names) -> _Sample:
    answers = np.asarray(y)
    if answers.dtype.kind in "iu":
        numbers, truth = np.unique(answers, return_inverse=True)
        names = numbers.astype(str).tolist()
    else:
        truth, names = class_indices(answers)
        numbers = np.arange(len(names))
    rows = np.atleast_2d(np.asarray(predicted))
    if rows.ndim != 2 or rows.shape[1] != len(truth) or len(infants) != len(truth):
        raise InputError(
            f"predictions {rows.shape}, labels ({len(truth)},) and infants ({len(infants)},)"
            " do not belong together; give (repeats, clips), (clips,) and (clips,)"
        )
    place = np.searchsorted(numbers, rows).clip(max=len(names) - 1)
    return _Sample(truth, np.where(numbers[place] == rows, place, len(names)), infants, names)


def _confusions(sample: _Sample) -> Array:
    """Return float64 (repeats, infants, classes, classes + 1): truth by row, answer by column.

    The last column holds clips without an answer.
    """
    group = np.unique(np.asarray(sample.infants), return_inverse=True)[1]
    classes = len(sample.names)
    tables = np.zeros((len(sample.predicted), group.max() + 1, classes, classes + 1))
    for table, row in zip(tables, sample.predicted, strict=True):
        np.add.at(table, (group, sample.truth, row), 1.0)
    return tables


def _parts(confusions: Array, metric: Metric) -> tuple[Array, Array]:
    """Return what is right and how many clips there are in each part, (..., parts).

    Parts are the classes, or all clips together for accuracy.
    """
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    clips = confusions.sum(axis=-1)
    if metric == "accuracy":
        return right.sum(axis=-1, keepdims=True), clips.sum(axis=-1, keepdims=True)
    if metric == "macro_f1":
        clips = clips + confusions[..., :-1].sum(axis=-2) - right
    return right, clips


def _score(confusions: Sequence[Array], metric: Metric) -> Array:
    """Return A's score, or A's less B's, (...), from confusions of all infants together."""
    scores = []
    for table in confusions:
        right, clips = _parts(table, metric)
        share = np.divide(right, clips, out=np.zeros(right.shape), where=clips > 0)
        scores.append((2 * share / (1 + share) if metric == "macro_f1" else share).mean(axis=-1))
    return np.asarray(scores[0] - sum(scores[1:]))


def _bounds(confusions: Sequence[Array], metric: Metric, level: float) -> Bounds:
    """Return A's score, or A's less B's, with its interval over infants.

    confusions: float64 (infants, classes, classes + 1) of each model, means over its repeats.
    """
    pairs = [_parts(table, metric) for table in confusions]
    right, clips = (np.concatenate(part, axis=-1) for part in zip(*pairs, strict=True))
    truth = confusions[0].sum(axis=-1)  # an infant whose clips are called so tells no recall
    df = part_degrees(truth.sum(axis=-1, keepdims=True) if metric == "accuracy" else truth)
    parts = pairs[0][0].shape[-1]
    weights = np.repeat([1 / parts, -1 / parts][: len(pairs)], parts)
    return combined(
        right, clips, weights, df=np.tile(df, len(pairs)), level=level, f1=metric == "macro_f1"
    )


def _of_clips(a: _Sample, b: _Sample | None, metric: Metric, level: float, words: str) -> Interval:
    """Return A's score, or A's less B's, averaged over repeats, with its interval."""
    _check_level(level)
    tables = [_confusions(sample) for sample in (a, b) if sample is not None]
    means = [table.mean(axis=0) for table in tables]
    clips = tables[0][0].sum(axis=-1)
    clips = clips.sum(axis=-1, keepdims=True) if metric == "accuracy" else clips
    n, n_infants = len(a.truth), len(clips)
    lone = np.flatnonzero((clips > 0).sum(axis=0) < 2)
    if len(lone):
        which = "all clips come" if metric == "accuracy" else f"class {a.names[lone[0]]!r} comes"
        reason = f"{which} from one infant, so nothing tells how infants differ"
        score = float(_score([table.sum(axis=0) for table in means], metric))
        return Interval(score, None, None, None, n, n_infants, level, words, reason)
    alone = [_score([table.sum(axis=1)], metric) for table in tables]
    if len(alone) == 2 and alone[0].shape == alone[1].shape:  # one difference a repeat
        alone = [alone[0] - alone[1]]
    bounds = _bounds(means, metric, level)
    limits = (0.0, 1.0) if b is None else (-1.0, 1.0)
    ends = add_between_run_variance(
        bounds, alone, df=part_degrees(clips).min(), level=level, limits=limits
    )
    score, low, high, se = map(float, (bounds.score, *ends, bounds.se))
    return Interval(score, low, high, se, n, n_infants, level, words)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level={level} is no confidence; use one between 0 and 1, such as 0.95")
