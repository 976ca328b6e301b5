"""The parameters of a synthetic face, and the ASSUMPTION FOR TEACHING of how states differ.

Used by `face.py`. The faces replace the crying videos of Paper A (§2) and Paper B (§3), and are
never evidence about real infants.

The centres describe a plump infant of a few months. `STATES` is invented, as for the voice
(`states.py`). Only pain follows a published code of the infant's face: brow bulge, eyes squeezed
shut, nasolabial furrow, open and stretched mouth (Grunau & Craig 1987, Pain 28:395-410). The
offsets only give a classifier something to find; `dials.py` combines them with dials, infants and
sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryutils.datasets.synthetic.dials import Effects, spread

__all__ = ["EFFECTS", "LEAST", "MOST", "STATES", "Face"]


@dataclass(frozen=True, kw_only=True)
class Face:
    """The parameters of a clip's face, or offsets to them; lengths in half heights of the head.

    Home, suit and light belong to the infant, because that is how they leak in practice. With the
    dial `session` they change between its sessions.
    """

    # the infant and its home
    skin: float = spread(0.32, 0.34, 0.01, 0.0, 0.95)  # 0 light to 1 dark
    warmth: float = spread(0.0, 0.7, 0.08, -1.5, 1.5)  # -1 rosy to 1 golden
    width: float = spread(0.0, 0.09, 0.01, -0.2, 0.2)  # log2 of a factor on the head's width
    jaw: float = spread(0.0, 0.1, 0.012, -0.2, 0.2)  # log2 of a factor on the lower face's width
    cheek: float = spread(1.0, 0.35, 0.06, 0.3, 1.7)  # how full the cheeks are, 1 plump
    forehead: float = spread(0.0, 0.04, 0.006, -0.08, 0.08)  # how far down eyes, nose and mouth are
    eye_gap: float = spread(0.0, 0.03, 0.004, -0.05, 0.06)  # extra distance
    eye_size: float = spread(0.08, 0.14, 0.02, -0.25, 0.3)  # log2 of a factor
    eye_slant: float = spread(0.1, 0.5, 0.08, -1.0, 1.0)  # outer corners up
    iris: float = spread(0.6, 0.5, 0.02, 0.0, 1.0)  # 0 blue to 1 dark brown
    nose_size: float = spread(0.0, 0.2, 0.03, -0.4, 0.4)  # log2 of a factor
    nose_width: float = spread(0.0, 0.2, 0.03, -0.4, 0.4)  # log2 of a factor
    mouth_width: float = spread(0.0, 0.14, 0.03, -0.3, 0.3)  # log2 of a factor
    lips: float = spread(0.0, 0.3, 0.06, -0.6, 0.6)  # log2 of a factor on their thickness
    ears: float = spread(0.0, 0.25, 0.03, -0.5, 0.5)  # log2 of a factor
    hair: float = spread(0.55, 0.35, 0.02, 0.05, 1.0)  # 0 bald to 1 full
    hair_tone: float = spread(0.6, 0.5, 0.02, 0.0, 1.0)  # 0 blond to 1 black
    hairline: float = spread(0.0, 0.12, 0.02, -0.2, 0.2)  # further down
    whorl: float = spread(0.0, 1.5, 0.05, -4.0, 4.0)  # how the strands turn, radians
    brow: float = spread(0.0, 0.4, 0.06, -0.8, 0.8)  # log2 of a factor on the brows' thickness
    brow_height: float = spread(0.0, 0.03, 0.008, -0.05, 0.05)  # further up
    cloth: float = spread(0.6, 0.35, 0.01, -2.0, 2.0)  # hue of the suit, in turns
    sheet: float = spread(0.12, 0.35, 0.01, -2.0, 2.0)  # hue of what the infant lies on, in turns
    sheet_tone: float = spread(0.7, 0.12, 0.02, 0.45, 0.9)  # its lightness, 0 to 1
    light_x: float = spread(-0.35, 0.6, 0.12, -1.0, 1.0)  # light from -1 left to 1 right
    light: float = spread(0.0, 0.15, 0.06, -0.45, 0.25)  # log2 of the exposure
    candle: float = spread(0.1, 0.5, 0.08, -1.0, 1.2)  # warmth of the light
    # expression
    blush: float = spread(0.4, 0.16, 0.08, 0.0, 1.2)  # 0 pale to 1 red
    gape: float = spread(0.0, 0.15, 0.1, -0.8, 0.6)  # log2 of a factor on the mouth's opening
    stretch: float = spread(0.0, 0.1, 0.05, -0.6, 0.5)  # log2 of a factor on the mouth's width
    corners: float = spread(-0.25, 0.15, 0.1, -1.2, 0.8)  # mouth corners, -1 down to 1 up
    square: float = spread(0.4, 0.15, 0.1, 0.0, 1.0)  # shape of the open mouth, 0 lens to 1 square
    pout: float = spread(0.2, 0.12, 0.08, 0.0, 1.0)  # lower lip pushed out, 0 to 1
    lid: float = spread(0.62, 0.14, 0.08, 0.0, 1.0)  # opening of the eyes between cries, 0 to 1
    squeeze: float = spread(0.6, 0.2, 0.1, 0.0, 1.0)  # how far a cry closes the eyes
    furrow: float = spread(0.4, 0.16, 0.1, 0.0, 1.0)  # brows drawn down and together, 0 to 1
    plead: float = spread(0.2, 0.12, 0.08, 0.0, 1.0)  # inner ends of the brows up, 0 to 1
    fold: float = spread(0.35, 0.12, 0.08, 0.0, 1.0)  # furrow from nose to mouth corner, 0 to 1
    rims: float = spread(0.15, 0.1, 0.06, 0.0, 1.0)  # redness around the eyes, 0 to 1
    tear: float = spread(0.1, 0.15, 0.12, 0.0, 1.0)  # 0 dry to 1 running down
    gaze: float = spread(0.0, 0.3, 0.25, -1.0, 1.0)  # where the eyes look, -1 down to 1 up
    # pose and camera
    roll: float = spread(0.0, 3.0, 4.0, -12.0, 12.0)  # degrees
    turn: float = spread(0.0, 0.15, 0.25, -1.0, 1.0)  # to the side, -1 to 1
    nod: float = spread(0.0, 0.15, 0.25, -1.0, 1.0)  # down, -1 to 1
    sway: float = spread(1.3, 0.4, 0.3, -1.0, 2.5)  # log2 of degrees that the head moves
    pace: float = spread(-1.2, 0.3, 0.25, -3.0, 0.5)  # log2 of movements per second
    near: float = spread(0.0, 0.06, 0.05, -0.13, 0.13)  # log2 of a factor on the size
    left: float = spread(0.0, 0.04, 0.07, -0.15, 0.15)  # position in the picture
    up: float = spread(0.0, 0.03, 0.05, -0.1, 0.1)
    grain: float = spread(1.0, 0.5, 0.1, -1.0, 2.0)  # log2 of noise, grey levels of 255


# AN ASSUMPTION MADE FOR TEACHING, not a finding: offsets, multiplied by `signal`.
STATES = {
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
}  # fmt: skip


EFFECTS = Effects(
    Face,
    STATES,
    place=("cloth", "sheet", "sheet_tone", "light_x", "light", "candle", "near", "grain"),
    day=("blush", "rims", "lid", "tear"),
    streams=(4, 10, 11),
)
LEAST, MOST = EFFECTS.parameters(EFFECTS.least), EFFECTS.parameters(EFFECTS.most)
