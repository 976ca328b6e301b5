"""Histograms of oriented gradients of face crops, for classical models to compare with `image`.

Explained in notebook 05_image. Paper B compares its networks with classical classifiers only in its
literature review ("deep learning methods always perform better"). Notebook 05 tests that claim with
these features. Described by Dalal & Triggs (2005), computed by OpenCV.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["hog"]

_SIDE = 64  # OpenCV's cells of 8 px then give 7 x 7 blocks of 2 x 2 cells, 9 directions each
_FEATURES = 1764


def hog(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the histogram of oriented gradients of each crop, float32 (n, 1764).

    crops: uint8 (n, height, width, 3) RGB, or (n, height, width) grey. They
    are resized to 64 x 64 pixels first, so that their size has little influence. `inputs.by_clip`
    averages over the crops of a clip.
    """
    describe = cv2.HOGDescriptor((_SIDE, _SIDE), (16, 16), (8, 8), (8, 8), 9)
    rows = np.zeros((len(crops), _FEATURES), np.float32)
    for row, crop in zip(rows, crops, strict=True):
        small = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        row[:] = np.ravel(describe.compute(small))
    return rows
