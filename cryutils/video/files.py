"""The pictures of any file, one after the other, each with its time: `shots`, `sampled`.

Walked by no notebook: `video` stands on it, as `audio.read` does on its like. Papers A (§3.2)
and B (§3) take frames out of crying videos; PyAV carries FFmpeg, so one way serves every
container and codec. Only the frames that are asked for are turned into pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cryutils._io import pictures
from cryutils._io.media import (
    JUMP_S,
    OPENING,
    STILL,
    address,
    check_size,
    check_times,
    damaged_within,
    decoding,
    late_s,
    picture_stream,
    whole,
)
from cryutils._io.paths import check_file
from cryutils.errors import InputError

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter

__all__ = ["Shot", "sampled", "shots", "turned"]

Pixels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.int32]

# Their colour profile has a name, which PyAV (18.1) frees twice once side data is asked for. So a
# PNG among videos isn't turned; one that is called .png is `pictures`'.
_NAMED_PROFILES = frozenset({"png", "apng"})
_MOST_STRETCH = 4  # a larger or smaller aspect of pixels is a damaged header
_HDR = (16, 18)  # transfer functions PQ and HLG (ITU-T H.273); swscale maps their tones
_ROUNDED_S = Fraction(1, 2000)  # Matroska and WebM keep times in whole milliseconds


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a file: shown from `start_s` for `length_s`, both in s (0 for a still)."""

    path: Path
    start_s: Fraction
    length_s: Fraction
    _held: Pixels | VideoFrame
    _converter: VideoReformatter | None = None
    _matrix: Matrix | None = None
    _aspect: Fraction = Fraction(1)  # width of a pixel over its height

    def pixels(self) -> Pixels:
        """Return the picture, uint8 (height, width, 3) RGB. Raises InputError.

        Upright, with square pixels, and HDR (PQ, HLG) mapped to sRGB.
        """
        if isinstance(self._held, np.ndarray):
            return self._held
        has_alpha = any(part.is_alpha for part in self._held.format.components)
        values = self._converted(self._held, "rgba" if has_alpha else "rgb24")
        rgb = pictures.on_white(values) if has_alpha else values
        upright = rgb if self._matrix is None else turned(rgb, self._matrix)
        return np.ascontiguousarray(upright, np.uint8)

    def _converted(self, frame: VideoFrame, kind: str) -> npt.NDArray[Any]:
        assert self._converter is not None
        width, height = frame.width, frame.height
        if self._aspect > 1:
            width = round(width * self._aspect)
        elif self._aspect < 1:
            height = round(height / self._aspect)
        colours = _srgb() if frame.color_trc in _HDR else {}
        with decoding(self.path):
            # One converter for all frames: it takes 0.04 ms a frame of 224 px, a fresh one 2 ms.
            return self._converter.reformat(frame, width, height, kind, **colours).to_ndarray()


def _srgb() -> dict[str, Any]:
    """Return what a screen shows, for PyAV's `reformat`."""
    from av.video.reformatter import ColorPrimaries, ColorTrc

    return {"dst_color_trc": ColorTrc.IEC61966_2_1, "dst_color_primaries": ColorPrimaries.BT709}


class _Timed(Protocol):
    @property
    def start_s(self) -> Fraction: ...
    @property
    def length_s(self) -> Fraction: ...


T = TypeVar("T", bound=_Timed)


def shots(path: Path) -> Iterator[Shot]:
    """Yield the pictures of the file at `path` in the order of their times.

    Times count from the start of the file: if its pictures start 0.7 s after its sound, a black one
    comes first. What a file that was cut short still holds is given. Raises InputError for a file
    that is missing, empty, damaged before its end, or holds no pictures.
    """
    check_file(path)
    if path.suffix.lower() in STILL:
        return iter([Shot(path, Fraction(0), Fraction(0), pictures.read(path))])
    return _of_video(path)


def sampled(series: Iterable[T], rate: Fraction) -> Iterator[tuple[Fraction, T]]:
    """Yield (k / rate s, what is shown then) for k = 0, 1, ... until the last one's end.

    What is shown is the last picture that starts at or before that time, half a millisecond
    of rounding allowed. There is always the one at 0 s.
    """
    k = 0
    shown: T | None = None
    for item in series:
        while shown is not None and k / rate < item.start_s - _ROUNDED_S:
            yield k / rate, shown
            k += 1
        shown = item
    while shown is not None and (k == 0 or k / rate < shown.start_s + shown.length_s - _ROUNDED_S):
        yield k / rate, shown
        k += 1


def _of_video(path: Path) -> Iterator[Shot]:
    import av
    from av.video.reformatter import VideoReformatter

    with decoding(path), av.open(address(path), **OPENING) as container:
        stream = picture_stream(container)
        if stream is None:
            raise InputError(f"{path}: it holds no pictures; give a video, or a picture file.")
        if stream.codec_context is None:
            raise InputError(f"{path}: its pictures have an unknown codec; convert it to MP4.")
        check_size(stream.codec_context.width, stream.codec_context.height, path)
        stream.codec_context.thread_count = 1  # clips run in parallel
        converter, matrix, empty = VideoReformatter(), None, True
        aspect = _pixel_aspect(stream)
        for start_s, length_s, frame in _timed(container, stream, path):
            # Of the first alone: a frame that was asked for its side data is part of a
            # cycle, and waits, pixels and all, until Python looks for such.
            is_first, empty = empty, False
            if is_first and stream.codec_context.name not in _NAMED_PROFILES:
                matrix = _display_matrix(frame)
            shot = Shot(path, start_s, length_s, frame, converter, matrix, aspect)
            if is_first and start_s:
                yield Shot(path, Fraction(0), start_s, np.zeros_like(shot.pixels()))
            yield shot
    if empty:
        raise InputError(f"{path}: no picture is left in it; copy or record it again.")


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """Return the width of a pixel over its height, as a film from tape or DVD states it."""
    stated = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if not stated or not Fraction(1, _MOST_STRETCH) <= stated <= _MOST_STRETCH:
        return Fraction(1)
    return Fraction(stated)


def _timed(
    container: InputContainer, stream: VideoStream, path: Path
) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
    """Yield (start in s, length in s, frame); what has no time follows at the stated rate."""
    gap = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
    late, origin = late_s(container, stream, path), Fraction(0)
    previous: Fraction | None = None
    for count, frame in enumerate(_undamaged(container, stream, path), 1):
        check_size(frame.width, frame.height, path)  # which may change midway
        unit = frame.time_base or Fraction(0)
        stated = None if frame.pts is None or not unit else frame.pts * unit
        if previous is None:
            start_s, origin = late, (stated or Fraction(0)) - late
        elif stated is None:
            start_s = previous + gap
        else:
            start_s = max(stated - origin, previous)
            gap = start_s - previous or gap
        if gap > JUMP_S:
            raise InputError(
                f"{path}: its pictures jump by {float(gap):.0f} s; copy or record it again."
            )
        check_times(count, start_s, path)
        length_s = (frame.duration or 0) * unit
        yield start_s, length_s if 0 < length_s <= JUMP_S else gap, frame
        previous = start_s


def _undamaged(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    """Yield the frames up to where they are damaged, if that is the end of the file."""
    import av

    shown = cut = False
    for packet in whole(container.demux(stream), path):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            cut = shown
            continue
        for frame in frames:
            if frame.is_corrupt:
                cut = shown
                continue
            # What the decoder still held when the file ended came before the damage.
            if cut and packet.size:
                raise InputError(damaged_within(path))
            shown = True
            yield frame


def _display_matrix(frame: VideoFrame) -> Matrix | None:
    """Return how a frame wants to be turned, int32 (2, 2), or None."""
    data: Any
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(data, np.int32)[:9].reshape(3, 3)[:2, :2].copy()
    return None


def turned(rgb: Pixels, matrix: Matrix) -> Pixels:
    """Return `rgb` mirrored and turned by quarters, as near as that comes to `matrix` (2, 2).

    Row (x, y) times `matrix` is the place where a pixel is shown, as in FFmpeg's display.h.
    """
    straight, across = np.abs(matrix).trace(), np.abs(matrix[::-1]).trace()
    if across > straight:
        rgb, matrix = rgb.transpose(1, 0, 2), matrix[::-1]
    return rgb[:: -1 if matrix[1, 1] < 0 else 1, :: -1 if matrix[0, 0] < 0 else 1]
