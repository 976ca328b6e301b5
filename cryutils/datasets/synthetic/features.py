"""Skin, hair, eyes, brows and mouth of an infant, painted on the relief of its head.

Read by `sprites.py`, for the frames of notebook 05 (image). Each function takes a `Canvas` and
changes its colours, and its height where a feature has one. Sizes are half heights of the head.
"""

from __future__ import annotations

import numpy as np

from cryutils.datasets.synthetic.face_states import Face
from cryutils.datasets.synthetic.relief import (
    EYE_X,
    EYE_Y,
    MOUTH_Y,
    NOSE_Y,
    Canvas,
    Plane,
    bell,
    clipped,
    mix,
    pair,
    rgb,
    step,
    tone,
)

__all__ = ["brows", "eyes", "flush", "hair", "mouth", "nose", "skin_colour", "tears"]

# Ramps from light to dark, sRGB.
SKIN = ((252, 222, 203), (243, 203, 175), (222, 172, 137), (192, 138, 102), (150, 102, 74))
HAIR = ((214, 178, 120), (150, 104, 62), (84, 56, 38), (38, 28, 25))
IRIS = ((96, 130, 158), (104, 122, 96), (104, 72, 44), (52, 34, 26))
WHITE, BLACK, LASH = rgb(1.0, 1.0, 1.0), rgb(0.05, 0.04, 0.04), rgb(0.19, 0.13, 0.11)
BALL, CORNER = rgb(0.93, 0.91, 0.89)[:, None, None], rgb(0.0, 0.1, 0.1)[:, None, None]  # of the eye
THROAT, TONGUE, GUM = rgb(0.46, 0.14, 0.16), rgb(0.78, 0.38, 0.38), rgb(0.87, 0.55, 0.53)
# What skin turns to, as a factor: in a fold, a lip, an ear, a nostril, and between the lips.
FOLD, LIP, EAR = rgb(0.64, 0.48, 0.44), rgb(0.93, 0.62, 0.6), rgb(0.9, 0.62, 0.58)
NOSTRIL, SLIT = rgb(0.42, 0.25, 0.22), rgb(0.45, 0.24, 0.23)


def skin_colour(face: Face) -> Plane:
    """Return the infant's skin without light and blush, float32 (3,) RGB in [0, 1]."""
    tint = rgb(1 - 0.006 * face.warmth, 1, 1 - 0.04 * face.warmth)
    return tone(SKIN, face.skin) * tint


def _as_dark_as_skin(face: Face, value: float) -> float:
    """Hair and eyes at least as dark as usually go with the skin."""
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
    # Thin skin over the eyes is darker than its relief: without it, bright light flattens a face.
    thin = bell(y, EYE_Y - 0.03, 0.12) * pair(x, EYE_X + f.eye_gap, 0.2)
    mix(canvas.colours, canvas.skin * FOLD, 0.2 * thin)
    mix(canvas.colours, canvas.skin * EAR, 0.6 * step(canvas.ear, 0.2, 0.9) * (canvas.inside <= 0))


def hair(canvas: Canvas) -> None:
    """Lay fine strands over the skull, from a few to a full head."""
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


def eyes(canvas: Canvas) -> None:
    """Paint both eyes: ball and iris behind the lids, lashes, folds, and a wet rim."""
    for side in (-1, 1):
        _eye(canvas, side)


def _eye(canvas: Canvas, side: int) -> None:
    f, pose = canvas.face, canvas.pose
    grow = 2.0**f.eye_size
    half = 0.168 * grow
    cx = side * (EYE_X + f.eye_gap)
    squeeze = f.squeeze * pose.effort
    lid = f.lid * (1 - clipped(1.25 * squeeze)) * (1 - pose.blink)
    with canvas.window((cx - 2 * half, cx + 2 * half), (EYE_Y - 0.34, EYE_Y + 0.22)) as part:
        x, y, out, _ = part
        x = (x - np.float32(cx)) * side  # outwards
        y = y - np.float32(EYE_Y) + np.float32(0.07 * f.eye_slant) * x
        e = x / np.float32(half)
        arc = np.maximum(1 - e * e, 0)
        rest = 0.028 - 0.02 * squeeze
        top = (rest - 0.15 * lid * grow) * arc**0.7
        bottom = (rest + 0.045 * lid * grow) * arc
        soft = canvas.pixel
        seen = step(y - top, -soft, soft) * step(bottom - y, -soft, soft) * (arc > 0)
        shade = 0.62 + 0.38 * step(y - top, 0.0, 0.055)
        mix(out, (BALL - CORNER * np.abs(e)) * shade, seen)
        gx, gy = np.float32(0.02 * f.turn * side), np.float32(-0.012 - 0.03 * f.gaze)
        r = np.hypot(x - gx, y - gy) / np.float32(0.105 * grow)
        edge = soft / 0.105
        iris = tone(IRIS, _as_dark_as_skin(f, f.iris))[:, None, None]
        iris = iris * (0.72 + 0.5 * bell(r, 0.62, 0.3))
        mix(out, iris * shade, seen * step(1 - r, -edge, edge))
        mix(out, iris * 0.45, 0.8 * seen * bell(r, 0.98, 0.12))
        mix(out, BLACK, seen * step(0.5 - r, -edge, edge))
        glint = np.hypot((x - gx) * side + np.float32(0.028), y - gy + np.float32(0.03))
        mix(out, WHITE, 0.95 * seen * step(1 - glint / np.float32(0.024), -0.4, 0.4))
        mix(out, WHITE, 0.7 * f.tear * seen * bell(y - bottom, -0.012, 0.014))
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
    """Let tears run down the cheeks."""
    f = canvas.face
    reach = EYE_X + f.eye_gap + 0.16
    with canvas.window((-reach, reach), (EYE_Y, EYE_Y + 0.65)) as (x, y, out, _):
        x, y = np.abs(x) - np.float32(EYE_X + f.eye_gap), y - np.float32(EYE_Y)
        x = x - 0.04 - 0.06 * step(y, 0.1, 0.45)
        wet = f.tear * step(y, 0.06, 0.1) * step(0.15 + 0.42 * f.tear - y, 0.0, 0.06)
        mix(out, canvas.skin * 0.66, 0.35 * wet * bell(x, 0.024, 0.014))
        mix(out, WHITE, 0.4 * wet * bell(x, 0.0, 0.016))


def brows(canvas: Canvas) -> None:
    """Paint the brows, and the folds that they throw when drawn together or up."""
    f, pose = canvas.face, canvas.pose
    furrow = f.furrow * (0.45 + 0.55 * pose.effort)
    plead = f.plead * (0.8 + 0.2 * pose.effort)
    cx, half = EYE_X + f.eye_gap, np.float32(0.215)
    with canvas.window((-0.7, 0.7), (-0.6, EYE_Y + 0.1)) as (x, y, out, _):
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
    with canvas.window((-0.55, 0.55), (0.36, 0.8)) as (x, y, out, _):
        dark = bell(y - 0.2 * np.abs(x), 0.435, 0.019) * pair(x, 0.052 * alar, 0.028)
        mix(out, canvas.skin * NOSTRIL, 0.85 * np.minimum(dark, 1))
        along = (y - np.float32(0.44)) / np.float32(0.24)
        path = 0.165 * alar + 0.17 * np.clip(along, 0, 1.3) ** 0.8
        deep = clipped(f.fold * (0.15 + 0.85 * canvas.pose.effort))
        reach = step(along, 0.0, 0.25) * step(1.25 - along, 0.0, 0.5)
        mix(out, canvas.skin * FOLD, 0.48 * deep * reach * bell(np.abs(x) - path, 0.0, 0.024))


def mouth(canvas: Canvas) -> None:
    """Paint the mouth, shut or as wide as the pose says: throat, tongue and gum between lips.

    Its tallest opening stays below a fifth of the face: a wide dark mouth is what a cascade of
    Haar features takes for anything but a face.
    """
    f, pose = canvas.face, canvas.pose
    opening = clipped(pose.opening * 2.0**f.gape)
    half = 0.225 * 2.0 ** (f.mouth_width + f.stretch * (0.4 + 0.6 * pose.effort))
    half *= 1 - 0.12 * opening * (1 - f.square)
    tall = 0.006 + 0.175 * opening
    with canvas.window((-2 * half, 2 * half), (0.4, 1.05)) as (x, y, out, height):
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
