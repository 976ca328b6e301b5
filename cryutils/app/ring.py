"""The last seconds of sound, `Ring`, for `monitor` and `clips`.

Sound is stored at its own rate and time. Resampling block by block would give the same samples, but
soxr holds back up to 0.16 s of a stream (48 to 8 kHz), too long for the live analysis.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["JITTER_S", "Ring"]

JITTER_S = 0.1  # between the end of a block and the start of the next that still follows it

Array = npt.NDArray[np.float32]


class Ring:
    """Sound at `sr` Hz by position, in samples since time 0, with NaN where nothing was heard.

    >>> ring = Ring(sr=4, seconds=2)
    >>> ring.write(10, np.ones(2, np.float32))
    >>> ring.write(13, np.zeros(3, np.float32))
    >>> ring.before(16, most=8)
    array([0., 0., 0.], dtype=float32)
    """

    def __init__(self, *, sr: int, seconds: float) -> None:
        self.sr = sr
        self.head: int | None = None  # position after the newest sample
        self._samples = np.full(round(seconds * sr), np.nan, np.float32)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def end_s(self) -> float | None:
        """When the newest sample ends, in s; None before the first one."""
        return None if self.head is None else self.head / self.sr

    def position(self, time: float) -> int:
        """Return the position of a time in s; near the end of the newest sound, exactly its end."""
        start = round(time * self.sr)
        if self.head is not None and abs(start - self.head) <= JITTER_S * self.sr:
            return self.head
        return start

    def write(self, start: int, x: Array) -> None:
        """Store sound that begins at position `start`, even if late; what is too old is lost."""
        stop, head = start + len(x), start if self.head is None else self.head
        self.head = max(head, stop)
        oldest = self.head - len(self)
        gap = self._places(max(head, oldest), start)
        self._samples.put(gap, np.nan, mode="wrap")
        places = self._places(max(start, oldest), stop)
        self._samples.put(places, x[len(x) - len(places) :], mode="wrap")

    def before(self, end: int, *, most: int) -> Array:
        """Return the unbroken sound that ends at position `end`, at most `most` samples."""
        if self.head is None or end > self.head:
            return np.zeros(0, np.float32)
        places = self._places(max(end - most, self.head - len(self)), end)
        x = self._samples.take(places, mode="wrap")
        breaks = np.flatnonzero(np.isnan(x))
        return x[breaks[-1] + 1 :] if len(breaks) else x

    def _places(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return the indices of positions `start` to `stop`, which wrap around at the end."""
        first = start % len(self)
        return np.arange(first, first + stop - start)
