"""Reading the sound of media files: `read`, or `pieces` for long files; `inspect` lists changes.

Used in notebook 02_audio_features and all later ones. Paper A §3.2 extracts the sound of videos
with ffmpeg. PyAV contains the same libraries, so every container and codec is read in the same way.
Samples are returned as stored, except in files that no model could use: `inspect` measures a file
and lists what `read` and `pieces` change in it.
"""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils._io.media import check_rate, decoded, decoding, late_s, opened
from cryutils._io.parallel import Identity, identity
from cryutils._io.paths import check_file
from cryutils.audio.spectral import check_settings, resample
from cryutils.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

__all__ = [
    "SHORTEST_S",
    "Heard",
    "check_length",
    "decode",
    "inspect",
    "native_rate",
    "pieces",
    "read",
    "wav_bytes",
]

Array = npt.NDArray[np.float32]

PIECE_S = 600
SHORTEST_S = 0.25  # of a recording in which a cry can be judged
_LONGEST_S = 3600  # of a recording that is read whole, at up to 48 kHz: 0.7 GB
_LOUDEST = 2.0**31  # limit for unscaled floats; resampling much larger values overflows
_BLOCK = 1 << 16  # samples decoded at a time
_PCM_BLOCK = 1 << 18  # samples read from a WAV at a time
_CODEC_BLOCK = 4096  # samples; AAC pads its last block by less than that
# An offset of 0.01 halves a probability. The limit was chosen after looking at DonateACry: it is
# above the largest offset there, 0.0056, so that results on DonateACry do not change.
_OFFSET = 2.0**-7
_CANCELLED = 0.05  # share of the channels' mean power; if less is left, averaging cancels them
_CLIPPED = 1e-3  # share of samples at full scale, three or more in a row
_FULL = 1 - 2.0**-14


def read(path: str | os.PathLike[str], *, sr: int | None = None) -> Array:
    """Return the sound of a file, float32 (samples,), mono, in [-1, 1], at `sr` Hz.

    Channels are averaged. A 16-bit sample k becomes exactly k / 32768, unless `inspect` lists a
    change. If the sound starts later than the file's pictures, silence comes first. A file cut
    short gives the samples that are left.

    Parameters
    ----------
    path : path
        Any container that FFmpeg reads; the first sound track that can be decoded is taken.
    sr : int, optional
        Rate in Hz; None keeps the file's own rate (`native_rate`).

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, longer than an hour, or without sound.

    Examples
    --------
    >>> read("cry.3gp", sr=16000)                               # doctest: +SKIP
    array([...], dtype=float32)
    """
    check_settings(sr=sr)
    rate, x = decode(Path(path).absolute())
    return _resampled(x, rate, sr)


def pieces(
    path: str | os.PathLike[str], *, sr: int | None = None, seconds: int = PIECE_S
) -> Iterator[tuple[float, Array]]:
    """Yield the sound of a file of any length as (start in s, float32 (samples,) at `sr` Hz).

    Each piece lasts `seconds` (less above 48 kHz), and the last piece up to twice that, so that it
    is never a short remainder. A shorter file is one piece, the same as from `read`. Raises
    InputError as `read` does, except for the length.
    """
    check_settings(sr=sr)
    parts: list[Array] = []
    rate = start = count = 0
    for rate, block in _blocks(Path(path).absolute()):
        parts.append(block)
        count += len(block)
        length = seconds * min(rate, 48_000)  # limits memory, not time, above 48 kHz
        if count >= 2 * length:
            x = np.concatenate(parts)
            while len(x) >= 2 * length:
                yield start / rate, _resampled(x[:length], rate, sr)
                start, x = start + length, x[length:]
            parts, count = [x.copy()], len(x)
    yield start / rate, _resampled(np.concatenate(parts), rate, sr)


def _resampled(x: Array, rate: int, sr: int | None) -> Array:
    # Lossy codecs and steep filters overshoot a little.
    return np.clip(resample(x, sr=rate, to=rate if sr is None else sr), -1.0, 1.0)


def wav_bytes(samples: npt.NDArray[np.floating[Any]], sr: int) -> bytes:
    """Return a mono 16-bit WAV file of samples, float (n,), clipped to [-1, 1], at `sr` Hz."""
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, sr, 0, "NONE", ""))
        file.writeframes(pcm.tobytes())
    return buffer.getvalue()


def native_rate(path: str | os.PathLike[str]) -> int:
    """Return the sample rate of a file's sound in Hz. Raises InputError as `read` does."""
    return inspect(path).sr


def decode(path: Path) -> tuple[int, Array]:
    """Return the rate in Hz and the sound, float32 (samples,). Raises InputError as `read` does."""
    check_length(inspect(path), path)
    with decoding(path):
        rates, parts = zip(*_blocks(path), strict=True)
        return rates[0], np.concatenate(parts)


def check_length(heard: Heard, path: Path) -> None:
    """Raise InputError for more than an hour of sound (less above 48 kHz), to limit memory."""
    most_s = _LONGEST_S * min(1, 48_000 / heard.sr)
    if heard.duration_s > most_s:
        raise InputError(
            f"{path}: more than {most_s / 60:.0f} min of sound at {heard.sr} Hz, too much to hold"
            " at once; cut it into shorter files."
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """Measurements of a file's sound, and the changes made when it is read.

    Attributes
    ----------
    duration_s : float
        Duration in s, including the silence before a late sound.
    sr : int
        Sample rate in Hz.
    samples : int
        Number of samples, without that silence and the codec's padding.
    late_s : Fraction
        Seconds of silence before the sound, while the file's pictures are already shown.
    track : int
        Index of the sound track that is read.
    channel : int or None
        Index of the channel that is read if averaging would cancel the sound; None: the mean.
    offset, scale : float
        A sample x is read as (x - offset) / scale.
    changes, doubts : tuple of str
        Descriptions of what is changed, and of what looks wrong but is not changed.
    """

    duration_s: float
    sr: int
    samples: int
    late_s: Fraction = Fraction(0)
    track: int = 0
    channel: int | None = None
    offset: float = 0.0
    scale: float = 1.0
    changes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def inspect(path: str | os.PathLike[str]) -> Heard:
    """Return measurements of a file's sound, and what `read` changes in it.

    The whole file is decoded; the result is kept until the file changes. Four things are listed:

    - A constant offset of more than 1/128 of full scale is subtracted.
    - If samples in a lossless format exceed full scale, as unscaled floats do, they are divided by
      the largest. (Lossy codecs overshoot a little; their samples are clipped, as in any player.)
    - If averaging the channels would cancel them, the loudest channel is read.
    - If more than 0.1 % of the samples are clipped, this is listed as a doubt; nothing is changed.

    Raises
    ------
    InputError
        As `read` does, except for the length.
    """
    return _inspected(identity(Path(path).absolute()))


@lru_cache(maxsize=4096)
def _inspected(file: Identity) -> Heard:
    path = Path(file.path)
    track, levels = _first_readable(path)
    column, late = levels.column, track.late_s
    changes, doubts = [], []
    if late:
        changes.append(
            f"its sound starts {float(late):.2f} s after its pictures, and follows silence"
        )
    if track.number:
        words = f"sound track {track.number + 1} is read, since those before can't be decoded"
        changes.append(words)
    if levels.pauses:
        changes.append("the pauses that its recorder left out are read as silence")
    if column:
        changes.append(f"its channels cancel each other, so channel {column} alone is read")
    mean = float(levels.total[column]) / levels.count
    offset = mean if abs(mean) > _OFFSET else 0.0
    if offset:
        changes.append(f"a constant offset of {offset:.3f} is removed")
    peak = float(max(levels.high[column] - offset, offset - levels.low[column]))
    scale = peak if track.is_lossless and peak > 1 else 1.0
    if scale > 1:
        changes.append(f"its samples, which reach {scale:.4g} times full scale, are scaled down")
    clipped = float(levels.clipped[column]) / levels.count
    if scale == 1 and clipped > _CLIPPED:
        doubts.append(f"{clipped:.1%} of its samples are clipped; record it with less gain")
    stated = round(track.stated_s * levels.sr)
    samples = stated if 0 < stated < levels.count < stated + _CODEC_BLOCK else levels.count
    return Heard(
        duration_s=float(late) + samples / levels.sr, sr=levels.sr, samples=samples, late_s=late,
        track=track.number, channel=column - 1 if column else None, offset=offset, scale=scale,
        changes=tuple(changes), doubts=tuple(doubts),
    )  # fmt: skip


class _Track(NamedTuple):
    """The header of a sound track; stated_s: duration stated in an MP4 file, 0 for other files."""

    number: int
    late_s: Fraction
    stated_s: Fraction
    is_lossless: bool


def _first_readable(path: Path) -> tuple[_Track, _Levels]:
    """Return the header and levels of the first sound track that can be decoded."""
    check_file(path)
    with _plain_wav(path) as sound:
        if sound is not None:
            with decoding(path):
                return _Track(0, Fraction(0), Fraction(0), is_lossless=True), _Levels(path, 0)
    tracks = []
    with opened(path) as container:
        for number, stream in enumerate(container.streams.audio):
            late, stated_s = late_s(container, stream, path), Fraction(0)
            if "mp4" in container.format.name and stream.time_base is not None:
                stated_s = (stream.duration or 0) * stream.time_base
            codec = stream.codec_context
            is_lossless = codec is not None and codec.codec.lossless
            tracks.append(_Track(number, late, stated_s, is_lossless))
    failure = InputError(
        f"{path}: it holds no sound; give a recording, or a video that has a sound track."
    )
    for track in tracks:
        try:
            return track, _Levels(path, track.number)
        except InputError as error:
            failure = failure if track.number else error
    raise failure


class _Levels:
    """Levels of a sound track: arrays with a value for the channels' mean, then one per channel."""

    def __init__(self, path: Path, track: int) -> None:
        self.count, self.pauses = 0, False
        self.total, self.power, self.clipped = np.zeros(1), np.zeros(1), np.zeros(1)
        self.low, self.high = np.full(1, np.inf), np.full(1, -np.inf)
        for self.sr, samples, is_pause in _decoded(path, track):
            x = np.vstack([samples.mean(axis=1), samples.T])
            self.low = np.minimum(self.low, x.min(axis=1))
            self.high = np.maximum(self.high, x.max(axis=1))
            self.total = self.total + x.sum(axis=1, dtype=np.float64)
            self.power = self.power + np.square(x, dtype=np.float64).sum(axis=1)
            full = np.abs(x) >= _FULL
            runs = full[:, 2:] & full[:, 1:-1] & full[:, :-2]
            self.clipped = self.clipped + runs.sum(axis=1)
            self.count += len(samples)
            self.pauses |= is_pause

    @property
    def column(self) -> int:
        """Return 0 for the channels' mean; if that cancels the sound, 1 + the loudest channel."""
        cancels = self.power[0] < _CANCELLED * self.power[1:].mean()
        return 1 + int(np.argmax(self.power[1:])) if cancels else 0


def _blocks(path: Path) -> Iterator[tuple[int, Array]]:
    """Yield the sound of a file block by block as (rate in Hz, float32 (samples,)).

    Memory doesn't grow with the length. Raises InputError as `read` does, except for the length.
    """
    heard = inspect(path)
    if silence := round(heard.late_s * heard.sr):
        yield heard.sr, np.zeros(silence, np.float32)
    left = heard.samples
    for sr, block, _ in _decoded(path, heard.track):
        samples = block[:left]
        left -= len(samples)
        x = samples.mean(axis=1) if heard.channel is None else samples[:, heard.channel]
        if heard.offset or heard.scale != 1:
            x = (x - np.float32(heard.offset)) / np.float32(heard.scale)
        yield sr, x


@contextmanager
def _plain_wav(path: Path) -> Iterator[wave.Wave_read | None]:
    """Open a complete 16-bit PCM WAV with the standard library; yield None for any other file.

    DonateACry is read this way in a tenth of the time that FFmpeg takes to recognise its files.
    """
    try:
        sound = wave.open(str(path), "rb")  # noqa: SIM115 - closed below
    # RuntimeError: a chunk whose stated length exceeds the file.
    except (wave.Error, EOFError, RuntimeError, OSError):
        yield None
        return
    with sound:
        chunk: Any = sound.getfp()
        length = 2 * sound.getnchannels() * sound.getnframes()
        is_whole = 0 < length <= path.stat().st_size - 8 - chunk.tell()
        yield sound if is_whole and sound.getsampwidth() == 2 else None


def _decoded(path: Path, track: int) -> Iterator[tuple[int, Array, bool]]:
    """Yield (rate in Hz, float32 (samples, channels) as stored, whether a pause was left out)."""
    with _plain_wav(path) as sound:
        if sound is not None:
            check_rate(sound.getframerate(), path)
            for left in range(sound.getnframes(), 0, -_PCM_BLOCK):
                data = np.frombuffer(sound.readframes(min(left, _PCM_BLOCK)), "<i2")
                scaled = data.reshape(-1, sound.getnchannels()) / np.float32(32768)
                yield sound.getframerate(), scaled.astype(np.float32, copy=False), False
            return
    is_empty = True
    with opened(path) as container:
        for frame, has_pause in _converted(container, container.streams.audio[track], path):
            samples: Array = frame.to_ndarray().astype(np.float32, copy=False)
            samples = samples.reshape(-1, frame.layout.nb_channels)
            if not (np.abs(samples) < _LOUDEST).all():  # also if NaN
                raise InputError(
                    f"{path}: some samples are no numbers, or no sound's; convert it to 16-bit WAV."
                )
            is_empty = False
            yield frame.sample_rate, samples, has_pause
    if is_empty:
        raise InputError(f"{path}: no sound is left in it; copy or record it again.")


def _converted(
    container: InputContainer, stream: AudioStream, path: Path
) -> Iterator[tuple[AudioFrame, bool]]:
    """Yield (frame of 32-bit floats in blocks of one size, whether a pause was left out so far)."""
    import av

    resampler, has_pause = None, False
    for frame in decoded(container, stream, path):
        if frame is None:
            has_pause, rate = True, stream.codec_context.sample_rate
            frame = av.AudioFrame.from_ndarray(np.zeros((1, rate // 50), "f4"), "fltp", "mono")
            frame.sample_rate = rate
        if resampler is None:
            check_rate(frame.sample_rate, path)
            resampler = av.AudioResampler("flt", frame.layout, frame.sample_rate, _BLOCK)
        if (frame.sample_rate, frame.layout.name) != (resampler.rate, resampler.layout.name):
            raise InputError(f"{path}: its sample rate changes midway; convert it to WAV.")
        yield from ((block, has_pause) for block in resampler.resample(frame))
    if resampler is not None:
        yield from ((block, has_pause) for block in resampler.resample(None))
