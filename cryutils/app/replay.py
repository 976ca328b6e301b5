"""A recording in place of microphone and camera, `replay`, in real time or faster.

Used in notebook 13_live_and_deployment and by `cryutils bench live`.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import resolve
from cryutils.app.monitor import PATIENCE_S, Monitor
from cryutils.app.readings import Reading

__all__ = ["Replayed", "replay"]

_BLOCK_S = 0.05
_FPS = 4.0

# When input has arrived, in s; its place among those of the same time; the function that pushes it.
Event = tuple[float, int, Callable[[], None]]


@dataclass(frozen=True)
class Replayed:
    """A reading with its latency in s.

    In real time, the latency counts from when the end of the window would have been heard;
    otherwise from when all of its input had been pushed.
    """

    reading: Reading
    latency_s: float


def replay(
    path: str | os.PathLike[str], monitor: Monitor, *, realtime: bool = False
) -> Iterator[Replayed]:
    """Yield the readings of a recording, with or without video, pushed block by block.

    Times are those of the recording, from 0 s.

    Parameters
    ----------
    path : path
    monitor : Monitor
        Restarted first.
    realtime : bool
        Wait as long as the recording lasts.

    Raises
    ------
    InputError
        The file can't be read.
    """
    path = resolve(path)
    monitor.restart()
    info = media.probe(path)
    sounds = _sounds(path, monitor) if info.has_audio else iter(())
    pictures = _pictures(path, monitor) if info.has_video else iter(())
    begun, end = time.perf_counter(), 0.0
    for end, _, push in heapq.merge(sounds, pictures):
        if realtime:
            time.sleep(max(0.0, begun + end - time.perf_counter()))
        push()
        yield from _timed(monitor.readings(end), begun if realtime else None)
    yield from _timed(monitor.readings(end + PATIENCE_S), begun if realtime else None)


def _timed(readings: Iterator[Reading], begun: float | None) -> Iterator[Replayed]:
    asked = time.perf_counter()
    for reading in readings:
        since = asked if begun is None else begun + reading.time
        yield Replayed(reading, time.perf_counter() - since)
        asked = time.perf_counter()


def _sounds(path: Path, monitor: Monitor) -> Iterator[Event]:
    sr = audio.native_rate(path)
    size = round(_BLOCK_S * sr)
    for piece_s, x in audio.pieces(path, sr=sr):
        for start in range(0, len(x), size):
            block, at = x[start : start + size], piece_s + start / sr
            yield at + len(block) / sr, 1, partial(monitor.push_audio, block, sr, at)


def _pictures(path: Path, monitor: Monitor) -> Iterator[Event]:
    for k, frame in enumerate(video.frames(path, fps=_FPS)):
        yield k / _FPS, 0, partial(monitor.push_frame, frame, k / _FPS)
