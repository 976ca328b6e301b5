"""What a media file holds, read from its header and first frames.

`datasets` uses it to index folders and to find damaged files before a long run
does; `audio.read` and the video reader decode what it reports. No notebook walks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryutils.errors import InputError

if TYPE_CHECKING:
    from av import VideoStream

__all__ = ["SOUND", "STILL", "VIDEO", "MediaInfo", "probe"]

SOUND = frozenset({".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm"})
VIDEO = frozenset({".mp4", ".mov", ".webm", ".avi"})
STILL = frozenset({".jpg", ".jpeg", ".png"})


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
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            audio = next(iter(container.streams.audio), None)
            video = next((s for s in container.streams.video if not _is_cover(s)), None)
            for stream in (audio, video):
                if stream is not None:
                    container.seek(0)
                    if next(container.decode(stream), None) is None:
                        raise InputError(f"{path}: nothing in it can be decoded; is it damaged?")
            if audio is None and video is None:
                raise InputError(f"{path}: it holds neither sound nor pictures.")
            return MediaInfo(
                duration_s=_duration_s(container, audio or video),
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


def _duration_s(container, stream) -> float:  # type: ignore[no-untyped-def]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / 1e6
    # Some recorders leave the header's length empty, so count what is there.
    container.seek(0)
    seconds = 0.0
    for frame in container.decode(stream):
        seconds = (
            frame.time + frame.samples / frame.sample_rate
            if stream.type == "audio"
            else (frame.time or 0.0)
        )
    return seconds
