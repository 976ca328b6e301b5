"""Find the faces in a frame and cut one out: `detector`, `crop`.

Walked by notebook 05_image; 06_full uses it through `video`. Paper B (§3) detects the face,
resizes and normalises it, and names no detector. Two serve here, both offline: the Haar
cascade in the wheel of OpenCV 4, and YuNet where its model file is at hand. `tracks`
chooses one face over time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import weights_dir
from cryutils.errors import InputError, near_miss

__all__ = [
    "DETECTORS",
    "YUNET",
    "Detector",
    "cascade_file",
    "centre",
    "crop",
    "detector",
    "is_blank",
    "resolve",
    "single_threaded",
    "yunet_file",
]

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

DETECTORS = ("auto", "haar", "yunet")
YUNET = "face_detection_yunet_2023mar.onnx"  # OpenCV's model zoo publishes it under this name

_HAAR_SIDE = 128  # pixels of the shorter side that the cascade sees
_HAAR_SMALLEST = 0.2  # of that side
_YUNET_SIDE = 320  # pixels of the longer side that YuNet sees
_YUNET_SCORE = 0.6
_FLAT = 16  # grey levels of 256


class Detector(Protocol):
    """What finds faces: `detect(frame)` gives float32 (faces, 5): x, y, width, height, score."""

    name: str

    def detect(self, frame: Pixels) -> Boxes: ...


def detector(name: str = "auto") -> Detector:
    """Return the detector called `name`, of `DETECTORS`; one for each thread, please.

    "auto" is YuNet where `yunet_file()` is at hand, else the Haar cascade; the `name` of what
    comes back is "yunet" or "haar". Raises InputError for another name, or a missing file.
    """
    return _YuNet() if resolve(name) == "yunet" else _Haar()


def resolve(name: str) -> str:
    """Return "yunet" or "haar" for a name of `DETECTORS`. Raises InputError as `detector` does."""
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
    """Return the model file of YuNet in `CRYUTILS_WEIGHTS_DIR`, or None where there is none.

    Wu, Peng & Yu 2023, YuNet: a tiny millisecond-level face detector.
    """
    folder = weights_dir()
    return folder / YUNET if folder is not None and (folder / YUNET).is_file() else None


def cascade_file() -> Path:
    """Return the frontal-face cascade of OpenCV's wheel (Viola & Jones 2001; Lienhart 2002).

    Raises InputError where the installed OpenCV carries none.
    """
    import cv2

    try:
        from cv2.data import haarcascades
    except ImportError:  # OpenCV 5
        haarcascades = ""
    path = Path(haarcascades, "haarcascade_frontalface_default.xml")
    if not path.is_file():
        raise InputError(
            f"OpenCV {cv2.__version__} carries no Haar cascade: "
            "pip install 'opencv-python>=4.10,<5'."
        )
    return path


class _Haar:
    """The cascade on an equalised grey picture, shrunk to 128 pixels on its shorter side."""

    name = "haar"

    def __init__(self) -> None:
        import cv2

        self._cascade = cv2.CascadeClassifier(str(cascade_file()))

    def detect(self, frame: Pixels) -> Boxes:
        import cv2

        small, scale = _shrunk(frame, _HAAR_SIDE / min(frame.shape[:2]))
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        smallest = round(_HAAR_SMALLEST * min(grey.shape))
        boxes, votes = self._cascade.detectMultiScale2(
            grey, scaleFactor=1.1, minNeighbors=3, minSize=(smallest, smallest)
        )
        scored = np.zeros((len(boxes), 5), np.float32)
        if len(boxes):
            scored[:, :4] = np.asarray(boxes) / scale
            scored[:, 4] = votes  # how many windows agreed
        return _sorted(scored)


class _YuNet:
    """YuNet on a picture shrunk to 320 pixels on its longer side."""

    name = "yunet"

    def __init__(self) -> None:
        import cv2

        model = yunet_file()
        assert model is not None, "`resolve` has looked"
        try:
            self._net: Any = cv2.FaceDetectorYN.create(
                str(model), "", (_YUNET_SIDE, _YUNET_SIDE), score_threshold=_YUNET_SCORE
            )
            # Another network opens too, and fails at its first picture.
            self.detect(np.zeros((_YUNET_SIDE, _YUNET_SIDE, 3), np.uint8))
        except cv2.error as error:
            raise InputError(f"{model}: it is no YuNet model; download that file again.") from error

    def detect(self, frame: Pixels) -> Boxes:
        import cv2

        small, scale = _shrunk(frame, _YUNET_SIDE / max(frame.shape[:2]))
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if faces is None:
            return np.zeros((0, 5), np.float32)
        boxes = np.empty((len(faces), 5), np.float32)
        boxes[:, :4] = faces[:, :4] / scale
        boxes[:, 4] = faces[:, -1]
        return _sorted(boxes)


def centre(height: int, width: int) -> Boxes:
    """Return the largest square in the middle of a frame, float32 (4,): x, y, width, height."""
    side = min(height, width)
    return np.array([(width - side) / 2, (height - side) / 2, side, side], np.float32)


def crop(frame: Pixels, box: Boxes, *, size: int, margin: float = 0.0) -> Pixels:
    """Return the square around `box`, uint8 (size, size, 3), from `frame`.

    The longer side of the box, `margin` of it added on every side; what lies outside the frame
    repeats its edge. Shrunk by area, enlarged linearly.
    """
    import cv2

    height, width = frame.shape[:2]
    side = max(1, round(float(max(box[2], box[3])) * (1 + 2 * margin)))
    left = round(float(box[0] + box[2] / 2 - side / 2))
    top = round(float(box[1] + box[3] / 2 - side / 2))
    # At least one column and row of the frame, wherever the box may lie.
    left, top = (min(max(low, 1 - side), high - 1) for low, high in ((left, width), (top, height)))
    inside: npt.NDArray[Any] = frame[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape[:2] != (side, side):
        edges = (
            max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0),
        )  # fmt: skip
        inside = cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE)
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (size, size), interpolation=way), np.uint8)


def is_blank(pixels: Pixels) -> bool:
    """Return whether a picture shows nothing: 98 % of its grey values within 16 levels of 256."""
    import cv2

    low, high = np.percentile(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (1, 99))
    return bool(high - low < _FLAT)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep OpenCV to the thread that calls it while any such block is open.

    Our threads already use all cores. The number is OpenCV's own and one for the process, so
    the first block to open notes it and the last to close puts it back.
    """
    import cv2

    global _open, _threads
    with _LOCK:
        if _open == 0:
            _threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _open += 1
    try:
        yield
    finally:
        with _LOCK:
            _open -= 1
            if _open == 0:
                cv2.setNumThreads(_threads)


_LOCK = threading.Lock()
_open = 0
_threads = 0


def _shrunk(frame: Pixels, scale: float) -> tuple[Pixels, float]:
    import cv2

    if scale >= 1:
        return frame, 1.0
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def _sorted(boxes: Boxes) -> Boxes:
    # OpenCV's threads hand in their finds in any order.
    return boxes[np.lexsort(boxes.T)][::-1]
