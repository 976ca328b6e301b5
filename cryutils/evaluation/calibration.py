"""Calibration of a model's probabilities, and the choice to answer "unsure" (notebook 11).

All functions take probabilities of new clips, float (clips,
classes), and their true classes, int (clips,). A row of NaN is no answer.

Reliability, its error and temperature scaling: Guo et al. 2017 (arXiv 1706.04599). Error of a
calibrated model with dependent clips: Cameron, Gelbach & Miller 2008, doi 10.1162/rest.90.3.414.
Risk and coverage: Geifman & El-Yaniv 2017 (arXiv 1705.08500).
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
    "at_temperature",
    "brier",
    "chance_errors",
    "confidence_threshold",
    "expected_calibration_error",
    "overconfidence",
    "reliability",
    "risk_coverage",
    "temperature",
    "unless_unsure",
]

Array = npt.NDArray[np.float64]
Classes = npt.NDArray[np.integer[Any]]

BINS = 10  # of confidence
DRAWS = 1000  # simulated errors
_LEAST = float(np.finfo(np.float32).tiny)  # a probability of 0 has no logarithm


def brier(probabilities: npt.ArrayLike, truth: Classes) -> Array:
    """Return each clip's sum of `(p - y)^2` over classes, float64 (clips,), from 0 to 2.

    For two classes it is twice scikit-learn's default.
    """
    p = _checked(probabilities)
    return ((p - np.eye(p.shape[1])[truth]) ** 2).sum(axis=1)


def overconfidence(probabilities: npt.ArrayLike, truth: Classes) -> Array:
    """Return confidence minus 1 if right, minus 0 if wrong, float64 (clips,), in [-1, 1]."""
    p = _checked(probabilities)
    return p.max(axis=1) - np.where(np.isnan(p[:, 0]), np.nan, p.argmax(axis=1) == truth)


def reliability(probabilities: npt.ArrayLike, truth: Classes, infants: Sequence[str]) -> pd.DataFrame:
    """Return the table of a reliability diagram, a row for each bin of confidence with clips.

    Columns low and high (ends of the bin), clips, infants (counts), confidence (mean), accuracy,
    and its 95 % interval accuracy_low and accuracy_high, NaN if all clips of a bin are of one
    infant.

    infants: one for each clip. A bin includes its upper end. Raises InputError if no row has an
    answer.
    """
    import pandas as pd

    sure, right, place, answered = _binned(probabilities, truth)
    owners, rows = np.asarray(infants)[answered], []
    for k in np.unique(place):
        inside = place == k
        interval = mean_interval(right[inside], owners[inside], limits=(0, 1))
        about = {"low": k / BINS, "high": (k + 1) / BINS, "clips": interval.n, "infants": interval.n_infants}
        ends = {"accuracy": interval.value, "accuracy_low": interval.low, "accuracy_high": interval.high}
        rows.append(about | {"confidence": sure[inside].mean()} | ends)
    return pd.DataFrame(rows).astype({"accuracy_low": float, "accuracy_high": float})


def expected_calibration_error(probabilities: npt.ArrayLike, truth: Classes) -> float:
    """Return the expected calibration error of the answers (Guo et al. 2017, equation 3), 0-1.

    The mean over clips of the absolute difference between accuracy and mean confidence in the
    clip's bin. `chance_errors` shows how large it is by chance.
    """
    sure, right, place, _ = _binned(probabilities, truth)
    return float(np.abs(np.bincount(place, right - sure)).sum() / len(sure))


def chance_errors(
    probabilities: npt.ArrayLike, truth: Classes, infants: Sequence[str], *, seed: int = 0
) -> Array:
    """Return the calibration errors that chance alone would give, float64 (1000,).

    A wild cluster bootstrap: the sums of right minus confidence, for each infant and bin, keep or
    change their signs at random. The range is approximate, and miscalibration widens it.
    """
    sure, right, place, answered = _binned(probabilities, truth)
    names, group = np.unique(np.asarray(infants)[answered], return_inverse=True)
    sums = np.zeros((len(names), BINS))
    np.add.at(sums, (group, place), right - sure)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(DRAWS, len(names)))
    return np.asarray(np.abs(signs @ sums).sum(axis=1) / len(sure))


def temperature(probabilities: npt.ArrayLike, truth: Classes) -> float:
    """Return the temperature of least mean log-loss (see `at_temperature`), between 0.05 and 20.

    It is above 1 for an overconfident model. Use clips that neither train nor test the model.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    p, y, _ = _answered(probabilities, truth)
    logits = np.log(np.maximum(p, _LEAST))

    def loss(inverse: float) -> float:
        return -float(log_softmax(inverse * logits, axis=1)[np.arange(len(y)), y].mean())

    # The loss is convex in 1 / temperature, so the minimum is unique.
    best = minimize_scalar(loss, bounds=(1 / 20, 1 / 0.05), options={"xatol": 1e-9})
    return float(1 / best.x)


def at_temperature(probabilities: npt.ArrayLike, value: float) -> npt.NDArray[np.float32]:
    """Return `softmax(log(p) / value)`, float32 (clips, classes). Answers stay the same."""
    from scipy.special import softmax

    logits = np.log(np.maximum(_checked(probabilities), _LEAST))
    return softmax(logits / value, axis=1).astype(np.float32)


def risk_coverage(probabilities: npt.ArrayLike, truth: Classes) -> pd.DataFrame:
    """Return the risk of answering only above a confidence threshold, a row for each threshold.

    Columns threshold, coverage (share of clips with at least this confidence) and risk (share of
    wrong answers among these), from the most confident clip to all.
    """
    import pandas as pd

    p, y, answered = _answered(probabilities, truth)
    sure, wrong = p.max(axis=1), p.argmax(axis=1) != y
    order = np.argsort(-sure, kind="stable")
    level = sure[order]
    last = np.flatnonzero(np.append(level[1:] != level[:-1], True))
    table = {"threshold": level[last], "coverage": (last + 1) / len(answered)}
    return pd.DataFrame({**table, "risk": np.cumsum(wrong[order])[last] / (last + 1)})


def confidence_threshold(probabilities: npt.ArrayLike, *, coverage: float) -> float:
    """Return the highest confidence that at least a share `coverage` of these clips reach.

    Choose it on validation clips. 0 if too few clips have an answer.
    """
    sure = np.nan_to_num(_checked(probabilities).max(axis=1))
    return float(np.sort(sure)[::-1][math.ceil(coverage * len(sure) - 1e-9) - 1])


def unless_unsure(probabilities: npt.ArrayLike, threshold: float) -> npt.NDArray[np.float32]:
    """Return the probabilities, float32 (clips, classes), with NaN where confidence is too low."""
    p = _checked(probabilities)
    return np.where((p.max(axis=1) >= threshold)[:, None], p, np.nan).astype(np.float32)


def _checked(probabilities: npt.ArrayLike) -> Array:
    p = np.asarray(probabilities, dtype=np.float64)
    missing = np.isnan(p).all(axis=-1)
    if p.ndim != 2 or not (np.isclose(p.sum(axis=1), 1, atol=1e-3) | missing).all():
        raise InputError("each row of probabilities must sum to 1, or be all NaN")
    return p


def _answered(probabilities: npt.ArrayLike, truth: Classes) -> tuple[Array, Classes, npt.NDArray[np.bool_]]:
    """Return the rows that have an answer, their classes, and which these are."""
    p = _checked(probabilities)
    answered = ~np.isnan(p[:, 0])
    if not answered.any():
        raise InputError("no clip has an answer, so there is nothing to calibrate")
    return p[answered], np.asarray(truth)[answered], answered


def _binned(
    probabilities: npt.ArrayLike, truth: Classes
) -> tuple[Array, Array, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return confidence, 1 if right and bin of each answered clip, and which these are."""
    p, y, answered = _answered(probabilities, truth)
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    # Rounded, since 0.7 in float32 is a little above 0.7 and would fall into the next bin.
    upper = np.ceil(np.round(sure * BINS, 4)).astype(np.int64) - 1
    return sure, right.astype(np.float64), np.clip(upper, 0, BINS - 1), answered
