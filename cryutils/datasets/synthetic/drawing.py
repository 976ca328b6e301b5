"""Draw an infant's head: its shape, the light, the painted features, and the background.

`face.py` uses this module for the frames of notebook 05_image. A Haar cascade does not find a face
without shading, so the head is a height field of bumps and hollows under one lamp and the sky. Each
feature (`flush` to `tears`) changes the colours of a `Canvas`; some also change its height.

`Sprites` draws each pose of half a head once. Eyes and brows move above a seam across the nose, the
mouth moves below it, so a dozen upper and a dozen lower halves make all expressions of a clip.
Lengths are half heights of the head. The origin is between the ears; x points right, y down.
"""

import colorsys
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.states import Parameters

Plane = npt.NDArray[np.floating[Any]]
Picture = npt.NDArray[np.uint8]

SPAN = 1.3  # a canvas shows -SPAN to SPAN in both directions
EYE_X, EYE_Y = 0.35, 0.13
NOSE_Y, MOUTH_Y = 0.395, 0.645
SEAM_Y = 0.33  # between the upper half and the lower
MOUTHS, EFFORTS = 13, 7  # steps of an opening mouth and of a cry's effort
HEAD = 0.36  # half height of a head, as a share of the picture's side
MIDDLE = 0.49  # its vertical middle, as a share of the side
GRAINS = 4  # noise pictures, shown in turn: new noise in each frame would triple the file size


class Pose(NamedTuple):
    """The pose of a face: opening of the mouth, effort of the cry, and blink, each 0 to 1."""

    opening: float = 0.0
    effort: float = 0.0
    blink: float = 0.0


class Canvas:
    """The rows of a head that are being drawn.

    x, y: coordinates (1, columns) and (rows, 1) of the head. fx, fy: those of its face, which is in
    front of the axis of the head's turns. colours: (3, rows, columns). height, inside, ear: (rows,
    columns), the relief, and above 0 in head and ears. pixel: side length.
    """

    def __init__(self, face: Parameters, pose: Pose, *, x: Plane, y: Plane, pixel: float) -> None:
        self.face, self.pose, self.x, self.y, self.pixel = face, pose, x, y, pixel
        self.skin = skin_colour(face)
        self.fx = x - np.float32(0.09 * face.turn)
        self.fy = y - np.float32(face.forehead + 0.05 * face.nod)
        shape = (y.size, x.size)
        self.colours = np.broadcast_to(self.skin[:, None, None], (3, *shape)).copy()
        self.height, self.inside, self.ear = np.zeros((3, *shape), np.float32)

    def window(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[Plane, Plane, Plane, Plane]:
        """Return fx, fy, colours and height of a part of the face, as views to paint on."""
        across = slice(*np.searchsorted(self.fx[0], x))
        down = slice(*np.searchsorted(self.fy[:, 0], y))
        colours, height = self.colours[:, down, across], self.height[down, across]
        return self.fx[:, across], self.fy[down], colours, height


def rgb(red: float, green: float, blue: float) -> Plane:
    """Return a colour, or a factor on one, as float32 (3,)."""
    return np.array([red, green, blue], np.float32)


def clipped(value: float) -> float:
    """Return `value` clipped to [0, 1]."""
    return min(max(value, 0.0), 1.0)


def step(value: Plane, low: float, high: float) -> Plane:
    """Return 0 below `low`, 1 above `high`, and a smooth S between."""
    t = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def bell(value: Plane, centre: float, width: float) -> Plane:
    """Return a Gaussian of height 1; the product of one in x and one in y is a bump."""
    t = (value - np.float32(centre)) * np.float32(1 / width)
    return np.exp(-t * t)


def pair(x: Plane, centre: float, width: float) -> Plane:
    """Return the sum of two bells, one on each side of the face."""
    return bell(x, centre, width) + bell(x, -centre, width)


def mix(colours: Plane, paint: Plane, mask: Plane) -> None:
    """Blend `paint`, float32 (3,) or (3, rows, columns), into `colours` by the shares in `mask`."""
    colours += (paint.reshape(3, *(paint.shape[1:] or (1, 1))) - colours) * mask


def tone(anchors: tuple[tuple[int, int, int], ...], at: float) -> Plane:
    """Return the colour at `at`, 0 to 1, on a ramp of sRGB anchors: float32 (3,) in [0, 1]."""
    steps = np.linspace(0, 1, len(anchors))
    return rgb(*(float(np.interp(at, steps, c)) / 255 for c in zip(*anchors, strict=True)))


def form(canvas: Canvas) -> None:
    """Set the height of the canvas: skull, cheeks and jaw, ears, and the bumps of the face."""
    f, x = canvas.face, canvas.x
    # An open mouth moves the jaw: everything below the nose is shifted down.
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


# Skin lets light through, so its shadows are red, not grey. Index: light in 1/256.
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
    out = np.minimum(out, 0.8 + 0.2 * np.tanh(5 * (out - 0.8)))  # compress highlights like film
    edge = canvas.pixel * 2.2
    cover = np.maximum(step(canvas.inside, -edge, edge), step(canvas.ear, -5 * edge, 5 * edge))
    planes = np.concatenate([out * cover, cover[None]])
    planes = (np.clip(planes, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def lamp_colour(face: Parameters) -> Plane:
    """Return the lamp's factors on red, green and blue, float32 (3,)."""
    return rgb(1 + 0.03 * face.candle, 1, 1 - 0.06 * face.candle) * 2.0**face.light


# Ramps from light to dark, sRGB.
SKIN = ((252, 222, 203), (243, 203, 175), (222, 172, 137), (192, 138, 102), (150, 102, 74))
HAIR = ((214, 178, 120), (150, 104, 62), (84, 56, 38), (38, 28, 25))
IRIS = ((96, 130, 158), (104, 122, 96), (104, 72, 44), (52, 34, 26))
WHITE, BLACK, LASH = rgb(1.0, 1.0, 1.0), rgb(0.05, 0.04, 0.04), rgb(0.19, 0.13, 0.11)
BALL, CORNER = rgb(0.93, 0.91, 0.89)[:, None, None], rgb(0.0, 0.1, 0.1)[:, None, None]  # of the eye
THROAT, TONGUE, GUM = rgb(0.46, 0.14, 0.16), rgb(0.78, 0.38, 0.38), rgb(0.87, 0.55, 0.53)
# Factors on the colour of the skin in a fold, a lip, an ear, a nostril, and between the lips.
FOLD, LIP, EAR = rgb(0.64, 0.48, 0.44), rgb(0.93, 0.62, 0.6), rgb(0.9, 0.62, 0.58)
NOSTRIL, SLIT = rgb(0.42, 0.25, 0.22), rgb(0.45, 0.24, 0.23)


def skin_colour(face: Parameters) -> Plane:
    """Return the infant's skin without light and blush, float32 (3,) RGB in [0, 1]."""
    tint = rgb(1 - 0.006 * face.warmth, 1, 1 - 0.04 * face.warmth)
    return tone(SKIN, face.skin) * tint


def _as_dark_as_skin(face: Parameters, value: float) -> float:
    """Return the tone of hair or eyes, made at least as dark as is usual for the skin."""
    return max(value, 1.5 * face.skin - 0.1)


def flush(canvas: Canvas) -> None:
    """Redden cheeks, nose, brow and the rims of the eyes, and the ears."""
    f, x, y = canvas.face, canvas.fx, canvas.fy
    red = canvas.skin * rgb(1.0, 0.6 + 0.12 * f.skin, 0.58 + 0.12 * f.skin)
    mask = 0.75 * bell(y, 0.42, 0.22) * pair(x, 0.48, 0.24)
    mask += 0.4 * bell(y, NOSE_Y, 0.12) * bell(x, 0, 0.15)
    mask += 0.35 * bell(y, -0.1, 0.2) * bell(x, 0, 0.4)
    mask = f.blush * (mask + np.float32(0.12))
    mask += 0.45 * f.rims * bell(y, EYE_Y + 0.02, 0.12) * pair(x, EYE_X, 0.2)
    mix(canvas.colours, red, np.minimum(mask, 0.9))
    # Darken the thin skin over the eyes, because bright light would flatten the face otherwise.
    thin = bell(y, EYE_Y - 0.03, 0.12) * pair(x, EYE_X + f.eye_gap, 0.2)
    mix(canvas.colours, canvas.skin * FOLD, 0.2 * thin)
    mix(canvas.colours, canvas.skin * EAR, 0.6 * step(canvas.ear, 0.2, 0.9) * (canvas.inside <= 0))


def hair(canvas: Canvas) -> None:
    """Paint fine strands of hair over the skull."""
    f, x, y = canvas.face, canvas.x, canvas.y
    angle, far = np.arctan2(x, 0.13 - y), np.hypot(x, y + np.float32(0.62))
    angle = angle + f.whorl + 0.3 * f.whorl * far
    strands = np.sin(17 * angle + 3 * far) + 0.8 * np.sin(41 * angle - 9 * far)
    strands = (strands + 0.8 * np.sin(83 * angle + 14 * far)) / 2.6
    line = -0.44 + 0.5 * f.hairline - 0.32 * (1 - f.hair)
    front = line + 0.53 * x**2 * (0.7 + f.hair) + 0.05 * strands
    mask = step(front - y, -0.02, 0.31 - 0.15 * f.hair) * (canvas.inside > 0)
    mask = mask * (0.25 + 0.7 * f.hair) * (0.75 + 0.25 * strands)
    colour = tone(HAIR, _as_dark_as_skin(f, f.hair_tone))[:, None, None]
    mix(canvas.colours, colour * (1 + 0.16 * strands), mask)
    canvas.height += 0.012 * mask * strands


def eye(canvas: Canvas, side: int) -> None:
    """Paint the eye on the left (-1) or right: ball and iris, lids, lashes, folds, a wet rim."""
    f, pose = canvas.face, canvas.pose
    grow = 2.0**f.eye_size
    half = 0.168 * grow
    cx = side * (EYE_X + f.eye_gap)
    squeeze = f.squeeze * pose.effort
    lid = f.lid * (1 - clipped(1.25 * squeeze)) * (1 - pose.blink)
    x, y, out, _ = canvas.window((cx - 2 * half, cx + 2 * half), (EYE_Y - 0.34, EYE_Y + 0.22))
    x = (x - np.float32(cx)) * side  # outwards
    y = y - np.float32(EYE_Y) + np.float32(0.07 * f.eye_slant) * x
    e = x / np.float32(half)
    arc = np.maximum(1 - e * e, 0)
    rest = 0.028 - 0.02 * squeeze
    top = (rest - 0.15 * lid * grow) * arc**0.7
    bottom = (rest + 0.045 * lid * grow) * arc
    soft = canvas.pixel
    visible = step(y - top, -soft, soft) * step(bottom - y, -soft, soft) * (arc > 0)
    shade = 0.62 + 0.38 * step(y - top, 0.0, 0.055)
    mix(out, (BALL - CORNER * np.abs(e)) * shade, visible)
    gx, gy = np.float32(0.02 * f.turn * side), np.float32(-0.012 - 0.03 * f.gaze)
    r = np.hypot(x - gx, y - gy) / np.float32(0.105 * grow)
    edge = soft / 0.105
    iris = tone(IRIS, _as_dark_as_skin(f, f.iris))[:, None, None]
    iris = iris * (0.72 + 0.5 * bell(r, 0.62, 0.3))
    mix(out, iris * shade, visible * step(1 - r, -edge, edge))
    mix(out, iris * 0.45, 0.8 * visible * bell(r, 0.98, 0.12))
    mix(out, BLACK, visible * step(0.5 - r, -edge, edge))
    glint = np.hypot((x - gx) * side + np.float32(0.028), y - gy + np.float32(0.03))
    mix(out, WHITE, 0.95 * visible * step(1 - glint / np.float32(0.024), -0.4, 0.4))
    mix(out, WHITE, 0.7 * f.tear * visible * bell(y - bottom, -0.012, 0.014))
    ends = step(1.12 - np.abs(e), 0.0, 0.2)
    mix(out, LASH, 0.82 * ends * bell(y - top, 0.0, 0.017 + 0.006 * squeeze))
    mix(out, LASH, 0.22 * lid * ends * bell(y - bottom, 0.004, 0.012))
    fold = canvas.skin * FOLD
    crease = rest - (0.065 + 0.12 * lid) * grow * np.maximum(1.1 - e * e, 0) ** 0.6
    mix(out, fold, 0.3 * ends * bell(y - crease, 0.0, 0.018))
    mix(out, fold, (0.05 + 0.22 * squeeze) * ends * bell(y - 0.03 * arc, 0.085, 0.02))
    for slope in (0.5, 0.05, -0.35):  # crow's feet
        crow = bell(y - slope * (x - np.float32(half)), 0.0, 0.013) * bell(e, 1.25, 0.3)
        mix(out, fold, 0.5 * squeeze * crow)


def tears(canvas: Canvas) -> None:
    """Paint tears on the cheeks."""
    f = canvas.face
    reach = EYE_X + f.eye_gap + 0.16
    x, y, out, _ = canvas.window((-reach, reach), (EYE_Y, EYE_Y + 0.65))
    x, y = np.abs(x) - np.float32(EYE_X + f.eye_gap), y - np.float32(EYE_Y)
    x = x - 0.04 - 0.06 * step(y, 0.1, 0.45)
    wet = f.tear * step(y, 0.06, 0.1) * step(0.15 + 0.42 * f.tear - y, 0.0, 0.06)
    mix(out, canvas.skin * 0.66, 0.35 * wet * bell(x, 0.024, 0.014))
    mix(out, WHITE, 0.4 * wet * bell(x, 0.0, 0.016))


def brows(canvas: Canvas) -> None:
    """Paint the brows, and the folds of the skin when the brows are drawn together or up."""
    f, pose = canvas.face, canvas.pose
    furrow = f.furrow * (0.45 + 0.55 * pose.effort)
    plead = f.plead * (0.8 + 0.2 * pose.effort)
    cx, half = EYE_X + f.eye_gap, np.float32(0.215)
    x, y, out, _ = canvas.window((-0.7, 0.7), (-0.6, EYE_Y + 0.1))
    e = (np.abs(x) - np.float32(cx)) / half
    inner = np.clip((0.55 - e) / 1.5, 0, 1)
    curve = EYE_Y - 0.215 - f.brow_height + 0.06 * e * e + 0.02 * e
    curve = curve + 0.115 * (furrow - 0.15) * inner - 0.15 * plead * inner**1.3
    thick = 0.034 * 2.0**f.brow * np.clip(1.15 - 0.3 * e, 0.4, 2)
    ends = step(1.1 - e, 0.0, 0.45) * step(e + 1.12 + 0.4 * furrow, 0.0, 0.45)
    hairs = 0.9 + 0.1 * np.sin(120 * np.abs(x) + 90 * y)
    dark = _as_dark_as_skin(f, f.hair_tone)
    mask = (0.22 + 0.32 * clipped(dark)) * ends * np.exp(-(((y - curve) / thick) ** 2)) * hairs
    mix(out, 0.8 * tone(HAIR, dark), mask)
    fold = canvas.skin * FOLD
    knit = pair(x, 0.062, 0.02) * bell(y, -0.06, 0.075)
    mix(out, fold, 0.55 * furrow * (knit + 0.8 * bell(y, 0.035, 0.02) * bell(x, 0, 0.08)))
    bent = y + 0.05 * x * x
    lines = bell(bent, -0.33, 0.013) + bell(bent, -0.41, 0.013) + bell(bent, -0.49, 0.013)
    mix(out, fold, 0.22 * clipped(plead - 0.2) * lines * bell(x, 0, 0.2))


def nose(canvas: Canvas) -> None:
    """Paint the nostrils and the furrows that run from the nose to the mouth's corners."""
    f = canvas.face
    alar = 2.0**f.nose_width
    x, y, out, _ = canvas.window((-0.55, 0.55), (0.36, 0.8))
    dark = bell(y - 0.2 * np.abs(x), 0.435, 0.019) * pair(x, 0.052 * alar, 0.028)
    mix(out, canvas.skin * NOSTRIL, 0.85 * np.minimum(dark, 1))
    along = (y - np.float32(0.44)) / np.float32(0.24)
    path = 0.165 * alar + 0.17 * np.clip(along, 0, 1.3) ** 0.8
    deep = clipped(f.fold * (0.15 + 0.85 * canvas.pose.effort))
    reach = step(along, 0.0, 0.25) * step(1.25 - along, 0.0, 0.5)
    mix(out, canvas.skin * FOLD, 0.48 * deep * reach * bell(np.abs(x) - path, 0.0, 0.024))


def mouth(canvas: Canvas) -> None:
    """Paint the mouth, shut or open as in the pose: throat, tongue and gum between lips.

    It opens less than a fifth of the face, because a Haar cascade does not find a face with a wide
    dark mouth.
    """
    f, pose = canvas.face, canvas.pose
    opening = clipped(pose.opening * 2.0**f.gape)
    half = 0.225 * 2.0 ** (f.mouth_width + f.stretch * (0.4 + 0.6 * pose.effort))
    half *= 1 - 0.12 * opening * (1 - f.square)
    tall = 0.006 + 0.175 * opening
    x, y, out, height = canvas.window((-2 * half, 2 * half), (0.4, 1.05))
    e = np.abs(x) / np.float32(half)
    arc = np.maximum(1 - e ** (2.0 + 2.5 * f.square), 0)
    bend = 0.075 * f.corners * (1 - 0.45 * opening)
    middle = MOUTH_Y + 0.03 * opening - bend * (np.minimum(e, 1.3) ** 2 - 0.35)
    top, bottom = middle - 0.75 * tall * arc, middle + 1.15 * tall * arc
    upper = 0.062 * 2.0**f.lips * (1 - 0.3 * bell(x, 0, 0.035)) * np.maximum(1 - 0.9 * e * e, 0)
    lower = (0.066 * 2.0**f.lips + 0.035 * f.pout) * np.maximum(1 - e * e, 0) ** 0.8
    soft = canvas.pixel
    ends = step(1.08 - e, 0.0, 0.35)
    above = step(y - top + upper, -2 * soft, 0.02) * step(middle - y, -soft, soft) * ends
    below = step(bottom + lower - y, -2 * soft, 0.025) * step(y - middle, -soft, soft) * ends
    mix(out, 0.94 * canvas.skin * LIP, 0.75 * above)
    mix(out, canvas.skin * LIP, 0.8 * below)
    shine = bell(y - bottom - 0.45 * lower, 0.0, 0.016) * bell(e, 0.1, 0.4)
    mix(out, rgb(1, 0.9, 0.88), 0.22 * (1 + f.pout) * shine)
    fold = canvas.skin * FOLD
    under = bell(y - bottom - lower, 0.025, 0.022) * step(0.95 - e, 0.0, 0.5)
    mix(out, fold, (0.22 + 0.35 * f.pout) * under)
    inside = step(y - top, -soft, soft) * step(bottom - y, -soft, soft) * (e < 1)
    mix(out, THROAT * (1.1 - 0.3 * f.skin), clipped(6 * opening) * inside)
    tongue = step((y - middle) / np.float32(max(tall, 0.02)), 0.0, 0.7) * bell(e, 0.0, 0.75)
    mix(out, TONGUE, 0.85 * clipped(3 * opening - 0.3) * inside * tongue)
    gum = step(top + 0.035 - y, -0.012, 0.012)
    mix(out, GUM, 0.6 * clipped(3 * opening - 0.8) * inside * gum)
    slit = bell(y - middle, 0.0, 0.013) * step(1.15 - e, 0.0, 0.25)
    mix(out, canvas.skin * SLIT, 0.8 * clipped(1 - 5 * opening) * slit)
    line = np.minimum(bell(y - top, 0.0, 0.012) + bell(y - bottom, 0.0, 0.01), 1) * (e < 1.05)
    mix(out, canvas.skin * SLIT, 0.45 * line)
    corner = bell(y - middle, 0.01, 0.03) * bell(e, 1.1, 0.14)
    mix(out, fold, (0.35 + 0.3 * clipped(-f.corners)) * corner)
    height += 0.02 * (above + 1.3 * (1 + f.pout) * below)
    height -= 0.03 * clipped(4 * opening) * inside


def backdrop(face: Parameters, *, size: int, rng: np.random.Generator) -> Picture:
    """Return sheet, shadow, shoulders and neck, uint8 (size, size, 3); rng draws the folds."""
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


def grains(face: Parameters, *, size: int, rng: np.random.Generator) -> Iterator[tuple[Picture, Picture]]:
    """Yield noise to add and noise to subtract, uint8 (size, size, 3) each, `GRAINS` in turn."""
    import cv2

    level = np.float32(2.0**face.grain)
    noises = (level * rng.standard_normal((size, size, 3), dtype=np.float32) for _ in range(GRAINS))
    return cycle(
        (cv2.convertScaleAbs(np.maximum(n, 0)), cv2.convertScaleAbs(np.minimum(n, 0))) for n in noises
    )


def _clouds(knots: int, size: int, rng: np.random.Generator) -> Plane:
    import cv2

    values = rng.standard_normal((knots, knots)).astype(np.float32)
    return np.asarray(cv2.resize(values, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _pale(hue: float, saturation: float, value: float) -> Plane:
    return rgb(*colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def _lay(picture: Plane, colour: Plane, mask: Plane) -> None:
    picture += (colour - picture) * np.clip(mask, 0, 1)[..., None]


class Sprites:
    """The heads of one clip; each half is drawn once."""

    def __init__(self, face: Parameters, *, size: int) -> None:
        self._half = lru_cache(None)(partial(draw, face, size=size))

    def head(self, *, opening: float, effort: float, blink: bool) -> Picture:
        """Return the nearest drawn head, uint8 (size, size, 4): RGB times alpha, and alpha."""
        mouth = round(opening * (MOUTHS - 1)) / (MOUTHS - 1)
        eyes = round(effort * (EFFORTS - 1)) / (EFFORTS - 1)
        # In the lower half, the effort follows the opening of the mouth.
        upper = self._half(Pose(effort=eyes, blink=float(blink)), upper=True)
        lower = self._half(Pose(opening=mouth, effort=mouth), upper=False)
        return np.concatenate([upper, lower])


def draw(face: Parameters, pose: Pose, *, size: int, upper: bool) -> Picture:
    """Return the half of a head above the seam or below: uint8 (rows, size, 4), as `Sprites.head`."""
    seam = round((SEAM_Y / SPAN + 1) * size / 2)
    margin = size // 14  # for shadows cast across the seam
    first, last = (0, seam + margin) if upper else (seam - margin, size)
    at = ((np.arange(size) + 0.5) * (2 * SPAN / size) - SPAN).astype(np.float32)
    canvas = Canvas(face, pose, x=at[None], y=at[first:last, None], pixel=2 * SPAN / size)
    form(canvas)
    flush(canvas)
    if upper:
        hair(canvas)
        eye(canvas, -1)
        eye(canvas, 1)
        brows(canvas)
    nose(canvas)
    if not upper:
        mouth(canvas)
    tears(canvas)
    drawn = lit(canvas)
    return drawn[:seam] if upper else drawn[seam - first :]
