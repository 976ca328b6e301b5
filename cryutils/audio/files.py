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
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils._io.media import RATE_CHANGES, check_rate, decoded, decoding, late_s, opened
from cryutils._io.parallel import Identity, identity
from cryutils._io.paths import check_file
from cryutils._io.progress import counting
from cryutils.audio.spectral import check_settings, resample
from cryutils.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

__all__ = [
    "SHORTEST_S", "SILENCE_DB", "Heard", "check_length", "inspect", "native_rate", "pieces",
    "read", "wav_bytes",
]  # fmt: skip

Array = npt.NDArray[np.float32]

PIECE_S = 600
SHORTEST_S = 0.25  # of a recording in which a cry can be judged
SILENCE_DB = -60.0  # DonateACry's faintest recording peaks at -38 dB re full scale
_LONGEST_S = 3600  # of a recording that is read whole, at up to 48 kHz: 0.7 GB
_LOUDEST = 2.0**31  # limit for unscaled floats; resampling much larger values overflows
_BLOCK = 1 << 16  # samples decoded at a time
_CODEC_BLOCK = 4096  # samples; AAC pads its last block by less than that
# An offset of 0.01 halves a probability. The limit was chosen after looking at DonateACry: it is
# above the largest offset there, 0.0056, so that results on DonateACry do not change.
_OFFSET = 2.0**-7
_CANCELLED = 0.05  # share of the channels' mean power; if less is left, averaging cancels them
_CLIPPED = 1e-3  # share of samples at full scale, three or more in a row
_FULL = 1 - 2.0**-14
_TOO_SMALL = 2.0**-16  # peak of 16-bit values that were stored as 32-bit integers


def read(path: str | os.PathLike[str], *, sr: int | None = None) -> Array:
    """Return the sound of a file, float32 (samples,), mono, in [-1, 1], at `sr` Hz.

    Any container that FFmpeg reads; the first sound track that is not silent is taken. Channels
    are averaged. A 16-bit sample k becomes exactly k / 32768, unless `inspect` lists a change. If
    the sound starts later than the file's pictures, silence comes first. A file cut short gives the
    samples that are left. sr: rate in Hz; None keeps the file's own rate (`native_rate`).

    Raises InputError for a file that is missing, empty, damaged, longer than an hour, or without
    sound.
    """
    check_settings(sr=sr)
    path = Path(path).absolute()
    heard = inspect(path)
    check_length(heard, path)
    with decoding(path):
        x = np.concatenate(list(_blocks(path, heard)))
    return _resampled(x, heard.sr, sr)


def pieces(path: str | os.PathLike[str], *, sr: int | None = None) -> Iterator[tuple[float, Array]]:
    """Yield the sound of a file of any length as (start in s, float32 (samples,) at `sr` Hz).

    Each piece lasts ten minutes (less above 48 kHz), and the last piece up to twice that, so that
    it is never a short remainder. A shorter file is one piece, the same as from `read`. Raises
    InputError as `read` does, except for the length.
    """
    check_settings(sr=sr)
    path = Path(path).absolute()
    heard = inspect(path)
    length = PIECE_S * min(heard.sr, 48_000)  # limits memory, not time, above 48 kHz
    parts: list[Array] = []
    start = count = 0
    for block in _blocks(path, heard):
        parts.append(block)
        count += len(block)
        if count >= 2 * length:
            x = np.concatenate(parts)
            while len(x) >= 2 * length:
                yield start / heard.sr, _resampled(x[:length], heard.sr, sr)
                start, x = start + length, x[length:]
            parts, count = [x.copy()], len(x)
    yield start / heard.sr, _resampled(np.concatenate(parts), heard.sr, sr)


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

    `changes` describes what is changed, `doubts` what looks wrong but is not changed.
    """

    duration_s: float  # including the silence before a late sound
    sr: int  # Hz
    samples: int  # without that silence and the codec's padding
    peak: float  # of what is read
    late_s: Fraction  # silence before the sound, while the file's pictures are already shown
    track: int  # index of the sound track that is read
    channel: int | None  # the one that is read if averaging would cancel the sound; None: the mean
    offset: float  # a sample x is read as (x - offset) / scale
    scale: float
    changes: tuple[str, ...]
    doubts: tuple[str, ...]


def inspect(path: str | os.PathLike[str]) -> Heard:
    """Return measurements of a file's sound, and what `read` changes in it.

    The whole file is decoded; the result is kept until the file changes. Raises InputError as
    `read` does, except for the length. Seven things are listed:

    - A constant offset of more than 1/128 of full scale is subtracted.
    - If samples in a lossless format exceed full scale, as unscaled floats do, they are divided by
      the largest. (Lossy codecs overshoot a little; their samples are clipped, as in any player.)
    - If averaging the channels would cancel them, the loudest channel is read.
    - Parts with other channels or another rate are read at the first rate.
    - Of several sound tracks, the first that is not silent is read.
    - If more than 0.1 % of the samples are clipped, this is listed as a doubt; nothing is changed.
    - So is a lossless sound as faint as 16-bit values that were stored as 32-bit integers.
    """
    with decoding(Path(path)):
        return _inspected(identity(Path(path).absolute()))


@lru_cache(maxsize=4096)
def _inspected(file: Identity) -> Heard:
    path = Path(file.path)
    tracks, readable, failure = _tracks(path), [], None
    for track in tracks:
        try:
            readable.append(_heard(path, track))
        except InputError as error:
            failure = failure or error
    if not readable:
        raise failure or InputError(
            f"{path}: no sound in it; give a recording, or a video with a sound track."
        )
    audible = [heard for heard in readable if heard.peak >= 10 ** (SILENCE_DB / 20)]
    heard = (audible or readable)[0]
    if heard.track or len(audible) > 1:
        words = f"sound track {heard.track + 1} of {len(tracks)} is read, the first usable one"
        return replace(heard, changes=(words, *heard.changes))
    return heard


class _Track(NamedTuple):
    """The header of a sound track; stated_s: duration stated in an MP4 file, 0 for other files."""

    number: int
    late_s: Fraction
    stated_s: Fraction
    is_lossless: bool


def _tracks(path: Path) -> list[_Track]:
    check_file(path)
    if _plain_wav(path) is not None:
        return [_Track(0, Fraction(0), Fraction(0), is_lossless=True)]
    tracks = []
    with opened(path) as container:
        for number, stream in enumerate(container.streams.audio):
            late, stated_s = late_s(container, stream, path), Fraction(0)
            if "mp4" in container.format.name and stream.time_base is not None:
                stated_s = (stream.duration or 0) * stream.time_base
            codec = stream.codec_context
            is_lossless = codec is not None and codec.codec.lossless
            tracks.append(_Track(number, late, stated_s, is_lossless))
    return tracks


def _heard(path: Path, track: _Track) -> Heard:
    count, late = 0, track.late_s
    low, high = np.array(np.inf), np.array(-np.inf)
    total = power = clipped = np.zeros(1)  # of the channels' mean, then of each channel
    noted: dict[str, None] = {}
    for sr, samples in _decoded(path, track.number, noted):  # noqa: B007 (used below)
        x = np.vstack([samples.mean(axis=1), samples.T])
        low, high = np.minimum(low, x.min(axis=1)), np.maximum(high, x.max(axis=1))
        total = total + x.sum(axis=1, dtype=np.float64)
        power = power + np.square(x, dtype=np.float64).sum(axis=1)
        full = np.abs(x) >= _FULL
        clipped = clipped + (full[:, 2:] & full[:, 1:-1] & full[:, :-2]).sum(axis=1)
        count += len(samples)
    cancels = power[0] < _CANCELLED * power[1:].mean()
    column = 1 + int(np.argmax(power[1:])) if cancels else 0
    changes, doubts = [*noted], []
    if late:
        changes.append(
            f"its sound starts {float(late):.2f} s after its pictures, and follows silence"
        )
    if column:
        changes.append(f"its channels cancel each other, so channel {column} alone is read")
    mean = float(total[column]) / count
    offset = mean if abs(mean) > _OFFSET else 0.0
    if offset:
        changes.append(f"a constant offset of {offset:.3f} is removed")
    peak = float(max(high[column] - offset, offset - low[column]))
    scale = peak if track.is_lossless and peak > 1 else 1.0
    if scale > 1:
        changes.append(f"its samples, which reach {scale:.4g} times full scale, are scaled down")
    share = float(clipped[column]) / count
    if 0 < peak <= _TOO_SMALL and track.is_lossless:
        values = f"its peak is {20 * np.log10(peak):.0f} dB: probably 16-bit values in 32 bits"
        doubts.append(f"{values}; save them as 16-bit WAV")
    if scale == 1 and share > _CLIPPED:
        doubts.append(f"{share:.1%} of its samples are clipped; record it with less gain")
    stated = round(track.stated_s * sr)
    length = stated if 0 < stated < count < stated + _CODEC_BLOCK else count
    return Heard(
        duration_s=float(late) + length / sr, sr=sr, samples=length, peak=peak / scale,
        late_s=late, track=track.number, channel=column - 1 if column else None, offset=offset,
        scale=scale, changes=tuple(changes), doubts=tuple(doubts),
    )  # fmt: skip


def _blocks(path: Path, heard: Heard) -> Iterator[Array]:
    """Yield the sound of a file as float32 (samples,), so that memory doesn't grow with its length.

    Raises InputError as `read` does, except for the length.
    """
    if silence := round(heard.late_s * heard.sr):
        yield np.zeros(silence, np.float32)
    left = heard.samples
    for _, block in _decoded(path, heard.track, {}):
        samples = block[:left]
        left -= len(samples)
        x = samples.mean(axis=1) if heard.channel is None else samples[:, heard.channel]
        if heard.offset or heard.scale != 1:
            x = (x - np.float32(heard.offset)) / np.float32(heard.scale)
        yield x


def _plain_wav(path: Path) -> tuple[int, npt.NDArray[np.int16]] | None:
    """Return the rate in Hz and the samples (n, channels) of a complete 16-bit PCM WAV, else None.

    FFmpeg takes 18 times as long to open and read the files of DonateACry.
    """
    try:
        with wave.open(str(path), "rb") as sound:
            if sound.getsampwidth() != 2 or not sound.getnframes():
                return None
            chunks: Any = sound.getfp()  # at the first sample; 8 bytes precede the chunks
            shape = sound.getnframes(), sound.getnchannels()
            samples = np.memmap(path, "<i2", "r", offset=8 + chunks.tell(), shape=shape)
            return sound.getframerate(), samples
    # RuntimeError: a chunk is longer than the file. ValueError: so are the samples.
    except (wave.Error, EOFError, RuntimeError, OSError, ValueError):
        return None


def _decoded(path: Path, track: int, changes: dict[str, None]) -> Iterator[tuple[int, Array]]:
    """Yield (rate in Hz, float32 (samples, channels)) as `_stored` does, with a progress bar."""
    count = 0
    with counting(f"Reading {path.name[-40:]}", "s of sound", one_file=True) as report:
        for rate, samples, stated_s in _stored(path, track, changes):
            yield rate, samples
            count += len(samples)
            report(count // rate, stated_s)


def _stored(path: Path, track: int, changes: dict[str, None]) -> Iterator[tuple[int, Array, int]]:
    """Yield (rate in Hz, float32 (samples, channels) as stored, the file's stated duration in s).

    Adds to `changes` what differs. A part with another number of channels is their mean in each
    channel.
    """
    plain = _plain_wav(path)
    if plain is not None:
        rate, pcm = plain
        check_rate(rate, path)
        for start in range(0, len(pcm), _BLOCK):
            x: Array = np.asarray(pcm[start : start + _BLOCK] / np.float32(32768))
            yield rate, x, len(pcm) // rate
        return
    channels = 0
    with opened(path) as container:
        for frame in _converted(container, container.streams.audio[track], path, changes):
            samples: Array = frame.to_ndarray().astype(np.float32, copy=False)
            samples = samples.reshape(-1, frame.layout.nb_channels)
            if not (np.abs(samples) < _LOUDEST).all():  # also if NaN
                raise InputError(
                    f"{path}: some samples are no numbers, or no sound's; convert it to 16-bit WAV."
                )
            channels = channels or samples.shape[1]
            if samples.shape[1] != channels:
                samples = samples.mean(axis=1, keepdims=True).repeat(channels, axis=1)
            yield frame.sample_rate, samples, (container.duration or 0) // 1_000_000
    if not channels:
        raise InputError(f"{path}: no sound is left in it; copy or record it again.")


def _converted(
    container: InputContainer, stream: AudioStream, path: Path, changes: dict[str, None]
) -> Iterator[AudioFrame]:
    """Yield the frames as 32-bit floats at the first frame's rate, in blocks of one size."""
    import av

    resampler, form, rate = None, None, 0
    for frame in decoded(container, stream, path):
        if frame is None:
            changes["the pauses that its recorder left out are read as silence"] = None
            hertz = stream.codec_context.sample_rate
            frame = av.AudioFrame.from_ndarray(np.zeros((1, hertz // 50), "f4"), "fltp", "mono")
            frame.sample_rate = hertz
        if resampler is None or form != (frame.sample_rate, frame.layout.name):
            check_rate(frame.sample_rate, path)
            rate = rate or frame.sample_rate
            if resampler is not None:
                yield from resampler.resample(None)
                changes[f"{RATE_CHANGES}; it is read at {rate} Hz"] = None
            resampler = av.AudioResampler("flt", frame.layout, rate, _BLOCK)
            form = frame.sample_rate, frame.layout.name
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)
