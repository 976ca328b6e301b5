"""What a synthetic cry is made of, and the ASSUMPTION FOR TEACHING of how states differ.

Read by `voice.py`; notebook 01 (data and playback) shows the table. It stands in for the
recordings of Paper A (§2) and Paper B and is never evidence about real infants.

`BASE` is set near DonateACry's medians (`benchmarks/voice.py --compare FOLDER` measures both),
`INFANT` and `CLIP` say how far infants, and clips of one infant, lie apart. `STATES` is invented:
no published figure says how a hungry cry differs from a tired one, and on 39,201 cries recorded
at home neither trained listeners nor machine learning could tell the cause, while age and identity
were audible (Lockhart-Bouron et al. 2023, doi 10.1038/s44271-023-00022-z). The offsets only
give a classifier something to find; how dials, infants and sessions come into it says `dials.py`.
Sex and age shape nothing: in 172 newborns they made no significant difference (Michelsson et al.
2002).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from types import MappingProxyType

import numpy as np

from cryutils.datasets.synthetic.dials import Dials, Effects

__all__ = ["BASE", "CLIP", "EFFECTS", "INFANT", "SESSION", "STATES", "Voice", "blend"]


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The parameters of a clip, or offsets to them; units stand beside each."""

    pitch: float = 0.0  # semitones above 400 Hz
    arch: float = 0.0  # semitones from the foot to the top of the melody
    peak: float = 0.0  # where the top lies, as a fraction of the burst
    jitter: float = 0.0  # log2 of F0 noise in percent, frame to frame
    shimmer: float = 0.0  # dB
    breath: float = 0.0  # dB of breath noise against the harmonics
    tilt: float = 0.0  # dB an octave, of the source
    tract: float = 0.0  # log2 of a factor on all formants
    vowel: float = 0.0  # log2 of a factor on the second formant alone
    opening: float = 0.0  # mouth opening, 0 shut to 1 wide
    burst: float = 0.0  # log2 of seconds
    pause: float = 0.0  # log2 of seconds
    irregular: float = 0.0  # spread of burst and pause, in octaves
    attack: float = 0.0  # log2 of seconds
    whimper: float = 0.0  # logit of the share of short whimpers
    hyper: float = 0.0  # logit of the share of bursts with hyperphonation
    rough: float = 0.0  # logit of the share of bursts with dysphonation
    gasp: float = 0.0  # dB of inspiration noise
    room: float = 0.0  # dB of reverberation
    decay: float = 0.0  # log2 of seconds, to -60 dB
    noise: float = 0.0  # dB of background noise
    colour: float = 0.0  # dB an octave of the background noise
    body: float = 0.0  # dB around 700 Hz, of this voice in this place
    presence: float = 0.0  # dB around 1700 Hz
    edge: float = 0.0  # dB around 3000 Hz
    low_cut: float = 0.0  # log2 of Hz, microphone
    high_cut: float = 0.0  # log2 of Hz, microphone


# parameter: centre, standard deviation between infants, between clips of one infant. A clip
# brings its home and telephone along, so room, noise and microphone count as the infant's,
# which is how they leak in practice; the dial `session` lets them change between its sessions.
_SPREAD = {
    "pitch": (-0.4, 3.0, 0.7),
    "arch": (8.5, 2.2, 0.7),
    "peak": (0.36, 0.06, 0.05),
    "jitter": (-0.6, 0.5, 0.15),
    "shimmer": (1.5, 0.3, 0.2),
    "breath": (-16.0, 4.0, 1.0),
    "tilt": (-6.5, 3.0, 0.5),
    "tract": (0.0, 0.16, 0.015),
    "vowel": (0.0, 0.14, 0.02),
    "opening": (0.6, 0.1, 0.04),
    "burst": (math.log2(0.95), 0.4, 0.15),
    "pause": (math.log2(0.28), 0.5, 0.2),
    "irregular": (0.85, 0.12, 0.06),
    "attack": (math.log2(0.06), 0.3, 0.25),
    "whimper": (-1.0, 0.7, 0.3),
    "hyper": (-3.0, 0.8, 0.4),
    "rough": (-1.2, 0.8, 0.4),
    "gasp": (-22.0, 4.5, 1.5),
    "room": (-20.0, 4.0, 1.0),
    "decay": (math.log2(0.25), 0.3, 0.15),
    "noise": (-31.0, 9.0, 1.5),
    "colour": (-4.0, 2.5, 0.4),
    "body": (0.0, 5.0, 0.5),
    "presence": (0.0, 5.0, 0.5),
    "edge": (0.0, 5.0, 0.5),
    "low_cut": (math.log2(120.0), 0.7, 0.06),
    "high_cut": (math.log2(3600.0), 0.5, 0.06),
}
BASE, INFANT, CLIP = (
    Voice(**{name: row[column] for name, row in _SPREAD.items()}) for column in range(3)
)

# AN ASSUMPTION MADE FOR TEACHING, not a finding: offsets that `signal` brings in, and of which
# `interaction` makes a share each infant's own.
STATES: Mapping[str, Voice] = MappingProxyType(
    {
        # rhythmic wails, an open mouth, a wide and even melody
        "hungry": Voice(
            pitch=0.8,
            arch=2.0,
            opening=0.16,
            burst=0.35,
            pause=-0.3,
            irregular=-0.3,
            whimper=-1.2,
            breath=-2.0,
            tract=-0.05,
            tilt=1.0,
        ),
        # a low, nasal, breathy whine that dies away
        "tired": Voice(
            pitch=-3.0,
            arch=-1.5,
            peak=-0.1,
            opening=-0.16,
            burst=0.5,
            pause=0.5,
            breath=5.0,
            tilt=-3.0,
            vowel=-0.12,
            attack=1.2,
            gasp=-6.0,
            hyper=-1.5,
        ),
        # short, uneven complaints
        "discomfort": Voice(
            pitch=-0.5,
            arch=-2.0,
            peak=0.15,
            opening=-0.06,
            burst=-0.9,
            pause=0.2,
            irregular=0.3,
            whimper=1.5,
            jitter=0.6,
            tract=0.07,
            vowel=0.14,
            breath=-3.0,
            tilt=-1.0,
        ),
        # sudden, long, high and hard, with breaks into hyperphonation
        "pain": Voice(
            pitch=4.0,
            arch=1.0,
            peak=-0.12,
            opening=0.24,
            burst=0.7,
            pause=-0.5,
            whimper=-2.5,
            hyper=3.0,
            rough=1.5,
            tilt=3.0,
            tract=0.1,
            attack=-1.2,
            jitter=0.8,
            gasp=6.0,
        ),
        # strained and rough, high, in cramps
        "belly_pain": Voice(
            pitch=2.5,
            arch=-1.0,
            peak=0.2,
            opening=0.08,
            burst=-0.2,
            pause=-0.6,
            whimper=-0.5,
            hyper=1.5,
            rough=2.5,
            jitter=1.0,
            tilt=1.5,
            tract=-0.12,
            vowel=-0.1,
            breath=3.0,
        ),
        # low short grunts with long pauses
        "burping": Voice(
            pitch=-4.0,
            arch=-2.5,
            opening=-0.1,
            burst=-1.2,
            pause=0.8,
            whimper=0.8,
            rough=2.0,
            tilt=-1.0,
            tract=-0.1,
            vowel=0.16,
            breath=-1.0,
            attack=-0.6,
        ),
        # soft and low, fading
        "sleepy": Voice(
            pitch=-2.5,
            arch=-1.0,
            peak=-0.08,
            opening=-0.2,
            burst=0.3,
            pause=0.8,
            breath=6.0,
            tilt=-4.0,
            vowel=0.08,
            attack=1.5,
            gasp=-8.0,
            rough=-1.0,
            hyper=-1.5,
        ),
        # calls with a rising tail, then listening
        "hug": Voice(
            pitch=1.5,
            arch=0.5,
            peak=0.3,
            burst=-0.3,
            pause=0.6,
            whimper=0.4,
            breath=1.0,
            tract=0.08,
            vowel=-0.14,
            jitter=-0.4,
            rough=-1.0,
        ),
    }
)


# Microphone and room change with the session, as much as they do from infant to infant; the day
# (a cold, a hoarse throat) a third as much.
_PLACE = (
    "room", "decay", "noise", "colour", "body", "presence", "edge", "low_cut", "high_cut",
)  # fmt: skip
_DAY = ("pitch", "jitter", "breath", "tilt", "rough", "gasp")
SESSION = Voice(
    **{name: getattr(INFANT, name) for name in _PLACE},
    **{name: getattr(INFANT, name) / 3 for name in _DAY},
)

EFFECTS = Effects(
    base=np.array(astuple(BASE)),
    states={name: np.array(astuple(offset)) for name, offset in STATES.items()},
    infant=np.array(astuple(INFANT)),
    session=np.array(astuple(SESSION)),
    clip=np.array(astuple(CLIP)),
    streams=(0, 7, 8),
)


def blend(
    state: str, *, infant: int, session: int, dials: Dials, rng: np.random.Generator
) -> Voice:
    """Return the parameters of one clip; see `dials` for the model and its dials.

    state: a name in `STATES`. infant, session: seed what is theirs. rng: draws the clip's own,
    always the same amount.
    """
    values = EFFECTS.draw(state, infant=infant, session=session, dials=dials, rng=rng)
    return Voice(**{f.name: float(v) for f, v in zip(fields(Voice), values, strict=True)})
