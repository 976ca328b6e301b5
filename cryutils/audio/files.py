"""The sound of any media file: `read` whole, or in `pieces`; `inspect` says what is changed.

Walked by notebook 02_audio_features and used by every later one. Paper A §3.2 takes the sound out
of videos with ffmpeg; PyAV carries the same libraries, so one way serves every container and codec.
Samples are given as they are stored, except in files that no model could make sense of: `inspect`
measures a file and lists what `read` and `pieces` change in it.
"""

from __future__ import annotations

import hashlib
import math
import os
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils._io.media import (
    OPENING,
    RATES,
    address,
    check_rate,
    damaged_within,
    decoding,
    late_s,
)
from cryutils._io.parallel import Identity, identity
from cryutils._io.paths import check_file
from cryutils.audio.spectral import check_settings, resample
from cryutils.errors import InputError

if TYPE_CHECKING:
    import av
    from av import Packet

__all__ = ["Heard", "check_length", "inspect", "native_rate", "pcm16", "pieces", "read"]

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
# An offset of 0.01 halves a probability. Chosen after a look at DonateACry, whose largest offset is
# 0.0056, so that its results do not change.
_OFFSET = 2.0**-7
_CANCELLED = 0.05  # of the channels' mean power is left by averaging opposite phases
_CLIPPED = 1e-3  # share of samples at full scale, three or more in a row
_FULL = 1 - 2.0**-14
_AMR_SID = {
    "amrnb": 8,
    "amrwb": 9,
}  # frame types from here on hold no speech (3GPP TS 26.101, 26.201)
_AGAIN = "copy it again from the recorder, or convert it to WAV if it was cut on purpose."


def read(path: str | os.PathLike[str], *, sr: int | None = None) -> Array:
    """Return the sound of a file, float32 (samples,), mono, in [-1, 1], at `sr` Hz.

    Channels are averaged. A 16-bit sample k becomes exactly k / 32768, unless `inspect` lists a
    change. Sound that starts later than the file's pictures follows silence. A file cut short
    gives the samples that are left, except for FLAC, which states how many there are.

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
    return inspect(path).sr


def decode(path: Path) -> tuple[int, Array]:
    """Return (rate in Hz, float32 (samples,)): a file's sound as `inspect` says that it is read.

    Raises InputError for a file that is missing, empty, damaged, holds no sound, or more of it
    than an hour (less above 48 kHz).
    """
    check_length(inspect(path), path)
    with decoding(path):
        rates, parts = zip(*blocks(path), strict=True)
        x = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return rates[0], x


def check_length(heard: Heard, path: Path) -> None:
    """Raise InputError for more sound than can be held at once."""
    most_s = min(_LONGEST_S, _MOST / heard.sr)
    if heard.duration_s > most_s:
        raise InputError(
            f"{path}: more than {most_s / 60:.0f} min of sound at {heard.sr} Hz, too much to hold"
            " at once; cut it into shorter files."
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """What was measured in the sound of a file, and what is changed when it is read.

    Attributes
    ----------
    duration_s : float
        In s, with the silence before a late sound.
    sr : int
        In Hz.
    late_s : Fraction
        Seconds of silence before the sound, while the file's pictures are already shown.
    track : int
        Which sound track is read, from 0.
    channel : int or None
        The channel that is read where averaging would cancel the sound; None: the mean of all.
    offset, scale : float
        A sample x is read as (x - offset) / scale.
    changes, doubts : tuple of str
        What is changed, and what looks wrong and is left as it is, in words.
    """

    duration_s: float
    sr: int
    late_s: Fraction = Fraction(0)
    track: int = 0
    channel: int | None = None
    offset: float = 0.0
    scale: float = 1.0
    changes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def inspect(path: str | os.PathLike[str]) -> Heard:
    """Return what the sound of a file is like, and what `read` changes in it.

    The whole file is decoded, once for each state of the file. Four things are listed:

    - A constant offset of more than 1/128 of full scale is subtracted.
    - Samples beyond full scale in a lossless format, as of unscaled floats, are divided by the
      largest. (Lossy codecs overshoot a little; their samples are clipped, as in any player.)
    - If averaging the channels would cancel them, the loudest channel is read.
    - A recording with 0.1 % of its samples clipped is doubtful. It is left as it is.

    Raises
    ------
    InputError
        As `read` does, except for the length.
    """
    return _inspected(identity(Path(path).absolute()))


@lru_cache(maxsize=4096)
def _inspected(file: Identity) -> Heard:
    path = Path(file.path)
    with decoding(path):
        track, mix, late = _first_readable(path)
        levels, channel = mix, None
        if mix.cancel:
            channel = int(np.argmax(mix.power))
            levels = _Levels.of(path, track, channel)
    changes, doubts = [], []
    if late:
        changes.append(
            f"its sound starts {float(late):.2f} s after its pictures, and follows silence"
        )
    if track:
        changes.append(f"sound track {track + 1} is read, since those before can't be decoded")
    if levels.pauses:
        changes.append("the pauses that its recorder left out are read as silence")
    if channel is not None:
        changes.append(f"its channels cancel each other, so channel {channel + 1} alone is read")
    mean = levels.total / levels.count
    offset = mean if abs(mean) > _OFFSET else 0.0
    if offset:
        changes.append(f"a constant offset of {offset:.3f} is removed")
    peak = max(levels.high - offset, offset - levels.low)
    scale = peak if levels.is_lossless and peak > 1 else 1.0
    if scale > 1:
        changes.append(f"its samples, which reach {scale:.4g} times full scale, are scaled down")
    if scale == 1 and levels.clipped > _CLIPPED * levels.count:
        share = levels.clipped / levels.count
        doubts.append(f"{share:.1%} of its samples are clipped; record it with less gain")
    duration_s = float(late) + levels.count / levels.sr
    return Heard(
        duration_s, levels.sr, late, track, channel, offset, scale, tuple(changes), tuple(doubts)
    )


def _first_readable(path: Path) -> tuple[int, _Levels, Fraction]:
    """Return the number of the first sound track that can be decoded, its levels and delay."""
    import av

    with pcm16(path) as sound:
        if sound is not None:
            return 0, _Levels.of(path, 0, None), Fraction(0)
    with av.open(address(path), **OPENING) as container:
        streams = container.streams.audio
        late = [late_s(container, stream, path) for stream in streams]
    if not streams:
        raise InputError(no_sound(path))
    reason = None
    for track, seconds in enumerate(late):
        try:
            return track, _Levels.of(path, track, None), seconds
        except (InputError, av.FFmpegError) as error:
            reason = reason or error
    assert reason is not None
    raise reason


class _Levels:
    """The levels of one sound track: of its mean over channels, or of one `channel`."""

    def __init__(self) -> None:
        self.sr = self.count = self.clipped = 0
        self.total, self.low, self.high = 0.0, math.inf, -math.inf
        self.mixed, self.power = 0.0, np.zeros(1)
        self.is_lossless = self.pauses = False

    @classmethod
    def of(cls, path: Path, track: int, channel: int | None) -> _Levels:
        levels = cls()
        for source in _samples(path, track):
            x = _mixed(source.samples, channel)
            levels.sr, levels.count = source.sr, levels.count + len(x)
            levels.total += float(x.sum(dtype=np.float64))
            levels.low = min(levels.low, float(x.min()))
            levels.high = max(levels.high, float(x.max()))
            full = np.abs(x) >= _FULL
            levels.clipped += int((full[2:] & full[1:-1] & full[:-2]).sum())
            levels.is_lossless = source.is_lossless
            levels.pauses |= source.is_pause
            levels.mixed += float(np.square(x, dtype=np.float64).sum())
            levels.power = levels.power + np.square(source.samples, dtype=np.float64).sum(axis=0)
        return levels

    @property
    def cancel(self) -> bool:
        """Whether averaging the channels removes most of the sound."""
        return self.mixed < _CANCELLED * float(self.power.mean())


def blocks(path: Path) -> Iterator[tuple[int, Array]]:
    """Yield the sound of a file as (rate in Hz, float32 (samples,)), one block after the other.

    Memory doesn't grow with the length. Raises InputError as `decode` does, but for the length.
    """
    heard = inspect(path)
    if silence := round(heard.late_s * heard.sr):
        yield heard.sr, np.zeros(silence, np.float32)
    with decoding(path):
        for block in _samples(path, heard.track):
            x = _mixed(block.samples, heard.channel)
            if heard.offset or heard.scale != 1:
                x = (x - np.float32(heard.offset)) / np.float32(heard.scale)
            yield block.sr, x


class _Block(NamedTuple):
    """Decoded samples, float32 (samples, channels) of full scale 1, at `sr` Hz."""

    samples: Array
    sr: int
    is_lossless: bool = True
    is_pause: bool = False


def _samples(path: Path, track: int) -> Iterator[_Block]:
    """Yield the samples of sound track number `track` as they are stored."""
    with pcm16(path) as sound:
        if sound is None:
            yield from _decoded(path, track)
            return
        channels = sound.getnchannels()
        # The whole frames that the header counts: a file that was cut has part of one behind them.
        for left in range(sound.getnframes(), 0, -_PCM_BLOCK):
            data = sound.readframes(min(left, _PCM_BLOCK))
            samples = np.frombuffer(data, "<i2").reshape(-1, channels)
            yield _Block(_full_scale(samples), sound.getframerate())


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


def _decoded(path: Path, track: int) -> Iterator[_Block]:
    import av

    with av.open(address(path), **OPENING) as container:
        stream = container.streams.audio[track]
        if stream.codec_context is None:
            raise InputError(f"{path}: its sound has an unknown codec; convert it to WAV.")
        stated_s = _stated_seconds(container, stream)
        heard = False
        for block in _unpadded(_frame_blocks(container, stream, path), stated_s):
            if not (np.abs(block.samples) < _LOUDEST).all():  # nor is NaN
                raise InputError(
                    f"{path}: some samples are no numbers, or no sound's; convert it to 16-bit WAV."
                )
            heard = True
            yield block
    if not heard:
        raise InputError(f"{path}: no sound is left in it; copy or record it again.")


def _frame_blocks(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path
) -> Iterator[_Block]:
    codec = stream.codec_context
    if codec.name == "flac":
        codec.options = {"err_detect": "crccheck+explode"}
    stated = _Stated(container, stream, path)
    rate = None
    for frame, is_pause in _frames(container, stream, path):
        if not frame.samples:
            continue
        if rate is None:
            rate = frame.sample_rate
            check_rate(rate, path)
        if frame.sample_rate != rate:
            raise InputError(f"{path}: its sample rate changes midway; convert it to WAV.")
        samples = _interleaved(frame)
        stated.add(frame, samples)
        yield _Block(_full_scale(samples), rate, codec.codec.lossless, is_pause)
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


def _unpadded(series: Iterable[_Block], stated_s: Fraction | None) -> Iterator[_Block]:
    """Yield the blocks without the codec's padding: what lies a little beyond `stated_s`."""
    if stated_s is None:
        yield from series
        return
    count = beyond = 0
    held: list[_Block] = []
    for block in series:
        length = len(block.samples)
        inside = max(0, min(length, round(stated_s * block.sr) - count))
        count += length
        if inside:
            yield block._replace(samples=block.samples[:inside])
        if inside < length:
            held.append(block._replace(samples=block.samples[inside:]))
            beyond += length - inside
        if beyond >= _CODEC_BLOCK:  # too much for padding
            yield from held
            held = []
    if count == beyond:
        yield from held


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path
) -> Iterator[tuple[av.AudioFrame, bool]]:
    """Yield what decodes, and whether it is a pause that the recorder left out.

    A bad packet is the end of a file cut short, or damage within it.
    """
    import av

    heard = cut = False
    for packet in container.demux(stream):
        if _is_amr_pause(stream, packet):
            yield _silence(stream), True
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            cut = heard
            continue
        if frames and cut and packet.size:
            raise InputError(damaged_within(path))
        for frame in frames:
            heard = True
            yield frame, False


def _is_amr_pause(stream: av.AudioStream, packet: Packet[Any]) -> bool:
    """Return whether an AMR packet has no speech, which FFmpeg's decoder takes for an error."""
    first_sid = _AMR_SID.get(stream.codec_context.name)
    return first_sid is not None and packet.size > 0 and bytes(packet)[0] >> 3 & 15 >= first_sid


def _silence(stream: av.AudioStream) -> av.AudioFrame:
    """Return the 20 ms of silence that one AMR frame lasts."""
    import av

    rate = stream.codec_context.sample_rate
    frame = av.AudioFrame.from_ndarray(np.zeros((1, rate // 50), np.float32), "fltp", "mono")
    frame.sample_rate = rate
    return frame


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


def _full_scale(samples: np.ndarray) -> Array:
    """Return integer or float samples as float32, integers divided by their full scale."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / np.float32(128.0)
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    with np.errstate(over="ignore", invalid="ignore"):  # judged by the caller
        return samples.astype(np.float32)


def _mixed(samples: Array, channel: int | None) -> Array:
    """Return one channel of samples (samples, channels), or None: their mean, (samples,)."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    return samples.mean(axis=1) if channel is None else samples[:, channel]
