"""The parameters of a synthetic cry and face, and the ASSUMPTION FOR TEACHING of how states differ.

Used by `voice.py` and `face.py`. They replace the recordings of Paper A (§2) and Paper B, and are
never evidence about real infants.

The voice's centres are near DonateACry's medians. The face's describe a plump infant of a few
months. The states are invented: no published figure shows how a hungry cry differs from a tired
one. On 39,201 cries recorded at home, neither trained listeners nor machine learning could
recognise the cause, while age and identity were audible (Lockhart-Bouron et al. 2023, doi
10.1038/s44271-023-00022-z). Only the face of pain follows a published code: brow bulge, eyes
squeezed shut, nasolabial furrow, open and stretched mouth (Grunau & Craig 1987, Pain 28:395-410).
The offsets in states.csv only give a classifier something to find. A hungry infant wails in a
rhythm and looks for the breast; a tired one whines and lets its lids fall; discomfort is short and
uneven, with the corners of the mouth down; a call to be hugged ends in a rising tail. Sex and age
have no effect: in 172 newborns they made no significant difference (Michelsson et al. 2002).

The dials set how strongly state, infant and session shape a clip. A parameter of a clip is a sum,
and each dial controls one term independently of the other dials:

    base + REACH * signal * state + identity * infant + session * visit + clip

Infant, visit (the session's microphone, room and day) and clip are drawn from normal distributions.
`interaction` is the share of the state's variance that is drawn for each infant separately; the
rest is the same for all. At 0 a state sounds the same in every infant. At 1 nothing learned from
other infants helps with a new one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = [
    "FACES",
    "FACE_STATES",
    "LEAST",
    "MOST",
    "PLAIN",
    "STATES",
    "VOICES",
    "Dials",
    "Effects",
    "Face",
    "Voice",
]

Values = npt.NDArray[np.float64]
T = TypeVar("T")

# The states' offsets are about as large as the standard deviation between infants. With twice these
# offsets, a model can predict labels of new infants at `signal=1`, `identity=1`.
REACH = 2.0
_DAY = 3.0  # a cold or a long night changes a parameter a third as much as another infant does


@dataclass(frozen=True, slots=True)
class Dials:
    """The strength of each effect in a corpus, each in [0, 1].

    signal: how much the state shapes voice and face. identity: how much the infant does.
    interaction: share of the variance between states that is specific to each infant. session: how
    much microphone, room, light and day vary between sessions of one infant, at 1 as much as
    between infants.
    """

    signal: float = 1.0
    identity: float = 1.0
    interaction: float = 0.0
    session: float = 0.0

    def check(self, prefix: str = "") -> None:
        """Raise InputError for a dial outside [0, 1]; `prefix` is put before its name."""
        for name, dial in asdict(self).items():
            if not 0.0 <= dial <= 1.0:
                raise InputError(f"{prefix}{name}={dial} is outside the dial; use a number from 0 to 1")


PLAIN = Dials()


def spread(
    centre: float, infant: float, clip: float, least: float = -math.inf, most: float = math.inf
) -> Any:
    """Return a dataclass field for a parameter; its default 0 means no offset.

    infant, clip: standard deviations between infants, and between clips of one infant. least, most:
    limits of the drawn value.
    """
    return field(default=0.0, metadata={"spread": (centre, infant, clip, least, most)})


class Effects(Generic[T]):
    """The effects on the parameters of a clip, float64 (parameters,) each.

    base: of all clips. states: offsets by state. infant, session, clip: standard deviations between
    infants, between sessions of one infant, and between clips of one session. least, most: limits.
    """

    def __init__(
        self,
        kind: type[T],
        states: Mapping[str, T],
        *,
        place: Sequence[str],
        day: Sequence[str],
        streams: tuple[int, int, int],
    ) -> None:
        """Collect the effects on `kind`, a dataclass of `spread` fields.

        place, day: parameters that change between sessions, those of the place (such as the
        microphone) as much as between infants, those of the day a third as much. streams: seeds of
        the random numbers for the infant, its own states and the session.
        """
        self.kind, self.streams = kind, streams
        parameters = fields(kind)  # type: ignore[arg-type]
        columns = np.array([parameter.metadata["spread"] for parameter in parameters]).T
        self.base, self.infant, self.clip, self.least, self.most = columns
        share = dict.fromkeys(place, 1.0) | dict.fromkeys(day, _DAY)
        self.session = self.infant / [share.get(each.name, math.inf) for each in parameters]
        self.states = {name: np.array(astuple(state)) for name, state in states.items()}  # type: ignore[call-overload]

    def draw(self, state: str, *, infant: int, session: int, dials: Dials, rng: np.random.Generator) -> T:
        """Return the parameters of one clip, clipped to their limits.

        state: a name in `states`. infant, session: seeds of the effects that clips of one infant or
        session share. rng: draws the clip's own effect, always the same number of values.
        """
        of_infant, of_states, of_session = self.streams
        sizes = np.sqrt(np.mean(np.square(list(self.states.values())), axis=0))
        own = _normal([infant, of_states, list(self.states).index(state)], sizes)
        offset = math.sqrt(1 - dials.interaction) * self.states[state]
        offset = offset + math.sqrt(dials.interaction) * own
        values = (
            self.base
            + REACH * dials.signal * offset
            + dials.identity * _normal([infant, of_infant], self.infant)
            + dials.session * _normal([session, of_session], self.session)
            + rng.standard_normal(self.base.size) * self.clip
        )
        return self.parameters(np.clip(values, self.least, self.most))

    def parameters(self, values: Values) -> T:
        """Return `values`, float64 (parameters,), as an instance of `kind`."""
        names = (parameter.name for parameter in fields(self.kind))  # type: ignore[arg-type]
        return self.kind(**dict(zip(names, values.tolist(), strict=True)))


def _normal(seed: list[int], deviations: Values) -> Values:
    return np.random.default_rng(seed).standard_normal(deviations.size) * deviations


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The parameters of a clip's voice, or offsets to them.

    Each clip contains its home and telephone, so room, noise and microphone belong to the infant,
    which is how they leak in practice. With the dial `session` they change between its sessions.
    """

    pitch: float = spread(-0.4, 3.0, 0.7)  # semitones above 400 Hz
    arch: float = spread(8.5, 2.2, 0.7)  # semitones from the foot to the top of the melody
    peak: float = spread(0.36, 0.06, 0.05)  # position of the top, as a fraction of the burst
    jitter: float = spread(-0.6, 0.5, 0.15)  # log2 of F0 noise in percent, frame to frame
    shimmer: float = spread(1.5, 0.3, 0.2)  # dB
    breath: float = spread(-16.0, 4.0, 1.0)  # dB of breath noise against the harmonics
    tilt: float = spread(-6.5, 3.0, 0.5)  # dB per octave, of the source
    tract: float = spread(0.0, 0.16, 0.015)  # log2 of a factor on all formants
    vowel: float = spread(0.0, 0.14, 0.02)  # log2 of a factor on the second formant alone
    opening: float = spread(0.6, 0.1, 0.04)  # mouth opening, 0 shut to 1 wide
    burst: float = spread(math.log2(0.95), 0.4, 0.15)  # log2 of seconds
    pause: float = spread(math.log2(0.28), 0.5, 0.2)  # log2 of seconds
    irregular: float = spread(0.85, 0.12, 0.06)  # spread of burst and pause, in octaves
    attack: float = spread(math.log2(0.06), 0.3, 0.25)  # log2 of seconds
    whimper: float = spread(-1.0, 0.7, 0.3)  # logit of the share of short whimpers
    hyper: float = spread(-3.0, 0.8, 0.4)  # logit of the share of bursts with hyperphonation
    rough: float = spread(-1.2, 0.8, 0.4)  # logit of the share of bursts with dysphonation
    gasp: float = spread(-22.0, 4.5, 1.5)  # dB of inspiration noise
    room: float = spread(-20.0, 4.0, 1.0)  # dB of reverberation
    decay: float = spread(math.log2(0.25), 0.3, 0.15)  # log2 of seconds, to -60 dB
    noise: float = spread(-31.0, 9.0, 1.5)  # dB of background noise
    colour: float = spread(-4.0, 2.5, 0.4)  # dB per octave, of the background noise
    body: float = spread(0.0, 5.0, 0.5)  # dB around 700 Hz, of this voice in this place
    presence: float = spread(0.0, 5.0, 0.5)  # dB around 1700 Hz
    edge: float = spread(0.0, 5.0, 0.5)  # dB around 3000 Hz
    low_cut: float = spread(math.log2(120.0), 0.7, 0.06)  # log2 of Hz, microphone
    high_cut: float = spread(math.log2(3600.0), 0.5, 0.06)  # log2 of Hz, microphone


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


def _offsets(kind: type[T], of: str) -> dict[str, T]:
    """Return each state's offsets, rows "voice" or "face" of states.csv, in the table's order."""
    with Path(__file__).with_name("states.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row.pop("of") == of]
    names = [row.pop("parameter") for row in rows]
    return {
        state: kind(**{name: float(row[state] or 0) for name, row in zip(names, rows, strict=True)})
        for state in rows[0]
    }


STATES, FACE_STATES = _offsets(Voice, "voice"), _offsets(Face, "face")
VOICES = Effects(
    Voice,
    STATES,
    place=("room", "decay", "noise", "colour", "body", "presence", "edge", "low_cut", "high_cut"),
    day=("pitch", "jitter", "breath", "tilt", "rough", "gasp"),
    streams=(0, 7, 8),
)
FACES = Effects(
    Face,
    FACE_STATES,
    place=("cloth", "sheet", "sheet_tone", "light_x", "light", "candle", "near", "grain"),
    day=("blush", "rims", "lid", "tear"),
    streams=(4, 10, 11),
)
LEAST, MOST = FACES.parameters(FACES.least), FACES.parameters(FACES.most)
