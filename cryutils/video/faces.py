"""Faces in a frame: `detector` finds them, `crop` cuts one out.

Explained in notebook 05_image; 06_full uses it through `video`. Paper B (§3) detects the face,
resizes and normalises it, but names no detector. Two are available here, both offline: the Haar
cascade in the wheel of OpenCV 4, and YuNet if its model file is present. `tracks` follows one face
over time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cryutils._io.paths import weights_dir
from cryutils.errors import InputError, near_miss

__all__ = [
    "DETECTORS", "YUNET", "cascade_file", "centre", "crop", "detector", "is_blank",
    "resolve", "single_threaded", "yunet_file",
]  # fmt: skip

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

DETECTORS = ("auto", "haar", "yunet")
YUNET = "face_detection_yunet_2023mar.onnx"  # the file's name in OpenCV's model zoo

_HAAR_SIDE = 128  # pixels of the shorter side, to which frames are shrunk for the cascade
_HAAR_SMALLEST = 0.2  # smallest face as a share of that side
_YUNET_SIDE = 320  # pixels of the longer side, to which frames are shrunk for YuNet
_YUNET_SCORE = 0.6
_FLAT = 16  # range of grey levels, of 256, below which a picture is blank


def detector(name: str = "auto") -> _Haar | _YuNet:
    """Return a new detector, for use in one thread; its `name` is "yunet" or "haar".

    Its `detect(frame)` returns float32 (faces, 5): x, y, width, height, score. "auto" is YuNet if
    `yunet_file()` exists, else the Haar cascade. Raises InputError for a name that is not in
    `DETECTORS`, or a missing file.
    """
    return _YuNet() if resolve(name) == "yunet" else _Haar()


def resolve(name: str) -> str:
    """Return "yunet" or "haar" for a name in `DETECTORS`. Raises InputError as `detector` does."""
    if name not in DETECTORS:
        raise InputError(f"there is no detector {name!r}.{near_miss(name, DETECTORS)}")
    if name == "haar":
        return name
    if yunet_file() is not None:
        return "yunet"
    if name == "yunet":
        raise InputError(f"detector='yunet': put {YUNET} into a folder named CRYUTILS_WEIGHTS_DIR.")
    return "haar"


def yunet_file() -> Path | None:
    """Return the path of YuNet's model file in `CRYUTILS_WEIGHTS_DIR`, None if there is none.

    Wu, Peng & Yu 2023, YuNet: a tiny millisecond-level face detector.
    """
    folder = weights_dir()
    return folder / YUNET if folder is not None and (folder / YUNET).is_file() else None


def cascade_file() -> Path:
    """Return the path of the frontal-face cascade in OpenCV's wheel.

    Viola & Jones 2001; Lienhart 2002. Raises InputError if the installed OpenCV has none.
    """
    try:
        from cv2.data import haarcascades
    except ImportError:  # OpenCV 5
        haarcascades = ""
    path = Path(haarcascades, "haarcascade_frontalface_default.xml")
    if not path.is_file():
        raise InputError(
            f"OpenCV {cv2.__version__} has no Haar cascade:"
            " pip install --force-reinstall 'opencv-python-headless>=4.10,<5'."
        )
    return path


class _Haar:
    """The cascade, applied to an equalised grey picture shrunk to a shorter side of 128 pixels."""

    name = "haar"

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(str(cascade_file()))

    def detect(self, frame: Pixels) -> Boxes:
        small, scale = _shrunk(frame, _HAAR_SIDE / min(frame.shape[:2]))
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        smallest = round(_HAAR_SMALLEST * min(grey.shape))
        boxes, votes = self._cascade.detectMultiScale2(  # votes: number of windows that agreed
            grey, scaleFactor=1.1, minNeighbors=3, minSize=(smallest, smallest)
        )
        return _scored(boxes, votes, scale)


class _YuNet:
    """YuNet, applied to a picture shrunk to a longer side of 320 pixels."""

    name = "yunet"

    def __init__(self) -> None:
        model = yunet_file()
        assert model is not None  # checked by `resolve`
        try:
            self._net: Any = cv2.FaceDetectorYN.create(
                str(model), "", (_YUNET_SIDE, _YUNET_SIDE), score_threshold=_YUNET_SCORE
            )
            # Another network can also be opened, but fails at its first picture.
            self.detect(np.zeros((_YUNET_SIDE, _YUNET_SIDE, 3), np.uint8))
        except cv2.error as error:
            raise InputError(f"{model}: not a YuNet model; download the file again.") from error

    def detect(self, frame: Pixels) -> Boxes:
        small, scale = _shrunk(frame, _YUNET_SIDE / max(frame.shape[:2]))
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if faces is None:
            faces = np.zeros((0, 15), np.float32)
        return _scored(faces[:, :4], faces[:, -1], scale)


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
        edges = (
            max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0),
        )  # fmt: skip
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


def _shrunk(frame: Pixels, scale: float) -> tuple[Pixels, float]:
    if scale >= 1:
        return frame, 1.0
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def _scored(boxes: Any, scores: Any, scale: float) -> Boxes:
    """Return boxes of a picture shrunk by `scale`, in pixels of the frame, float32 (faces, 5)."""
    scaled = np.reshape(boxes, (-1, 4)) / scale
    scored = np.column_stack([scaled, scores]).astype(np.float32)
    return scored[np.lexsort(scored.T)][::-1]  # OpenCV's threads return faces in varying order
