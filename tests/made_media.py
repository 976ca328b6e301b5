"""Writing small media files with any codec and container."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

__all__ = ["retimed", "write"]

_LAYOUTS = {1: "mono", 2: "stereo"}


def write(
    path: Path,
    frames: Iterable[np.ndarray] = (),
    sounds: Sequence[np.ndarray] = (),
    *,
    video: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: Fraction | int = 25,
    times_ms: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    turn: float | None = None,
    mirror: bool = False,
    codec: str = "aac",
    sr: int = 16000,
    sound_s: float = 0.0,
    title: str = "",
    **container: Any,
) -> Path:
    """Write frames, uint8 (height, width, 3 or 4), and sound tracks, float32 (channels, samples).

    times_ms: when the frames are shown, instead of a rate. sound_s: when the sounds start. options:
    of the encoder of frames. turn, mirror: how a player shows them.
    """
    unit = Fraction(1, 1000) if times_ms else 1 / Fraction(fps)
    with av.open(str(path), "w", **container) as out:
        out.metadata["title"] = title
        frames = list(frames)
        if frames:
            pictures: Any = out.add_stream(video, rate=1 / unit, options=options or {})
            pictures.height, pictures.width = frames[0].shape[:2]
            pictures.pix_fmt = pix_fmt
            pictures.codec_context.thread_count = 1
            if turn is not None or mirror:
                pictures.set_display_rotation(turn or 0, hflip=mirror)
        tracks: list[Any] = []
        for x in sounds:
            layout, any_codec = _LAYOUTS[len(x)], {"strict": "experimental", "b": "64k"}
            tracks.append(out.add_stream(codec, rate=sr, layout=layout, options=any_codec))
        for k, frame in enumerate(frames):
            kind = "rgba" if frame.shape[2] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(frame, format=kind)
            picture.pts, picture.time_base = (times_ms[k] if times_ms else k), unit
            out.mux(pictures.encode(picture))
        if frames:
            out.mux(pictures.encode(None))
        for track, x in zip(tracks, sounds, strict=True):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(x), "fltp", _LAYOUTS[len(x)])
            block.sample_rate, block.time_base = sr, Fraction(1, sr)
            block.pts = round(sound_s * sr)
            out.mux([*track.encode(block), *track.encode(None)])
    return path


def retimed(source: Path, target: Path, time_s: Callable[[float], float | None]) -> Path:
    """Write a copy of `source` whose packets have other times in s, None: without the packet."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        tracks = {stream: written.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            at = None if packet.pts is None else time_s(float(packet.pts * packet.time_base))
            if at is not None:
                packet.pts = packet.dts = round(at / packet.time_base)
                packet.stream = tracks[packet.stream]
                written.mux(packet)
    return target
