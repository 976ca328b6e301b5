"""One clip of the synthetic corpus as a file: a voice as WAV, or with its face as MP4.

Read by `corpus.py`, which knows who cries when and why. Notebooks 01 to 04 hear the one, 05
(image) and 06 (full) see the other.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryutils._io.paths import writing
from cryutils.datasets.synthetic import face, voice
from cryutils.errors import InputError
from cryutils.video import mp4

__all__ = ["Picture", "write_mp4", "write_wav"]

CRF, PRESET = 26, "superfast"  # 38 dB at two thirds of the time and size that 23, "veryfast" take


@dataclass(frozen=True, slots=True)
class Picture:
    """How clips are filmed: frames a second, pixels of a side, and the face's own dials."""

    fps: float
    size: int
    signal: float
    identity: float

    def check(self, *, sr: int) -> None:
        """Raise InputError where no MP4 file could be written with these values."""
        face.check(fps=self.fps, size=self.size, signal=self.signal, identity=self.identity)
        if sr not in mp4.SOUND_RATES:
            known = ", ".join(map(str, mp4.SOUND_RATES))
            raise InputError(f"sr={sr} is no rate of a video's sound; use one of {known} Hz")


def write_wav(
    path: Path,
    state: str,
    *,
    infant: int,
    seed: int,
    signal: float,
    identity: float,
    duration_s: float,
    sr: int,
) -> None:
    """Write the sound that `voice.cry` gives for these arguments, 16 bits a sample."""
    dials = {"signal": signal, "identity": identity, "duration_s": duration_s}
    sound = voice.cry(state, infant=infant, seed=seed, sr=sr, **dials)
    with writing(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sr)
        file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())


def write_mp4(
    path: Path,
    state: str,
    *,
    infant: int,
    seed: int,
    signal: float,
    identity: float,
    duration_s: float,
    sr: int,
    picture: Picture,
) -> None:
    """Write the same sound as AAC and a face that cries it as H.264.

    Where the face has dials of its own, its mouth moves with the cry that those dials plan and
    no longer with the sound: when and how wide it opens would give the label away.
    """

    def planned(signal: float, identity: float) -> voice.CryPlan:
        return voice.plan(
            state, infant=infant, seed=seed, signal=signal, identity=identity, duration_s=duration_s
        )

    heard = planned(signal, identity)
    own = (picture.signal, picture.identity)
    seen = heard if own == (signal, identity) else planned(*own)
    moves = face.plan(seen, fps=picture.fps, signal=picture.signal, identity=picture.identity)
    frames = face.frames(moves, size=picture.size)
    sound = voice.render(heard, sr)
    mp4.write(path, frames, fps=picture.fps, sound=sound, sr=sr, crf=CRF, preset=PRESET)
