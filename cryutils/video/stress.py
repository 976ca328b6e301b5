"""What light, lenses, hands and heads do to a picture of a face: each in a known amount.

Walked by notebook 11_robustness. Paper B §4 says of its image model that it showed "regular
performance for all classes except few regardless of lighting changes and minor occlusions", and
tests neither (`audio.stress` does the same to sounds). Each function takes a frame, uint8 (height,
width, 3) sRGB, and returns one of the same shape; the frame stays as it was. A `box` is a
face's, float32 (4,): x, y, width, height in pixels. InputError: a frame of another type or shape,
or an amount out of range.
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

CLOTH = (206, 202, 190)  # RGB of what covers a face: a choice, near that of undyed cotton
ELECTRONS = 1000.0  # that light frees in a pixel of full white: a choice; fewer tremble more


class Place(StrEnum):
    """From where a face is covered: above (its eyes first), below (its mouth first), the left."""

    EYES = "eyes"
    MOUTH = "mouth"
    SIDE = "side"


def dim(frame: Pixels, *, stops: float, rng: np.random.Generator) -> Pixels:
    """Return the frame with `stops` times half of the light, and the noise that so little has.

    Light is halved in linear sRGB; its photons then arrive by chance (Poisson), 1000 of them in
    a pixel of full white before: the less light, the more it trembles. No camera's gain or noise
    reduction is imitated.

    Parameters
    ----------
    frame
        As in this module's text.
    stops
        How often light is halved, 0 (only the photons' noise) or more.
    rng
        Draws the photons.
    """
    _check(frame, stops=stops)
    if stops < 0:
        raise InputError(f"stops={stops}: give how often light is halved, 0 or more.")
    electrons = rng.poisson(_linear(frame) * (ELECTRONS * 0.5**stops))
    return _bytes(electrons / ELECTRONS)


def side_light(frame: Pixels, *, stops: float) -> Pixels:
    """Return the frame lit from the left: its left edge has `stops` doublings more light.

    The middle stays as it is; the light falls evenly in stops, and what gets brighter than
    white is white.
    """
    _check(frame, stops=stops)
    across = np.linspace(0.5, -0.5, frame.shape[1])[None, :, None]
    return _bytes(_linear(frame) * 2.0 ** (stops * across))


def blur(frame: Pixels, *, sigma: float) -> Pixels:
    """Return the frame out of focus: a Gaussian whose deviation is `sigma` of the frame's height.

    In shares of the height, so that it is the same blur at any size.
    """
    _check(frame, sigma=sigma)
    if sigma < 0:
        raise InputError(f"sigma={sigma}: give a share of the height, 0 or more.")
    import cv2

    pixels = sigma * len(frame)
    if pixels < 0.05:  # OpenCV takes 0 for "choose"
        return frame.copy()
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), pixels, borderType=cv2.BORDER_REPLICATE))


def occlude(frame: Pixels, box: Boxes, *, place: Place | str, share: float) -> Pixels:
    """Return the frame with a `share` of the face's box covered by cloth, from `place` inwards.

    What of the box lies outside the frame can't be covered.

    Parameters
    ----------
    frame : ndarray of uint8
        (height, width, 3) RGB.
    box : array of float
        Left, top, width and height of the face, in pixels.
    place : str
        Of `Place`.
    share : float
        Of the box, 0 to 1.

    Raises
    ------
    InputError
        Another place or share, or what isn't a frame.
    """
    _check(frame, share=share)
    if not 0 <= share <= 1:
        raise InputError(f"share={share} is no share of a face; use one from 0 to 1.")
    if place not in set(Place):
        raise InputError(f"there is no place {place!r}.{near_miss(str(place), set(Place))}")
    left, top, right, bottom = (
        float(edge) for edge in (box[0], box[1], box[0] + box[2], box[1] + box[3])
    )
    if place == Place.EYES:
        bottom = top + share * (bottom - top)
    elif place == Place.MOUTH:
        top = bottom - share * (bottom - top)
    else:
        right = left + share * (right - left)
    rows, columns = (
        slice(*(max(round(e), 0) for e in ends)) for ends in ((top, bottom), (left, right))
    )
    covered = frame.copy()
    covered[rows, columns] = CLOTH
    return covered


def roll(frame: Pixels, box: Boxes, *, degrees: float) -> Pixels:
    """Return the frame turned about the middle of the face, anticlockwise for `degrees` above 0.

    What turns in from outside repeats the frame's edge.
    """
    _check(frame, degrees=degrees)
    import cv2

    middle = float(box[0] + box[2] / 2) - 0.5, float(box[1] + box[3] / 2) - 0.5
    turn = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    size = frame.shape[1], frame.shape[0]
    return np.asarray(cv2.warpAffine(frame, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def frame_rate(times_s: npt.NDArray[np.float64], *, fps: float) -> npt.NDArray[np.bool_]:
    """Return which of the frames at `times_s` a camera of so many a second shows, bool (n,).

    Every 1 / fps s, from the first on, the last frame at or before that time.

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
    """Return the light of sRGB bytes, 0 to 1, that a camera's sensor is in proportion to."""
    return _LIGHT[frame]


def _bytes(light: npt.NDArray[np.float64]) -> Pixels:
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * levels).astype(np.uint8)
