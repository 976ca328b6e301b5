"""The last seconds of sound in a buffer that is allocated once, `Ring`.

Used by `monitor`. Sound is stored at its original rate and time. Resampling each block
would give bit-identical results, but soxr delays a stream by up to 0.16 s (48 to 8 kHz). That is
longer than the live analysis may take from a window's end to its reading.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["JITTER_S", "Ring"]

JITTER_S = 0.1  # a block whose time is at most this far from the newest sound's end is appended

Array = npt.NDArray[np.float32]


class Ring:
    """Sound at `sr` Hz by position, in samples since time 0. NaN marks where nothing was heard.

    head: the position after the newest sample.

    >>> ring = Ring(sr=4, seconds=2)
    >>> ring.write(2.5, np.ones(2, np.float32))
    >>> ring.write(3.25, np.zeros(3, np.float32))
    >>> ring.before(16, most=8)
    array([0., 0., 0.], dtype=float32)
    """

    def __init__(self, *, sr: int, seconds: float) -> None:
        self.sr, self.head = sr, 0
        self._samples = np.full(round(seconds * sr), np.nan, np.float32)

    def write(self, time: float, x: Array) -> None:
        """Write sound that begins at `time` (s), however late; what is too old is dropped.

        Sound that begins within `JITTER_S` of `head` is appended there.
        """
        start, size = round(time * self.sr), len(self._samples)
        if abs(start - self.head) <= JITTER_S * self.sr:
            start = self.head
        end = max(self.head, start + len(x))
        first = max(start, end - size)
        self._samples[np.arange(max(self.head, end - size), first) % size] = np.nan
        self._samples[np.arange(first, start + len(x)) % size] = x[first - start :]
        self.head = end

    def before(self, end: int, *, most: int) -> Array:
        """Return the unbroken sound that ends at position `end`, at most `most` samples."""
        if end > self.head:
            return np.zeros(0, np.float32)
        size = len(self._samples)
        x = self._samples[np.arange(max(end - most, self.head - size), end) % size]
        breaks = np.flatnonzero(np.isnan(x))
        return x[breaks[-1] + 1 :] if len(breaks) else x
