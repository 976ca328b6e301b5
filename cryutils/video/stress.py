"""Disturbances of a picture of a face by light, lens, hands and pose, each of a known amount.

Explained in notebook 11_robustness. Paper B §4 says of its image model that it showed "regular
performance for all classes except few regardless of lighting changes and minor occlusions", but
tests neither (`audio.stress` disturbs sounds).

Each function takes a `frame`, uint8 (height, width, 3) sRGB, and returns a new one of the same
shape. A `box` is that of a face, float32 (4,): x, y, width and height in pixels. A frame of another
type or shape, or an amount out of range, raises InputError.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError, near_miss

__all__ = ["Place", "blur", "dim", "frame_rate", "occlude", "roll", "side_light"]

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

CLOTH = (206, 202, 190)  # RGB of the cloth that covers a face: a choice, like undyed cotton
ELECTRONS = 1000.0  # freed by light in a pixel of full white: a choice; fewer give more noise


class Place(StrEnum):
    """Side from which a face is covered: above (eyes first), below (mouth first) or left."""

    EYES = "eyes"
    MOUTH = "mouth"
    SIDE = "side"


def dim(frame: Pixels, *, stops: float, rng: np.random.Generator) -> Pixels:
    """Frame with its light halved `stops` times (0 or more), and the noise of so little light.

    Light is halved in linear sRGB. Its photons then arrive at random (Poisson, drawn by `rng`),
    1000 of them in a pixel of full white before: less light gives more noise. A camera's gain and
    noise reduction are not imitated.
    """
    _check(frame, stops=stops)
    if stops < 0:
        raise InputError(f"stops={stops}: give how often light is halved, 0 or more.")
    electrons = rng.poisson(_linear(frame) * (ELECTRONS * 0.5**stops))
    return _bytes(electrons / ELECTRONS)


def side_light(frame: Pixels, *, stops: float) -> Pixels:
    """Frame lit from the left: its left edge has `stops` doublings more light than its right edge.

    The middle stays as it is. Light decreases evenly in stops, and is limited to white.
    """
    _check(frame, stops=stops)
    across = np.linspace(0.5, -0.5, frame.shape[1])[None, :, None]
    return _bytes(_linear(frame) * 2.0 ** (stops * across))


def blur(frame: Pixels, *, sigma: float) -> Pixels:
    """Frame out of focus: a Gaussian whose standard deviation is `sigma` times the frame's height.

    In shares of the height, so that the blur is the same at any size.
    """
    _check(frame, sigma=sigma)
    if sigma < 0:
        raise InputError(f"sigma={sigma}: give a share of the height, 0 or more.")
    import cv2

    pixels = sigma * len(frame)
    if pixels < 0.05:  # OpenCV chooses a size for 0
        return frame.copy()
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), pixels, borderType=cv2.BORDER_REPLICATE))


def occlude(frame: Pixels, box: Boxes, *, place: Place | str, share: float) -> Pixels:
    """Frame with a `share` (0 to 1) of the face's box covered by cloth, from `place` inwards.

    Only the part of the box within the frame can be covered.
    """
    _check(frame, share=share)
    if not 0 <= share <= 1:
        raise InputError(f"share={share} is no share of a face; use one from 0 to 1.")
    if place not in set(Place):
        raise InputError(f"there is no place {place!r}.{near_miss(str(place), set(Place))}")
    left, top = float(box[0]), float(box[1])
    right, bottom = float(box[0] + box[2]), float(box[1] + box[3])
    if place == Place.EYES:
        bottom = top + share * (bottom - top)
    elif place == Place.MOUTH:
        top = bottom - share * (bottom - top)
    else:
        right = left + share * (right - left)
    left, top, right, bottom = (max(round(edge), 0) for edge in (left, top, right, bottom))
    covered = frame.copy()
    covered[top:bottom, left:right] = CLOTH
    return covered


def roll(frame: Pixels, box: Boxes, *, degrees: float) -> Pixels:
    """Frame turned about the middle of the face, anticlockwise for `degrees` above 0.

    Areas from outside repeat the frame's edge.
    """
    _check(frame, degrees=degrees)
    import cv2

    middle = float(box[0] + box[2] / 2) - 0.5, float(box[1] + box[3] / 2) - 0.5
    turn = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    size = frame.shape[1], frame.shape[0]
    return np.asarray(cv2.warpAffine(frame, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def frame_rate(times_s: npt.NDArray[np.float64], *, fps: float) -> npt.NDArray[np.bool_]:
    """Which of the frames at `times_s` a camera with `fps` frames a second shows, bool (n,).

    Every 1 / fps s, starting with the first, it shows the last frame at or before that time.

    >>> frame_rate(np.arange(6) / 4, fps=2).tolist()
    [True, False, True, False, True, False]
    """
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"fps={fps} is no frame rate; use more than 0.")
    shown = np.zeros(len(times_s), bool)
    if len(times_s):
        ticks = np.arange(times_s[0], times_s[-1] + 1e-9, 1 / fps)
        shown[np.searchsorted(times_s, ticks + 1e-9, side="right") - 1] = True
    return shown


def _check(frame: Pixels, **amounts: float) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise InputError(f"a frame is uint8 (height, width, 3), not {frame.dtype} {frame.shape}.")
    for name, amount in amounts.items():
        if not math.isfinite(amount):
            raise InputError(f"{name}={amount}: give a number.")


# IEC 61966-2-1, of each byte.
_LEVELS = np.arange(256) / 255
_LIGHT = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def _linear(frame: Pixels) -> npt.NDArray[np.float64]:
    """Linear light of sRGB bytes, 0 to 1, to which a camera's sensor responds."""
    return _LIGHT[frame]


def _bytes(light: npt.NDArray[np.float64]) -> Pixels:
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * levels).astype(np.uint8)
