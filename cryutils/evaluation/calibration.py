"""Whether a model's probabilities mean what they say, and when "unsure" is the better answer.

Walked by notebook 11_robustness. Paper B's conclusion leaves "the calibration of decision
thresholds" to future work, and its application acts on single answers. A model is calibrated if,
of the clips it answers with confidence 0.8, 80 % are right. Everything here takes a model's
probabilities of new clips, float (clips, classes), and their true classes, int (clips,); a row
of NaN is no answer, and is no forecast either.

Reliability diagrams and their error: Guo, Pleiss, Sun & Weinberger 2017, On calibration of modern
neural networks (ICML; arXiv 1706.04599), which is also the source of temperature scaling. The
score that can't be had by hedging: Brier 1950, Verification of forecasts expressed in terms of
probability. What a calibrated forecaster shows: Bröcker & Smith 2007, doi 10.1175/WAF993.1, and
where clips of an infant go together, Cameron, Gelbach & Miller 2008, doi 10.1162/rest.90.3.414.
Risk and coverage: Geifman & El-Yaniv 2017, Selective classification for deep neural networks
(NeurIPS; arXiv 1705.08500).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.evaluation.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BINS", "at_temperature", "brier", "calibrated_errors", "chance_errors", "confidence",
    "confidence_threshold", "expected_calibration_error", "overconfidence", "reliability",
    "risk_coverage", "temperature", "unless_unsure",
]  # fmt: skip

Array = npt.NDArray[np.float64]
Classes = npt.NDArray[np.integer[Any]]

BINS = (
    10  # of 0.1 each, as in reliability diagrams since 1977; Guo et al. take 15 for 10,000 images
)
_TOLERANCE = 1e-3  # of a sum of float32 probabilities
_COLDEST, _HOTTEST = 0.05, 20.0
_LEAST = float(np.finfo(np.float32).tiny)  # a probability of 0 has no logarithm


def confidence(probabilities: npt.ArrayLike) -> Array:
    """Return the probability of each clip's answer, the largest of its row, float64 (clips,).

    NaN where there is no answer. Raises InputError for rows that are no distributions.

    >>> confidence([[0.7, 0.3], [0.4, 0.6]])
    array([0.7, 0.6])
    """
    return _checked(probabilities).max(axis=1)


def brier(probabilities: npt.ArrayLike, truth: Classes) -> Array:
    """Return the Brier score of each clip, float64 (clips,): 0 is sure and right, 2 sure and wrong.

    The sum over classes of `(p - y)^2`, where `y` is 1 for the true class and else 0, as Brier
    defines it. (For two classes that is twice scikit-learn's default.) Always saying the shares
    of K equal classes costs `1 - 1 / K`.

    Parameters
    ----------
    probabilities : array
        Float (clips, classes), a row of NaN where there is no answer.
    truth : ndarray of int
        Class of each clip (clips,).

    Raises
    ------
    InputError
        Lengths differ, rows are no distributions, or a class has no column.

    Examples
    --------
    >>> brier([[0.8, 0.2], [0.8, 0.2]], np.array([0, 1])).round(2)
    array([0.08, 1.28])
    """
    p, y = _paired(probabilities, truth)
    return ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1)


def overconfidence(probabilities: npt.ArrayLike, truth: Classes) -> Array:
    """Return confidence minus 1 if right, minus 0 if wrong, float64 (clips,), in [-1, 1].

    Its mean is how much more often the model believes to be right than it is. Unlike the expected
    calibration error it is a mean over clips, so it has an interval.

    Parameters
    ----------
    probabilities, truth : as in `brier`

    Raises
    ------
    InputError
        As `brier` does.
    """
    p, y = _paired(probabilities, truth)
    return confidence(p) - np.where(np.isnan(p[:, 0]), np.nan, p.argmax(axis=1) == y)


def reliability(
    probabilities: npt.ArrayLike, truth: Classes, infants: Sequence[str], *, bins: int = BINS
) -> pd.DataFrame:
    """Return the numbers of a reliability diagram, a row for each bin of confidence with clips.

    Parameters
    ----------
    probabilities, truth : as in `brier`
    infants : sequence of str
        Whose clip it is, one a clip.
    bins : int
        How many equal parts 0 to 1 is cut into; each includes its upper end.

    Returns
    -------
    pandas.DataFrame
        Columns low and high (the bin's ends), clips, infants (counts), confidence (mean), accuracy
        (share of right answers), and accuracy_low and accuracy_high, its 95 % interval over
        infants: NaN where all of a bin's clips are of one infant.

    Raises
    ------
    InputError
        Lengths differ, rows are no distributions, or none has an answer.
    """
    import pandas as pd

    p, y = _paired(probabilities, truth)
    owners = _owners(infants, y)
    sure, right, place = _binned(p, y, bins)
    rows = []
    for k in np.unique(place[place >= 0]):
        inside = place == k
        interval = mean_interval(right[inside], owners[inside].tolist(), limits=(0, 1))
        rows.append(
            {
                "low": k / bins, "high": (k + 1) / bins, "clips": interval.n,
                "infants": interval.n_infants, "confidence": sure[inside].mean(),
                "accuracy": interval.value, "accuracy_low": interval.low,
                "accuracy_high": interval.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows).astype({"accuracy_low": float, "accuracy_high": float})


def expected_calibration_error(
    probabilities: npt.ArrayLike, truth: Classes, *, bins: int = BINS
) -> float:
    """Return the expected calibration error of the answers (Guo et al. 2017, equation 3), 0-1.

    The mean over clips of how far its bin's share of right answers lies from the bin's mean
    confidence. It is a sum of absolute values, so chance alone keeps it above 0:
    `chance_errors` says by how much.

    Parameters
    ----------
    probabilities, truth, bins : as in `reliability`

    Raises
    ------
    InputError
        As `reliability` does.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.9, 0.1], [0.65, 0.35], [0.65, 0.35]])
    >>> round(expected_calibration_error(p, np.array([0, 0, 0, 1])), 3)
    0.125
    """
    p, y = _paired(probabilities, truth)
    sure, right, place = _binned(p, y, bins)
    answered = place >= 0
    gaps = np.bincount(place[answered], (right - sure)[answered], minlength=bins)
    return float(np.abs(gaps).sum() / answered.sum())


def calibrated_errors(
    probabilities: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    bins: int = BINS,
    draws: int = 1000,
) -> Array:
    """Return the calibration errors of a model that is calibrated and as sure as this one.

    The truth of each clip is drawn from its own probabilities (consistency resampling, Bröcker &
    Smith 2007), clips independently: where infants have several clips that are right or wrong
    together these errors are too low, and `chance_errors` is the one to compare with.

    Parameters
    ----------
    probabilities : as in `brier`
    rng : numpy.random.Generator
        Draws the truths.
    bins : int
        As in `reliability`.
    draws : int
        How many errors to draw.

    Returns
    -------
    ndarray
        float64 (draws,).

    Raises
    ------
    InputError
        As `reliability` does.
    """
    p = _answered(probabilities)
    edges = np.cumsum(p, axis=1)[:, None, :-1]
    truth = (rng.random((len(p), draws))[:, :, None] > edges).sum(axis=2)
    return np.array([expected_calibration_error(p, column, bins=bins) for column in truth.T])


def chance_errors(
    probabilities: npt.ArrayLike,
    truth: Classes,
    infants: Sequence[str],
    *,
    rng: np.random.Generator,
    bins: int = BINS,
    draws: int = 1000,
) -> Array:
    """Return the calibration errors that chance alone would leave on these infants' clips.

    For each infant, right minus confidence is added up in each bin, and a coin decides whether the
    infant's sums keep their signs: under calibration one is about as likely as the other. (A wild
    bootstrap by clusters, with the hypothesis imposed: Cameron, Gelbach & Miller 2008.) So clips
    of an infant may be right or wrong together. An error within these is no sign of
    miscalibration. The band holds nearly, better with more infants; a model's own miscalibration
    widens it, so that a small one may go unnoticed.

    Parameters
    ----------
    probabilities, truth, infants, bins : as in `reliability`
    rng : numpy.random.Generator
        Tosses the coins, one an infant and draw.
    draws : int
        How many errors to draw.

    Returns
    -------
    ndarray
        float64 (draws,).

    Raises
    ------
    InputError
        As `reliability` does.
    """
    p, y = _paired(probabilities, truth)
    owners = _owners(infants, y)
    sure, right, place = _binned(p, y, bins)
    answered = place >= 0
    names, group = np.unique(owners[answered], return_inverse=True)
    sums = np.zeros((len(names), bins))
    np.add.at(sums, (group, place[answered]), (right - sure)[answered])
    signs = rng.choice([-1.0, 1.0], size=(draws, len(names)))
    return np.asarray(np.abs(signs @ sums).sum(axis=1) / answered.sum())


def temperature(probabilities: npt.ArrayLike, truth: Classes) -> float:
    """Return the temperature at which the probabilities of validation clips fit their truth best.

    The one that minimises the mean log-loss of `at_temperature` (Guo et al. 2017, section 4.2):
    above 1 for a model that is too sure. Between 0.05 and 20, which it reaches where every answer
    is right, or none better than a guess. Give clips that neither trained the model nor will
    test it. Raises InputError as `reliability` does.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    p, y = _paired(probabilities, truth)
    answered = ~np.isnan(p[:, 0])
    logits, y = np.log(np.maximum(_answered(p), _LEAST)), y[answered]

    def loss(inverse: float) -> float:
        return -float(log_softmax(inverse * logits, axis=1)[np.arange(len(y)), y].mean())

    # In 1 / temperature the loss is convex, so the least that is found is the only one.
    best = minimize_scalar(
        loss, bounds=(1 / _HOTTEST, 1 / _COLDEST), method="bounded", options={"xatol": 1e-9}
    )
    return float(1 / best.x)


def at_temperature(probabilities: npt.ArrayLike, value: float) -> npt.NDArray[np.float32]:
    """Return the probabilities at another temperature, float32 (clips, classes).

    `softmax(log(p) / value)`: for one network's softmax its logits divided by `value`, since
    `log(p)` are the logits but for a constant. The order of classes stays, so that no answer
    changes, only how sure it is.

    >>> at_temperature([[0.9, 0.1]], 2.0)
    array([[0.75, 0.25]], dtype=float32)
    """
    from scipy.special import softmax

    if not (math.isfinite(value) and value > 0):
        raise InputError(f"temperature={value}: give a number above 0; 1 changes nothing.")
    logits = np.log(np.maximum(_checked(probabilities), _LEAST))
    return softmax(logits / value, axis=1).astype(np.float32)


def risk_coverage(probabilities: npt.ArrayLike, truth: Classes) -> pd.DataFrame:
    """Return what answering only when sure enough costs and brings, a row a threshold.

    Parameters
    ----------
    probabilities, truth : as in `brier`

    Returns
    -------
    pandas.DataFrame
        Columns threshold (of confidence), coverage (share of all clips with at least that) and
        risk (share of those that are answered wrongly), from the surest clip to all of them; clips
        of equal confidence come in together.

    Raises
    ------
    InputError
        As `reliability` does.
    """
    import pandas as pd

    p, y = _paired(probabilities, truth)
    _answered(p)
    sure = confidence(p)
    order = np.argsort(-sure[~np.isnan(sure)], kind="stable")
    level = sure[~np.isnan(sure)][order]
    wrong = np.cumsum((p.argmax(axis=1) != y)[~np.isnan(sure)][order])
    last = np.flatnonzero(np.append(level[1:] != level[:-1], True))
    table = {"threshold": level[last], "coverage": (last + 1) / len(p)}
    return pd.DataFrame({**table, "risk": wrong[last] / (last + 1)})


def confidence_threshold(probabilities: npt.ArrayLike, *, coverage: float) -> float:
    """Return the highest confidence that at least a share `coverage` of these clips have.

    Choose it on validation clips; how many of the test clips reach it is then a result. 0 where
    too few have an answer at all. Raises InputError where `coverage` is no share.
    """
    if not 0 < coverage <= 1:
        raise InputError(f"coverage={coverage} is no share; use one above 0 and at most 1.")
    sure = np.nan_to_num(confidence(probabilities))
    if not len(sure):
        raise InputError("there are no clips to choose a threshold on; give one at least.")
    return float(np.sort(sure)[::-1][math.ceil(coverage * len(sure) - 1e-9) - 1])


def unless_unsure(probabilities: npt.ArrayLike, threshold: float) -> npt.NDArray[np.float32]:
    """Return the probabilities with a row of NaN, "unsure", where confidence is below `threshold`.

    Parameters
    ----------
    probabilities : as in `brier`
    threshold : float
        0 to 1.

    Returns
    -------
    ndarray
        float32 (clips, classes).

    Examples
    --------
    >>> unless_unsure([[0.9, 0.1], [0.55, 0.45]], 0.8)
    array([[0.9, 0.1],
           [nan, nan]], dtype=float32)
    """
    p = _checked(probabilities)
    return np.where((confidence(p) >= threshold)[:, None], p, np.nan).astype(np.float32)


def _checked(probabilities: npt.ArrayLike) -> Array:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise InputError(
            f"probabilities are (clips, classes) of two classes or more, not {p.shape}"
        )
    missing = np.isnan(p).all(axis=1)
    if not ((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < _TOLERANCE) | missing).all():
        raise InputError(
            "a row of probabilities lies in 0 to 1 and sums to 1, or is NaN throughout"
        )
    return p


def _answered(probabilities: npt.ArrayLike) -> Array:
    """Return the rows with an answer; raise InputError where none has."""
    p = _checked(probabilities)
    p = p[~np.isnan(p[:, 0])]
    if not len(p):
        raise InputError("no clip has an answer, so there is nothing to calibrate")
    return p


def _paired(probabilities: npt.ArrayLike, truth: Classes) -> tuple[Array, Classes]:
    p, y = _checked(probabilities), np.asarray(truth)
    if y.shape != (len(p),) or y.dtype.kind not in "iu":
        raise InputError(f"{len(p)} rows of probabilities and true classes {y.dtype} {y.shape}")
    if len(y) and not 0 <= y.min() <= y.max() < p.shape[1]:
        raise InputError(f"true classes {y.min()} to {y.max()}, but {p.shape[1]} columns")
    return p, y


def _owners(infants: Sequence[str], y: Classes) -> npt.NDArray[np.str_]:
    owners = np.asarray(infants)
    if len(owners) != len(y):
        raise InputError(f"{len(y)} clips and {len(owners)} infants do not belong together")
    return owners


def _binned(p: Array, y: Classes, bins: int) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return confidence, 1 if right, and the number of its bin (-1: no answer) of each clip."""
    if bins < 1:
        raise InputError(f"bins={bins}: give 1 or more.")
    _answered(p)
    sure = confidence(p)
    # Rounded, since 0.7 in float32 lies a little above 0.7, and would fall into the next bin.
    upper = np.ceil(np.round(np.nan_to_num(sure) * bins, 4)).astype(np.int64) - 1
    right = (p.argmax(axis=1) == y).astype(np.float64)
    return sure, right, np.where(np.isnan(sure), -1, np.clip(upper, 0, bins - 1))
