"""The samples of any media file, as its codec gives them: `decode`, and `pcm16` for plain WAV.

Walked by no notebook: `audio.read` stands on it. Paper A §3.2 takes the sound out of videos
with ffmpeg; PyAV carries the same libraries, so one way serves every container and codec.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.media import OPENING

if TYPE_CHECKING:
    import av

__all__ = ["decode", "no_sound", "pcm16"]

Array = npt.NDArray[np.float32]

_CODEC_BLOCK = 4096  # samples; padding is less than one, more is a header that is wrong


def decode(path: Path) -> tuple[int, Array]:
    """Return (rate in Hz, float32 (samples,)): the first sound track, its channels averaged.

    Raises InputError for a file that is missing, empty, damaged, or holds no sound.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; copy or record it again.")
    with pcm16(path) as sound:
        if sound is not None and (whole := _read_pcm16(sound)) is not None:
            return sound.getframerate(), whole
    return _decode_any(path)


@contextmanager
def pcm16(path: Path) -> Iterator[wave.Wave_read | None]:
    """Give the opened file where it is a plain 16-bit PCM WAV, else None.

    The 457 files of DonateACry take 0.02 s this way and 1.2 s through FFmpeg, which probes
    each file's format and codec first; the samples are the same.
    """
    try:
        sound = wave.open(str(path), "rb")  # noqa: SIM115 - closed below
    except (wave.Error, EOFError, IsADirectoryError):
        sound = None
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    try:
        fits = sound is not None and sound.getsampwidth() == 2 and sound.getframerate() > 0
        yield sound if fits else None
    finally:
        if sound is not None:
            sound.close()


def no_sound(path: Path) -> str:
    """Return the message for a file without a sound track."""
    return f"{path}: it holds no sound; give a recording, or a video that has a sound track."


def _read_pcm16(sound: wave.Wave_read) -> Array | None:
    """Return the samples, or None where header and length disagree, which FFmpeg knows to mend."""
    data = sound.readframes(sound.getnframes())
    width = 2 * sound.getnchannels()
    if not data or len(data) != sound.getnframes() * width:
        return None
    return _mono(np.frombuffer(data, "<i2").reshape(-1, sound.getnchannels()))


def _decode_any(path: Path) -> tuple[int, Array]:
    import av

    try:
        with av.open(str(path), **OPENING) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise InputError(no_sound(path))
            if stream.codec_context is None:
                raise InputError(f"{path}: its sound has an unknown codec; convert it to WAV.")
            frames = list(_frames(container, stream, path))
            rates = {frame.sample_rate for frame in frames}
            with np.errstate(over="ignore", invalid="ignore"):  # judged below, all at once
                pieces = [_mono(_interleaved(frame)) for frame in frames]
            stated_s = _stated_seconds(container, stream)
    except (av.FFmpegError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path}: it can't be decoded ({reason}); give an undamaged sound or video file."
        ) from error
    if not pieces:
        raise InputError(f"{path}: no sound is left in it; copy or record it again.")
    if len(rates) > 1:
        raise InputError(f"{path}: its sample rate changes midway; convert it to WAV.")
    rate, x = rates.pop(), np.concatenate(pieces)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: some samples are no numbers; convert it to 16-bit WAV.")
    stated = len(x) if stated_s is None else round(stated_s * rate)
    return rate, x[:stated] if 0 < len(x) - stated < _CODEC_BLOCK else x


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
            raise InputError(f"{path}: it is damaged in the middle; copy or record it again.")
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
    values = frame.to_ndarray()
    return values.T if frame.format.is_planar else values.reshape(frame.samples, -1)


def _mono(samples: np.ndarray) -> Array:
    """Return integer or float samples (samples, channels) as their mean in [-1, 1]."""
    if samples.dtype == np.uint8:
        x = (samples.astype(np.float32) - 128.0) / np.float32(128.0)
    elif samples.dtype.kind == "i":
        x = samples.astype(np.float32) * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    else:
        x = samples.astype(np.float32)
    return x[:, 0] if x.shape[1] == 1 else x.mean(axis=1)
