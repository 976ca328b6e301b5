"""Cry bursts, the loud stretches between two breaths: `find` and `describe`.

Used in notebook 12_beyond_the_papers, where networks over time get a clip burst by burst. The
threshold and the pauses were chosen by agreement with the published annotations of 237 DonateACry
clips (85 % of the annotated time is found, 88 % of the found time is annotated), without labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["describe", "find"]

Array = npt.NDArray[np.float32]
Interval = tuple[float, float]  # onset and offset in s

_BELOW_PEAK_DB = 20.0  # what is quieter is a pause
_APART_S, _LEAST_S = 0.1, 0.15  # shorter pauses do not end a burst; shorter bursts are left out


def find(x: Array, *, sr: int) -> list[Interval]:
    """Return the bursts of a sound as (onset, offset) in s, at least one.

    If all are too short, the longest one is kept. x: float32 (samples,) at `sr` Hz.
    """
    import librosa

    loud = librosa.effects.split(x, top_db=_BELOW_PEAK_DB, frame_length=256, hop_length=128) / sr
    joined: list[Interval] = []
    for onset, offset in loud.tolist():
        if joined and onset - joined[-1][1] < _APART_S:
            onset = joined.pop()[0]
        joined.append((onset, offset))
    longest = max(offset - onset for onset, offset in joined)
    least = min(_LEAST_S, longest)
    return [(onset, offset) for onset, offset in joined if offset - onset >= least]


def describe(features: Array, bursts: Sequence[Interval], *, hop_s: float) -> Array:
    """Return a row of numbers for each burst, float32 (bursts, 2 * coefficients + 2).

    Mean and standard deviation of each coefficient over the burst, and log2 of its length and of
    the pause before it, both in s. features: float32 (frames, coefficients), a frame every `hop_s`.
    """
    rows, end = [], 0.0
    for onset, offset in bursts:
        first = min(round(onset / hop_s), len(features) - 1)
        frames = features[first : max(first + 1, round(offset / hop_s))]
        lengths = np.log2(np.maximum([offset - onset, onset - end], 0.01))
        rows.append(np.concatenate([frames.mean(axis=0), frames.std(axis=0), lengths]))
        end = offset
    return np.array(rows, np.float32)
