"""The pictures of a clip, and the face in them: `frames`, `track`, `crops`, `report`.

Walked by notebook 05_image and used by 06_full. Paper B (§3): frames are taken from the video,
the face is detected, resized and (in the network) normalised. Reads any container and codec,
and stills. Over a whole corpus the work is spread over all cores and kept on disk, keyed by
everything that shaped it. How files are decoded is in `files`, how faces are found in `faces`. One
face is followed over time, by overlap of boxes, float32 (4,): x, y, width, height in pixels; the
paper doesn't say which face is meant where there are several.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from cryutils._io import cache
from cryutils._io.media import probe
from cryutils._io.parallel import Identity, identity, thread_map
from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.video import faces
from cryutils.video.files import Shot, sampled, shots

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HOLD_S", "MARGIN", "FaceTrack", "choose", "crops", "follow", "frame_at", "frames",
    "overlap", "report", "track",
]  # fmt: skip

Boxes = npt.NDArray[np.float32]
Face = list[tuple[float, Boxes]]  # where one face was seen: time in s, box

HOLD_S = 0.5  # a face that was seen is taken to be there for so long before and after

_SAME_FACE = 0.3  # overlap of two boxes, one look apart
_LOST_S = 1.0  # without a box for longer, the next one starts a new face
_ROUNDING_S = 1e-6


def choose(boxes: Sequence[Boxes], times_s: Sequence[float]) -> Face:
    """Return (time in s, box (4,)) of the one face that is followed, in order of time.

    seen: what a detector found at each of `times_s`, float32 (faces, 5). Boxes that overlap
    from one look to the next are one face. The face with the largest sum of side times score
    over the whole recording is taken; another one only where that isn't in sight, and never
    on the strength of a single look if the chosen one was seen more often.
    """
    faces = _linked(boxes, times_s)
    faces.sort(key=lambda face: -sum(_weight(box) for _, box in face))
    taken: list[Face] = []
    for face in faces:
        apart = all(face[-1][0] < other[0][0] or face[0][0] > other[-1][0] for other in taken)
        if apart and (not taken or len(face) > 1 or len(taken[0]) == 1):
            taken.append(face)
    looks = [look for face in taken for look in face]
    return sorted(((time, box[:4]) for time, box in looks), key=lambda look: look[0])


def follow(looks: Face, times_s: npt.NDArray[np.float64]) -> tuple[Boxes, npt.NDArray[np.bool_]]:
    """Return boxes float32 (n, 4) and found bool (n,) at `times_s`, from where `looks` saw a face.

    Between looks a box goes straight from one to the next, before the first and after the last
    it stays. Each look is averaged with its neighbours at most `HOLD_S` away (weights 1, 2, 1),
    since detectors tremble. found: a face was seen at most `HOLD_S` away. Without any look the
    boxes are zeros.
    """
    if not looks:
        return np.zeros((len(times_s), 4), np.float32), np.zeros(len(times_s), bool)
    at = np.array([time for time, _ in looks], np.float64)
    steady = _steadied(at, np.array([box for _, box in looks], np.float32))
    boxes = np.stack([np.interp(times_s, at, steady[:, i]) for i in range(4)], axis=1)
    after = np.searchsorted(at, times_s).clip(0, len(at) - 1)
    away = np.minimum(np.abs(at[after] - times_s), np.abs(at[np.maximum(after - 1, 0)] - times_s))
    return boxes.astype(np.float32), away <= HOLD_S + _ROUNDING_S


def overlap(box: Boxes, boxes: Boxes) -> npt.NDArray[np.float32]:
    """Return the intersection of `box` (4,) with each of `boxes` (n, 4) over their union, (n,)."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:4], boxes[:, :2] + boxes[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return shared / (box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared)


def _weight(box: Boxes) -> float:
    return float(np.sqrt(box[2] * box[3]) * box[4])


def _linked(looks: Sequence[Boxes], times_s: Sequence[float]) -> list[Face]:
    """Return the faces that overlapping boxes make, those of larger weight served first."""
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
    """Return each box averaged with its neighbours where they are near and the same face."""
    same = [overlap(box, after[None])[0] for box, after in pairwise(boxes)]
    joined = ((np.diff(at) <= HOLD_S + _ROUNDING_S) & (np.array(same) >= _SAME_FACE))[:, None]
    total, weight = 2 * boxes.astype(np.float64), np.full((len(at), 1), 2.0)
    total[1:] += np.where(joined, boxes[:-1], 0)
    total[:-1] += np.where(joined, boxes[1:], 0)
    weight[1:] += joined
    weight[:-1] += joined
    return total / weight


Pixels = npt.NDArray[np.uint8]

FPS = 5.0
SIZE = 64
MARGIN = 0.1  # of the face's box, on every side: a cascade's box ends at the chin

VERSION = 2  # raise it whenever the same file and settings give other crops
_LOOK_S = Fraction(1, 4)  # from one detection to the next; a head moves little meanwhile
_LARGEST = 4096  # pixels of a crop's side
_MOST_BYTES = 1 << 30  # of the crops of one recording
_LONG_S = 120  # what takes long enough that somebody wonders


class HasPictures(Protocol):
    """What this module asks of a clip."""

    @property
    def path(self) -> Path: ...
    @property
    def still(self) -> Path | None: ...
    @property
    def has_video(self) -> bool: ...


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """The face of one recording, frame by frame; n = 0 where it has no pictures.

    crops: uint8 (n, size, size, 3) RGB, the square around the face. boxes: float32 (n, 4), x, y,
    width and height of the face in pixels of its frame, without the margin. with_face: bool (n,), a
    face was detected at most `HOLD_S` (0.5 s) from this frame, and the frame isn't
    blank; elsewhere the box is where the face was last or will be next seen, and the centre
    square of the frame where none was seen in the whole recording. blank: bool (n,), the crop is
    black or of one colour (`faces.is_blank`). times_s: float64 (n,), since the start of the file.
    detector: "yunet" or "haar".
    """

    crops: Pixels
    boxes: npt.NDArray[np.float32]
    with_face: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]
    times_s: npt.NDArray[np.float64]
    detector: str

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which frames a model may be given, bool (n,): a face found, and not blank."""
        return self.with_face & ~self.blank

    def __repr__(self) -> str:
        return f"<FaceTrack: {len(self)} frames, {int(self.with_face.sum())} with a face>"


def frames(path: str | os.PathLike[str], *, fps: float | None = None) -> Iterator[Pixels]:
    """Return the pictures of a file one after the other.

    A stream: memory doesn't grow with the length. Picture k is what is shown k / fps s after the
    start of the file: the last frame at or before that time, repeated where the file has fewer, or
    a black one if its pictures start later. So a variable or odd frame rate keeps its times.
    Upright by rotation flag or EXIF, transparency on white; a still is one picture. A file cut
    short gives what is left.

    Parameters
    ----------
    path : path
        A video or a still.
    fps : float, optional
        Pictures a second; None: each one that the file has.

    Returns
    -------
    iterator of ndarray
        uint8 (height, width, 3) RGB.

    Raises
    ------
    InputError
        Another `fps`; and while it runs, a file that is missing, empty, damaged, or holds no
        pictures.

    Examples
    --------
    >>> next(frames("cry.mp4", fps=5)).shape                    # doctest: +SKIP
    (224, 224, 3)
    """
    rate = _rate(fps)
    return (shot.pixels() for _, shot in _timed(Path(path), rate))


def frame_at(path: str | os.PathLike[str], time_s: float) -> Pixels:
    """Return the picture shown at `time_s` of the file, uint8 (height, width, 3) RGB.

    Parameters
    ----------
    path : path
        As in `frames`.
    time_s : float
        In s; the last picture where the recording is shorter.

    Raises
    ------
    InputError
        As `frames` does.
    """
    shown = None
    for start_s, shot in _timed(Path(path), None):
        if shown is not None and start_s > time_s:
            break
        shown = shot
    if shown is None:
        raise InputError(f"{path}: it holds no pictures.")
    return shown.pixels()


def track(
    path: str | os.PathLike[str],
    *,
    fps: float | None = FPS,
    size: int = SIZE,
    detector: str = "auto",
    margin: float = MARGIN,
    limit: int | None = None,
) -> FaceTrack:
    """Return the face of one video or still, followed over time.

    The file is decoded twice, so that the whole recording decides which face is followed while no
    frame but the current one is held. Of a long one, the time left is shown: a bar on a terminal or
    in a notebook.

    Parameters
    ----------
    path : path
        A video or a still.
    fps : float, optional
        As in `frames`.
    size : int
        Of the crops' sides in pixels.
    detector : str
        Of `faces.DETECTORS`; it looks four times a second, and the box goes straight in between.
    margin : float
        Share of the box added on every side.
    limit : int, optional
        At most so many frames, evenly spread over the length; None: all.

    Raises
    ------
    InputError
        As `frames` does, and for more crops than 1 GB holds: 24 hours at the default settings.
    """
    settings = _Settings(_rate(fps), size, faces.resolve(detector), margin, limit)
    return _tracked(Path(path), settings, progress=True)


def crops(
    corpus: Iterable[HasPictures],
    *,
    fps: float | None = FPS,
    size: int = SIZE,
    detector: str = "auto",
    margin: float = MARGIN,
    limit: int | None = None,
    progress: bool = False,
    jobs: int | None = None,
) -> list[FaceTrack]:
    """Return the `track` of each clip, in the order of `corpus`; an empty one without pictures.

    Kept in the cache, and found there again as long as files and settings are the same.

    Parameters
    ----------
    corpus : Corpus
        Or other clips with a path, a still, or both.
    fps, size, detector, margin, limit : as in `track`
    progress : bool
        Show a bar on a terminal or in a notebook.
    jobs : int, optional
        Threads; None: all cores.

    Raises
    ------
    InputError
        No clip, or the first file that `track` refuses.
    """
    settings = _Settings(_rate(fps), size, faces.resolve(detector), margin, limit)
    files = [_file(clip) for clip in corpus]
    if not files:
        raise InputError("the corpus is empty: give at least one clip.")

    def compute() -> Iterator[npt.NDArray[Any]]:
        rows = partial(_clip_rows, settings=settings)
        with faces.single_threaded():
            yield from thread_map(rows, files, what="faces", progress=progress, jobs=jobs)

    cached = cache.ragged(_stem(files, settings), compute, dtype=_row_type(size))
    return [_from_rows(rows, settings.detector) for rows in cached]


def report(
    tracks: Sequence[FaceTrack | None], *, groups: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return how often a face was found: one row for each of `groups`, and one for all.

    Parameters
    ----------
    tracks : sequence of FaceTrack or None
        One a clip, None without pictures.
    groups : sequence of str, optional
        The label (or infant) of each clip.

    Returns
    -------
    pandas.DataFrame
        Columns `clips`; `without_pictures`; `without_face` (clips with pictures, but a face in none
        of their frames: the crops show the centre); `frames`; `blank` (frames); `with_face` (share
        of the frames, NaN without frames).
    """
    import pandas as pd

    names = ["all"] * len(tracks) if groups is None else [str(group) for group in groups]
    rows = [
        {
            "group": name,
            "clips": 1,
            "without_pictures": track is None or not len(track),
            "without_face": track is not None and len(track) > 0 and not track.with_face.any(),
            "frames": 0 if track is None else len(track),
            "blank": 0 if track is None else int(track.blank.sum()),
            "with_face": 0 if track is None else int(track.with_face.sum()),
        }
        for name, track in zip(names, tracks, strict=True)
    ]
    table = pd.DataFrame(rows).groupby("group").sum()
    if groups is not None:
        table.loc["all"] = table.sum()
    table["with_face"] = table["with_face"] / table["frames"].where(table["frames"] > 0)
    return table


@dataclass(frozen=True)
class _Settings:
    """Everything but the file that shapes a track; checked."""

    rate: Fraction | None
    size: int
    detector: str
    margin: float
    limit: int | None

    def __post_init__(self) -> None:
        if not 1 <= self.size <= _LARGEST:
            raise InputError(f"size={self.size}: a crop's side has 1 to {_LARGEST} pixels.")
        if not (isfinite(self.margin) and 0 <= self.margin <= 5):
            raise InputError(f"margin={self.margin}: use a share of the box from 0 to 5.")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit={self.limit}: give at least one frame, or None for all.")

    def check_count(self, count: int, path: Path) -> None:
        """Raise InputError where so many crops don't fit into memory."""
        wanted = count if self.limit is None else min(count, self.limit)
        most = _MOST_BYTES // (3 * self.size**2)
        if wanted > most:
            raise InputError(
                f"{path}: more than {most} frames of {self.size} pixels don't fit into memory;"
                " give a lower fps, a limit, or a shorter recording."
            )


def _rate(fps: float | None) -> Fraction | None:
    if fps is None:
        return None
    if not (isfinite(fps) and 0.001 <= fps <= 1000):
        raise InputError(f"fps={fps} is no frame rate; use 0.001 to 1000, or None for each frame.")
    return Fraction(fps).limit_denominator(1001)


def _timed(path: Path, rate: Fraction | None) -> Iterator[tuple[Fraction, Shot]]:
    series = shots(path)
    return ((s.start_s, s) for s in series) if rate is None else sampled(series, rate)


def _tracked(path: Path, settings: _Settings, *, progress: bool = False) -> FaceTrack:
    with _time_left(path, shown=progress) as report:
        times, looks, boxes_by_look = _look(path, settings, report)
        face = choose(boxes_by_look, looks)
        count = len(times) if settings.limit is None else min(settings.limit, len(times))
        wanted = np.round(np.linspace(0, len(times) - 1, count)).astype(int)
        times_s = np.array(times, np.float64)[wanted]
        boxes, detected = follow(face, times_s)
        cut = np.empty((count, settings.size, settings.size, 3), np.uint8)
        done, frame, shown = 0, None, None
        for i, (time_s, shot) in enumerate(_timed(path, settings.rate)):
            if i != wanted[done]:
                continue
            if frame is None or shot is not shown:  # a rare picture is sampled many times
                frame, shown = shot.pixels(), shot
            if not face:
                boxes[done] = faces.centre(*frame.shape[:2])
            cut[done] = faces.crop(
                frame, boxes[done], size=settings.size, margin=settings.margin if face else 0.0
            )
            done += 1
            report((times[-1] + float(time_s)) / 2)
            if done == count:
                break
    blank = np.array([faces.is_blank(picture) for picture in cut], bool)
    return FaceTrack(cut, boxes, detected & ~blank, blank, times_s, settings.detector)


def _look(
    path: Path, settings: _Settings, report: Callable[[float], None]
) -> tuple[list[float], list[float], list[Boxes]]:
    """Return the time of each frame, those when the detector looked, and what it saw then."""
    eye = faces.detector(settings.detector)
    times: list[float] = []
    looks: list[float] = []
    boxes: list[Boxes] = []
    due, shown = Fraction(0), None
    for time_s, shot in _timed(path, settings.rate):
        times.append(float(time_s))
        settings.check_count(len(times), path)
        if time_s >= due:
            looks.append(float(time_s))
            boxes.append(boxes[-1] if shot is shown else eye.detect(shot.pixels()))
            due, shown = (time_s // _LOOK_S + 1) * _LOOK_S, shot
            report(times[-1] / 2)
    return times, looks, boxes


@contextmanager
def _time_left(path: Path, *, shown: bool) -> Iterator[Callable[[float], None]]:
    """Give `report(seconds done)`, which shows how long a long recording will still take."""
    length_s = probe(path).duration_s if shown else 0.0
    with counting(f"Faces in {path.name}", "s", shown=length_s >= _LONG_S) as report:
        yield lambda done_s: report(min(round(done_s), round(length_s)), round(length_s))


def _file(clip: HasPictures) -> Identity | None:
    source = clip.still if clip.still is not None else clip.path if clip.has_video else None
    return None if source is None else identity(source)


def _stem(files: Sequence[Identity | None], settings: _Settings) -> Path:
    model = faces.yunet_file() if settings.detector == "yunet" else None
    shape = [str(settings.rate), settings.size, settings.detector, settings.margin, settings.limit]
    return cache.at("faces", VERSION, shape, None if model is None else identity(model), files)


def _row_type(size: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("crop", np.uint8, (size, size, 3)), ("box", np.float32, 4), ("found", np.bool_),
            ("blank", np.bool_), ("time_s", np.float64),
        ]
    )  # fmt: skip


def _clip_rows(file: Identity | None, *, settings: _Settings) -> npt.NDArray[Any]:
    """Return a clip's track as it is kept; no rows for one without pictures."""
    if file is None:
        return np.empty(0, _row_type(settings.size))
    track = _tracked(Path(file.path), settings)
    rows = np.empty(len(track), _row_type(track.crops.shape[1]))
    rows["crop"], rows["box"], rows["found"] = track.crops, track.boxes, track.with_face
    rows["blank"], rows["time_s"] = track.blank, track.times_s
    return rows


def _from_rows(rows: npt.NDArray[Any], detector: str) -> FaceTrack:
    return FaceTrack(
        rows["crop"], rows["box"], rows["found"], rows["blank"], rows["time_s"], detector
    )
