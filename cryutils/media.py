"""What a media file holds, read from its header, its first frames and a look at the rest.

`datasets` uses it to index folders and to find damaged files before a long run
does; `audio.read` and `video.frames` decode what it reports. No notebook walks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryutils import pictures
from cryutils.errors import InputError

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import InputContainer

__all__ = [
    "OPENING", "SOUND", "STILL", "VIDEO", "MediaInfo", "damaged_within", "picture_stream", "probe",
    "undecodable", "whole",
]  # fmt: skip

SOUND = frozenset({".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm"})
VIDEO = frozenset({".mp4", ".mov", ".webm", ".avi"})
STILL = frozenset({".jpg", ".jpeg", ".png"})
# Of `av.open`: a playlist in disguise must not reach the network, nor a title in bytes of some
# other encoding hide the recording.
OPENING: dict[str, Any] = {
    "options": {"protocol_whitelist": "file"}, "metadata_errors": "replace",
}  # fmt: skip

# Coders of pictures that never write the zeros of `pictures.BLANKED`; others pad with them.
_DENSE = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "libdav1d", "mjpeg"})
_LONG_END = 16  # zeros at the end of a picture


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file holds: duration in s (0.0 for a still), sample rate in Hz (0 without sound)."""

    duration_s: float
    sr: int
    has_audio: bool
    has_video: bool


def probe(path: Path) -> MediaInfo:
    """Return what the file at `path` holds, after decoding its first audio and video frame.

    The rest of a video is looked through for blanked blocks, not decoded.

    Raises InputError, in one line that names the file, when nothing in it can be decoded.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty.")
    return _probe_still(path) if path.suffix.lower() in STILL else _probe_stream(path)


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the first video of a file; the picture on a sound file's sleeve is none."""
    return next((s for s in container.streams.video if not _is_cover(s)), None)


def whole(packets: Iterator[Packet[Any]], path: Path) -> Iterator[Packet[Any]]:
    """Yield `packets` without one of the pictures that was cut or blanked: it may end a file.

    Raises InputError where whole ones follow: decoders invent what they show from there on.
    """
    lost = False
    for packet in packets:
        if packet.size and packet.stream.type == "video":
            if packet.is_corrupt or _is_blanked(packet):
                lost = True
                continue
            if lost:
                raise InputError(damaged_within(path))
        yield packet


def damaged_within(path: Path) -> str:
    """Return the message for a file that is damaged before its end."""
    return f"{path}: it is damaged in the middle; copy or record it again."


def undecodable(path: Path, error: Exception) -> str:
    """Return the message for a file at which FFmpeg gives up."""
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path}: it can't be decoded ({reason}); give an undamaged recording."


def _is_blanked(packet: Packet[Any]) -> bool:
    codec = packet.stream.codec_context
    if codec is None or codec.name not in _DENSE:
        return False
    content = bytes(packet)
    if codec.name != "mjpeg":
        return pictures.BLANKED in content
    # Cameras pad its pictures to round sizes with zeros, but after their end.
    coded = content.rstrip(b"\0")
    is_cut = len(content) - len(coded) >= _LONG_END and not coded.endswith(pictures.JPEG_END)
    return is_cut or not coded or pictures.BLANKED in coded


def _probe_still(path: Path) -> MediaInfo:
    pictures.read(path)
    return MediaInfo(duration_s=0.0, sr=0, has_audio=False, has_video=True)


def _probe_stream(path: Path) -> MediaInfo:
    import av

    try:
        with av.open(str(path), **OPENING) as container:
            audio = next(iter(container.streams.audio), None)
            video = picture_stream(container)
            streams = [stream for stream in (audio, video) if stream is not None]
            if not streams:
                raise InputError(f"{path}: it holds neither sound nor pictures.")
            duration_s = _duration_s(container, audio or video)
            _look_through(container, streams, path)
            return MediaInfo(
                duration_s=_counted_s(path) if duration_s is None else duration_s,
                sr=audio.codec_context.sample_rate if audio else 0,
                has_audio=audio is not None,
                has_video=video is not None,
            )
    except (av.FFmpegError, EOFError) as error:
        raise InputError(undecodable(path, error)) from error


def _look_through(container: InputContainer, streams: list[Any], path: Path) -> None:
    silent = set(streams)
    has_video = any(stream.type == "video" for stream in streams)
    # Not sought back between streams: FFmpeg can't in a FLAC file of one block.
    for packet in whole(container.demux(*streams), path):
        if packet.stream in silent and packet.decode():
            silent.remove(packet.stream)
        if not silent and not has_video:
            break
    if silent:
        raise InputError(f"{path}: nothing in it can be decoded; is it damaged?")


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
    with av.open(str(path), **OPENING) as container:
        stream: Any = next(iter(container.streams.audio), None) or container.streams.video[0]
        for frame in container.decode(stream):
            length = frame.samples / frame.sample_rate if stream.type == "audio" else 0.0
            seconds = (frame.time or 0.0) + length
    return seconds
