"""The face of a synthetic infant, with the same dials as the voice: planned, then drawn.

Used in notebooks 05_image and 06_full, instead of the crying videos of Paper A (§2) and Paper B
(§3). It is NEVER evidence about real infants; `states.py` has the assumptions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cryutils.datasets.synthetic.drawing import HEAD, MIDDLE, SPAN, Sprites, backdrop, grains
from cryutils.datasets.synthetic.states import FACES, Parameters
from cryutils.datasets.synthetic.voice import RATE, CryPlan
from cryutils.errors import InputError

Frame = npt.NDArray[np.uint8]
Contour = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

NECK = 0.8  # centre of rotation, in half heights of the head below its middle
# The square that a Haar cascade finds: middle and side, in half heights of the head.
BOX_Y, BOX_SIDE = 0.29, 1.8
ROLL = 15.0  # degrees, at most
LEVEL_S = 0.02  # step in which effort is computed


@dataclass(frozen=True, eq=False)
class FacePlan:
    """The plan of a clip's face; contours are float32 (frames,).

    seed: of the noise in the pictures. opening, effort, blink: of mouth, cry and lids, in [0, 1].
    roll: in degrees. scale: a factor on the size. x, y: position, in half heights of the head.
    """

    seed: int
    fps: float
    face: Parameters
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


def plan(cry: CryPlan, *, fps: float = 30) -> FacePlan:
    """Return the plan of the face that belongs to a cry, with the same seeds and dials.

    fps: 1 to 120. Raises InputError for other values.

    >>> from cryutils.datasets.synthetic import voice
    >>> len(plan(voice.plan("hungry", infant=1, seed=1, duration_s=2.0), fps=15))
    30
    """
    check(fps=fps)
    rng = np.random.default_rng([cry.seed, 5])
    face = FACES.draw(cry.state, infant=cry.infant, session=cry.session, dials=cry.dials, rng=rng)
    t = np.arange(max(round(cry.duration_s * fps), 1)) / fps
    at = np.arange(cry.opening.size) / RATE
    effort = np.interp(t, at, _effort(cry))
    sway, pace = 2.0**face.sway, 2.0**face.pace
    blink = _blinks(t, cry.duration_s, rng)
    roll = face.roll + sway * _wander(t, pace, rng)
    roll += 0.5 * effort * np.sin(2 * np.pi * (6.3 * t + rng.random()))
    x = face.left + 0.015 * sway * _wander(t, pace, rng)
    y = -face.up + 0.01 * sway * _wander(t, pace, rng) - 0.035 * effort
    contours = {
        "opening": np.interp(t, at, cry.opening),
        "effort": effort,
        "blink": blink,
        "roll": np.clip(roll, -ROLL, ROLL),
        "scale": 2.0 ** (face.near + 0.02 * effort),
        "x": np.clip(x, -0.2, 0.2),
        "y": np.clip(y, -0.15, 0.15),
    }
    as_planned = {name: values.astype(np.float32) for name, values in contours.items()}
    return FacePlan(seed=cry.seed, fps=fps, face=face, **as_planned)


def frames(plan: FacePlan, *, size: int = 224) -> Iterator[Frame]:
    """Yield the frames of a plan, uint8 (size, size, 3) RGB; size: even, 64 to 1024."""
    import cv2

    check(size=size)
    rng = np.random.default_rng([plan.seed, 6])
    behind = backdrop(plan.face, size=size, rng=rng)
    noise = grains(plan.face, size=size, rng=rng)
    heads = Sprites(plan.face, size=size)
    for i, (more, less) in zip(range(len(plan)), noise, strict=False):
        sprite = heads.head(
            opening=float(plan.opening[i]), effort=float(plan.effort[i]), blink=plan.blink[i] > 0
        )
        head = cv2.warpAffine(sprite, _placed(plan, i, size), (size, size))
        through = cv2.bitwise_not(cv2.extractChannel(head, 3))
        around = cv2.multiply(behind, cv2.cvtColor(through, cv2.COLOR_GRAY2RGB), scale=1 / 255)
        clean = cv2.add(around, cv2.cvtColor(head, cv2.COLOR_RGBA2RGB))
        yield np.asarray(cv2.subtract(cv2.add(clean, more), less), np.uint8)


def check(*, fps: float = 30, size: int = 224) -> None:
    """Raise InputError for arguments that `plan` or `frames` can't use."""
    if not 1 <= fps <= 120:
        raise InputError(f"fps={fps} is no frame rate for a clip; use 1 to 120")
    if not 64 <= size <= 1024 or size % 2:
        raise InputError(f"size={size} is no side of a picture; use an even number, 64 to 1024")


def _placed(plan: FacePlan, i: int, size: int) -> Values:
    """Return the affine matrix (2, 3) from the pixels of a head to those of frame i."""
    unit = HEAD * size
    factor = float(plan.scale[i]) * unit * 2 * SPAN / size
    angle = math.radians(float(plan.roll[i]))
    c, s = factor * math.cos(angle), factor * math.sin(angle)
    neck_x, neck_y = size / 2, size / 2 * (1 + NECK / SPAN)
    to_x = size / 2 + unit * float(plan.x[i])
    to_y = size * MIDDLE + unit * (float(plan.y[i]) + NECK)
    return np.array([[c, -s, to_x - c * neck_x + s * neck_y], [s, c, to_y - s * neck_x - c * neck_y]])


def _effort(cry: CryPlan) -> Values:
    """Return how hard the infant cries, at the contours' rate: it rises fast and falls slowly."""
    hop = max(round(LEVEL_S * RATE), 1)
    rise, fall = (1 - math.exp(-LEVEL_S / seconds) for seconds in (0.12, 0.7))
    level, levels = 0.0, []
    for goal in np.minimum(1.5 * cry.opening[::hop].astype(np.float64), 1.0):
        level += (goal - level) * (rise if goal > level else fall)
        levels.append(level)
    at = np.arange(len(levels)) * hop
    return np.asarray(np.interp(np.arange(cry.opening.size), at, np.array(levels)))


def _blinks(t: Values, duration_s: float, rng: np.random.Generator) -> Values:
    """Return 1 while the lids are down for a blink, every few seconds, and 0 otherwise."""
    blinks = rng.uniform(0, 3.5) + np.cumsum(rng.uniform(1.2, 5.0, 1 + int(duration_s)))
    return np.asarray((np.abs(t[:, None] - blinks) < 0.09).any(axis=1), np.float64)


def _wander(t: Values, hz: float, rng: np.random.Generator) -> Values:
    """Return a slow movement around 0, of about unit size, without a visible period."""
    turns = t[:, None] * (hz * rng.uniform(0.6, 1.9, 3)) + rng.random(3)
    waves: Values = np.sin(2 * np.pi * turns)
    return (waves * np.array([0.7, 0.5, 0.35])).sum(axis=1)
