"""Reading the pictures of any file, each with its time: `timed_pictures`, `sampled`.

The basis of `video`, as `audio.files` is of `audio`. Papers A (§3.2) and B (§3) take frames from
crying videos. Only requested frames are converted to pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from av import VideoFrame, VideoStream
from av.container import InputContainer
from av.video.reformatter import ColorPrimaries, ColorTrc, VideoReformatter

from cryutils._io import media, pictures
from cryutils._io.paths import check_file
from cryutils.errors import InputError

Pixels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.int32]

# PyAV (18.1) frees the name of these codecs' colour profile twice if side data is requested, so a
# PNG read as a video isn't rotated. Files named .png are read by `pictures`.
_NAMED_PROFILES = frozenset({"png", "apng"})
_HDR = (16, 18)  # transfer functions PQ and HLG (ITU-T H.273); swscale maps their tones
_ROUNDED_S = Fraction(1, 2000)  # Matroska and WebM store times in whole milliseconds


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a file, shown from `start_s` for `length_s`, both in s (0 for a still)."""

    path: Path
    start_s: Fraction
    length_s: Fraction
    _picture: Pixels | VideoFrame
    _converter: VideoReformatter | None = None
    _matrix: Matrix | None = None

    def pixels(self) -> Pixels:
        """Return the picture, uint8 (height, width, 3) RGB. Raises InputError if it is damaged.

        It is upright, and HDR (PQ, HLG) is mapped to sRGB.
        """
        frame = self._picture
        if isinstance(frame, np.ndarray):
            return frame
        assert self._converter is not None
        colours: dict[str, Any] = {}
        if frame.color_trc in _HDR:
            colours["dst_color_trc"] = ColorTrc.IEC61966_2_1
            colours["dst_color_primaries"] = ColorPrimaries.BT709
        rgb: Any
        with media.decoding(self.path):
            rgb = self._converter.reformat(frame, format="rgb24", **colours).to_ndarray()
        upright = rgb if self._matrix is None else turned(rgb, self._matrix)
        return np.ascontiguousarray(upright, np.uint8)


def timed_pictures(path: Path) -> Iterator[Picture]:
    """Yield the pictures of a file in the order of their times.

    Times count from the start of the file: if its pictures start 0.7 s after its sound, a black
    picture comes first. A file cut short gives the pictures that are left. Raises InputError for a
    file that is missing, empty, damaged before its end, or without pictures.
    """
    check_file(path)
    if path.suffix.lower() in media.STILL:
        yield Picture(path, Fraction(0), Fraction(0), pictures.read(path))
        return
    with media.opened(path) as container:
        stream = media.picture_stream(container, path)
        if stream is None:
            raise InputError(f"{path}: no pictures in it; give a video or a picture file.")
        # One converter for all frames takes 0.04 ms per frame of 224 px; a new one takes 2 ms.
        converter, empty = VideoReformatter(), True
        matrix: Matrix | None = None
        for start_s, length_s, frame in _timed(container, stream, path):
            # Read the matrix from the first frame only: a frame whose side data was requested is
            # in a reference cycle, and stays in memory until Python's garbage collector runs.
            is_first, empty = empty, False
            if is_first and stream.codec_context.name not in _NAMED_PROFILES:
                data: Any = frame.side_data.get("DISPLAYMATRIX")  # 3 x 3, of which 2 x 2 are used
                if data is not None:
                    matrix = np.frombuffer(data, np.int32)[:9].reshape(3, 3)[:2, :2].copy()
            picture = Picture(path, start_s, length_s, frame, converter, matrix)
            if is_first and start_s:
                yield Picture(path, Fraction(0), start_s, np.zeros_like(picture.pixels()))
            yield picture
    if empty:
        raise InputError(f"{path}: no picture is left in it; copy or record it again.")


def sampled(series: Iterator[Picture], rate: Fraction | None) -> Iterator[tuple[Fraction, Picture]]:
    """Yield (k / rate in s, picture shown then) for k = 0, 1, ... until the last picture ends.

    The picture shown is the last that starts at or before that time, with half a millisecond of
    rounding allowed. There is always a picture at 0 s. Without a rate, yield each picture once, at
    its start.
    """
    if rate is None:
        yield from ((picture.start_s, picture) for picture in series)
        return
    k, shown = 0, next(series)
    for picture in series:
        while k / rate < picture.start_s - _ROUNDED_S:
            yield k / rate, shown
            k += 1
        shown = picture
    while k == 0 or k / rate < shown.start_s + shown.length_s - _ROUNDED_S:
        yield k / rate, shown
        k += 1


def _timed(
    container: InputContainer, stream: VideoStream, path: Path
) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
    """Yield (start in s, length in s, frame); a frame without a time follows at the stated rate."""
    gap = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
    late, origin = media.late_s(container, stream, path), Fraction(0)
    previous: Fraction | None = None
    for count, frame in enumerate(media.decoded(container, stream, path, {}), 1):
        media.check_size(frame.width, frame.height, path)  # the size may change midway
        unit = frame.time_base or Fraction(0)
        stated = None if frame.pts is None or not unit else frame.pts * unit
        if previous is None:
            start_s, origin = late, (stated or Fraction(0)) - late
        elif stated is None:
            start_s = previous + gap
        else:
            start_s = max(stated - origin, previous)
            gap = start_s - previous or gap
        media.check_times(count, start_s, path, gap_s=gap)
        length_s = (frame.duration or 0) * unit
        yield start_s, length_s if 0 < length_s <= media.LONGEST_GAP_S else gap, frame
        previous = start_s


def turned(rgb: Pixels, matrix: Matrix) -> Pixels:
    """Return `rgb` mirrored and rotated by quarter turns, as close to `matrix` as possible.

    Row (x, y) times `matrix` (2, 2) is the place where a pixel is shown, as in FFmpeg's display.h.
    """
    straight, across = np.abs(matrix).trace(), np.abs(matrix[::-1]).trace()
    if across > straight:
        rgb, matrix = rgb.transpose(1, 0, 2), matrix[::-1]
    return rgb[:: -1 if matrix[1, 1] < 0 else 1, :: -1 if matrix[0, 0] < 0 else 1]
