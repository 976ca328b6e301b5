"""Frames decoded by threads a little ahead of the network that takes them.

Walked by no notebook; `embeddings.embed` uses it in 07_frames_resnet50 and 09_ensemble, where
decoding 360,000 frames (Paper A §3.1) would else keep the network waiting. `InChunks` decodes one
file after the other and never holds more than a few hundred frames; `Whole` decodes some files side
by side, each to its end. Files are asked for in the order in which they were given.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Ahead", "InChunks", "Whole"]

Pixels = npt.NDArray[np.uint8]
Decode = Callable[[Path], Iterator[Pixels]]

CHUNK, AHEAD = 64, 4  # frames decoded at a time, and so many chunks or files ahead


class Ahead(ABC):
    """Some files and who decodes them: `frames(number)` gives those of one, (n, height, width, 3).

    files: by number, in rising order, in which they are asked for; one may be left out, none
    be asked for twice. decode: yields the frames of a file, uint8 (height, width, 3). A context
    manager, which ends the threads. What `decode` raises, `frames` raises.
    """

    def __init__(self, files: Mapping[int, Path], decode: Decode, *, threads: int) -> None:
        """Start nothing yet."""
        self.files, self.decode = dict(files), decode
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __contains__(self, number: int) -> bool:
        return number in self.files

    @abstractmethod
    def frames(self, number: int) -> Iterator[Pixels]:
        """Yield the frames of a file in chunks, uint8 (n, height, width, 3); none of an empty."""


class InChunks(Ahead):
    """One thread that decodes file after file."""

    def __init__(self, files: Mapping[int, Path], decode: Decode) -> None:
        super().__init__(files, decode, threads=1)
        self._stream = self._decoded()
        self._waiting: deque[Future[tuple[int, Pixels | None] | None]] = deque()

    def frames(self, number: int) -> Iterator[Pixels]:
        while (item := self._next()) is not None:
            which, some = item
            if which != number:  # one that was left out
                continue
            if some is None:
                return
            yield some

    def _next(self) -> tuple[int, Pixels | None] | None:
        while len(self._waiting) < AHEAD:
            self._waiting.append(self._pool.submit(next, self._stream, None))
        return self._waiting.popleft().result()

    def _decoded(self) -> Iterator[tuple[int, Pixels | None]]:
        """Yield (number, frames), and (number, None) where a file ends."""
        for number, path in self.files.items():
            frames = self.decode(path)
            while some := list(islice(frames, CHUNK)):
                yield number, np.stack(some)
            yield number, None


class Whole(Ahead):
    """Threads that decode a file each, for frames that are known only at its end."""

    def __init__(self, files: Mapping[int, Path], decode: Decode) -> None:
        super().__init__(files, decode, threads=os.cpu_count() or 1)
        self._later = iter(self.files.items())
        self._begun: dict[int, Future[list[Any]]] = {}

    def frames(self, number: int) -> Iterator[Pixels]:
        for left_out in [n for n in self._begun if n < number]:
            self._begun.pop(left_out).cancel()
        while number not in self._begun or len(self._begun) <= AHEAD:
            if (later := next(self._later, None)) is None:
                break
            if later[0] >= number:
                self._begun[later[0]] = self._pool.submit(self._all, later[1])
        found = self._begun.pop(number).result()
        if found:
            yield np.stack(found)

    def _all(self, path: Path) -> list[Pixels]:
        return list(self.decode(path))
