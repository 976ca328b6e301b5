"""A recording in place of microphone and camera: `replay`, at its own pace or without waiting.

Walked by notebook 13_live_and_deployment; `cryutils bench live` measures with it.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import resolve
from cryutils.app.monitor import PATIENCE_S, Monitor
from cryutils.app.readings import Reading

__all__ = ["Replayed", "replay"]

_BLOCK_S = 0.05
_FPS = 4.0

Event = tuple[float, int, Callable[[], None]]  # when it has come, in s; which is first; what to do


@dataclass(frozen=True)
class Replayed:
    """A reading, and how long after its window's end it came, in s.

    At the recording's own pace `latency_s` counts from the moment when the window's end would have
    been heard; without waiting, from the moment when all that it needs had been pushed.
    """

    reading: Reading
    latency_s: float


def replay(
    path: str | os.PathLike[str], monitor: Monitor, *, realtime: bool = False
) -> Iterator[Replayed]:
    """Yield the readings of a recorded clip, with or without video, pushed block by block.

    Times are the recording's: the first sample is heard at 0 s.

    Parameters
    ----------
    path : path
    monitor : Monitor
        Is restarted first.
    realtime : bool
        At the recording's own pace, else without waiting.

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
            yield (
                at + len(block) / sr, 1,
                lambda block=block, at=at: monitor.push_audio(block, sr, at),  # type: ignore[misc]
            )  # fmt: skip


def _pictures(path: Path, monitor: Monitor) -> Iterator[Event]:
    for k, frame in enumerate(video.frames(path, fps=_FPS)):
        yield (
            k / _FPS, 0,
            lambda frame=frame, at=k / _FPS: monitor.push_frame(frame, at),  # type: ignore[misc]
        )  # fmt: skip
