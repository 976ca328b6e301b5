"""What surrounds a synthetic face: a sheet, a suit, and the grain of the camera.

Read by `face.py`, for the frames of notebook 05 (image). Colours are those of a nursery: pale
and dull, so that nothing in the picture is louder than the face.
"""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.face_states import Face
from cryutils.datasets.synthetic.features import skin_colour
from cryutils.datasets.synthetic.relief import Plane, lamp_colour, rgb

__all__ = ["GRAINS", "HEAD", "MIDDLE", "backdrop", "grains"]

Frame = npt.NDArray[np.uint8]

HEAD = 0.36  # half height of a head, as a share of the picture's side
MIDDLE = 0.49  # where it lies, from above
GRAINS = 4  # noisy pictures, shown in turn: fresh noise in each frame would triple a file


def backdrop(face: Face, *, size: int, rng: np.random.Generator) -> Frame:
    """Return the picture behind the head, uint8 (size, size, 3): sheet, shadow, shoulders, neck.

    rng: draws the folds of the sheet.
    """
    import cv2

    at = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y = (at[None] - np.float32(0.5)) / HEAD, (at[:, None] - np.float32(MIDDLE)) / HEAD
    soft = 2.5 / (HEAD * size)
    folds, creases = (_clouds(knots, size, rng) for knots in (5, 9))
    sheet = 1 + 0.05 * folds + 0.025 * creases - 0.03 * (x * x + y * y) + 0.07 * face.light_x * x
    shadow = np.exp(-((((x - 0.08) / 1.02) ** 2 + ((y - 0.1) / 1.12) ** 2) ** 3))
    out = _pale(face.sheet, 0.09, face.sheet_tone) * (sheet * (1 - 0.22 * shadow))[..., None]
    body = 1 - np.abs(x / 1.3) ** 2.6 - ((y - 1.73) / 0.98) ** 2
    suit = np.clip(0.5 + body / (2 * soft), 0, 1)
    lit = 0.55 + 0.5 * np.sqrt(np.clip(body, 0, 0.8)) + 0.04 * creases
    cloth = _pale(face.cloth, 0.2, 0.72)
    _lay(out, cloth * lit[..., None], suit)
    collar = np.hypot(x / 1.05, (y - 0.84) / 0.62)
    _lay(out, skin_colour(face) * rgb(0.72, 0.58, 0.54), (0.42 - collar) / soft + 0.5)
    _lay(out, cloth * 0.98, 0.8 * suit * np.exp(-(((collar - 0.46) / 0.05) ** 2)))
    out *= lamp_colour(face)
    out = cv2.GaussianBlur(out, (0, 0), size / 160)
    return (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)


def grains(face: Face, *, size: int, rng: np.random.Generator) -> list[tuple[Frame, Frame]]:
    """Return `GRAINS` pairs of uint8 (size, size, 3): noise to add, and to take away."""
    level = np.float32(2.0**face.grain)
    noise = level * rng.standard_normal((GRAINS, size, size, 3), dtype=np.float32)
    rounded = np.clip(np.rint(noise), -255, 255).astype(np.int16)
    return [
        (np.maximum(n, 0).astype(np.uint8), np.maximum(-n, 0).astype(np.uint8)) for n in rounded
    ]


def _clouds(knots: int, size: int, rng: np.random.Generator) -> Plane:
    import cv2

    values = rng.standard_normal((knots, knots)).astype(np.float32)
    return np.asarray(cv2.resize(values, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _pale(hue: float, saturation: float, value: float) -> Plane:
    return rgb(*colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def _lay(picture: Plane, colour: Plane, mask: Plane) -> None:
    picture += (colour - picture) * np.clip(mask, 0, 1)[..., None]
