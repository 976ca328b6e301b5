"""Reading the sound of media files: `read`, or `pieces` for long files; `inspect` lists changes.

`signals` and `features` return the sound and the features of a whole corpus, computed on all cores
and cached. Used in notebook 02_audio_features and all later ones. Paper A §3.2 extracts the sound
of videos with ffmpeg; PyAV contains the same libraries. Samples are returned as stored, except in
files that no model could use.
"""

import io
import os
import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import ragged
from cryutils._io.media import check_rate, check_times, decoded, decoding, late_s, opened, plain_wav, unread
from cryutils._io.parallel import Identity, identities, identity, thread_map
from cryutils._io.paths import check_file
from cryutils._io.progress import counting
from cryutils.audio.spectral import check_settings, mel_db, mfcc, resample, stft_db
from cryutils.errors import InputError, near_miss

Array = npt.NDArray[np.float32]

PIECE_S = 600
SHORTEST_S = 0.25  # of a recording in which a cry can be judged
SILENCE_DB = -60.0  # DonateACry's faintest recording peaks at -38 dB re full scale
_LONGEST_S = 3600  # of a recording that is read whole, at up to 48 kHz: 0.7 GB
_LOUDEST = 2.0**31  # limit for unscaled floats; resampling much larger values overflows
_BLOCK = 1 << 16  # samples decoded at a time
_CODEC_BLOCK = 4096  # samples; AAC pads its last block by less than that
# Above the largest offset in DonateACry, 0.0056, so that results on DonateACry do not change.
_OFFSET = 2.0**-7
_CANCELLED = 0.05  # share of the channels' mean power; if less is left, averaging cancels them
_CLIPPED = 1e-3  # share of samples at full scale, three or more in a row
_FULL = 1 - 2.0**-14
_TOO_SMALL = 2.0**-16  # peak of 16-bit values that were stored as 32-bit integers
# A click of a sample or two is in one or two of these blocks; a cry's peaks are in many.
_CLICK = 64  # samples
_CLICKS = 5  # in as many blocks at most
_CLICK_DB = 10.0
_LEAST = 2.0**-24  # for levels in dB
_PAUSE_S = Fraction(1, 50)  # of an AMR recorder
# Shorter holes come from containers that round times, and from recorders that stamp sound when it
# arrives. FFmpeg's own player corrects times from here on.
_HOLE_S = Fraction(1, 10)
_VERSION = 3  # increase it if the same file and settings give other numbers
_TRANSFORMS: dict[str, Callable[..., Array]] = {"stft": stft_db, "mel": mel_db, "mfcc": mfcc}
KINDS = tuple(_TRANSFORMS)


def read(path: str | os.PathLike[str], *, sr: int | None = None) -> Array:
    """Return the sound of a recording or a video, in mono.

    Channels are averaged. A 16-bit sample k becomes exactly k / 32768, unless `inspect` lists a
    change. If the sound starts later than the file's pictures, silence comes first. A file cut
    short gives the samples that are left.

    Parameters
    ----------
    path : str or Path
        A file of any format with sound.
    sr : int, optional
        Rate in Hz; None keeps the file's own (`inspect(path).sr`).

    Returns
    -------
    array
        Float32 (samples,) in [-1, 1].

    Raises
    ------
    InputError
        For a file that is missing, empty, damaged, longer than an hour, or without sound.

    Examples
    --------
    >>> from cryutils import load
    >>> voices = load("synthetic", infants=8, clips_per_infant=1, duration_s=0.5, progress=False)
    >>> read(voices[0].path).shape
    (8000,)
    """
    check_settings(sr=sr)
    path = Path(path).absolute()
    info = inspect(path)
    check_length(info, path)
    with decoding(path):
        x = np.concatenate(list(_blocks(path, info)))
    return _resampled(x, info.sr, sr)


def signals(corpus: Iterable[Any], *, sr: int | None = None, progress: bool = False) -> list[Array]:
    """Return the sound of each clip; cached.

    Parameters
    ----------
    corpus : Corpus
        Clips, of which only `path` is used.
    sr : int, optional
        Rate in Hz; None keeps each clip's own.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    list of arrays
        Float32 (samples,) in [-1, 1] for each clip, as from `read`.

    Raises
    ------
    InputError
        As `read` does, and without clips.

    Examples
    --------
    >>> from cryutils import load
    >>> voices = load("synthetic", infants=8, clips_per_infant=1, duration_s=0.5, progress=False)
    >>> [x.shape for x in signals(voices[:2], sr=16000)]
    [(8000,), (8000,)]
    """
    check_settings(sr=sr)
    paths = [clip.path.absolute() for clip in corpus]
    files = identities(paths)

    def compute() -> Iterator[Array]:
        return thread_map(partial(read, sr=sr), paths, what="sound", progress=progress)

    return ragged(compute, "signals", _VERSION, sr, files)


def features(corpus: Iterable[Any], *, kind: str, sr: int | None = None) -> list[Array]:
    """Return the features of each clip in dB, a list of float32 (frames, coefficients); cached.

    kind: "stft", "mel" or "mfcc", with the defaults of `spectral`. sr: rate in Hz; None: the clips'
    own, if all have the same.
    """
    if kind not in KINDS:
        raise InputError(f"there is no feature {kind!r}.{near_miss(kind, KINDS)}")
    check_settings(sr=sr)
    clips = list(corpus)
    files = identities(clip.path for clip in clips)

    def compute() -> Iterator[Array]:
        # The STFT also needs a common rate, on which the frequency of a bin depends.
        rates = sorted({inspect(clip.path).sr for clip in clips} if sr is None else {sr})
        if len(rates) > 1:
            raise InputError(f"recordings at {', '.join(map(str, rates))} Hz: choose one rate with sr=.")
        transform = partial(_TRANSFORMS[kind], **({} if kind == "stft" else {"sr": rates[0]}))
        return thread_map(transform, signals(clips, sr=sr), what=kind)

    return ragged(compute, "features", _VERSION, kind, sr, files)


def pieces(path: str | os.PathLike[str], *, sr: int | None = None) -> Iterator[tuple[float, Array]]:
    """Yield the sound of a file of any length as (start in s, float32 (samples,) at `sr` Hz).

    Each piece lasts ten minutes (less above 48 kHz), and the last piece up to twice that, so that
    it is never a short remainder. A shorter file is one piece, the same as from `read`. Raises
    InputError as `read` does, except for the length.
    """
    check_settings(sr=sr)
    path = Path(path).absolute()
    info = inspect(path)
    length = PIECE_S * min(info.sr, 48_000)  # limits memory, not time, above 48 kHz
    parts: list[Array] = []
    start = count = 0
    for block in _blocks(path, info):
        parts.append(block)
        count += len(block)
        if count >= 2 * length:
            x = np.concatenate(parts)
            while len(x) >= 2 * length:
                yield start / info.sr, _resampled(x[:length], info.sr, sr)
                start, x = start + length, x[length:]
            parts, count = [x.copy()], len(x)
    yield start / info.sr, _resampled(np.concatenate(parts), info.sr, sr)


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


def check_length(info: "SoundInfo", path: Path) -> None:
    """Raise InputError for more than an hour of sound (less above 48 kHz), to limit memory."""
    most_s = _LONGEST_S * min(1, 48_000 / info.sr)
    if info.duration_s > most_s:
        what = f"more than {most_s / 60:.0f} min of sound at {info.sr} Hz, too much to hold at once"
        raise InputError(f"{path}: {what}; cut it into shorter files.")


@dataclass(frozen=True, slots=True)
class SoundInfo:
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


def inspect(path: str | os.PathLike[str]) -> SoundInfo:
    """Return measurements of a file's sound, and what `read` changes in it.

    The whole file is decoded; the result is kept until the file changes. Raises InputError as
    `read` does, except for the length. These changes are made and listed:

    - A constant offset of more than 1/128 of full scale is subtracted.
    - Lossless samples beyond full scale, as unscaled floats have, are divided by the largest.
    - If averaging the channels would cancel them, the loudest channel is read.
    - Of several sound tracks, the first that is not silent is read.
    - Silence is read where a frame begins more than 0.1 s late, in pauses of AMR recorders, and
      for damaged packets of AMR. Damaged packets at the start or the end of others are left out.
    """
    with decoding(Path(path)):
        return _inspected(identity(Path(path).absolute()))


@lru_cache(maxsize=4096)
def _inspected(file: Identity) -> SoundInfo:
    path = Path(file.path)
    tracks, readable, failure = _tracks(path), [], None
    for track in tracks:
        try:
            readable.append(_measured(path, track))
        except InputError as error:
            failure = failure or error
    if not readable:
        what = "no sound in it; give a recording, or a video with a sound track"
        raise failure or InputError(f"{path}: {what}.")
    audible = [info for info in readable if info.peak >= 10 ** (SILENCE_DB / 20)]
    info = (audible or readable)[0]
    if words := unread(path):
        info = replace(info, doubts=(*info.doubts, words))
    if info.track or len(audible) > 1:
        words = f"sound track {info.track + 1} of {len(tracks)} is read, the first usable one"
        return replace(info, changes=(words, *info.changes))
    return info


class _Track(NamedTuple):
    """The header of a sound track."""

    number: int
    late_s: Fraction
    stated_s: Fraction  # duration, 0 if none is stated
    is_mp4: bool
    is_lossless: bool


def _tracks(path: Path) -> list[_Track]:
    check_file(path)
    if pcm := plain_wav(path):
        rate, stated = pcm
        return [_Track(0, Fraction(0), Fraction(stated, rate), is_mp4=False, is_lossless=True)]
    tracks = []
    with opened(path) as container:
        is_mp4 = "mp4" in container.format.name
        for number, stream in enumerate(container.streams.audio):
            stated_s = (stream.duration or 0) * (stream.time_base or Fraction(0))
            stated_s = stated_s or Fraction(container.duration or 0, 1_000_000)
            codec = stream.codec_context
            is_lossless = codec is not None and codec.codec.lossless
            tracks.append(_Track(number, late_s(container, stream, path), stated_s, is_mp4, is_lossless))
    return tracks


def _measured(path: Path, track: _Track) -> SoundInfo:
    """Return the measurements of a sound track, which is decoded to its end."""
    count = sounding = 0
    low, high = np.array(np.inf), np.array(-np.inf)
    total = power = clipped = np.zeros(1)  # of the channels' mean, then of each channel
    loudest = np.zeros((1, _CLICKS + 1))
    remarks: dict[str, None] = {}
    for sr, samples in _stored(path, track.number, track.stated_s, remarks):  # noqa: B007 (used below)
        x = np.vstack([samples.mean(axis=1), samples.T])
        low, high = np.minimum(low, x.min(axis=1)), np.maximum(high, x.max(axis=1))
        total = total + x.sum(axis=1, dtype=np.float64)
        power = power + np.square(x, dtype=np.float64).sum(axis=1)
        size = np.abs(x)
        full = size >= _FULL
        clipped = clipped + (full[:, 2:] & full[:, 1:-1] & full[:, :-2]).sum(axis=1)
        if (size.max(axis=1) > loudest[:, 0]).any():
            loudest = _loudest(loudest, size)
        count += len(samples)
        sounding += len(samples) if samples.any() else 0
    cancels = power[0] < _CANCELLED * power[1:].mean()
    column = 1 + int(np.argmax(power[1:])) if cancels else 0
    changes = [*remarks]
    if track.late_s:
        late = f"{float(track.late_s):.2f} s"
        changes.append(f"its sound starts {late} after its pictures, and follows silence")
    if column:
        changes.append(f"its channels cancel each other, so channel {column} alone is read")
    mean = float(total[column]) / max(sounding, 1)  # without holes
    offset = mean if abs(mean) > _OFFSET else 0.0
    if offset:
        changes.append(f"a constant offset of {offset:.3f} is removed")
    peak = float(max(high[column] - offset, offset - low[column]))
    scale = peak if track.is_lossless and peak > 1 else 1.0
    if scale > 1:
        changes.append(f"its samples, which reach {scale:.4g} times full scale, are scaled down")
    stated = round(track.stated_s * sr)
    is_padded = track.is_mp4 and 0 < stated < count < stated + _CODEC_BLOCK
    length = stated if is_padded else count
    return SoundInfo(
        duration_s=float(track.late_s) + length / sr,
        sr=sr,
        samples=length,
        peak=peak / scale,
        late_s=track.late_s,
        track=track.number,
        channel=column - 1 if column else None,
        offset=offset,
        scale=scale,
        changes=tuple(changes),
        doubts=tuple(_doubts(peak, float(clipped[column]) / count, loudest[column], track, scale)),
    )


def _loudest(loudest: npt.NDArray[Any], size: Array) -> npt.NDArray[Any]:
    """Return each row's largest of its `loudest` so far and of the peaks of its blocks."""
    (rows, samples), most = size.shape, loudest.shape[1]
    peaks = size[:, : samples // _CLICK * _CLICK].reshape(rows, -1, _CLICK).max(axis=2)
    return np.sort(np.hstack([np.broadcast_to(loudest, (rows, most)), peaks]), axis=1)[:, -most:]


def _doubts(
    peak: float, clipped: float, loudest: npt.NDArray[Any], track: _Track, scale: float
) -> Iterator[str]:
    """Yield doubts about levels; loudest: the peaks of the loudest blocks, ascending."""
    if 0 < peak <= _TOO_SMALL and track.is_lossless:
        values = f"its peak is {20 * np.log10(peak):.0f} dB: probably 16-bit values in 32 bits"
        yield f"{values}; save them as 16-bit WAV"
    if scale == 1 and clipped > _CLIPPED:
        yield f"{clipped:.1%} of its samples are clipped; record it with less gain"
    rest, *_, first = 20 * np.log10(np.maximum(loudest, _LEAST))
    if first - rest > _CLICK_DB:
        yield f"a click is {first - rest:.0f} dB above the rest; models scale both, so remove it"


def _blocks(path: Path, info: SoundInfo) -> Iterator[Array]:
    """Yield the sound of a file as float32 (samples,), so that memory doesn't grow with its length."""
    yield from _silence(round(info.late_s * info.sr))
    left = info.samples
    for _, samples in _stored(path, info.track, info.duration_s, {}):
        block = samples[:left]
        left -= len(block)
        x = block.mean(axis=1) if info.channel is None else block[:, info.channel]
        if (info.offset or info.scale != 1) and x.any():
            x = (x - np.float32(info.offset)) / np.float32(info.scale)
        yield x
    if left:
        raise InputError(f"{path}: it was changed while it was read; read it again.")


def _silence(*shape: int) -> Iterator[Array]:
    for start in range(0, shape[0], _BLOCK):
        yield np.zeros((min(_BLOCK, shape[0] - start), *shape[1:]), np.float32)


def _stored(
    path: Path, track: int, stated_s: float | Fraction, remarks: dict[str, None]
) -> Iterator[tuple[int, Array]]:
    """Yield (rate in Hz, samples), float32 (samples, channels) as stored, with a progress bar.

    What differs is added to `remarks`.
    """
    count = 0
    with counting(f"Reading {path.name[-40:]}", "s of sound", one_file=True) as report:
        for rate, samples in _uncoded(path) if plain_wav(path) else _coded(path, track, remarks):
            yield rate, samples
            count += len(samples)
            report(count // rate, int(stated_s))


def _uncoded(path: Path) -> Iterator[tuple[int, Array]]:
    """Yield (rate in Hz, samples) of a 16-bit WAV, without PyAV.

    FFmpeg takes 18 times as long to open and read the files of DonateACry.
    """
    # Not mapped into memory: if another program cut the file, the process would be killed.
    with wave.open(str(path), "rb") as sound:
        channels, rate = sound.getnchannels(), sound.getframerate()
        check_rate(rate, path)
        while content := sound.readframes(_BLOCK):
            values = np.frombuffer(content, "<i2", len(content) // (2 * channels) * channels)
            yield rate, np.asarray(values.reshape(-1, channels) / np.float32(32768))


def _coded(path: Path, track: int, remarks: dict[str, None]) -> Iterator[tuple[int, Array]]:
    """Yield (rate in Hz, samples) of a file that PyAV decodes: its sound, and silence in holes and pauses.

    A frame is late if it starts later than the frame before it ends, by more than half its length.
    The hole is what the time of all samples so far lacks.
    """
    import av

    with opened(path) as container:
        stream = container.streams.audio[track]
        sound = av.AudioResampler("flt", frame_size=_BLOCK)
        has_clock = container.format.name != "avi"  # FFmpeg counts the bytes of an AVI file instead
        rate = channels = 0
        holes: list[Fraction] = []
        now = Fraction(0)  # end of the samples so far
        origin = end = None  # the stated time of the first sample; the stated end of the last frame
        for count, frame in enumerate(decoded(container, stream, path, remarks), 1):
            codec = stream.codec_context
            form = codec.sample_rate, codec.channels
            if frame is not None:
                form = frame.sample_rate, frame.layout.nb_channels
            if not rate:
                rate, channels = form
                check_rate(rate, path)
            elif form != (rate, channels):
                what = "its channels or its sample rate change midway"
                raise InputError(f"{path}: {what}; split it, or convert it to WAV.")
            length = _PAUSE_S if frame is None else Fraction(frame.samples, rate)
            if has_clock and frame is not None and frame.pts is not None and frame.time_base:
                start = frame.pts * frame.time_base
                origin = start - now if origin is None else origin
                hole = start - origin - now
                if end is not None and start - end > length / 2 and hole > _HOLE_S:
                    check_times(count, now + hole, path, gap_s=hole, what="block")
                    yield from ((rate, _floats(part, path)) for part in sound.resample(None))
                    sound = av.AudioResampler("flt", frame_size=_BLOCK)
                    yield from ((rate, zeros) for zeros in _silence(round(hole * rate), channels))
                    holes.append(hole)
                    now += hole
                end = start
            yield from ((rate, _floats(part, path)) for part in sound.resample(frame))
            if frame is None:
                sound = av.AudioResampler("flt", frame_size=_BLOCK)
                yield rate, np.zeros((round(_PAUSE_S * rate), channels), np.float32)
            now += length
            end = None if end is None else end + length
        if not rate:
            raise InputError(f"{path}: no sound is left in it; copy or record it again.")
        yield from ((rate, _floats(part, path)) for part in sound.resample(None))
    if holes:
        many, verb = ("s", "are") if len(holes) > 1 else ("", "is")
        words = f"{len(holes)} hole{many} in its time stamps, {float(sum(holes)):.1f} s in all,"
        remarks[f"{words} {verb} read as silence"] = None


def _floats(frame: Any, path: Path) -> Array:
    """Return a frame of 32-bit floats as float32 (samples, channels)."""
    samples: Array = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    if not (np.abs(samples) < _LOUDEST).all():  # also if NaN
        raise InputError(f"{path}: some samples are no numbers, or no sound's; convert it to 16-bit WAV.")
    return samples
