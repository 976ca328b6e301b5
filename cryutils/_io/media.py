"""What a media file holds, read from its header, its first frames and a look at the rest.

`datasets` uses it to index folders and to find damaged files before a long run
does; `audio.read` and `video.frames` decode what it reports. No notebook walks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryutils._io import pictures
from cryutils._io.paths import check_file
from cryutils.errors import NO_MEMORY, InputError

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import InputContainer

__all__ = [
    "JUMP_S", "OPENING", "RATES", "SOUND", "STILL", "VIDEO", "MediaInfo",
    "address", "check_rate", "check_size", "check_times", "damaged_within", "decoding",
    "late_s", "picture_stream", "probe", "stated_s", "whole",
]  # fmt: skip

# Suffixes of what a folder takes; the content decides how a file is read. What FFmpeg and Pillow
# read under other names is listed with the advice to rename it, so that no table or text is opened.
SOUND = frozenset({
    ".3ga", ".3gp", ".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au",
    ".awb", ".caf", ".dss", ".dts", ".eac3", ".f4a", ".flac", ".gsm", ".m4a", ".m4b", ".mka",
    ".mp1", ".mp2", ".mp3", ".mpa", ".oga", ".ogg", ".opus", ".ra", ".rf64", ".snd", ".spx", ".tta",
    ".voc", ".w64", ".wav", ".wave", ".weba", ".webm", ".wma", ".wv",
})  # fmt: skip
VIDEO = frozenset({
    ".3g2", ".apng", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m2t", ".m2ts",
    ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".qt",
    ".rm", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip
STILL = frozenset({
    ".avif", ".bmp", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif",
    ".tiff", ".webp",
})  # fmt: skip
# Of `av.open`: a playlist in disguise must not reach the network, nor a title in bytes of some
# other encoding hide the recording.
OPENING: dict[str, Any] = {
    "options": {"protocol_whitelist": "file"}, "metadata_errors": "replace",
}  # fmt: skip

_TEXT = frozenset({"tty", "bin", "xbin", "adf", "idf"})  # formats that FFmpeg shows as a terminal
# Coders of pictures that never write the zeros of `pictures.BLANKED`; others pad with them.
_DENSE = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "libdav1d", "mjpeg"})
_LONG_END = 16  # zeros at the end of a picture
RATES = (1000, 768_000)  # Hz, of sound: beyond, a header is damaged
MOST_PIXELS = 36_000_000  # of a video's picture: 8K has 33 million
JUMP_S = 600  # a longer gap between pictures is a damaged time, and would be filled with copies
# Smaller differences between the starts of sound and pictures are a codec's lead-in, and below what
# viewers notice (45 ms, ITU-R BT.1359).
_IN_STEP_S = Fraction(1, 20)
_SPARSE_S = 10  # a picture, in the mean: a broken unit of time leaves more
_LEAST_BYTES = 50  # a second: no codec needs less, so a header that claims it is counted


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file holds: duration in s (0.0 for a still), sample rate in Hz (0 without sound).

    `lost` names what is in the file but can't be decoded, "sound" or "picture".
    """

    duration_s: float
    sr: int
    has_audio: bool
    has_video: bool
    lost: tuple[str, ...] = ()

    def missing(self, kind: str) -> str:
        """Return why there is no "sound" or "picture" to use, in words."""
        none = {"sound": "no sound", "picture": "no pictures"}
        return "it can't be decoded" if kind in self.lost else none[kind]


def probe(path: Path) -> MediaInfo:
    """Return what the file at `path` holds, after decoding its first audio and video frame.

    The rest of a video is looked through for blanked blocks, not decoded.

    Raises InputError, in one line that names the file, when nothing in it can be decoded.
    """
    check_file(path)
    return _probe_still(path) if path.suffix.lower() in STILL else _probe_stream(path)


def check_rate(rate: int, path: Path) -> None:
    """Raise InputError where `rate`, in Hz, is none of a sound: its header is damaged."""
    low, high = RATES
    if not low <= rate <= high:
        raise InputError(
            f"{path}: it states a sample rate of {rate} Hz; convert it to one of {low} to {high}."
        )


def check_size(width: int, height: int, path: Path) -> None:
    """Raise InputError where the pictures of a video are larger than 8K, as a header may claim."""
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path}: its pictures are {width} x {height} pixels; give at most"
            f" {MOST_PIXELS // 10**6} million, as 8K has."
        )


def check_times(count: int, end_s: Fraction, path: Path) -> None:
    """Raise InputError where so many pictures can't have lasted until `end_s`."""
    if end_s > max(JUMP_S, _SPARSE_S * count):
        raise InputError(
            f"{path}: {count} picture{'s' * (count != 1)} in {float(end_s):.0f} s: its times are"
            " damaged; copy or record it again."
        )


def address(path: Path) -> str:
    """Return what names a file to FFmpeg, which takes "12:30.mp4" for a protocol."""
    return f"file:{path}"


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn what FFmpeg, PyAV and NumPy raise at the content of a file into InputError."""
    import av

    try:
        yield
    except InputError:
        raise
    except av.DecoderNotFoundError as error:
        raise InputError(_unknown_coding(path)) from error
    except (av.FFmpegError, EOFError, OverflowError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path}: it can't be decoded ({reason}); give an undamaged recording."
        ) from error
    except MemoryError as error:
        raise InputError(f"{path}: {NO_MEMORY}.") from error


def _unknown_coding(path: Path) -> str:
    return (
        f"{path}: its sound or pictures are coded in a way that can't be read here; convert it to"
        " WAV or MP4."
    )


def stated_s(path: Path) -> float:
    """Return how long the header of a video says that it lasts, in s; 0.0 for a still."""
    import av

    check_file(path)
    if path.suffix.lower() in STILL:
        return 0.0
    with decoding(path), av.open(address(path), **OPENING) as container:
        return _duration_s(container, picture_stream(container)) or 0.0


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the first video of a file; a text and the picture on a sound's sleeve are none."""
    if container.format.name in _TEXT:
        return None
    return next((s for s in container.streams.video if not _is_cover(s)), None)


def late_s(container: InputContainer, stream: AudioStream | VideoStream, path: Path) -> Fraction:
    """Return how long after the file's first sound or picture `stream` starts, in s.

    0 for differences below 50 ms. Raises InputError for more than ten minutes.
    """
    starts = {
        track: track.start_time * track.time_base
        for track in (stream, *container.streams.audio[:1], picture_stream(container))
        if track is not None and track.start_time is not None and track.time_base
    }
    late = starts[stream] - min(starts.values()) if stream in starts else Fraction(0)
    if late > JUMP_S:
        raise InputError(
            f"{path}: its sound and its pictures start {float(late):.0f} s apart; copy or record"
            " it again."
        )
    return late if late >= _IN_STEP_S else Fraction(0)


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

    with decoding(path), av.open(address(path), **OPENING) as container:
        video = picture_stream(container)
        streams = [*container.streams.audio, *([] if video is None else [video])]
        if not streams:
            raise InputError(f"{path}: it holds neither sound nor pictures.")
        duration_s = _duration_s(container, streams[0])
        decoded = _decoded(container, streams, path)
        if not decoded and any(stream.codec_context is None for stream in streams):
            raise InputError(_unknown_coding(path))
        if not decoded:
            raise InputError(f"{path}: nothing in it can be decoded; is it damaged?")
        sounds = [stream for stream in decoded if stream.type == "audio"]
        sr = sounds[0].codec_context.sample_rate if sounds else 0
        if sounds:
            check_rate(sr, path)
        if duration_s is None or path.stat().st_size < _LEAST_BYTES * duration_s:
            duration_s = _counted_s(path, decoded[0])
        has_video = video in decoded
        lost = []
        if container.streams.audio and not sounds:
            lost.append("sound")
        if video is not None and not has_video:
            lost.append("picture")
        return MediaInfo(duration_s, sr, bool(sounds), has_video, tuple(lost))


def _decoded(container: InputContainer, streams: list[Any], path: Path) -> list[Any]:
    """Return which of `streams` can be decoded, after a look at all packets of a video."""
    import av

    silent = {stream for stream in streams if stream.codec_context is not None}
    video = next((stream for stream in silent if stream.type == "video"), None)
    if video is not None:
        check_size(video.codec_context.width, video.codec_context.height, path)
    times, error = [], None
    # Not sought back between streams: FFmpeg can't in a FLAC file of one block.
    for packet in whole(container.demux(*streams), path):
        if packet.stream in silent:
            try:
                if packet.decode():
                    silent.remove(packet.stream)
            except av.FFmpegError as failure:
                error = error or failure
        if packet.stream is video and packet.pts is not None:
            times.append(packet.pts)
        if video is None and len(silent) < len(streams):
            break
    if times and video is not None and video.time_base:
        check_times(len(times), (max(times) - min(times)) * video.time_base, path)
    decoded = [s for s in streams if s.codec_context is not None and s not in silent]
    if error is not None and not decoded:
        raise error
    return decoded


def _is_cover(stream: VideoStream) -> bool:
    """Return whether a video stream is but the picture on a sound file's sleeve."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _duration_s(container: Any, stream: Any) -> float | None:
    if stream is not None and (stream.duration or 0) > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if (container.duration or 0) > 0 else None


def _counted_s(path: Path, stream: Any) -> float:
    """Return how long the decoded frames of `stream` last, as a header may be empty or damaged."""
    import av

    seconds = 0.0
    frame: Any
    with av.open(address(path), **OPENING) as container:
        for frame in container.decode(container.streams[stream.index]):
            if stream.type == "audio":
                seconds += frame.samples / frame.sample_rate
            else:
                seconds = frame.time or 0.0
    return seconds
