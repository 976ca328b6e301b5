"""Pictures of a clip, and the face in them: `frames`, `track`, `crops`.

Explained in notebook 05_image and used in 06_full. Paper B (§3): frames are taken from the video,
and the face is detected, resized and (in the network) normalised. The paper doesn't say which face
is used if there are several. Here one face is followed over time by the overlap of its boxes,
float32 (4,): x, y, width and height in pixels.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import compress, pairwise, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cryutils._io.cache import ragged
from cryutils._io.parallel import identities, thread_map
from cryutils.errors import InputError
from cryutils.video import faces
from cryutils.video.decoding import sampled, timed_pictures

Boxes = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.void]
Face = list[tuple[float, Boxes]]  # the detections of one face: time in s, box

FPS = 5.0
SIZE = 64
MARGIN = 0.1  # of the face's box, on every side: a cascade's box ends at the chin
HOLD_S = 0.5  # a detected face is assumed to be present for this long before and after
VERSION = 4  # increase it if the same file and settings give other crops

_LOOK_S = Fraction(1, 4)  # between two looks of the detector; a head moves little in this time
_SAME_FACE = 0.3  # least overlap of boxes in consecutive looks that belong to one face
_LOST_S = 1.0  # after a longer time without a box, the next box starts a new face
_ROUNDING_S = 1e-6


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """The face of one recording in n frames; n = 0 without pictures.

    While no face is detected, boxes are interpolated as in `follow`. If none is detected in the
    whole recording, they are the centre square of the frame.
    """

    crops: Pixels  # (n, size, size, 3) RGB, the square around the face
    boxes: Boxes  # (n, 4), the face in pixels of its frame, without the margin
    with_face: npt.NDArray[np.bool_]  # (n,), detected at most `HOLD_S` away, and not blank
    blank: npt.NDArray[np.bool_]  # (n,), the crop is black or of one colour (`faces.is_blank`)
    times_s: npt.NDArray[np.float64]  # (n,), since the start of the file

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Whether a model can use each frame, bool (n,): it has a face and isn't blank."""
        return self.with_face & ~self.blank


def frames(path: str | os.PathLike[str], *, fps: float | None = None) -> Iterator[Pixels]:
    """Yield the pictures of a file, uint8 (height, width, 3) RGB.

    Picture k is the one shown k / fps s after the start of the file: the last frame at or before
    that time, or a black picture if the frames start later. So times are correct for odd and
    variable frame rates. Pictures are upright; a still gives one picture. A file cut short gives the
    pictures that are left. fps: None: each frame of the file.

    Raises InputError for `fps` out of range, and during iteration for a file that is missing,
    empty, damaged, or without pictures.
    """
    rate = _checked(fps).rate
    return (picture.pixels() for _, picture in sampled(timed_pictures(Path(path)), rate))


def frame_at(path: str | os.PathLike[str], time_s: float) -> Pixels:
    """Return the picture shown at `time_s` of a file, or its last, uint8 (height, width, 3) RGB."""
    series = timed_pictures(Path(path))
    shown = next(series)
    for picture in takewhile(lambda picture: picture.start_s <= time_s, series):
        shown = picture
    return shown.pixels()


def track(
    path: str | os.PathLike[str], *, fps: float | None = FPS, size: int = SIZE, limit: int | None = None
) -> FaceTrack:
    """Return the track of the face in one video or still.

    The file is decoded twice, so that the face is chosen from the whole recording while only the
    current frame is in memory.

    fps: as in `frames`. size: side of the crops in pixels. limit: maximum number of frames, evenly
    spread over the length; None: all. The detector runs four times per second, and boxes are
    interpolated in between. Raises InputError as `frames` does.
    """
    settings = _checked(fps, size, limit)
    return _as_track(_rows(Path(path), settings=settings))


def crops(
    corpus: Iterable[Any],
    *,
    fps: float | None = FPS,
    size: int = SIZE,
    limit: int | None = None,
    progress: bool = False,
) -> list[FaceTrack]:
    """Return the `track` of the face in each clip; cached.

    Parameters
    ----------
    corpus : Corpus
        Clips, of which `path`, `still` and `has_video` are used.
    fps, size, limit
        As in `track`.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    list of FaceTrack
        In the order of `corpus`; empty for a clip without pictures.

    Raises
    ------
    InputError
        As `track` does, and without clips.

    Examples
    --------
    >>> from cryutils import load
    >>> small = {"infants": 8, "clips_per_infant": 1, "duration_s": 0.5, "fps": 10, "size": 64}
    >>> clips = load("synthetic", video=True, progress=False, **small)
    >>> [track.crops.shape for track in crops(clips[:2], fps=4, size=32)]
    [(2, 32, 32, 3), (2, 32, 32, 3)]
    """
    settings = _checked(fps, size, limit)
    pictures = [clip.still or (clip.path if clip.has_video else None) for clip in corpus]
    files = [*identities(pictures)]

    def compute() -> Iterator[Rows]:
        rows = partial(_rows, settings=settings)
        with faces.single_threaded():
            yield from thread_map(rows, pictures, what="faces", progress=progress)

    shape = [str(settings.rate), size, MARGIN, limit]
    rows = ragged(compute, "faces", VERSION, shape, files)
    return [*map(_as_track, rows)]


def choose(boxes: Sequence[Boxes], times_s: Sequence[float]) -> Face:
    """Return the face to follow, as (time in s, box (4,)) in order of time.

    boxes: the detector's result at each of `times_s`, float32 (faces, 5). Boxes that overlap in
    consecutive looks belong to one face. The face with the largest sum of side times score is
    chosen. Another face is used only while that isn't seen, and in more than a single look.
    """
    parts: list[Face] = []
    for face in sorted(_linked(boxes, times_s), key=lambda f: -sum(_weight(b) for _, b in f)):
        apart = all(face[-1][0] < other[0][0] or face[0][0] > other[-1][0] for other in parts)
        if apart and (not parts or len(face) > 1 or len(parts[0]) == 1):
            parts.append(face)
    looks = [(time, box[:-1]) for face in parts for time, box in face]
    return sorted(looks, key=lambda look: look[0])


def follow(looks: Face, times_s: npt.NDArray[np.float64]) -> tuple[Boxes, npt.NDArray[np.bool_]]:
    """Return boxes, float32 (n, 4), and whether a face is present, bool (n,), at `times_s`.

    Boxes are interpolated between `looks`, each averaged with its neighbours at most `HOLD_S` away
    (weights 1, 2, 1), because detectors jitter. A face is present at most `HOLD_S` from a look.
    Without any look the boxes are zeros.
    """
    if not looks:
        return np.zeros((len(times_s), 4), np.float32), np.zeros(len(times_s), bool)
    at = np.array([time for time, _ in looks], np.float64)
    series = np.array([box for _, box in looks], np.float32)
    steady = _steadied(at, series)
    boxes = np.stack([np.interp(times_s, at, values) for values in steady.T], axis=1)
    after = np.searchsorted(at, times_s).clip(0, len(at) - 1)
    away = np.minimum(np.abs(at[after] - times_s), np.abs(at[np.maximum(after - 1, 0)] - times_s))
    return boxes.astype(np.float32), away <= HOLD_S + _ROUNDING_S


def overlap(box: Boxes, boxes: Boxes) -> npt.NDArray[np.float32]:
    """Return the intersection over union of `box` and each of `boxes` (n, ...), float32 (n,)."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:4], boxes[:, :2] + boxes[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return shared / (box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared)


def _weight(box: Boxes) -> float:
    return float(np.sqrt(box[2] * box[3]) * box[-1])


def _linked(looks: Sequence[Boxes], times_s: Sequence[float]) -> list[Face]:
    """Return faces made of overlapping boxes; faces of larger weight choose their box first."""
    faces: list[Face] = []
    open_faces: list[Face] = []
    for time, boxes in zip(times_s, looks, strict=True):
        free = np.ones(len(boxes), bool)
        open_faces = [face for face in open_faces if time - face[-1][0] <= _LOST_S]
        for face in sorted(open_faces, key=lambda face: -_weight(face[-1][1])):
            shared = np.where(free, overlap(face[-1][1], boxes), 0)
            if len(boxes) and shared.max() >= _SAME_FACE:
                face.append((time, boxes[shared.argmax()]))
                free[shared.argmax()] = False
        fresh: list[Face] = [[(time, box)] for box in boxes[free]]
        faces += fresh
        open_faces += fresh
    return faces


def _steadied(at: npt.NDArray[np.float64], boxes: Boxes) -> npt.NDArray[np.float64]:
    """Return each box averaged with those neighbours that are near and show the same face."""
    same = [overlap(box, after[None])[0] for box, after in pairwise(boxes)]
    joined = ((np.diff(at) <= HOLD_S + _ROUNDING_S) & (np.array(same) >= _SAME_FACE))[:, None]
    total, weight = 2 * boxes.astype(np.float64), np.full((len(at), 1), 2.0)
    total[1:] += np.where(joined, boxes[:-1], 0)
    total[:-1] += np.where(joined, boxes[1:], 0)
    weight[1:] += joined
    weight[:-1] += joined
    return total / weight


class _Settings(NamedTuple):
    """The checked settings of a track."""

    rate: Fraction | None
    size: int
    limit: int | None


def _checked(fps: float | None, size: int = SIZE, limit: int | None = None) -> _Settings:
    if size < 1 or (limit is not None and limit < 1):
        raise InputError(f"size={size}, limit={limit}: give at least one pixel and one frame.")
    if fps is not None and not 0.001 <= fps <= 1000:
        raise InputError(f"fps={fps} is no frame rate; use 0.001 to 1000, or None for each frame.")
    rate = None if fps is None else Fraction(fps).limit_denominator(1001)
    return _Settings(rate, size, limit)


def _as_track(rows: Rows) -> FaceTrack:
    return FaceTrack(**{name: rows[name] for name in rows.dtype.names or ()})


def _rows(path: Path | None, *, settings: _Settings) -> Rows:
    """Return the frames of a track; none without a file."""
    kinds: dict[str, Any] = {
        "crops": (np.uint8, (settings.size, settings.size, 3)),
        "boxes": (np.float32, 4),
        "with_face": np.bool_,
        "blank": np.bool_,
        "times_s": np.float64,
    }
    row_type = np.dtype([*kinds.items()])
    if path is None:
        return np.empty(0, row_type)
    times, looks, boxes_by_look = _look(path, settings)
    face = choose(boxes_by_look, looks)
    count = len(times) if settings.limit is None else min(settings.limit, len(times))
    numbers = np.round(np.linspace(0, len(times) - 1, count)).astype(int)
    rows = np.empty(count, row_type)
    rows["times_s"] = np.array(times)[numbers]
    rows["boxes"], with_face = follow(face, rows["times_s"])
    in_limit = np.isin(np.arange(len(times)), numbers)
    samples = compress(sampled(timed_pictures(path), settings.rate), in_limit)
    for row, (_, picture) in zip(rows, samples, strict=False):
        frame = picture.pixels()
        if not face:
            row["boxes"] = faces.centre(*frame.shape[:2])
        margin = MARGIN if face else 0.0
        row["crops"] = faces.crop(frame, row["boxes"], size=settings.size, margin=margin)
    rows["blank"] = [faces.is_blank(picture) for picture in rows["crops"]]
    rows["with_face"] = with_face & ~rows["blank"]
    return rows


def _look(path: Path, settings: _Settings) -> tuple[list[float], list[float], list[Boxes]]:
    """Return the times of the frames, the times of the detector's looks, and their boxes."""
    detector = faces.Detector()
    times: list[float] = []
    looks: list[float] = []
    boxes: list[Boxes] = []
    due, shown = Fraction(0), None
    for time_s, picture in sampled(timed_pictures(path), settings.rate):
        times.append(float(time_s))
        if time_s >= due:
            looks.append(float(time_s))
            boxes.append(boxes[-1] if picture is shown else detector.detect(picture.pixels()))
            due, shown = (time_s // _LOOK_S + 1) * _LOOK_S, picture
    return times, looks, boxes
