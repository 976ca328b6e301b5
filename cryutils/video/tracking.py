"""One face over time, from the boxes that a detector found now and then: `choose`, `follow`.

Walked by notebook 05_image through `video.track`. Paper B (§3) detects a face in each frame
and doesn't say which one where there are several; here it is one face, followed by overlap.
Plain arithmetic on boxes, float32 (4,): x, y, width, height in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["HOLD_S", "Face", "choose", "follow", "overlap"]

Boxes = npt.NDArray[np.float32]
Face = list[tuple[float, Boxes]]  # where one face was seen: time in s, box

HOLD_S = 0.5  # a face that was seen is taken to be there for so long before and after

_SAME_FACE = 0.3  # overlap of two boxes, one look apart
_LOST_S = 1.0  # without a box for longer, the next one starts a new face
_ROUNDING_S = 1e-6


def choose(seen: Sequence[Boxes], times_s: Sequence[float]) -> Face:
    """Return (time in s, box (4,)) of the one face that is followed, in order of time.

    seen: what a detector found at each of `times_s`, float32 (faces, 5). Boxes that overlap
    from one look to the next are one face. The face with the largest sum of side times score
    over the whole recording is taken; another one only where that isn't in sight, and never
    on the strength of a single look if the chosen one was seen more often.
    """
    faces = _linked(seen, times_s)
    faces.sort(key=lambda face: -sum(_weight(box) for _, box in face))
    taken: list[Face] = []
    for face in faces:
        apart = all(face[-1][0] < other[0][0] or face[0][0] > other[-1][0] for other in taken)
        if apart and (not taken or len(face) > 1 or len(taken[0]) == 1):
            taken.append(face)
    looks = [look for face in taken for look in face]
    return sorted(((time, box[:4]) for time, box in looks), key=lambda look: look[0])


def follow(looks: Face, times_s: npt.NDArray[np.float64]) -> tuple[Boxes, npt.NDArray[np.bool_]]:
    """Return boxes float32 (n, 4) and found bool (n,) at `times_s`, from where `looks` saw a face.

    Between looks a box goes straight from one to the next, before the first and after the last
    it stays. Each look is averaged with its neighbours at most `HOLD_S` away (weights 1, 2, 1),
    since detectors tremble. found: a face was seen at most `HOLD_S` away. Without any look the
    boxes are zeros.
    """
    if not looks:
        return np.zeros((len(times_s), 4), np.float32), np.zeros(len(times_s), bool)
    at = np.array([time for time, _ in looks], np.float64)
    steady = _steadied(at, np.array([box for _, box in looks], np.float32))
    boxes = np.stack([np.interp(times_s, at, steady[:, i]) for i in range(4)], axis=1)
    after = np.searchsorted(at, times_s).clip(0, len(at) - 1)
    away = np.minimum(np.abs(at[after] - times_s), np.abs(at[np.maximum(after - 1, 0)] - times_s))
    return boxes.astype(np.float32), away <= HOLD_S + _ROUNDING_S


def overlap(box: Boxes, boxes: Boxes) -> npt.NDArray[np.float32]:
    """Return the intersection of `box` (4,) with each of `boxes` (n, 4) over their union, (n,)."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:4], boxes[:, :2] + boxes[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return shared / (box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared)


def _weight(box: Boxes) -> float:
    return float(np.sqrt(box[2] * box[3]) * box[4])


def _linked(seen: Sequence[Boxes], times_s: Sequence[float]) -> list[Face]:
    """Return the faces that overlapping boxes make, those of larger weight served first."""
    faces: list[Face] = []
    open_faces: list[Face] = []
    for time, boxes in zip(times_s, seen, strict=True):
        free = np.ones(len(boxes), bool)
        open_faces = [face for face in open_faces if time - face[-1][0] <= _LOST_S]
        for face in sorted(open_faces, key=lambda face: -_weight(face[-1][1])):
            shared = np.where(free, overlap(face[-1][1], boxes), 0)
            if len(boxes) and shared.max() >= _SAME_FACE:
                face.append((time, boxes[shared.argmax()]))
                free[shared.argmax()] = False
        fresh: list[Face] = [[(time, box)] for box in boxes[free]]
        faces += fresh
        open_faces += fresh
    return faces


def _steadied(at: npt.NDArray[np.float64], boxes: Boxes) -> npt.NDArray[np.float64]:
    """Return each box averaged with its neighbours where they are near and the same face."""
    same = [overlap(box, after[None])[0] for box, after in pairwise(boxes)]
    joined = ((np.diff(at) <= HOLD_S + _ROUNDING_S) & (np.array(same) >= _SAME_FACE))[:, None]
    total, weight = 2 * boxes.astype(np.float64), np.full((len(at), 1), 2.0)
    total[1:] += np.where(joined, boxes[:-1], 0)
    total[:-1] += np.where(joined, boxes[1:], 0)
    weight[1:] += joined
    weight[:-1] += joined
    return total / weight
