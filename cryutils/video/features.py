"""Histograms of oriented gradients of face crops, for the classical models beside `image`.

Notebook 05_image walks it. Paper B compares its networks with classical classifiers by a claim
of its literature review alone ("deep learning methods always perform better"); these features
let notebook 05 test it. Dalal & Triggs (2005) describe them, OpenCV computes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = ["hog"]

_SIDE = 64  # OpenCV's cells of 8 px then give 7 x 7 blocks of 2 x 2 cells, 9 directions each
_FEATURES = 1764


def hog(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the histogram of oriented gradients of each crop, float32 (n, 1764).

    A crop is brought to 64 x 64 pixels first, so its size does not change what is counted.
    `crossfit.by_clip` averages over the crops of a clip.

    Parameters
    ----------
    crops : ndarray of uint8
        (n, height, width, 3) RGB, or (n, height, width) grey.

    Raises
    ------
    InputError
        Other shapes or types.
    """
    import cv2

    if crops.dtype != np.uint8 or crops.ndim not in (3, 4) or crops.shape[3:] not in ((), (3,)):
        raise InputError(f"crops are uint8 (n, height, width, 3), not {crops.dtype} {crops.shape}.")
    describe = cv2.HOGDescriptor((_SIDE, _SIDE), (16, 16), (8, 8), (8, 8), 9)
    rows = np.zeros((len(crops), _FEATURES), np.float32)
    for row, crop in zip(rows, crops, strict=True):
        small = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        row[:] = np.ravel(describe.compute(small))
    return rows
