"""Drawn once, moved many times: the heads of one clip, kept by how far mouth and eyes are open.

Read by `face.py`, for the frames of notebook 05 (image). Eyes and brows move above a seam across
the nose and the mouth below it, so a dozen upper and a dozen lower halves make every expression
of a clip, and each is drawn only when a frame asks for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic import features
from cryutils.datasets.synthetic.face_states import Face
from cryutils.datasets.synthetic.relief import SPAN, Canvas, Pose, form, lit

__all__ = ["Sprites", "draw"]

Sprite = npt.NDArray[np.uint8]

SEAM_Y = 0.33
MOUTHS, EFFORTS = 13, 7  # how finely a mouth opens and a face is screwed up


class Sprites:
    """The heads of one clip, drawn as they are asked for."""

    def __init__(self, face: Face, *, size: int) -> None:
        self.face, self.size = face, size
        self._halves: dict[tuple[bool, Pose], Sprite] = {}
        self._heads: dict[tuple[Pose, Pose], Sprite] = {}

    def head(self, *, opening: float, effort: float, blink: bool) -> Sprite:
        """Return the head that comes nearest, uint8 (size, size, 4) RGB times alpha, and alpha."""
        mouth = round(opening * (MOUTHS - 1)) / (MOUTHS - 1)
        eyes = round(effort * (EFFORTS - 1)) / (EFFORTS - 1)
        # The lower half strains with the mouth that it holds, not with the cry as a whole.
        key = Pose(effort=eyes, blink=float(blink)), Pose(opening=mouth, effort=mouth)
        if key not in self._heads:
            halves = self._half(True, key[0]), self._half(False, key[1])
            self._heads[key] = np.concatenate(halves)
        return self._heads[key]

    def _half(self, upper: bool, pose: Pose) -> Sprite:
        if (upper, pose) not in self._halves:
            self._halves[upper, pose] = draw(self.face, pose, size=self.size, upper=upper)
        return self._halves[upper, pose]


def draw(face: Face, pose: Pose, *, size: int, upper: bool) -> Sprite:
    """Return half a head, uint8 (rows, size, 4): RGB times alpha, and alpha.

    size: pixels of the whole, square sprite, which shows -SPAN to SPAN. upper: the rows above
    the seam, else those below; one over the other they are the head.
    """
    seam = round((SEAM_Y / SPAN + 1) * size / 2)
    margin = size // 14  # shadows of what lies beyond the seam
    first, last = (0, seam + margin) if upper else (seam - margin, size)
    at = ((np.arange(size) + 0.5) * (2 * SPAN / size) - SPAN).astype(np.float32)
    canvas = Canvas(
        face, pose, x=at[None], y=at[first:last, None], pixel=2 * SPAN / size,
        skin=features.skin_colour(face),
    )  # fmt: skip
    form(canvas)
    features.flush(canvas)
    if upper:
        features.hair(canvas)
        features.eyes(canvas)
        features.brows(canvas)
    features.nose(canvas)
    if not upper:
        features.mouth(canvas)
    features.tears(canvas)
    drawn = lit(canvas)
    return drawn[:seam] if upper else drawn[seam - first :]
