"""The sound of any media file: `read` whole, `pieces` of any length, each sample as it is.

Walked by notebook 02_audio_features and used by every later one. Paper A §3.2 takes the sound out
of videos with ffmpeg; PyAV carries the same libraries, so one way serves every container and codec.
"""

from __future__ import annotations

import hashlib
import math
import os
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.media import OPENING, RATES, address, check_rate, damaged_within, decoding, probe
from cryutils._io.paths import check_file
from cryutils.audio.spectral import check_settings, resample
from cryutils.errors import InputError

if TYPE_CHECKING:
    import av

__all__ = ["heard_s", "native_rate", "pcm16", "pieces", "read"]

Array = npt.NDArray[np.float32]

PIECE_S = 600
_LONGEST_S = 3600  # what is read whole, at up to 48 kHz: 0.7 GB
_MOST = _LONGEST_S * 48_000  # samples
_LOUDEST = 2.0**31  # even of floats that nobody scaled; resampling far larger ones overflows
_CODEC_BLOCK = 4096  # samples; padding is less than one, more is a header that is wrong
_PLANES = 8  # from so many on, PyAV (18.1) misses the end of a frame's list and reads wild memory
_STREAMINFO = 34  # bytes: the block with which FLAC starts
_SLACK = Fraction(1, 10)  # by which a browser's clock may differ from its sound
_PCM_BLOCK = 1 << 22  # samples: the clips of a corpus are read at once
_AGAIN = "copy it again from the recorder, or convert it to WAV if it was cut on purpose."


def read(path: str | os.PathLike[str], *, sr: int | None = None) -> Array:
    """Return the sound of a file, float32 (samples,), mono, in [-1, 1], at `sr` Hz.

    Channels are averaged. A 16-bit sample k becomes exactly k / 32768. A file cut short gives the
    samples that are left, but for FLAC, which states how many there are.

    Parameters
    ----------
    path : path
        Any container that FFmpeg knows; its first sound track is taken.
    sr : int, optional
        In Hz; None keeps the file's own rate (`native_rate`).

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, or holds no sound.

    Examples
    --------
    >>> read("cry.3gp", sr=16000)                               # doctest: +SKIP
    array([...], dtype=float32)
    """
    check_settings(sr=sr)
    rate, x = decode(Path(path).absolute())
    return _at(x, rate, sr)


def pieces(
    path: str | os.PathLike[str], *, sr: int | None = None, seconds: int = PIECE_S
) -> Iterator[tuple[float, Array]]:
    """Yield the sound of a file of any length as (start in s, float32 (samples,) at `sr` Hz).

    Each piece lasts `seconds` (less above 48 kHz), the last one up to twice that, so that it is
    never a mere rest; a file shorter than that is one piece, as `read` gives it. Raises
    InputError as `read` does, but for the length.
    """
    check_settings(sr=sr)
    parts: list[Array] = []
    rate = start = count = 0
    for rate, block in blocks(Path(path).absolute()):
        parts.append(block)
        count += len(block)
        length = seconds * min(rate, 48_000)  # in memory, not in time, above that
        if count >= 2 * length:
            x = np.concatenate(parts)
            while len(x) >= 2 * length:
                yield start / rate, _at(x[:length], rate, sr)
                start, x = start + length, x[length:]
            parts, count = [x.copy()], len(x)
    yield start / rate, _at(np.concatenate(parts), rate, sr)


def _at(x: Array, rate: int, sr: int | None) -> Array:
    # Lossy codecs and steep filters overshoot a little.
    return np.clip(resample(x, sr=rate, to=rate if sr is None else sr), -1.0, 1.0)


def native_rate(path: str | os.PathLike[str]) -> int:
    """Return the sample rate of a file's sound in Hz. Raises InputError as `read` does."""
    path = Path(path).absolute()
    with pcm16(path) as sound:
        if sound is not None:
            return sound.getframerate()
    if rate := probe(path).sr:
        return rate
    raise InputError(no_sound(path))


def decode(path: Path) -> tuple[int, Array]:
    """Return (rate in Hz, float32 (samples,)): the first sound track, its channels averaged.

    Raises InputError for a file that is missing, empty, damaged, holds no sound, or more of it
    than an hour (less above 48 kHz).
    """
    with decoding(path):
        rates, parts = zip(*_readable(path), strict=True)
        x = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return rates[0], x


def heard_s(path: Path) -> float:
    """Return how long the sound that `decode` would give lasts, in s. Raises InputError as it."""
    with decoding(path):
        return math.fsum(len(block) / rate for rate, block in _readable(path))


def _readable(path: Path) -> Iterator[tuple[int, Array]]:
    """Yield `blocks`; raise InputError at more sound than is read whole."""
    count = 0
    for rate, block in blocks(path):
        count += len(block)
        most = min(_LONGEST_S, _MOST / rate)
        if count > most * rate:
            raise InputError(
                f"{path}: more than {most / 60:.0f} min of sound at {rate} Hz, too much to hold at"
                " once; cut it into shorter files."
            )
        yield rate, block


def blocks(path: Path) -> Iterator[tuple[int, Array]]:
    """Yield the sound of a file as (rate in Hz, float32 (samples,)), one block after the other.

    Memory doesn't grow with the length. Raises InputError as `decode` does, but for the length.
    """
    with decoding(path), pcm16(path) as sound:
        if sound is None:
            yield from _decoded(path)
            return
        channels = sound.getnchannels()
        while data := sound.readframes(_PCM_BLOCK):
            yield sound.getframerate(), _mono(np.frombuffer(data, "<i2").reshape(-1, channels))


@contextmanager
def pcm16(path: Path) -> Iterator[wave.Wave_read | None]:
    """Give the opened file where it is a plain and whole 16-bit PCM WAV, else None.

    The 457 files of DonateACry take 0.02 s this way and 1.2 s through FFmpeg, which probes
    each file's format and codec first; the samples are the same. Where header and length
    disagree, FFmpeg knows how to mend it. Raises InputError for a file that is missing or empty.
    """
    check_file(path)
    try:
        sound = wave.open(str(path), "rb")  # noqa: SIM115 - closed below
    # RuntimeError: a chunk that claims to be longer than the file.
    except (wave.Error, EOFError, RuntimeError, OSError):
        sound = None
    try:
        yield sound if sound is not None and _is_whole_pcm16(sound, path) else None
    finally:
        if sound is not None:
            sound.close()


def no_sound(path: Path) -> str:
    """Return the message for a file without a sound track."""
    return f"{path}: it holds no sound; give a recording, or a video that has a sound track."


def _is_whole_pcm16(sound: wave.Wave_read, path: Path) -> bool:
    chunk: Any = sound.getfp()
    start = 8 + chunk.tell()  # which counts from behind "RIFF" and its size
    length = 2 * sound.getnchannels() * sound.getnframes()
    is_whole = 0 < length <= path.stat().st_size - start
    return is_whole and sound.getsampwidth() == 2 and RATES[0] <= sound.getframerate() <= RATES[1]


def _decoded(path: Path) -> Iterator[tuple[int, Array]]:
    import av

    with av.open(address(path), **OPENING) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            raise InputError(no_sound(path))
        if stream.codec_context is None:
            raise InputError(f"{path}: its sound has an unknown codec; convert it to WAV.")
        stated_s = _stated_seconds(container, stream)
        heard = False
        for rate, block in _unpadded(_mono_blocks(container, stream, path), stated_s):
            if not (np.abs(block) < _LOUDEST).all():  # nor is NaN
                raise InputError(
                    f"{path}: some samples are no numbers, or no sound's; convert it to 16-bit WAV."
                )
            heard = True
            yield rate, block
    if not heard:
        raise InputError(f"{path}: no sound is left in it; copy or record it again.")


def _mono_blocks(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path
) -> Iterator[tuple[int, Array]]:
    if stream.codec_context.name == "flac":
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    stated = _Stated(container, stream, path)
    rate = None
    for frame in _frames(container, stream, path):
        if not frame.samples:
            continue
        if rate is None:
            rate = frame.sample_rate
            check_rate(rate, path)
        if frame.sample_rate != rate:
            raise InputError(f"{path}: its sample rate changes midway; convert it to WAV.")
        samples = _interleaved(frame)
        stated.add(frame, samples)
        yield rate, _mono(samples)
    if rate is not None:
        stated.check(rate)


class _Stated:
    """What a file states of its samples, held against what was decoded of it.

    FLAC states their number and their MD5, Ogg where the last page ends, and Matroska (WebM) the
    time of each packet. The end of the latter two may have been cut off. Matroska's times go on
    while a recording pauses, so that only more sound than time is damage there; an Ogg may hold
    one recording after the other, so that only less sound is.
    """

    def __init__(
        self, container: av.container.InputContainer, stream: av.AudioStream, path: Path
    ) -> None:
        self.path, self.stream, self.kind = path, stream, container.format.name
        self.count, self.end_s = 0, Fraction(0)
        self.start_s: Fraction | None = None
        self.is_flac = stream.codec_context.name == "flac"
        self.head = bytes(stream.codec_context.extradata or b"") if self.is_flac else b""
        if len(self.head) != _STREAMINFO:  # some containers keep it elsewhere
            self.head = bytes(_STREAMINFO)
        if self.kind == "flac" and not any(self.head):
            raise InputError(f"{path}: its header is damaged; {_AGAIN}")
        # After sizes of blocks and frames: rate (20 bits), channels (3), bits (5), samples (36).
        fields = int.from_bytes(self.head[10:18])
        self.bits, self.total = (fields >> 36 & 31) + 1, fields & (1 << 36) - 1
        self.digest = hashlib.md5(usedforsecurity=False)

    def add(self, frame: av.AudioFrame, samples: np.ndarray) -> None:
        """Count the samples (samples, channels) of a frame."""
        self.count += frame.samples
        if frame.pts is not None and frame.time_base:
            start_s = frame.pts * frame.time_base
            self.start_s = start_s if self.start_s is None else self.start_s
            self.end_s = max(self.end_s, start_s + Fraction(frame.samples, frame.sample_rate))
        if any(self.head):
            values = samples.astype("<i4", "C") >> 8 * samples.itemsize - self.bits
            content = values.view(np.uint8).reshape(-1, 4)[:, : (self.bits + 7) // 8]
            self.digest.update(content.tobytes())

    def check(self, rate: int) -> None:
        """Raise InputError where what was decoded is not what the file states."""
        total, slack = self.total, 0
        if not total and self.kind == "ogg" and self.stream.duration and self.stream.time_base:
            total = round(self.stream.duration * self.stream.time_base * rate)
            slack = 0 if self.is_flac else _CODEC_BLOCK  # what is skipped at the start is counted
        elif not total and "matroska" in self.kind:
            span = round((self.end_s - (self.start_s or 0)) * rate)
            total = min(span, self.count)  # it may have paused
            slack = max(_CODEC_BLOCK, round(_SLACK * total))
        off = abs(self.count - total)
        if self.kind == "ogg" and not self.is_flac:  # its last page is of the last of its parts
            off = total - self.count
        if total and off > slack:
            raise InputError(
                f"{self.path}: it is damaged: {self.count} of {total} samples; {_AGAIN}"
            )
        digest = self.head[_STREAMINFO - 16 : _STREAMINFO]
        if any(digest) and digest != self.digest.digest():
            raise InputError(
                f"{self.path}: it is damaged: its samples don't fit its checksum; {_AGAIN}"
            )


def _unpadded(
    series: Iterable[tuple[int, Array]], stated_s: Fraction | None
) -> Iterator[tuple[int, Array]]:
    """Yield the blocks without the codec's padding: what lies a little beyond `stated_s`."""
    if stated_s is None:
        yield from series
        return
    count = beyond = 0
    held: list[tuple[int, Array]] = []
    for rate, block in series:
        inside = max(0, min(len(block), round(stated_s * rate) - count))
        count += len(block)
        if inside:
            yield rate, block[:inside]
        if inside < len(block):
            held.append((rate, block[inside:]))
            beyond += len(block) - inside
        if beyond >= _CODEC_BLOCK:  # too much for padding
            yield from held
            held = []
    if count == beyond:
        yield from held


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path
) -> Iterator[av.AudioFrame]:
    """Yield what decodes; a bad packet is the end of a file cut short, or damage within it."""
    import av

    heard = cut = False
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            cut = heard
            continue
        if frames and cut and packet.size:
            raise InputError(damaged_within(path))
        for frame in frames:
            heard = True
            yield frame


def _stated_seconds(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Fraction | None:
    """Return how long the MP4 family says a track is: AAC pads its last block beyond that."""
    if "mp4" not in container.format.name or not stream.duration or not stream.time_base:
        return None
    return stream.duration * stream.time_base


def _interleaved(frame: av.AudioFrame) -> np.ndarray:
    """Return a frame's samples, (samples, channels), whatever the codec's own order."""
    if frame.format.is_planar and frame.layout.nb_channels >= _PLANES:
        frame = _packed(frame)
    if frame.format.name == "s64":  # which PyAV doesn't know how to hand over
        flat = np.frombuffer(bytes(frame.planes[0]), np.int64)
        return flat[: frame.samples * frame.layout.nb_channels].reshape(frame.samples, -1)
    values = frame.to_ndarray()
    return values.T if frame.format.is_planar else values.reshape(frame.samples, -1)


def _packed(frame: av.AudioFrame) -> av.AudioFrame:
    import av

    packed = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
    return packed.resample(frame)[0]


def _mono(samples: np.ndarray) -> Array:
    """Return integer or float samples (samples, channels) as their mean in [-1, 1]."""
    if samples.dtype == np.uint8:
        x = (samples.astype(np.float32) - 128.0) / np.float32(128.0)
    elif samples.dtype.kind == "i":
        x = samples.astype(np.float32) * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # judged by the caller
            x = samples.astype(np.float32)
    return x[:, 0] if x.shape[1] == 1 else x.mean(axis=1)
