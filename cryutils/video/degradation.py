"""Disturbances of a face picture by light, blur and occlusion, each of a known amount.

Explained in notebook 11_robustness. Paper B §4 says of its image model that it showed "regular
performance for all classes except few regardless of lighting changes and minor occlusions", but
tests neither (`audio.stress` disturbs sounds).

Each function takes a `frame`, uint8 (height, width, 3) sRGB, and returns a new one of the same
shape. A `box` is that of a face, float32 (4,): x, y, width and height in pixels. A frame of another
type or shape, or an amount out of range, raises InputError.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError, near_miss

__all__ = ["blur", "dim", "occlude"]

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

CLOTH = (206, 202, 190)  # RGB of the cloth that covers a face, chosen like undyed cotton
ELECTRONS = 1000.0  # freed by light in a white pixel (a choice); fewer give more noise
_PLACES = ("eyes", "mouth", "side")


def dim(frame: Pixels, *, stops: float, rng: np.random.Generator) -> Pixels:
    """Return the frame with its light halved `stops` times (0 or more), and photon noise.

    Light is halved in linear sRGB. Photons then arrive at random (Poisson, drawn by `rng`), 1000 of
    them in a white pixel of the original: less light gives more noise. A camera's gain and noise
    reduction are not simulated.
    """
    _check(frame, stops=stops)
    if stops < 0:
        raise InputError(f"stops={stops}: give how often light is halved, 0 or more.")
    electrons = rng.poisson(_linear(frame) * (ELECTRONS * 0.5**stops))
    return _bytes(electrons / ELECTRONS)


def blur(frame: Pixels, *, sigma: float) -> Pixels:
    """Return the frame out of focus: a Gaussian blur with a standard deviation of `sigma` heights.

    `sigma` is a share of the frame's height, so that the blur is the same at any size.
    """
    _check(frame, sigma=sigma)
    if sigma < 0:
        raise InputError(f"sigma={sigma}: give a share of the height, 0 or more.")
    pixels = sigma * len(frame)
    if pixels < 0.05:  # OpenCV chooses a size for 0
        return frame.copy()
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), pixels, borderType=cv2.BORDER_REPLICATE))


def occlude(frame: Pixels, box: Boxes, *, place: str, share: float) -> Pixels:
    """Return the frame with a `share` (0 to 1) of the face's box covered, from `place` inwards.

    `place` is "eyes" (from above), "mouth" (from below) or "side" (from the left). Only the part of
    the box within the frame can be covered.
    """
    _check(frame, share=share)
    if not 0 <= share <= 1:
        raise InputError(f"share={share} is not a share of a face; use a number from 0 to 1.")
    if place not in _PLACES:
        raise InputError(f"there is no place {place!r}.{near_miss(place, _PLACES)}")
    left, top = float(box[0]), float(box[1])
    right, bottom = float(box[0] + box[2]), float(box[1] + box[3])
    if place == "eyes":
        bottom = top + share * (bottom - top)
    elif place == "mouth":
        top = bottom - share * (bottom - top)
    else:
        right = left + share * (right - left)
    left, top, right, bottom = (max(round(edge), 0) for edge in (left, top, right, bottom))
    covered = frame.copy()
    covered[top:bottom, left:right] = CLOTH
    return covered


def _check(frame: Pixels, **amounts: float) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise InputError(f"a frame is uint8 (height, width, 3), not {frame.dtype} {frame.shape}.")
    for name, amount in amounts.items():
        if not math.isfinite(amount):
            raise InputError(f"{name}={amount}: give a number.")


# Linear light of each byte (IEC 61966-2-1).
_LEVELS = np.arange(256) / 255
_LIGHT = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def _linear(frame: Pixels) -> npt.NDArray[np.float64]:
    """Return the linear light of sRGB bytes, 0 to 1, to which a camera's sensor responds."""
    return _LIGHT[frame]


def _bytes(light: npt.NDArray[np.float64]) -> Pixels:
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * levels).astype(np.uint8)
