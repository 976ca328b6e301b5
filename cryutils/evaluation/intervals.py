"""Confidence intervals of scores, with infants as the independent units.

A score consists of *parts*, each a share of clips: the recalls of the classes for balanced
accuracy, all clips for accuracy; for macro F1 the share J of right answers among the clips that are
of a class or are called so, since F1 = 2J / (1 + J). A part has Clopper & Pearson's bounds for its
effective number of clips: as many independent clips as would vary as much as its clips do by the
jackknife over infants (Korn & Graubard 1998, Survey Methodology 24:193). MOVER joins the bounds of
the parts, with their correlations, to those of the score (Zou & Donner 2008, doi 10.1002/sim.3095).
A difference of two models has a t interval from the jackknife of the difference, with a least
variance. The variance between repeats, each with its own folds and trainings, widens the bounds.
`benchmarks/intervals.py` simulates how often the intervals cover the true score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit  # `ppf` of scipy.stats.beta and t without their checks

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Fold, Names, class_indices, fold_numbers

Array = NDArray[np.float64]
Metric = Literal["balanced_accuracy", "accuracy", "macro_f1"]
ClassMetric = Literal["precision", "recall", "f1"]  # of one class

LEVEL = 0.95  # confidence of every interval
NOT_DRAWN = -2  # in place of a prediction, if a repeat draws its own clips

# The share of a clip's variance that belongs to its infant, in the working model for degrees of
# freedom and for parts in which nothing varies: halfway between independent clips and infants
# whose clips are all the same.
_WORKING_ICC = 0.5
_NOTHING = 1e-9  # rounding leaves 1e-17 where no deletion changes anything


class Bounds(NamedTuple):
    """A score with the ends of its interval and its jackknife standard error, float64 (...)."""

    score: Array
    low: Array
    high: Array
    se: Array


def combined(
    right: Array, clips: Array, weights: Sequence[float] | Array, *, df: float | Array, f1: bool = False
) -> Bounds:
    """Return a weighted sum of the parts' shares (or of their F1) with its interval.

    right, clips: right answers and clips, float64 (infants, parts), or (..., infants, parts) for
    many simulated corpora. weights: one for each part. df: degrees of freedom of each part's
    variance, from `part_degrees`. f1: turn each share J into F1 = 2J / (1 + J).
    """
    total, size = right.sum(axis=-2, keepdims=True), clips.sum(axis=-2, keepdims=True)
    share, without = (total / size)[..., 0, :], (total - right) / (size - clips)
    return _of_shares(share, without, size[..., 0, :], _effective_by_model(clips), weights, df, f1)


def _of_shares(
    share: Array,
    without: Array,
    most: Array,
    by_model: Array,
    weights: Sequence[float] | Array,
    df: float | Array,
    f1: bool = False,
) -> Bounds:
    """Like `combined`, from precomputed shares and leave-one-infant-out shares.

    A part has Clopper & Pearson's bounds for its effective number of clips, which is at most
    `most`, and `by_model` where nothing varies.
    """
    weights = np.asarray(weights)
    variance = _jackknife(without).diagonal(axis1=-2, axis2=-1)
    effective = np.divide(share * (1 - share), variance, out=by_model.copy(), where=variance > 0)
    effective = np.minimum(effective, most) * (t_quantile(most - 1) / t_quantile(df)) ** 2
    right, tail = effective * share, (1 - LEVEL) / 2
    low = betaincinv(np.where(share > 0, right, 1), effective - right + 1, tail)
    high = betaincinv(right + 1, np.where(share < 1, effective - right, 1), 1 - tail)
    low, high = np.where(share > 0, low, 0.0), np.where(share < 1, high, 1.0)
    if f1:
        share, low, high, without = (2 * j / (1 + j) for j in (share, low, high, without))
    covariance = _jackknife(without)
    sd = np.sqrt(covariance.diagonal(axis1=-2, axis2=-1))
    product = sd[..., :, None] * sd[..., None, :]
    # Shrink correlations by 1/n: perfect correlation in a small sample may be chance.
    shrinkage = 1 - 1 / without.shape[-2]
    correlation = np.divide(covariance, product, out=np.zeros_like(product), where=product > 0)
    correlation = np.where(np.eye(len(weights), dtype=bool), 1.0, shrinkage * correlation)

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


def difference_bounds(without: Array, clips: Array, score: Array, weights: Array, df: float) -> Bounds:
    """Return a weighted sum of differences between two models' parts with its t interval.

    Each part has at least the variance of half an answer changed among its effective clips:
    otherwise, models that agree on all clips would have an interval of width 0.

    without: difference of each part without each infant in turn, float64 (..., infants, parts).
    clips: float64 (infants, parts). score: (...). df: the fewest of `part_degrees`.
    """
    covariance = _jackknife(without)
    least = 0.5 / (_effective_by_model(clips) + 1) ** 2
    missing = np.maximum(least - covariance.diagonal(axis1=-2, axis2=-1), 0) @ weights**2
    variance = np.einsum("j,...jk,k->...", weights, covariance, weights)
    half = t_quantile(df) * np.sqrt(np.maximum(variance, 0) + missing)
    return Bounds(score, score - half, score + half, np.sqrt(np.maximum(variance, 0)))


def _jackknife(without: Array) -> Array:
    """Return the covariance (..., parts, parts) from scores without each infant in turn."""
    infants = without.shape[-2]
    deviation = without - without.mean(axis=-2, keepdims=True)
    deviation = np.where(np.abs(deviation) < _NOTHING, 0.0, deviation)
    return (infants - 1) / infants * np.swapaxes(deviation, -1, -2) @ deviation


def _effective_by_model(clips: Array) -> Array:
    """Return the effective number of clips of each part, (..., parts), by the working model."""
    n = clips.sum(axis=-2)
    return n / (1 + ((clips**2).sum(axis=-2) / n - 1) * _WORKING_ICC)


def t_quantile(df: float | Array) -> Any:
    """Return the half width of the interval of a mean, in standard errors."""
    return stdtrit(df, (1 + LEVEL) / 2)


def degrees_of_freedom(clips: Array) -> float:
    """Return the Satterthwaite degrees of freedom of the variance of a mean of parts; at least 1.

    The variance is a quadratic form e'Be of the infants' deviations e. With S their covariance in
    the working model, df = tr(BS)^2 / tr(BSBS) (Bell & McCaffrey 2002). clips: (infants, parts).
    """
    return _degrees_of_freedom(clips.astype(float).tobytes(), len(clips))


@lru_cache(1000)  # many scores are of the same clips
def _degrees_of_freedom(content: bytes, n_infants: int) -> float:
    clips = np.frombuffer(content).reshape(n_infants, -1)
    # The variance's matrix is C (diag(g) + U M U') C, where C centres: its traces need no matrix of
    # infants by infants, which thousands of them would make too large.
    g, sides, n = np.zeros(n_infants), [], n_infants
    inner = np.zeros((2 * clips.shape[1],) * 2)
    for k, column in enumerate(clips.T):
        scale, spread = 1 / (column.sum() - column), column * (1 + (column - 1) * _WORKING_ICC)
        g += scale**2 * spread
        sides += [scale * spread, scale * column / column.sum()]
        inner[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = [[0, -1], [-1, spread.sum()]]
    u = np.stack(sides, axis=1)
    u -= u.mean(axis=0)
    product = inner @ u.T @ u
    trace = g.sum() * (1 - 1 / n) + np.trace(product)
    square = (g**2).sum() * (1 - 2 / n) + (g.sum() / n) ** 2
    square += 2 * np.trace(inner @ (u.T * g) @ u) + np.trace(product @ product)
    return max(1.0, float(trace**2 / square))


def part_degrees(clips: Array) -> Array:
    """Return each part's degrees of freedom: its infants minus 1, or those of the mean if more."""
    return np.maximum((clips > 0).sum(axis=0) - 1.0, degrees_of_freedom(clips))


def add_between_run_variance(
    bounds: Bounds, repeats: Sequence[Array], *, df: float, limits: tuple[float, float]
) -> Bounds:
    """Return the bounds of a mean over repeats, widened by the variance between repeats.

    The t quantile has Welch and Satterthwaite's degrees of freedom. bounds: over infants alone.
    repeats: the score of each repeat, float64 (..., repeats), for each model with its own repeats;
    a single repeat adds nothing. df: the fewest of `part_degrees`. limits: lowest and highest
    possible score.
    """
    several = [a for a in repeats if a.shape[-1] > 1]
    among = [np.var(a, axis=-1, ddof=1) / a.shape[-1] for a in several]
    degrees = [df, *(a.shape[-1] - 1 for a in several)]
    half = np.abs(np.stack([bounds.low, bounds.high]) - bounds.score)
    variances = [(half / t_quantile(df)) ** 2, *among]
    total = sum(variances)
    per_degree = sum(v**2 / d for v, d in zip(variances, degrees, strict=True))
    differ = np.asarray(sum(among)) > 0  # equal repeats add nothing, like a single one
    together = total**2 / np.where(differ, per_degree, 1)
    wider = t_quantile(np.where(differ, together, df)) * np.sqrt(total)
    below, above = np.where(differ, wider, half)
    low, high = np.clip(bounds.score - below, *limits), np.clip(bounds.score + above, *limits)
    return bounds._replace(low=low, high=high)


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % confidence interval over infants.

    Without an interval, `low` and `high` are None, and `reason` says why. `se` is the jackknife
    standard error, `n` the number of clips, `n_infants` of infants.
    """

    value: float
    low: float | None
    high: float | None
    se: float | None
    n: int
    n_infants: int
    reason: str = ""

    @classmethod
    def of(cls, bounds: Bounds, n: int, n_infants: int) -> "Interval":
        """Return the interval with the bounds of a single score."""
        score, low, high, se = map(float, bounds)
        return cls(score, low, high, se, n, n_infants)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (no interval: {self.reason})"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def row(self) -> dict[str, Any]:
        """Return the score, its ends, clips and infants as columns of `claims.record_table`."""
        return {n: getattr(self, n) for n in ("value", "low", "high", "n", "n_infants")}


def _without_bounds(value: Any, n: int, n_infants: int, reason: str) -> Interval:
    return Interval(float(value), None, None, None, n, n_infants, reason)


def interval(
    predicted: NDArray[np.integer[Any]],
    y: Names,
    infants: Names,
    *,
    metric: Metric | ClassMetric = "balanced_accuracy",
    of: int | None = None,
    rival: NDArray[np.integer[Any]] | None = None,
    group: str = "infant",
) -> Interval:
    """Return the pooled out-of-fold score (a share), averaged over repeats, with its interval.

    It is about new clips (new infants, if the folds are leak-free). How the score varies with the
    training is seen only through the variance between repeats.

    predicted: indices of the sorted classes, (repeats, clips) or (clips,); another number, such as
    -1 for no prediction, counts as wrong. If each repeat draws its own clips, `NOT_DRAWN` for the
    others; `n` is then the mean number of clips in a draw. y: true labels, or their class indices
    (clips,). infants: one for each clip. of: the class of a `ClassMetric`, its index. rival:
    predictions of another model, perhaps with other repeats; the score is then the first model's
    minus the rival's. group: what the reason for no interval calls an infant. Raises InputError if
    lengths differ, or there is no such metric.
    """
    known = get_args(Metric if of is None else ClassMetric)
    if metric not in known:
        raise InputError(f"no interval for metric {metric!r}.{near_miss(metric, known)}")
    sample = _clips([predicted] if rival is None else [predicted, rival], y, infants)
    tables = [_confusions(sample, answers) for answers in sample.answers]
    means = [table.mean(axis=0) for table in tables]
    one = slice(None) if of is None else [of]
    pairs = [_parts(mean, metric, one) for mean in means]
    clips = means[0].sum(axis=-1)  # of the truth, by infant and class
    about = round(clips.sum()), len(clips)
    clips = clips.sum(axis=-1, keepdims=True) if metric == "accuracy" else clips[:, one]
    value, *of_rival = (float(_score(mean.sum(axis=0), metric, one)) for mean in means)
    value -= sum(of_rival)
    lone = np.flatnonzero((clips > 0).sum(axis=0) < 2)
    if len(lone):
        name = sample.names[lone[0] if of is None else of]
        which = "everything comes" if metric == "accuracy" else f"class {name!r} comes"
        return _without_bounds(value, *about, f"{which} from one {group}")
    if any((n.sum(axis=0) == n.max(axis=0)).any() for _, n in pairs):
        return _without_bounds(value, *about, f"the class is predicted for at most one {group}")
    each = [_score(table.sum(axis=1), metric, one) for table in tables]
    if len(each) == 2 and each[0].shape == each[1].shape:  # repeats are paired
        each = [each[0] - each[1]]
    parts, df = pairs[0][0].shape[-1], part_degrees(clips)
    weights, f1 = np.full(parts, 1 / parts), metric in ("macro_f1", "f1")
    if len(pairs) == 1:
        bounds = combined(*pairs[0], weights, df=df, f1=f1)
    else:
        first, other = ((r.sum(axis=0) - r) / (n.sum(axis=0) - n) for r, n in pairs)
        if f1:
            first, other = (2 * share / (1 + share) for share in (first, other))
        bounds = difference_bounds(first - other, clips, np.asarray(value), weights, df.min())
    limits = (1.0 - len(pairs), 1.0)
    return Interval.of(add_between_run_variance(bounds, each, df=df.min(), limits=limits), *about)


def auc_interval(
    probabilities: NDArray[np.floating[Any]],
    y: Names,
    infants: Names,
    folds: Sequence[Sequence[Fold]] | None = None,
    *,
    group: str = "infant",
) -> Interval:
    """Return the mean area under the ROC curve, each class against the rest, with its interval.

    A class's effective number of clips is at most the one that gives Mann & Whitney's variance of
    guesses.

    probabilities: or other scores, (repeats, clips, classes) or (clips, classes), classes sorted; a
    clip of NaN ties with every other. y, infants, group: as in `interval`. folds: of each repeat; only
    clips tested in the same fold are compared, since models of different folds may have different
    scales. Raises InputError if lengths differ, or the columns are not the classes.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    rows = rows[None] if rows.ndim == 2 else rows
    fold = np.zeros(rows.shape[:2], int)
    if folds:
        tests = ([test for _, test in repeat] for repeat in folds)
        fold = np.stack([fold_numbers(each, rows.shape[1]) for each in tests])
    clips = _clips([np.where(fold >= 0, rows.argmax(axis=-1), NOT_DRAWN)], y, infants)
    rows, fold, classes = rows[:, clips.ever], fold[:, clips.ever], len(clips.names)
    if rows.shape[-1] != classes:
        raise InputError(f"probabilities of {rows.shape[-1]} classes, but clips of {classes}")
    # Each clip that a repeat does not draw gets its own fold, so it has no pairs.
    fold = np.where(fold >= 0, fold, fold.size + np.arange(clips.ever.sum()))
    parts = [_ranked(rows[..., k], clips.truth == k, clips.infant, fold) for k in range(classes)]
    share, without, each = (np.stack(part, axis=-1) for part in zip(*parts, strict=True))
    counts = _confusions(clips, clips.answers[0]).mean(axis=0).sum(axis=-1)
    about = round(counts.sum()), len(counts)
    lone = np.flatnonzero(~np.isfinite(without).all(axis=0))
    if len(lone):
        what = f"class {clips.names[lone[0]]!r}, or all others, comes from one {group}"
        return _without_bounds(share.mean(), *about, what)
    others = counts.sum(axis=-1, keepdims=True) - counts
    fewer = np.where(counts.sum(axis=0) <= others.sum(axis=0), counts, others)
    most = 3 * counts.sum(axis=0) * others.sum(axis=0) / (about[0] + 1)
    weights, df = np.full(classes, 1 / classes), part_degrees(counts)
    bounds = _of_shares(share, without, most, _effective_by_model(fewer), weights, df)
    bounds = add_between_run_variance(bounds, [each.mean(axis=1)], df=df.min(), limits=(0.0, 1.0))
    return Interval.of(bounds, *about)


def _ranked(
    scores: Array, inside: NDArray[np.bool_], whose: NDArray[np.int64], fold: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """Return the share of correctly ranked pairs of clips `inside` a class and other clips.

    Of all repeats, float64 (); without each infant in turn, (infants,), NaN if no pair is left;
    and of each repeat, (repeats,). If no fold tests both sides, the share is a half.
    """
    infants = whose.max() + 1
    place = fold + np.arange(len(fold))[:, None] * (fold.max() + 1)  # no pairs between repeats
    clips = _pairs_ranked_right(scores, inside, place)
    within = _pairs_ranked_right(scores, inside, place * infants + whose)  # of one infant
    each = clips[..., inside].sum(axis=2)  # (right, pairs) by repeat
    lost = [  # of the pairs with each infant's clips
        np.bincount(whose, all_pairs, infants) - np.bincount(whose[inside], twice, infants)
        for all_pairs, twice in zip(clips.sum(axis=1), within[..., inside].sum(axis=1), strict=True)
    ]
    total = each.sum(axis=1)
    right, pairs = total[:, None] - np.array(lost)
    without = np.divide(right, pairs, out=np.full(infants, np.nan), where=pairs > 0.5)
    share, *shares = (float(r / n) if n else 0.5 for r, n in [total, *each.T])
    return np.asarray(share), without, np.asarray(shares)


def _pairs_ranked_right(
    scores: Array, inside: NDArray[np.bool_], group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the pairs of each clip that are ranked right, and all its pairs, (2, repeats, clips).

    Pairs are of a clip `inside` a class and one outside in the same group. Ties, and pairs without
    a score, count half.
    """
    series, side, place = pd.Series(scores.ravel()), np.tile(inside, len(scores)), group.ravel()
    # A clip's rank in its group minus its rank on its own side: the other side's clips below it.
    whole, half = series.groupby(place), series.groupby([place, side])
    pairs = whole.transform("size") - half.transform("size")
    unscored = pairs - (whole.transform("count") - half.transform("count"))
    above = (whole.rank() - half.rank() + unscored / 2).fillna(pairs / 2)
    both = np.stack([np.where(side, above, pairs - above), pairs])
    return both.reshape(2, *scores.shape).astype(np.float64)


def mean_interval(
    values: NDArray[np.floating[Any]], infants: Names, *, limits: tuple[float, float] | None = None
) -> Interval:
    """Return the mean of `values` with its interval over infants.

    Parameters
    ----------
    values : array
        Float (clips,) or (repeats, clips). Clips with NaN are left out.
    infants : array or list
        The infant of each clip.
    limits : tuple, optional
        Lowest and highest possible value, which also limit the interval: (0, 1) for shares,
        (0, np.inf) for rates.

    Returns
    -------
    Interval
        The mean. Between two finite limits it has the bounds of a share. Otherwise the half width is
        the jackknife standard error times a t quantile. The variance between repeats is included.

    Raises
    ------
    InputError
        If lengths differ, every value is missing, or one is outside the limits.

    Examples
    --------
    >>> str(mean_interval(np.array([0.2, 0.4, 0.6]), ["i1", "i2", "i3"]))
    '0.40 [-0.10, 0.90]'
    """
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if rows.shape[1] != len(infants):
        raise InputError(f"{rows.shape[1]} values and {len(infants)} infants: give one for each")
    finite = np.isfinite(rows).all(axis=0)
    if not finite.any():
        raise InputError("every value is missing, so there is no mean")
    rows, whose = rows[:, finite], np.asarray(infants)[finite]
    least, most = limits or (-np.inf, np.inf)
    if not (least < most and least <= rows.min() and rows.max() <= most):
        raise InputError(f"limits={limits} exclude a value, {rows.min():g} to {rows.max():g}")
    numbers = rows.mean(axis=0)
    mean = np.clip(numbers.mean(), least, most)
    group = np.unique(whose, return_inverse=True)[1]
    clips = np.bincount(group).astype(float)[:, None]
    about = len(numbers), len(clips)
    if len(clips) < 2:
        return _without_bounds(mean, *about, "everything comes from one infant")
    bounds = _bounds_of_mean(numbers, group, clips, least, most)
    if limits and bounds.low == bounds.high:
        return _without_bounds(mean, *about, "the mean is the same without any one infant")
    each, df = [rows.mean(axis=1)], part_degrees(clips).min()
    return Interval.of(add_between_run_variance(bounds, each, df=df, limits=(least, most)), *about)


def _bounds_of_mean(
    numbers: Array, group: NDArray[np.int64], clips: Array, least: float, most: float
) -> Bounds:
    """Return the bounds of a mean: those of a share between finite limits, otherwise a t interval.

    numbers, group: value and infant of each clip. clips: of each infant, float64 (infants, 1).
    """
    mean, width = np.clip(numbers.mean(), least, most), most - least  # rounding may exceed the limits
    if np.isfinite(width):
        total = np.bincount(group, (numbers - least) / width)[:, None].astype(float)
        share = combined(total, clips, [1.0], df=part_degrees(clips))
        return Bounds(mean, least + width * share.low, least + width * share.high, width * share.se)
    total = np.bincount(group, numbers)[:, None].astype(float)
    se = np.sqrt(_jackknife((total.sum() - total) / (clips.sum() - clips))[0, 0])
    half = t_quantile(degrees_of_freedom(clips)) * se
    return Bounds(mean, mean - half, mean + half, se)


class _Clips(NamedTuple):
    """The clips that any repeat of any model has drawn."""

    truth: NDArray[np.int64]  # class indices (clips,)
    infant: NDArray[np.int64]  # indices (clips,)
    answers: list[NDArray[np.int64]]  # (repeats, clips) by model; no class is the last number
    names: list[str]  # of the classes
    ever: NDArray[np.bool_]  # which of all clips these are


def _clips(predictions: Sequence[NDArray[Any]], y: Names, infants: Names) -> _Clips:
    truth, names = class_indices(y)
    answers = []
    for predicted in predictions:
        rows = np.atleast_2d(np.asarray(predicted))
        if rows.shape[1] != len(truth) or len(infants) != len(truth):
            what = f"{rows.shape[1]} predictions, {len(truth)} labels and {len(infants)} infants"
            raise InputError(f"{what}: give one for each clip")
        is_class = (rows >= 0) & (rows < len(names))
        answers.append(np.where(is_class | (rows == NOT_DRAWN), rows, len(names)))
    ever = (np.concatenate(answers) != NOT_DRAWN).any(axis=0)
    infant = np.unique(np.asarray(infants)[ever], return_inverse=True)[1]
    return _Clips(truth[ever], infant, [rows[:, ever] for rows in answers], names, ever)


def _confusions(clips: _Clips, answers: NDArray[np.int64]) -> Array:
    """Return truths by row and answers by column, float64 (repeats, infants, classes, classes + 1).

    The last column counts clips without an answer.
    """
    classes = len(clips.names)
    tables = np.zeros((len(answers), clips.infant.max() + 1, classes, classes + 1))
    repeat, clip = np.nonzero(answers != NOT_DRAWN)
    place = (repeat, clips.infant[clip], clips.truth[clip], answers[repeat, clip])
    np.add.at(tables, place, 1.0)
    return tables


def _parts(confusions: Array, metric: Metric | ClassMetric, one: Any) -> tuple[Array, Array]:
    """Return right answers and clips of each part, (..., parts): the classes in `one`, or all clips."""
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    clips, called = confusions.sum(axis=-1), confusions[..., :-1].sum(axis=-2)
    if metric == "accuracy":
        return right.sum(axis=-1, keepdims=True), clips.sum(axis=-1, keepdims=True)
    if metric in ("macro_f1", "f1"):
        clips = clips + called - right
    return right[..., one], (called if metric == "precision" else clips)[..., one]


def _score(confusions: Array, metric: Metric | ClassMetric, one: Any) -> Array:
    """Return a score (...) from the confusions of all infants together."""
    right, clips = _parts(confusions, metric, one)
    share = np.divide(right, clips, out=np.zeros(right.shape), where=clips > 0)
    return np.asarray((2 * share / (1 + share) if metric in ("macro_f1", "f1") else share).mean(axis=-1))
