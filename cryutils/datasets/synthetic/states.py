"""The parameters of a synthetic cry, and the ASSUMPTION FOR TEACHING of how states differ.

Used by `voice.py`. The cries replace the recordings of Paper A (§2) and Paper B, and are never
evidence about real infants.

The centres are near DonateACry's medians (`benchmarks/voice.py --compare FOLDER` measures both).
`STATES` is invented: no published figure shows how a hungry cry differs from a tired one. On 39,201
cries recorded at home, neither trained listeners nor machine learning could recognise the cause,
while age and identity were audible (Lockhart-Bouron et al. 2023, doi 10.1038/s44271-023-00022-z).
The offsets only give a classifier something to find; `dials.py` combines them with dials, infants
and sessions. Sex and age have no effect: in 172 newborns they made no significant difference
(Michelsson et al. 2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryutils.datasets.synthetic.dials import Effects, spread

__all__ = ["EFFECTS", "STATES", "Voice"]


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


# AN ASSUMPTION MADE FOR TEACHING, not a finding: offsets, multiplied by `signal`. `interaction`
# makes a share of them specific to each infant.
STATES = {
    # rhythmic wails, an open mouth, a wide and even melody
    "hungry": Voice(
        pitch=0.8, arch=2.0, opening=0.16, burst=0.35, pause=-0.3, irregular=-0.3,
        whimper=-1.2, breath=-2.0, tract=-0.05, tilt=1.0,
    ),
    # a low, nasal, breathy whine that dies away
    "tired": Voice(
        pitch=-3.0, arch=-1.5, peak=-0.1, opening=-0.16, burst=0.5, pause=0.5, breath=5.0,
        tilt=-3.0, vowel=-0.12, attack=1.2, gasp=-6.0, hyper=-1.5,
    ),
    # short, uneven complaints
    "discomfort": Voice(
        pitch=-0.5, arch=-2.0, peak=0.15, opening=-0.06, burst=-0.9, pause=0.2, irregular=0.3,
        whimper=1.5, jitter=0.6, tract=0.07, vowel=0.14, breath=-3.0, tilt=-1.0,
    ),
    # sudden, long, high and hard, with breaks into hyperphonation
    "pain": Voice(
        pitch=4.0, arch=1.0, peak=-0.12, opening=0.24, burst=0.7, pause=-0.5, whimper=-2.5,
        hyper=3.0, rough=1.5, tilt=3.0, tract=0.1, attack=-1.2, jitter=0.8, gasp=6.0,
    ),
    # strained and rough, high, in cramps
    "belly_pain": Voice(
        pitch=2.5, arch=-1.0, peak=0.2, opening=0.08, burst=-0.2, pause=-0.6, whimper=-0.5,
        hyper=1.5, rough=2.5, jitter=1.0, tilt=1.5, tract=-0.12, vowel=-0.1, breath=3.0,
    ),
    # low short grunts with long pauses
    "burping": Voice(
        pitch=-4.0, arch=-2.5, opening=-0.1, burst=-1.2, pause=0.8, whimper=0.8, rough=2.0,
        tilt=-1.0, tract=-0.1, vowel=0.16, breath=-1.0, attack=-0.6,
    ),
    # soft and low, fading
    "sleepy": Voice(
        pitch=-2.5, arch=-1.0, peak=-0.08, opening=-0.2, burst=0.3, pause=0.8, breath=6.0,
        tilt=-4.0, vowel=0.08, attack=1.5, gasp=-8.0, rough=-1.0, hyper=-1.5,
    ),
    # calls with a rising tail, then listening
    "hug": Voice(
        pitch=1.5, arch=0.5, peak=0.3, burst=-0.3, pause=0.6, whimper=0.4, breath=1.0,
        tract=0.08, vowel=-0.14, jitter=-0.4, rough=-1.0,
    ),
}  # fmt: skip

EFFECTS = Effects(
    Voice,
    STATES,
    place=("room", "decay", "noise", "colour", "body", "presence", "edge", "low_cut", "high_cut"),
    day=("pitch", "jitter", "breath", "tilt", "rough", "gasp"),
    streams=(0, 7, 8),
)
