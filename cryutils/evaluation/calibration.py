"""Calibration of a model's probabilities (notebook 11).

All functions take probabilities of new clips, float (clips, classes), and their true classes, int
(clips,). A row of NaN is no answer.

Reliability, its error and temperature scaling: Guo et al. 2017 (arXiv 1706.04599). Error of a
calibrated model with dependent clips: Cameron, Gelbach & Miller 2008, doi 10.1162/rest.90.3.414.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from cryutils.errors import InputError
from cryutils.evaluation.intervals import mean_interval

Array = npt.NDArray[np.float64]
Classes = npt.NDArray[np.integer[Any]]

BINS = 10  # of confidence
DRAWS = 1000  # simulated errors
_LEAST = float(np.finfo(np.float32).tiny)  # a probability of 0 has no logarithm


def reliability(probabilities: npt.ArrayLike, truth: Classes, infants: Sequence[str]) -> pd.DataFrame:
    """Return the table of a reliability diagram, a row for each bin of confidence with clips.

    Columns low and high (ends of the bin; it includes the upper one), clips, infants (counts),
    confidence (mean), accuracy, and its 95 % interval accuracy_low and accuracy_high, NaN if all
    clips of a bin are of one infant. Raises InputError if no row has an answer.
    """
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
    """Return the temperature of least mean log-loss (`export.at_temperature`), between 0.05 and 20.

    It is above 1 for an overconfident model. Use clips that neither train nor test the model.
    """
    p, y, _ = _answered(probabilities, truth)
    logits = np.log(np.maximum(p, _LEAST))

    def loss(inverse: float) -> float:
        return -float(log_softmax(inverse * logits, axis=1)[np.arange(len(y)), y].mean())

    # The loss is convex in 1 / temperature, so the minimum is unique.
    best = minimize_scalar(loss, bounds=(1 / 20, 1 / 0.05), options={"xatol": 1e-9})
    return float(1 / best.x)


def _answered(probabilities: npt.ArrayLike, truth: Classes) -> tuple[Array, Classes, npt.NDArray[np.bool_]]:
    """Return the rows that have an answer, their classes, and which these are."""
    p = np.asarray(probabilities, dtype=np.float64)
    answered = np.asarray(~np.isnan(p).all(axis=-1))
    if p.ndim != 2 or not np.isclose(p[answered].sum(axis=1), 1, atol=1e-3).all():
        raise InputError("each row of probabilities must sum to 1, or be all NaN")
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
