"""Live analysis of a recording instead of microphone and camera, `replay`.

Used in notebook 13_live_and_deployment.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryutils import audio, video
from cryutils._io import media
from cryutils._io.paths import resolve
from cryutils.app.monitor import PATIENCE_S, Monitor
from cryutils.app.readings import Reading

__all__ = ["Replayed", "replay"]

_BLOCK_S = 0.05
_FPS = 4.0

# When the input is complete (s), whether it is sound, arguments of `push_audio` or `push_frame`.
Event = tuple[float, bool, tuple[Any, ...]]


@dataclass(frozen=True)
class Replayed:
    """A reading and its latency in s.

    In real time the latency is counted from the window's end in the recording. Without waiting, it
    is counted from when all of the window's input was pushed.
    """

    reading: Reading
    latency_s: float


def replay(
    path: str | os.PathLike[str], monitor: Monitor, *, realtime: bool = False
) -> Iterator[Replayed]:
    """Yield a monitor's readings of a recording, with or without video, pushed block by block.

    The monitor is restarted first. Times are relative to the recording: its first sample is at 0 s.
    With `realtime` the input is pushed in real time, otherwise without waiting. Raises InputError
    for a file that can't be read.
    """
    path = resolve(path)
    monitor.restart()
    info = media.probe(path)
    pictures = _pictures(path) if info.has_video else iter(())
    blocks = _blocks(path) if info.has_audio else iter(())
    begun, end = time.perf_counter(), 0.0
    for end, is_sound, values in heapq.merge(pictures, blocks):
        if realtime:
            time.sleep(max(0.0, begun + end - time.perf_counter()))
        push = monitor.push_audio if is_sound else monitor.push_frame
        push(*values)
        yield from _timed(monitor.readings(end), begun if realtime else None)
    yield from _timed(monitor.readings(end + PATIENCE_S), begun if realtime else None)


def _timed(readings: Iterator[Reading], begun: float | None) -> Iterator[Replayed]:
    asked = time.perf_counter()
    for reading in readings:
        since = asked if begun is None else begun + reading.time
        yield Replayed(reading, time.perf_counter() - since)
        asked = time.perf_counter()


def _blocks(path: Path) -> Iterator[Event]:
    sr = audio.native_rate(path)
    size = round(_BLOCK_S * sr)
    for piece_s, x in audio.pieces(path, sr=sr):
        for start in range(0, len(x), size):
            block, at = x[start : start + size], piece_s + start / sr
            yield at + len(block) / sr, True, (block, sr, at)


def _pictures(path: Path) -> Iterator[Event]:
    for k, frame in enumerate(video.frames(path, fps=_FPS)):
        yield k / _FPS, False, (frame, k / _FPS)
