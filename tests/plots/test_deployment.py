"""The figure of rounded weights shows the numbers that it was given."""

from __future__ import annotations

import numpy as np
from drawn import points

from cryutils import plots


def test_weights_near_zero_on_the_left_and_every_error_on_the_right(axes) -> None:
    weights = np.array([[-0.31, 0.02], [0.04, 9.99]])
    rounded = np.array([[-0.3, 0.0], [0.0, 10.0]])
    steps, errors = plots.rounding(weights, rounded, axes[:2], scale=0.1)
    assert points(steps, "rounded") == ([-0.31, 0.02, 0.04], [-0.3, 0.0, 0.0])
    places = [(bar.get_x(), bar.get_height()) for bar in errors.patches]
    assert sum(height for x, height in places if x < -0.01) == 2  # of 0.02 and 0.04
    assert sum(height for _, height in places) == 4
