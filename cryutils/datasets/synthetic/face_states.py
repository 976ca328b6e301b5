"""What a synthetic face is made of, and the ASSUMPTION FOR TEACHING of how states differ in it.

Read by `face.py`; notebook 05 (image) shows the table. It stands in for the crying videos of
Paper A (§2) and Paper B (§3) and is never evidence about real infants.

`BASE` is a plump infant of a few months, `INFANT` and `CLIP` say how far infants, and clips of
one infant, lie apart. `STATES` is invented, as it is for the voice (`states.py`); pain
alone follows a published code of the infant's face: brow bulge, eyes squeezed shut, nasolabial
furrow, open and stretched mouth (Grunau & Craig 1987, Pain 28:395-410). The offsets
only give a classifier something to find; how dials, infants and sessions come into it says
`dials.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from types import MappingProxyType

import numpy as np

from cryutils.datasets.synthetic.dials import Dials, Effects

__all__ = [
    "BASE", "CLIP", "EFFECTS", "INFANT", "LEAST", "MOST", "SESSION", "STATES", "Face", "blend",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Face:
    """The parameters of a clip's face, or offsets to them; lengths in half heights of the head."""

    # the infant and its home
    skin: float = 0.0  # 0 light to 1 dark
    warmth: float = 0.0  # -1 rosy to 1 golden
    width: float = 0.0  # log2 of a factor on the head's width
    jaw: float = 0.0  # log2 of a factor on the lower face's width
    cheek: float = 0.0  # how full the cheeks are, 1 plump
    forehead: float = 0.0  # how far down eyes, nose and mouth sit
    eye_gap: float = 0.0  # further apart
    eye_size: float = 0.0  # log2 of a factor
    eye_slant: float = 0.0  # outer corners up
    iris: float = 0.0  # 0 blue to 1 dark brown
    nose_size: float = 0.0  # log2 of a factor
    nose_width: float = 0.0  # log2 of a factor
    mouth_width: float = 0.0  # log2 of a factor
    lips: float = 0.0  # log2 of a factor on their thickness
    ears: float = 0.0  # log2 of a factor
    hair: float = 0.0  # 0 bald to 1 full
    hair_tone: float = 0.0  # 0 blond to 1 black
    hairline: float = 0.0  # further down
    whorl: float = 0.0  # how the strands turn, radians
    brow: float = 0.0  # log2 of a factor on the brows' thickness
    brow_height: float = 0.0  # further up
    cloth: float = 0.0  # hue of the suit, in turns
    sheet: float = 0.0  # hue of what the infant lies on, in turns
    sheet_tone: float = 0.0  # its lightness, 0 to 1
    light_x: float = 0.0  # where the light stands, -1 left to 1 right
    light: float = 0.0  # log2 of the exposure
    candle: float = 0.0  # warmth of the light
    # what it does
    blush: float = 0.0  # 0 pale to 1 red
    gape: float = 0.0  # log2 of a factor on the mouth's opening
    stretch: float = 0.0  # log2 of a factor on the mouth's width
    corners: float = 0.0  # mouth corners, -1 down to 1 up
    square: float = 0.0  # shape of the open mouth, 0 lens to 1 square
    pout: float = 0.0  # lower lip pushed out, 0 to 1
    lid: float = 0.0  # how open the eyes are between cries, 0 to 1
    squeeze: float = 0.0  # how far a cry closes them, and screws them up
    furrow: float = 0.0  # brows drawn down and together, 0 to 1
    plead: float = 0.0  # inner ends of the brows up, 0 to 1
    fold: float = 0.0  # furrow from the nose to the mouth's corner, 0 to 1
    rims: float = 0.0  # redness around the eyes, 0 to 1
    tear: float = 0.0  # 0 dry to 1 running down
    gaze: float = 0.0  # where the eyes look, -1 down to 1 up
    # how it is held and filmed
    roll: float = 0.0  # degrees
    turn: float = 0.0  # to the side, -1 to 1
    nod: float = 0.0  # down, -1 to 1
    sway: float = 0.0  # log2 of degrees that the head moves
    pace: float = 0.0  # log2 of movements a second
    near: float = 0.0  # log2 of a factor on the size in the picture
    left: float = 0.0  # place in the picture, half heights of the head
    up: float = 0.0
    grain: float = 0.0  # log2 of the sensor's noise, grey levels of 255


# parameter: centre, standard deviation between infants, between clips of one infant, least and
# most that can be drawn. Home, suit and light count as the infant's, which is how they leak in
# practice; the dial `session` lets them change between its sessions.
_SPREAD = {
    "skin": (0.32, 0.34, 0.01, 0.0, 0.95),
    "warmth": (0.0, 0.7, 0.08, -1.5, 1.5),
    "width": (0.0, 0.09, 0.01, -0.2, 0.2),
    "jaw": (0.0, 0.1, 0.012, -0.2, 0.2),
    "cheek": (1.0, 0.35, 0.06, 0.3, 1.7),
    "forehead": (0.0, 0.04, 0.006, -0.08, 0.08),
    "eye_gap": (0.0, 0.03, 0.004, -0.05, 0.06),
    "eye_size": (0.08, 0.14, 0.02, -0.25, 0.3),
    "eye_slant": (0.1, 0.5, 0.08, -1.0, 1.0),
    "iris": (0.6, 0.5, 0.02, 0.0, 1.0),
    "nose_size": (0.0, 0.2, 0.03, -0.4, 0.4),
    "nose_width": (0.0, 0.2, 0.03, -0.4, 0.4),
    "mouth_width": (0.0, 0.14, 0.03, -0.3, 0.3),
    "lips": (0.0, 0.3, 0.06, -0.6, 0.6),
    "ears": (0.0, 0.25, 0.03, -0.5, 0.5),
    "hair": (0.55, 0.35, 0.02, 0.05, 1.0),
    "hair_tone": (0.6, 0.5, 0.02, 0.0, 1.0),
    "hairline": (0.0, 0.12, 0.02, -0.2, 0.2),
    "whorl": (0.0, 1.5, 0.05, -4.0, 4.0),
    "brow": (0.0, 0.4, 0.06, -0.8, 0.8),
    "brow_height": (0.0, 0.03, 0.008, -0.05, 0.05),
    "cloth": (0.6, 0.35, 0.01, -2.0, 2.0),
    "sheet": (0.12, 0.35, 0.01, -2.0, 2.0),
    "sheet_tone": (0.7, 0.12, 0.02, 0.45, 0.9),
    "light_x": (-0.35, 0.6, 0.12, -1.0, 1.0),
    "light": (0.0, 0.15, 0.06, -0.45, 0.25),
    "candle": (0.1, 0.5, 0.08, -1.0, 1.2),
    "blush": (0.4, 0.16, 0.08, 0.0, 1.2),
    "gape": (0.0, 0.15, 0.1, -0.8, 0.6),
    "stretch": (0.0, 0.1, 0.05, -0.6, 0.5),
    "corners": (-0.25, 0.15, 0.1, -1.2, 0.8),
    "square": (0.4, 0.15, 0.1, 0.0, 1.0),
    "pout": (0.2, 0.12, 0.08, 0.0, 1.0),
    "lid": (0.62, 0.14, 0.08, 0.0, 1.0),
    "squeeze": (0.6, 0.2, 0.1, 0.0, 1.0),
    "furrow": (0.4, 0.16, 0.1, 0.0, 1.0),
    "plead": (0.2, 0.12, 0.08, 0.0, 1.0),
    "fold": (0.35, 0.12, 0.08, 0.0, 1.0),
    "rims": (0.15, 0.1, 0.06, 0.0, 1.0),
    "tear": (0.1, 0.15, 0.12, 0.0, 1.0),
    "gaze": (0.0, 0.3, 0.25, -1.0, 1.0),
    "roll": (0.0, 3.0, 4.0, -12.0, 12.0),
    "turn": (0.0, 0.15, 0.25, -1.0, 1.0),
    "nod": (0.0, 0.15, 0.25, -1.0, 1.0),
    "sway": (1.3, 0.4, 0.3, -1.0, 2.5),
    "pace": (-1.2, 0.3, 0.25, -3.0, 0.5),
    "near": (0.0, 0.06, 0.05, -0.13, 0.13),
    "left": (0.0, 0.04, 0.07, -0.15, 0.15),
    "up": (0.0, 0.03, 0.05, -0.1, 0.1),
    "grain": (1.0, 0.5, 0.1, -1.0, 2.0),
}
BASE, INFANT, CLIP, LEAST, MOST = (
    Face(**{name: row[column] for name, row in _SPREAD.items()}) for column in range(5)
)

# AN ASSUMPTION MADE FOR TEACHING, not a finding: offsets that `signal` brings in.
STATES: Mapping[str, Face] = MappingProxyType(
    {
        # looks for the breast: open eyes, wide round mouth, turning head
        "hungry": Face(
            lid=0.3, squeeze=-0.35, gape=0.35, stretch=-0.12, square=-0.35, corners=0.35,
            furrow=-0.2, blush=-0.05, sway=0.7, pace=0.3, gaze=0.2, pout=-0.1,
        ),
        # heavy lids, red rims, a slack mouth
        "tired": Face(
            lid=-0.32, squeeze=-0.15, furrow=-0.3, plead=0.25, rims=0.55, gape=-0.25,
            stretch=-0.1, corners=-0.1, blush=-0.25, fold=-0.2, sway=-0.6, pace=-0.5, gaze=-0.6,
        ),
        # corners down, lower lip out, a knit brow over open eyes
        "discomfort": Face(
            lid=0.12, squeeze=-0.3, corners=-0.7, pout=0.6, furrow=0.35, stretch=0.12, gape=-0.3,
            blush=0.05, sway=0.3, pace=0.5, fold=0.1,
        ),
        # screwed-up eyes, bulging brow, square mouth, crimson, tears
        "pain": Face(
            lid=-0.5, squeeze=0.6, furrow=0.6, plead=-0.2, gape=0.3, stretch=0.18, square=0.5,
            fold=0.6, blush=0.5, tear=0.7, corners=-0.1, sway=0.2,
        ),
        # strained: eyes shut, lips drawn wide and flat, dark red
        "belly_pain": Face(
            lid=-0.4, squeeze=0.4, furrow=0.35, stretch=0.3, gape=-0.5, square=0.6, fold=0.4,
            blush=0.65, corners=-0.35, pout=-0.2, sway=0.5, pace=0.5,
        ),
        # surprised: wide eyes, small pursed mouth
        "burping": Face(
            lid=0.45, squeeze=-0.6, furrow=-0.3, plead=0.05, stretch=-0.45, gape=-0.2,
            square=-0.3, corners=0.15, pout=0.35, blush=0.2, fold=-0.3, sway=-0.3,
        ),
        # eyes all but closed, everything loose and pale
        "sleepy": Face(
            lid=-0.5, squeeze=-0.2, furrow=-0.4, plead=0.1, rims=0.25, gape=-0.4, stretch=-0.2,
            corners=0.1, blush=-0.35, fold=-0.3, sway=-0.9, pace=-0.7, gaze=-0.3,
        ),
        # looks up at you: wide wet eyes, inner brows up, trembling lip
        "hug": Face(
            lid=0.35, squeeze=-0.4, furrow=-0.25, plead=0.75, corners=-0.5, pout=0.35, tear=0.6,
            gaze=0.8, gape=-0.1, rims=0.2,
        ),
    }
)  # fmt: skip


# What changes from session to session, as much as it does from infant to infant: suit, sheet,
# light and camera; the day (a cold, a rash, a long night) a third as much.
_PLACE = ("cloth", "sheet", "sheet_tone", "light_x", "light", "candle", "near", "grain")
_DAY = ("blush", "rims", "lid", "tear")
SESSION = Face(
    **{name: getattr(INFANT, name) for name in _PLACE},
    **{name: getattr(INFANT, name) / 3 for name in _DAY},
)

EFFECTS = Effects(
    base=np.array(astuple(BASE)),
    states={name: np.array(astuple(offset)) for name, offset in STATES.items()},
    infant=np.array(astuple(INFANT)),
    session=np.array(astuple(SESSION)),
    clip=np.array(astuple(CLIP)),
    streams=(4, 10, 11),
)


def blend(state: str, *, infant: int, session: int, dials: Dials, rng: np.random.Generator) -> Face:
    """Return the parameters of one clip's face, kept between `LEAST` and `MOST`; see `dials`.

    state: a name in `STATES`. infant, session: seed what is theirs. rng: draws the clip's own,
    always the same amount.
    """
    values = EFFECTS.draw(state, infant=infant, session=session, dials=dials, rng=rng)
    values = np.clip(values, astuple(LEAST), astuple(MOST))
    return Face(**{f.name: float(v) for f, v in zip(fields(Face), values, strict=True)})
