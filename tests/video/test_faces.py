"""Faces are cut out as asked."""

import numpy as np
import pytest

from cryutils.video import faces


def ramp(height: int = 40, width: int = 60) -> np.ndarray:
    """A picture whose red is the column, green the row, blue 0."""
    made = np.zeros((height, width, 3), np.uint8)
    made[..., 0] = np.arange(width)
    made[..., 1] = np.arange(height)[:, None]
    return made


@pytest.mark.parametrize(
    ("box", "margin", "shown"),
    [
        ((22, 10, 12, 16), 0.0, (10, 26, 20, 36)),  # square around the middle of the box
        ((20, 10, 16, 16), 0.25, (6, 30, 16, 40)),
    ],
)
def test_a_crop_of_the_same_size_is_the_pixels_themselves(box, margin, shown) -> None:
    top, bottom, left, right = shown
    cut = faces.crop(ramp(), np.array(box, np.float32), size=bottom - top, margin=margin)
    np.testing.assert_array_equal(cut, ramp()[top:bottom, left:right])


def test_a_picture_of_one_row_has_no_face() -> None:
    assert faces.Detector().detect(ramp(height=1, width=300)).shape == (0, 5)
