"""The figure of rounded weights: `rounding`.

Used in notebook 13_live_and_deployment. Paper B §3 (deployment strategy) has no such figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from cryutils.plots.palette import INK

_STEPS = 5  # steps on either side of 0 in the left panel


def rounding(
    weights: npt.ArrayLike, rounded: npt.ArrayLike, axes: Sequence[Axes], *, scale: float
) -> Sequence[Axes]:
    """Draw rounded against original weights near 0, and the distribution of the rounding error.

    scale: the distance between neighbouring rounded weights, the unit of the error. axes: two.
    """
    steps, errors = axes
    before, after = np.ravel(weights), np.ravel(rounded)
    near = np.abs(before) <= _STEPS * scale
    ends = [-_STEPS * scale, _STEPS * scale]
    steps.plot(ends, ends, color="0.6", lw=1, label="not rounded")
    steps.plot(before[near], after[near], ".", ms=3, color=INK[0], label="rounded")
    steps.set(xlabel="weight, 32-bit float", ylabel="weight after rounding", title="Weights near 0")
    steps.legend(loc="upper left")
    errors.hist((after - before) / scale, bins=40, range=(-1, 1), color=INK[0])
    errors.set(xlabel="rounding error (in scales)", ylabel="weights", title="All weights")
    return axes
