"""Faces in a frame: `Detector` finds them, `crop` cuts one out.

Explained in notebook 05_image; 06_full uses it through `video`. Paper B (§3) names no detector. This is
the Haar cascade in the wheel of OpenCV 4 (Viola & Jones 2001; Lienhart 2002), for upright faces.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from cv2.data import haarcascades

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

_HAAR_SIDE = 128  # pixels of the shorter side, to which frames are shrunk for the cascade
_HAAR_SMALLEST = 0.2  # smallest face as a share of that side
_FLAT = 16  # range of grey levels, of 256, below which a picture is blank


class Detector:
    """A detector, for use in one thread."""

    def __init__(self) -> None:
        """Open the cascade."""
        self._cascade = cv2.CascadeClassifier(f"{haarcascades}haarcascade_frontalface_default.xml")

    def detect(self, frame: Pixels) -> Boxes:
        """Return the faces in a frame, uint8 (height, width, 3), as float32 (faces, 5), the best first.

        These are x, y, width and height in pixels, and a score, the number of windows that agreed, at
        least 3. The cascade sees the frame at a shorter side of 128 pixels.
        """
        scale, small = min(1.0, _HAAR_SIDE / min(frame.shape[:2])), frame
        if scale < 1:
            small = np.asarray(
                cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        smallest = round(_HAAR_SMALLEST * min(grey.shape))
        boxes, votes = self._cascade.detectMultiScale2(
            grey, scaleFactor=1.1, minNeighbors=3, minSize=(smallest, smallest)
        )
        scored = np.column_stack([np.reshape(boxes, (-1, 4)) / scale, votes]).astype(np.float32)
        return scored[np.lexsort(scored.T)][::-1]  # OpenCV's threads return varying orders


def centre(height: int, width: int) -> Boxes:
    """Return the largest square in the middle of a frame, float32 (4,): x, y, width, height."""
    side = min(height, width)
    return np.array([(width - side) / 2, (height - side) / 2, side, side], np.float32)


def crop(frame: Pixels, box: Boxes, *, size: int, margin: float = 0.0) -> Pixels:
    """Return the square around `box` in `frame`, resized to uint8 (size, size, 3).

    The side of the square is the longer side of the box, with `margin` times that added on every
    side. Areas outside the frame repeat its edge. Shrinking averages areas, enlarging is linear.
    """
    height, width = frame.shape[:2]
    side = max(1, round(float(max(box[2], box[3])) * (1 + 2 * margin)))
    left = round(float(box[0] + box[2] / 2 - side / 2))
    top = round(float(box[1] + box[3] / 2 - side / 2))
    # Include at least one column and one row of the frame, wherever the box is.
    left, top = min(max(left, 1 - side), width - 1), min(max(top, 1 - side), height - 1)
    inside: npt.NDArray[Any] = frame[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape[:2] != (side, side):
        edges = (max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0))
        inside = cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE)
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (size, size), interpolation=way), np.uint8)


def is_blank(pixels: Pixels) -> bool:
    """Return whether a picture shows nothing: 98 % of its grey values span < 16 of 256 levels."""
    low, high = np.percentile(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (1, 99))
    return bool(high - low < _FLAT)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Limit OpenCV to one thread within the block, because the caller already uses all cores."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
