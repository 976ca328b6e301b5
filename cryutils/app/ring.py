"""The last seconds of sound in a buffer that is allocated once, `Ring`.

Used by `monitor` and `clips`. Sound is stored at its original rate and time. Resampling each block
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

    >>> ring = Ring(sr=4, seconds=2)
    >>> ring.write(10, np.ones(2, np.float32))
    >>> ring.write(13, np.zeros(3, np.float32))
    >>> ring.before(16, most=8)
    array([0., 0., 0.], dtype=float32)
    """

    def __init__(self, *, sr: int, seconds: float) -> None:
        self.sr = sr
        self.head: int | None = None  # the position after the newest sample
        self._samples = np.full(round(seconds * sr), np.nan, np.float32)

    def __len__(self) -> int:
        return len(self._samples)

    def position(self, time: float) -> int:
        """Return the position of sound that begins at `time` (s), or `head` if that is near."""
        start = round(time * self.sr)
        if self.head is not None and abs(start - self.head) <= JITTER_S * self.sr:
            return self.head
        return start

    def write(self, start: int, x: Array) -> None:
        """Write `x` at position `start`, however late; samples too old for the ring are dropped."""
        head = start if self.head is None else self.head
        end = max(head, start + len(x))
        oldest = end - len(self)
        first = max(start, oldest)
        self._samples[np.arange(max(head, oldest), first) % len(self)] = np.nan  # nothing heard
        self._samples[np.arange(first, start + len(x)) % len(self)] = x[first - start :]
        self.head = end

    def before(self, end: int, *, most: int) -> Array:
        """Return the unbroken sound that ends at position `end`, at most `most` samples."""
        if self.head is None or end > self.head:
            return np.zeros(0, np.float32)
        first = max(end - most, self.head - len(self))
        x = self._samples[np.arange(first, end) % len(self)]
        breaks = np.flatnonzero(np.isnan(x))
        return x[breaks[-1] + 1 :] if len(breaks) else x
