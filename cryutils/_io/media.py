"""The contents of media files and their decoded frames: `probe`, `opened`, `decoded`.

`audio.files` and `video.decoding` read sound and pictures with `decoded`, so that both handle
damaged files in the same way.
"""

import re
import struct
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cryutils._io import extras, pictures
from cryutils._io.paths import check_file
from cryutils.errors import NO_MEMORY, InputError

if TYPE_CHECKING:
    from av import AudioStream, VideoStream
    from av.container import InputContainer

_PICTURES = ".avif .bmp .heic .heif .hif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp"
STILL = frozenset(_PICTURES.split())
# Suffixes of recordings in a folder. How a file is read depends on its content. Files with other
# suffixes are listed with the advice to rename them, so that no table or text is read.
_SOUNDS_AND_VIDEOS = """
    .3g2 .3ga .3gp .aac .ac3 .adts .aif .aifc .aiff .amr .ape .apng .asf .au .avi .awb .caf .divx .dss
    .dts .dv .eac3 .f4a .f4v .flac .flv .gif .gsm .m2t .m2ts .m4a .m4b .m4v .mj2 .mka .mkv .mov .mp1
    .mp2 .mp3 .mp4 .mpa .mpeg .mpg .mts .mxf .nut .oga .ogg .ogv .opus .qt .qta .ra .rf64 .rm .snd .spx
    .ts .tta .vob .voc .w64 .wav .wave .weba .webm .wma .wmv .wv
"""
RECORDINGS = STILL.union(_SOUNDS_AND_VIDEOS.split())

# FFmpeg's names of the formats that are opened: files of sound or pictures that hold all of it.
# Playlists, descriptions of streams and texts name other files, or are rendered as pictures.
_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,apng,asf,asf_o,au,avi,bmp_pipe,caf,dss,dts,dv,eac3,flac,flv,gif,"
    "gsm,h264,hevc,jpeg_pipe,m4v,matroska,mjpeg,mov,mp3,mpeg,mpegts,mpegvideo,mxf,nut,ogg,png_pipe,rm,"
    "tiff_pipe,tta,voc,w64,wav,webp,webp_pipe,wv"
)
SYNTHETIC = "cryutils: drawn faces, no evidence about real infants"  # comment in such a video
_MOST_PIXELS = 36_000_000  # of a video frame: 8K has 33 million
LONGEST_GAP_S = 600  # between frames, or between the starts of sound and pictures
_SPARSE_S = 10  # longest average time per frame
# Smaller differences between the starts of sound and pictures come from a codec's lead-in, and are
# below what viewers notice (45 ms, ITU-R BT.1359).
_IN_STEP_S = Fraction(1, 20)
_UNKNOWN_LENGTH = 2**31 - 2**16  # bytes
_TAIL = 4096  # bytes after the last chunk of a WAV that are no sound, such as a tag
# The first bytes of WAV, AIFF, CAF, and (after the size of its box) MP4.
_BEGINNING = re.compile(
    rb"RIFF....WAVE|FORM....AIF[FC]|caff\x00\x01\x00\x00|ftyp(?:M4[AB] |isom|mp4[12]|3gp.|qt  )", re.DOTALL
)
_HEADER = 16  # bytes of the file's own beginning
_CHUNK = {b"WAVE": "<4sI", b"AIFF": ">4sI", b"AIFC": ">4sI"}  # name and size of a chunk
_LEAST_BYTES = 50  # per second: no codec needs less
# AMR frames of this type or a higher one contain no speech (3GPP TS 26.101, 26.201).
_PAUSE = {"amrnb": 8, "amrwb": 9}
_UNDAMAGED = 4  # the bit Q of the first byte (RFC 4867, 4.3.2); zeroed packets lack it


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file contains; the duration is in s as stated, 0.0 for a still or if none is.

    `lost` lists what is in the file but can't be decoded: "sound", "picture". is_synthetic: whether
    the file says that its faces are drawn.
    """

    duration_s: float
    has_audio: bool
    has_video: bool
    lost: tuple[str, ...] = ()
    is_synthetic: bool = False

    def missing(self, kind: str) -> str:
        """Return in words why there is no "sound" or "picture" to use."""
        absent = {"sound": "no sound", "picture": "no pictures"}
        return "it can't be decoded" if kind in self.lost else absent[kind]


def probe(path: Path) -> MediaInfo:
    """Return the contents of a media file, from its header and a frame of each stream.

    Damage in later frames goes unnoticed. Raises InputError if nothing in it can be decoded.
    """
    check_file(path)
    if path.suffix.lower() in STILL:
        pictures.read(path)
        return MediaInfo(duration_s=0.0, has_audio=False, has_video=True)
    if pcm := plain_wav(path):
        rate, stated = pcm
        return MediaInfo(stated / rate, has_audio=True, has_video=False)
    with opened(path) as container:
        video = picture_stream(container, path)
        streams = [*container.streams.audio, *([] if video is None else [video])]
        if not streams:
            raise InputError(f"{path}: it holds neither sound nor pictures.")
        readable = _readable(container, streams, path)
        has_audio, has_video = any(s.type == "audio" for s in readable), video in readable
        lost = ["sound"] if container.streams.audio and not has_audio else []
        lost += ["picture"] if video is not None and not has_video else []
        is_synthetic = SYNTHETIC in container.metadata.values()
        # Some files state no duration, and a damaged one states any.
        duration_s = min(max(container.duration or 0, 0) / 1e6, path.stat().st_size / _LEAST_BYTES)
        return MediaInfo(duration_s, has_audio, has_video, tuple(lost), is_synthetic)


def _readable(container: "InputContainer", streams: list[Any], path: Path) -> set[Any]:
    """Return the streams of which a frame can be decoded, at least one."""
    import av

    readable, failure = set(), None
    for packet in container.demux(*streams):
        stream = packet.stream
        if stream.codec_context is not None and stream not in readable:
            try:
                if packet.decode():
                    readable.add(stream)
            except av.FFmpegError as error:
                failure = failure or error
        if len(readable) == len(streams):
            break
    if not readable:
        is_known = any(stream.codec_context is not None for stream in streams)
        what = "nothing in it can be decoded; is it damaged?" if is_known else _UNKNOWN_CODEC
        raise failure or InputError(f"{path}: {what}")
    return readable


def plain_wav(path: Path) -> tuple[int, int] | None:
    """Return the rate in Hz and the stated frames of a 16-bit PCM WAV, None for any other file."""
    try:
        with wave.open(str(path), "rb") as sound:
            size, stated = 2 * sound.getnchannels(), sound.getnframes()
            if sound.getsampwidth() != 2 or len(sound.readframes(1)) < size:
                return None
            # A program that writes into a pipe doesn't know the length, and states 2 or 4 GB.
            stated = path.stat().st_size // size if stated * size >= _UNKNOWN_LENGTH else stated
            return sound.getframerate(), stated
    # RuntimeError: a chunk is longer than the file.
    except (wave.Error, EOFError, RuntimeError, OSError):
        return None


def unread(path: Path) -> str:
    """Return in words that a file has more sound than is read, "" if nothing suggests it.

    FFmpeg reads the first of joined files, and a WAV or AIFF up to its stated end, without a word.
    """
    with path.open("rb") as file:
        head = tail = file.read(_HEADER)
        while block := file.read(1 << 20):
            if _BEGINNING.search(tail + block, 5):
                return "another recording follows in the file and is not read; split it"
            tail = block[-_HEADER:]
        if head[8:12] in _CHUNK and _goes_on(file, _CHUNK[head[8:12]], path.stat().st_size):
            return "more sound follows its stated end and is not read"
    return ""


def _goes_on(file: BinaryIO, form: str, total: int) -> bool:
    """Return whether a WAV or AIFF has a second chunk of sound, or samples after its last chunk."""
    at, has_sound = 12, False
    while at < total:
        file.seek(at)
        name, size = struct.unpack(form, file.read(8).ljust(8, b"\0"))
        if name in (b"data", b"SSND"):
            if has_sound or not size:  # a recorder that was stopped leaves 0
                return has_sound
            has_sound = True
        elif not (name.isascii() and name.decode().isprintable()):
            file.seek(at)
            return total - at > _TAIL and any(file.read(1 << 20))
        file.seek(at + 8 + size)
        at += 8 + size + (size % 2 and file.read(1) == b"\0")  # some programs leave this byte out
    return False


def check_rate(rate: int, path: Path) -> None:
    """Raise InputError for an implausible sample rate in Hz, as a damaged header may state."""
    if not 1000 <= rate <= 768_000:
        raise InputError(f"{path}: it states a sample rate of {rate} Hz; convert it to 44100 Hz.")


def check_size(width: int, height: int, path: Path) -> None:
    """Raise InputError for video frames larger than 8K, as a damaged header may state."""
    if width * height > _MOST_PIXELS:
        raise InputError(f"{path}: its pictures are {width} x {height} pixels; give at most 8K.")


def check_times(count: int, end_s: Fraction, path: Path, *, gap_s: Fraction, what: str = "picture") -> None:
    """Raise InputError if `end_s` is too late for `count` frames, or the gap `gap_s` too long to fill."""
    if gap_s > LONGEST_GAP_S or end_s > max(LONGEST_GAP_S, _SPARSE_S * count):
        times = f"{count} {what}{'s' * (count != 1)} in {float(end_s):.0f} s: its times are damaged"
        raise InputError(f"{path}: {times}; copy or record it again, or cut it into two files there.")


@contextmanager
def opened(path: Path) -> "Iterator[InputContainer]":
    """Yield the opened file as a PyAV container, and turn errors of FFmpeg into InputError."""
    extras.require("av", "course", f"{path}: a file that is no 16-bit WAV")
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    with decoding(path):
        try:
            # Without "file:", FFmpeg takes "12:30.mp4" for a protocol.
            try:
                container = av.open(f"file:{path}", options=options, metadata_errors="replace")
            except av.ArgumentError as error:
                what = "it is no sound or video, but perhaps a text or a playlist"
                raise InputError(f"{path}: it can't be decoded: {what}; give the recording.") from error
            with container:
                yield container
        except av.DecoderNotFoundError as error:
            raise InputError(f"{path}: {_UNKNOWN_CODEC}") from error


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn errors of PyAV and NumPy about a file's content into InputError."""
    # FFmpeg's errors exist only where PyAV was imported: 16-bit WAV files are read without it.
    ffmpeg = (sys.modules["av"].FFmpegError,) if sys.modules.get("av") else ()
    try:
        yield
    except InputError:
        raise
    except (*ffmpeg, EOFError, OSError, OverflowError, ValueError) as error:
        check_file(path)  # it may have vanished since it was opened
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: it can't be decoded ({reason}); give an undamaged recording.") from error
    except MemoryError as error:
        raise InputError(f"{path}: {NO_MEMORY}.") from error


_UNKNOWN_CODEC = "its sound or pictures are coded in a way that can't be read here; convert it to WAV or MP4."


def decoded(
    container: "InputContainer", stream: "AudioStream | VideoStream", path: Path, remarks: dict[str, None]
) -> Iterator[Any]:
    """Yield the frames of a stream, and None for each 20 ms that an AMR file left out or lost.

    What was left out or lost is added to `remarks`. Iteration ends at damage at the end of a file,
    for example if it was cut short. Raises InputError if undamaged frames follow the damage, and
    for a stream without a decoder.
    """
    import av

    codec = stream.codec_context
    if codec is None:
        raise InputError(f"{path}: {_UNKNOWN_CODEC}")
    codec.options = {"err_detect": "crccheck+explode"}
    codec.thread_count = 1  # files are decoded in parallel
    pause = _PAUSE.get(codec.name)
    started = damaged = False
    lost = zeroed = 0
    for packet in container.demux(stream):
        # FFmpeg's decoder would report an error, or return noise, which may be longer.
        if pause is not None and packet.size:
            head = bytes(packet)[0]
            is_pause = head >> 3 & 15 >= pause
            if is_pause:
                remarks["the pauses that its recorder left out are read as silence"] = None
            if is_pause or not head & _UNDAMAGED:
                zeroed += not is_pause
                yield None
                continue
        try:
            frames: list[Any] = packet.decode()
        except av.error.InvalidDataError:
            # The tag of an MP3 file that was appended to another is no damage.
            is_tag = bytes(packet)[:3] in (b"ID3", b"APE")
            lost += not is_tag
            started = damaged = started and not is_tag
            continue
        for frame in frames:
            if stream.type == "video" and frame.is_corrupt:
                damaged = started
                continue
            # Frames that the decoder returns at the end of the file were coded before the damage.
            if damaged and packet.size:
                raise InputError(f"{path}: it is damaged in the middle; copy or record it again.")
            started = True
            yield frame
    for count, how in ((zeroed, "read as silence"), (lost, "left out, at its start or its end")):
        if count:
            remarks[f"{count} damaged packet{'s are' if count > 1 else ' is'} {how}"] = None


def picture_stream(container: "InputContainer", path: Path) -> "VideoStream | None":
    """Return the first video stream or None; cover pictures don't count. Raises as `check_size`."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is not None:
                check_size(stream.codec_context.width, stream.codec_context.height, path)
            return stream
    return None


def late_s(container: "InputContainer", stream: "AudioStream | VideoStream", path: Path) -> Fraction:
    """Return the time from the file's first sound or picture to the start of `stream`, in s.

    Differences below 50 ms give 0. Raises InputError for more than ten minutes.
    """
    starts = {
        track: track.start_time * track.time_base
        for track in (stream, *container.streams.audio[:1], picture_stream(container, path))
        if track is not None and track.start_time is not None and track.time_base
    }
    late = starts[stream] - min(starts.values()) if stream in starts else Fraction(0)
    if late > LONGEST_GAP_S:
        apart = f"its sound and its pictures start {float(late):.0f} s apart"
        raise InputError(f"{path}: {apart}; copy or record it again.")
    return late if late >= _IN_STEP_S else Fraction(0)
