"""The infant's face that belongs to a synthetic cry, with the same dials as the voice.

Walked by notebook 05 (image) and used by 06 (full); it stands in for the crying videos of Paper A
(§2) and Paper B (§3). The mouth is driven by the opening that shapes the voice's formants, so
sound and face belong together. It is a test bench whose truth is known, and NEVER evidence
about real infants: how states differ in it (`STATES`) is an assumption made for teaching, see
`face_states.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.dials import PLAIN, Dials
from cryutils.datasets.synthetic.drawing import (
    EYE_Y,
    HEAD,
    MIDDLE,
    MOUTH_Y,
    SPAN,
    Sprites,
    backdrop,
    grains,
)
from cryutils.datasets.synthetic.face_states import Face, blend
from cryutils.datasets.synthetic.voice import Contour, CryPlan, contour
from cryutils.errors import InputError, near_miss

__all__ = ["REGIONS", "FacePlan", "check", "frames", "plan", "region"]

Frame = npt.NDArray[np.uint8]

NECK = 0.8  # the head turns about this, in half heights below its middle
# Where a cascade of Haar features draws its square: middle and side, in half heights of the head.
BOX_Y, BOX_SIDE = 0.29, 1.8
ROLL = 15.0  # degrees, at most
# Where a face shows its state: left, right, top and bottom in half heights of the head.
REGIONS = {
    "eyes": (-0.72, 0.72, EYE_Y - 0.30, EYE_Y + 0.20),  # with brows and lids
    "mouth": (-0.45, 0.45, MOUTH_Y - 0.20, MOUTH_Y + 0.30),  # as wide as it opens
}
LEVEL_S = 0.02  # effort is worked out in steps of this


@dataclass(frozen=True, eq=False)
class FacePlan:
    """All decisions about a clip's face but the pixels; contours are float32 (frames,).

    `opening` of the mouth, `effort` of the cry and `blink` lie in [0, 1]. `roll` is in degrees,
    `scale` a factor, `x` and `y` the head's place, in half heights of it.
    """

    state: str
    infant: int
    seed: int
    fps: float
    face: Face
    opening: Contour = field(repr=False)
    effort: Contour = field(repr=False)
    blink: Contour = field(repr=False)
    roll: Contour = field(repr=False)
    scale: Contour = field(repr=False)
    x: Contour = field(repr=False)
    y: Contour = field(repr=False)

    def __len__(self) -> int:
        return len(self.opening)

    def boxes(self, *, size: int) -> npt.NDArray[np.float32]:
        """Return x, y, width, height of the face in each frame in pixels, float32 (frames, 4)."""
        sprite = size / 2 * np.array([1.0, 1.0 + BOX_Y / SPAN])
        side = BOX_SIDE * HEAD * size * self.scale
        middle = np.array([_placed(self, i, size) @ [*sprite, 1.0] for i in range(len(self))])
        return np.column_stack([middle - side[:, None] / 2, side, side]).astype(np.float32)


def plan(cry: CryPlan, *, fps: float = 30, dials: Dials = PLAIN) -> FacePlan:
    """Return how the face of a cry looks and moves, before any picture is drawn.

    cry: what `voice.plan` returned; its seeds are the face's. To keep a label out of the face,
    plan the cry with the face's own dials, since the mouth gives away when and how wide it
    opens. fps: frames a second, 1 to 120. dials: each in [0, 1]; at `signal=0` the state, at
    `identity=0` the infant shapes nothing at all. Raises InputError for anything else.

    >>> from cryutils.datasets.synthetic import voice
    >>> len(plan(voice.plan("hungry", infant=1, seed=1, duration_s=2.0), fps=15))
    30
    """
    check(fps=fps, dials=dials)
    rng = np.random.default_rng([cry.seed, 5])
    face = blend(cry.state, infant=cry.infant, session=cry.session, dials=dials, rng=rng)
    t = np.arange(max(round(cry.duration_s * fps), 1)) / fps
    at = np.arange(cry.opening.size) / cry.rate
    effort = np.interp(t, at, _effort(cry))
    sway, pace = 2.0**face.sway, 2.0**face.pace
    blink = _blinks(t, cry.duration_s, rng)
    roll = face.roll + sway * _wander(t, pace, rng)
    roll += 0.5 * effort * np.sin(2 * np.pi * (6.3 * t + rng.random()))
    x = face.left + 0.015 * sway * _wander(t, pace, rng)
    y = -face.up + 0.01 * sway * _wander(t, pace, rng) - 0.035 * effort
    return FacePlan(
        state=cry.state,
        infant=cry.infant,
        seed=cry.seed,
        fps=fps,
        face=face,
        opening=contour(np.interp(t, at, cry.opening)),
        effort=contour(effort),
        blink=contour(blink),
        roll=contour(np.clip(roll, -ROLL, ROLL)),
        scale=contour(2.0 ** (face.near + 0.02 * effort)),
        x=contour(np.clip(x, -0.2, 0.2)),
        y=contour(np.clip(y, -0.15, 0.15)),
    )


def region(name: str, *, size: int, margin: float) -> npt.NDArray[np.bool_]:
    """Return which pixels of a crop around the face are a feature's, bool (size, size).

    name: of `REGIONS`. size: of the crop's side. margin: share of the face's box that the crop has
    beside it, on every side. Of an upright head; one that leans or turns moves them by a tenth of
    the crop at most. Raises InputError for another name.
    """
    if name not in REGIONS:
        raise InputError(f"a face has no region {name!r}.{near_miss(name, REGIONS)}")
    left, right, top, bottom = REGIONS[name]
    at = ((np.arange(size) + 0.5) / size - 0.5) * (1 + 2 * margin) * BOX_SIDE
    across, down = (at >= left) & (at <= right), (at + BOX_Y >= top) & (at + BOX_Y <= bottom)
    return down[:, None] & across[None, :]


def frames(plan: FacePlan, *, size: int = 224) -> Iterator[Frame]:
    """Yield the frames of a plan, uint8 (size, size, 3) RGB, one at a time.

    size: pixels of a side, even, 64 to 1024, else InputError.
    """
    check(size=size)
    return _drawn(plan, size)


def check(*, fps: float = 30, size: int = 224, dials: Dials = PLAIN) -> None:
    """Raise InputError where `plan` or `frames` could not use these arguments."""
    if not 1 <= fps <= 120:
        raise InputError(f"fps={fps} is no frame rate for a clip; use 1 to 120")
    if not 64 <= size <= 1024 or size % 2:
        raise InputError(f"size={size} is no side of a picture; use an even number, 64 to 1024")
    dials.check("face_")


def _drawn(plan: FacePlan, size: int) -> Iterator[Frame]:
    import cv2

    rng = np.random.default_rng([plan.seed, 6])
    behind = backdrop(plan.face, size=size, rng=rng)
    noise = grains(plan.face, size=size, rng=rng)
    heads = Sprites(plan.face, size=size)
    for i, (more, less) in zip(range(len(plan)), noise, strict=False):
        sprite = heads.head(
            opening=float(plan.opening[i]), effort=float(plan.effort[i]), blink=plan.blink[i] > 0
        )
        # In bytes, with alpha multiplied in beforehand: floats would take three times as long.
        head = cv2.warpAffine(sprite, _placed(plan, i, size), (size, size))
        through = cv2.bitwise_not(cv2.extractChannel(head, 3))
        around = cv2.multiply(behind, cv2.cvtColor(through, cv2.COLOR_GRAY2RGB), scale=1 / 255)
        clean = cv2.add(around, cv2.cvtColor(head, cv2.COLOR_RGBA2RGB))
        yield np.asarray(cv2.subtract(cv2.add(clean, more), less), np.uint8)


def _placed(plan: FacePlan, i: int, size: int) -> npt.NDArray[np.float64]:
    """Return the matrix (2, 3) that takes a sprite's pixels to those of frame i."""
    unit = HEAD * size
    factor = float(plan.scale[i]) * unit * 2 * SPAN / size
    angle = math.radians(float(plan.roll[i]))
    c, s = factor * math.cos(angle), factor * math.sin(angle)
    neck_x, neck_y = size / 2, size / 2 * (1 + NECK / SPAN)
    to_x = size / 2 + unit * float(plan.x[i])
    to_y = size * MIDDLE + unit * (float(plan.y[i]) + NECK)
    return np.array(
        [[c, -s, to_x - c * neck_x + s * neck_y], [s, c, to_y - s * neck_x - c * neck_y]]
    )


def _effort(cry: CryPlan) -> npt.NDArray[np.float64]:
    """How hard the infant cries, at the contours' rate: quick to rise, slow to go."""
    hop = max(round(LEVEL_S * cry.rate), 1)
    rise, fall = (1 - math.exp(-LEVEL_S / seconds) for seconds in (0.12, 0.7))
    level, levels = 0.0, []
    for goal in np.minimum(1.5 * cry.opening[::hop].astype(np.float64), 1.0):
        level += (goal - level) * (rise if goal > level else fall)
        levels.append(level)
    at = np.arange(len(levels)) * hop
    return np.asarray(np.interp(np.arange(cry.opening.size), at, np.array(levels)))


def _blinks(
    t: npt.NDArray[np.float64], duration_s: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """1 while the lids are down for a blink, every few seconds."""
    blinks = rng.uniform(0, 3.5) + np.cumsum(rng.uniform(1.2, 5.0, 1 + int(duration_s)))
    return np.asarray((np.abs(t[:, None] - blinks) < 0.09).any(axis=1), np.float64)


def _wander(
    t: npt.NDArray[np.float64], hz: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A slow movement about 0, of about unit size, with no period to be seen."""
    turns = t[:, None] * (hz * rng.uniform(0.6, 1.9, 3)) + rng.random(3)
    waves: npt.NDArray[np.float64] = np.sin(2 * np.pi * turns)
    return (waves * np.array([0.7, 0.5, 0.35])).sum(axis=1)
