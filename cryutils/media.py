"""What a media file holds, read from its header and first frames.

`datasets` uses it to index folders and to find damaged files before a long run
does; `audio.read` and the video reader decode what it reports. No notebook walks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryutils.errors import InputError

if TYPE_CHECKING:
    from av import VideoStream

__all__ = ["LOCAL", "SOUND", "STILL", "VIDEO", "MediaInfo", "probe"]

SOUND = frozenset({".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm"})
VIDEO = frozenset({".mp4", ".mov", ".webm", ".avi"})
STILL = frozenset({".jpg", ".jpeg", ".png"})
LOCAL = {"protocol_whitelist": "file"}  # a playlist in disguise must not reach the network


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file holds: duration in s (0.0 for a still), sample rate in Hz (0 without sound)."""

    duration_s: float
    sr: int
    has_audio: bool
    has_video: bool


def probe(path: Path) -> MediaInfo:
    """Return what the file at `path` holds, after decoding its first audio and video frame.

    Raises InputError, in one line that names the file, when nothing in it can be decoded.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty.")
    return _probe_still(path) if path.suffix.lower() in STILL else _probe_stream(path)


def _probe_still(path: Path) -> MediaInfo:
    import cv2

    if cv2.imread(str(path)) is None:
        raise InputError(f"{path}: this picture can't be decoded; is it damaged?")
    return MediaInfo(duration_s=0.0, sr=0, has_audio=False, has_video=True)


def _probe_stream(path: Path) -> MediaInfo:
    import av

    try:
        with av.open(str(path), options=LOCAL) as container:
            audio = next(iter(container.streams.audio), None)
            video = next((s for s in container.streams.video if not _is_cover(s)), None)
            silent = {stream for stream in (audio, video) if stream is not None}
            if not silent:
                raise InputError(f"{path}: it holds neither sound nor pictures.")
            duration_s = _duration_s(container, audio or video)
            # Not sought back between streams: FFmpeg can't in a FLAC file of one block.
            for packet in container.demux(*silent):
                if packet.stream in silent and packet.decode():
                    silent.remove(packet.stream)
                if not silent:
                    break
            if silent:
                raise InputError(f"{path}: nothing in it can be decoded; is it damaged?")
            return MediaInfo(
                duration_s=_counted_s(path) if duration_s is None else duration_s,
                sr=audio.codec_context.sample_rate if audio else 0,
                has_audio=audio is not None,
                has_video=video is not None,
            )
    except (av.FFmpegError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: it can't be decoded ({reason}); is it damaged?") from error


def _is_cover(stream: VideoStream) -> bool:
    """Return whether a video stream is but the picture on a sound file's sleeve."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _counted_s(path: Path) -> float:
    """Return the end of the last frame: some recorders leave the header's length empty."""
    import av

    seconds = 0.0
    frame: Any
    with av.open(str(path), options=LOCAL) as container:
        stream: Any = next(iter(container.streams.audio), None) or container.streams.video[0]
        for frame in container.decode(stream):
            length = frame.samples / frame.sample_rate if stream.type == "audio" else 0.0
            seconds = (frame.time or 0.0) + length
    return seconds
