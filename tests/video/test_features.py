"""Histograms of oriented gradients: held against pictures whose gradients are known."""

from __future__ import annotations

import numpy as np

from cryutils.video.features import hog

DIRECTIONS = 9  # of 20 degrees


def ramp(axis: int, side: int = 64) -> np.ndarray:
    """A picture that grows brighter along one axis, uint8 (1, side, side, 3)."""
    line = np.linspace(0, 252, side).astype(np.uint8)
    grey = np.broadcast_to(line if axis == 1 else line[:, None], (side, side))
    return np.repeat(grey[None, ..., None], 3, axis=3)


def shares(crops: np.ndarray) -> np.ndarray:
    """The share of each direction over all cells."""
    bins = hog(crops).reshape(-1, DIRECTIONS).sum(axis=0)
    return bins / bins.sum()


def test_a_gradient_falls_into_the_bins_of_its_direction() -> None:
    sideways, down = shares(ramp(1)), shares(ramp(0))
    # 0 degrees lies between the first and the last bin, 90 degrees in the middle one.
    assert sideways[[0, -1]].sum() > 0.99
    assert down[4] > 0.99


def test_grey_and_colour_of_the_same_picture_agree_and_none_is_none() -> None:
    colour = ramp(1)
    np.testing.assert_array_equal(hog(colour), hog(colour[..., 0]))
    assert hog(colour[:0]).shape == (0, 1764)
