"""The form of an infant's head and the light on it: what the features of a face are painted on.

Read by `sprites.py`, for the frames of notebook 05 (image). A face that is drawn flat is no face
to a cascade of Haar features, which looks for shaded sockets, a bright bridge of the nose and
bright cheeks. So the head is a height field of bumps and hollows under one lamp and the sky.
Lengths are half heights of the head, the origin lies between the ears, x points right, y down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.face_states import Face

__all__ = [
    "EYE_X", "EYE_Y", "MOUTH_Y", "NOSE_Y", "SPAN", "Canvas", "Plane", "Pose", "bell", "clipped",
    "form", "lamp_colour", "lit", "mix", "pair", "rgb", "step", "tone",
]  # fmt: skip

Plane = npt.NDArray[np.floating[Any]]

SPAN = 1.3  # a canvas shows -SPAN to SPAN in both directions
EYE_X, EYE_Y = 0.35, 0.13
NOSE_Y, MOUTH_Y = 0.395, 0.645


@dataclass(frozen=True, slots=True)
class Pose:
    """What moves in a face: `opening` of the mouth, `effort` of the cry, `blink`, each 0 to 1."""

    opening: float = 0.0
    effort: float = 0.0
    blink: float = 0.0


@dataclass(eq=False)
class Canvas:
    """Rows of a head while they are drawn: colours, height, and how much of a pixel is covered.

    `x` (1, columns) and `y` (rows, 1) belong to the head, `fx` and `fy` to its face, which lies
    in front of the axis that the head turns about.
    """

    face: Face
    pose: Pose
    x: Plane
    y: Plane
    pixel: float
    skin: Plane = field(repr=False)
    fx: Plane = field(init=False, repr=False)
    fy: Plane = field(init=False, repr=False)
    colours: Plane = field(init=False, repr=False)
    height: Plane = field(init=False, repr=False)
    inside: Plane = field(init=False, repr=False)
    ear: Plane = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.fx = self.x - np.float32(0.09 * self.face.turn)
        self.fy = self.y - np.float32(self.face.forehead + 0.05 * self.face.nod)
        shape = (self.y.size, self.x.size)
        self.colours = np.broadcast_to(self.skin[:, None, None], (3, *shape)).copy()
        self.height, self.inside, self.ear = np.zeros((3, *shape), np.float32)

    @contextmanager
    def window(
        self, x: tuple[float, float], y: tuple[float, float]
    ) -> Iterator[tuple[Plane, Plane, Plane, Plane]]:
        """Give fx, fy, colours and height of a part of the face, to be painted in place."""
        across = slice(*np.searchsorted(self.fx[0], x))
        down = slice(*np.searchsorted(self.fy[:, 0], y))
        yield (
            self.fx[:, across], self.fy[down],
            self.colours[:, down, across], self.height[down, across],
        )  # fmt: skip


def rgb(red: float, green: float, blue: float) -> Plane:
    """Return a colour, or a factor on one, as float32 (3,)."""
    return np.array([red, green, blue], np.float32)


def clipped(value: float, high: float = 1.0) -> float:
    """Return `value` kept between 0 and `high`."""
    return min(max(value, 0.0), high)


def step(value: Plane, low: float, high: float) -> Plane:
    """Return 0 below `low`, 1 above `high`, and a smooth S between."""
    t = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def bell(value: Plane, centre: float, width: float) -> Plane:
    """Return a Gaussian of height 1; two of them, of x and of y, make a bump."""
    t = (value - np.float32(centre)) * np.float32(1 / width)
    return np.exp(-t * t)


def pair(x: Plane, centre: float, width: float) -> Plane:
    """Return a bell on either side of the face."""
    return bell(x, centre, width) + bell(x, -centre, width)


def mix(colours: Plane, paint: Plane, mask: Plane) -> None:
    """Paint over `colours`, float32 (3, rows, columns), in place, where `mask` says how much.

    paint: float32 (3,), or (3, rows, columns). One plane a colour, since NumPy runs along the
    last axis, and three is no distance to run.
    """
    colours += (paint.reshape(3, *(paint.shape[1:] or (1, 1))) - colours) * mask


def tone(anchors: tuple[tuple[int, int, int], ...], at: float) -> Plane:
    """Return the colour at `at`, 0 to 1, on a ramp of sRGB anchors: float32 (3,) in [0, 1]."""
    steps = np.linspace(0, 1, len(anchors))
    return rgb(*(float(np.interp(at, steps, c)) / 255 for c in zip(*anchors, strict=True)))


def form(canvas: Canvas) -> None:
    """Raise the head out of the canvas: skull, cheeks and jaw, ears, and the bumps of the face."""
    f, x = canvas.face, canvas.x
    # The jaw drops: below the nose the head is as it was, only further down.
    y = _dropped(canvas.y, canvas.pose)
    wide = 2.0**f.width
    low = wide * 2.0**f.jaw
    skull = 1 - (x / (0.85 * wide)) ** 2 - ((y + 0.17) / 0.83) ** 2
    lower = 1 - (x / (0.79 * low)) ** 2 - np.abs((y - 0.35) / 0.63) ** 2.1
    inside = _smooth_max(skull, lower, 0.3)
    ears = 2.0**f.ears
    aside = (np.abs(x) - 0.835 * wide) / (0.11 * ears)
    canvas.ear = 1 - aside**2 - ((y - 0.15 - 0.5 * f.forehead) / (0.19 * ears)) ** 2
    canvas.inside = inside
    dome = 0.72 * np.sqrt(np.maximum(inside, 0) + np.float32(0.015)) + _bumps(canvas)
    behind = 0.1 * np.sqrt(np.maximum(canvas.ear, 0.01))
    canvas.height = np.where(inside > 0, dome, behind)


def _bumps(canvas: Canvas) -> Plane:
    f, pose, x, y = canvas.face, canvas.pose, canvas.fx, canvas.fy
    eye_x = EYE_X + f.eye_gap
    squeeze = f.squeeze * pose.effort
    nose, alar = 2.0**f.nose_size, 2.0**f.nose_width
    z = -0.085 * bell(y, EYE_Y - 0.02, 0.15) * pair(x, eye_x - 0.02, 0.21)  # sockets
    z += (0.03 + 0.03 * squeeze) * bell(y, EYE_Y + 0.005, 0.085) * pair(x, eye_x, 0.13)
    z += 0.1 * f.cheek * bell(y, 0.46, 0.23) * pair(x, 0.47, 0.25)
    z += 0.03 * squeeze * bell(y, 0.23, 0.05) * pair(x, 0.4, 0.18)
    z += 0.035 * bell(y, 0.16, 0.2) * bell(x, 0, 0.1 * alar)  # bridge of the nose, its tip, wings
    z += 0.12 * nose * bell(y, NOSE_Y, 0.08 * nose) * bell(x, 0, 0.1 * alar)
    z += 0.05 * nose * bell(y, NOSE_Y + 0.025, 0.05) * pair(x, 0.105 * alar, 0.055)
    z += 0.03 * bell(y, -0.12, 0.12) * bell(x, 0, 0.5)  # brow, and its bulge
    bulge = clipped(f.furrow * (0.35 + pose.effort))
    z += 0.05 * bulge * bell(y, -0.07, 0.07) * pair(x, 0.1, 0.07)
    z += 0.05 * bell(y, MOUTH_Y - 0.04, 0.13) * bell(x, 0, 0.3)
    z -= 0.012 * bell(y, 0.535, 0.06) * bell(x, 0, 0.035)  # philtrum
    y = _dropped(y, pose)
    z += 0.045 * bell(y, 0.885, 0.085) * bell(x, 0, 0.16)  # chin, and the hollow above it
    z -= 0.035 * bell(y, 0.785, 0.045) * bell(x, 0, 0.2)
    return z


def _dropped(y: Plane, pose: Pose) -> Plane:
    return y - np.float32(0.09 * pose.opening) * step(y, 0.5, 0.95)


def _smooth_max(a: Plane, b: Plane, k: float) -> Plane:
    h = np.clip(0.5 + (a - b) * np.float32(0.5 / k), 0, 1)
    return b + (a - b) * h + k * h * (1 - h)


# Skin lets light through: shadows on it turn red, not grey. Index: light in 1/256.
_SKIN_LIGHT = (np.arange(400, dtype=np.float32) / 256) ** rgb(0.8, 1.08, 1.2)[:, None]


def lit(canvas: Canvas) -> npt.NDArray[np.uint8]:
    """Return the canvas under its light, uint8 (rows, columns, 4): RGB times alpha, and alpha."""
    import cv2

    f = canvas.face
    slope = np.array([[-0.5, 0, 0.5]], np.float32) / np.float32(canvas.pixel)
    z = cv2.GaussianBlur(canvas.height, (0, 0), 0.012 / canvas.pixel)
    gx, gy = cv2.filter2D(z, -1, slope), cv2.filter2D(z, -1, slope.T)
    upright = 1 / np.sqrt(1 + gx * gx + gy * gy)
    lamp = rgb(f.light_x, -0.55, 0.85)
    lamp /= np.sqrt(lamp @ lamp)
    facing = (lamp[2] - lamp[0] * gx - lamp[1] * gy) * upright
    key = np.clip((facing + 0.35) * np.float32(1 / 1.35), 0, 1)
    sky = (0.5 + 0.5 * gy * upright) * upright
    hollow = cv2.GaussianBlur(canvas.height, (0, 0), 0.09 / canvas.pixel) - canvas.height
    light = (0.3 + 0.62 * key + 0.22 * sky) * np.clip(1 - 3.2 * hollow, 0.55, 1.12)
    out = canvas.colours * _SKIN_LIGHT[:, np.clip(light * 256, 0, 399).astype(np.intp)]
    out += 0.05 * np.clip(facing, 0, 1) ** 24
    out *= lamp_colour(f)[:, None, None]
    out = np.minimum(out, 0.8 + 0.2 * np.tanh(5 * (out - 0.8)))  # as film, not as a clipped sensor
    edge = canvas.pixel * 2.2
    cover = np.maximum(step(canvas.inside, -edge, edge), step(canvas.ear, -5 * edge, 5 * edge))
    planes = np.concatenate([out * cover, cover[None]])
    planes = (np.clip(planes, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def lamp_colour(face: Face) -> Plane:
    """Return what the lamp's colour and strength do to red, green and blue, float32 (3,)."""
    return rgb(1 + 0.03 * face.candle, 1, 1 - 0.06 * face.candle) * 2.0**face.light
