"""Unusual and damaged files: each is read correctly or refused in one line.

Picture i of a film has the colour `PALETTE[i % 8]` with a white corner at the top left, so that
its number, order, time, colour and orientation can be checked. A file that is refused must be
refused by both `video` and `audio`, and be listed when a folder of such files is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import made_media
import numpy as np
import pytest
from PIL import Image
from refusals import refusal

import cryutils
from cryutils import audio, video

PALETTE = np.array(
    [
        (200, 40, 40),
        (40, 160, 60),
        (50, 60, 190),
        (190, 170, 40),
        (150, 40, 160),
        (40, 150, 170),
        (110, 110, 110),
        (220, 130, 60),
    ],
    np.uint8,
)
SR = 16000
NO_PICTURES = "no pictures in it"
NO_SOUND = "no sound in it"
UNDECODABLE = "can't be decoded"
MIDDLE = "damaged in the middle"
EMPTY = "the file is empty"
PICTURE = "this picture can't be decoded"


@dataclass(frozen=True)
class Left:
    """A damaged film of 48 pictures at 25 a second of which at least so many are left."""

    least: int


@dataclass(frozen=True, eq=False)
class Case:
    """A file, and what `video` and `audio` must read from it.

    pictures: the numbers of the pictures shown, `Left`, or why there are none. sound_s: the
    duration, or why there is no sound. corner: where the white is shown.
    """

    name: str
    make: Callable[[Path], Any]
    pictures: Sequence[int] | Left | str = NO_PICTURES
    sound_s: float | str = NO_SOUND
    times_s: Sequence[float] | None = None
    size: tuple[int, int] | None = None  # height, width
    corner: str = "top left"

    @property
    def is_left_out(self) -> bool:
        """Whether a folder leaves it out; it doesn't decode all pictures of a video."""
        is_refused = isinstance(self.pictures, str) and isinstance(self.sound_s, str)
        return is_refused and (self.pictures != MIDDLE or self.sound_s == MIDDLE)


def picture(i: int, height: int = 48, width: int = 64) -> np.ndarray:
    made = np.empty((height, width, 3), np.uint8)
    made[:] = PALETTE[i % 8]
    made[: height // 2, : width // 2] = 255
    return made


def tone(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * SR)) / SR
    return (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def film(
    video: str = "libx264",
    *,
    count: int = 16,
    height: int = 48,
    width: int = 64,
    noisy: bool = False,
    pix_fmt: str = "yuv420p",
    sound: np.ndarray | None = None,
    **options: Any,
) -> Callable[[Path], Path]:
    """Return what writes a film of `count` pictures; `options` are those of `made_media.write`."""

    def frames() -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        for i in range(len(options.get("times_ms", range(count)))):
            values = picture(i, height, width)
            if noisy:  # so that a file has something to lose
                values[height // 2 :, : width // 2] = rng.integers(
                    0, 256, (height - height // 2, width // 2, 3)
                )
            yield values

    sounds = [] if sound is None else [sound[None]]
    return lambda path: made_media.write(path, frames(), sounds, video=video, pix_fmt=pix_fmt, **options)


def changed(make: Callable[[Path], Any], change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return what writes a file and leaves `change` of its bytes."""

    def write(path: Path) -> None:
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return write


def keep(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: round(share * len(data))]


def blank(start: float, end: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        low, high = round(start * len(data)), round(end * len(data))
        return data[:low] + bytes(high - low) + data[high:]

    return change


def still(
    *, pixels: np.ndarray | None = None, turn: int = 1, kind: str | None = None
) -> Callable[[Path], None]:
    """Return what writes a picture with Pillow; `turn` is the orientation, `kind` the format."""

    def write(path: Path) -> None:
        made = Image.fromarray(np.ascontiguousarray(picture(0) if pixels is None else pixels))
        exif = Image.Exif()
        exif[0x0112] = turn
        options: dict[str, Any] = {"quality": 95, "subsampling": 0, "exif": exif}
        made.save(path, kind, **options)

    return write


UNEVEN_MS = [0, 40, 80, 200, 210, 220, 500, 540, 1000]
SHARP = {"crf": "12"}
NO_SAMPLES = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\0\0\0\0"
PLAYLIST = "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/cry.ts\n#EXT-X-ENDLIST\n"
BUSY: dict[str, Any] = {"count": 48, "noisy": True, "height": 96, "width": 128}
FIRST: dict[str, Any] = {"container_options": {"movflags": "faststart"}}  # the index, that is
FRAGMENTS: dict[str, Any] = {
    "container_options": {"movflags": "frag_keyframe+empty_moov"},
    "options": {"g": "8"},
}
ALL = range(16)
REFUSED: dict[str, Any] = {"pictures": UNDECODABLE, "sound_s": UNDECODABLE}

CASES = [
    # containers and depth
    Case("h264.mp4", film(options=SHARP), ALL, size=(48, 64)),
    Case("fragmented.mp4", film(**FRAGMENTS), ALL),
    Case("h264.mov", film(options=SHARP), ALL),
    Case("mpeg4.avi", film("mpeg4"), ALL),
    Case("10 bit.mp4", film(pix_fmt="yuv420p10le", options=SHARP), ALL),
    # rotated and mirrored
    Case("turned 90.mp4", film(turn=90, options=SHARP), ALL, size=(64, 48), corner="bottom left"),
    Case("mirrored.mp4", film(mirror=True, options=SHARP), ALL, size=(48, 64), corner="top right"),
    # rates and times
    Case("uneven.mp4", film(times_ms=UNEVEN_MS), range(9), times_s=[t / 1000 for t in UNEVEN_MS]),
    Case("uneven.webm", film("libvpx", times_ms=UNEVEN_MS), range(9), times_s=[t / 1000 for t in UNEVEN_MS]),
    Case("starts late.mp4", film(times_ms=[700 + 40 * i for i in ALL]), ALL, times_s=[0.04 * i for i in ALL]),
    Case("one picture.mp4", film(count=1, options=SHARP), [0], times_s=[0]),
    # with sound
    Case("both.mp4", film(sound=tone(0.64)), ALL, 0.64),
    Case("no samples.wav", lambda path: path.write_bytes(NO_SAMPLES), sound_s="no sound is left"),
    # stills
    Case("still.webp", still(), [0]),
    Case("exif 6.jpg", still(pixels=np.rot90(picture(0)), turn=6), [0], size=(48, 64)),
    # cut short: what is left is shown
    Case("cut half.mp4", changed(film(**BUSY, **FIRST), keep(0.5)), Left(12)),
    # WebM starts anew at its next whole cluster, a key frame, with the right time
    Case("hole.webm", changed(film("libvpx", **BUSY), blank(0.45, 0.55)), Left(24)),
    # cut where nothing is left, or where the index was still to come
    Case("unfinished.mp4", changed(film(**BUSY), keep(0.9)), **REFUSED),
    Case("cut picture.png", changed(still(), keep(0.6)), PICTURE),
    # blanked or overwritten within
    Case("hole.mp4", changed(film(**BUSY, **FIRST), blank(0.45, 0.55)), MIDDLE),
    Case(
        "hole with sound.mp4",
        changed(film(**BUSY, **FIRST, sound=tone(1.92)), blank(0.45, 0.55)),
        MIDDLE,
        MIDDLE,
    ),
    # something else under such a name
    Case("playlist.mp4", lambda path: path.write_text(PLAYLIST), **REFUSED),
    Case("empty.wav", Path.touch, EMPTY, EMPTY),
    Case("a png called.mp4", still(kind="PNG"), [0], size=(48, 64)),
    Case("an mp4 called.wav", film(options=SHARP, format="mp4"), ALL),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """`made(case)` writes the case's file once and returns its path, in a folder of its kind."""
    root = tmp_path_factory.mktemp("unusual")

    def write(case: Case) -> Path:
        path = root / "hungry" / f"infant {CASES.index(case)}" / case.name
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            case.make(path)
        return path

    return write


each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def check(shown: np.ndarray, number: int, case: Case) -> None:
    """Compare the colour of a picture and the place of its corner with those of that number."""
    height, width = ((side + 3) // 4 for side in shown.shape[:2])
    ends = {
        "top": slice(0, height),
        "bottom": slice(-height, None),
        "left": slice(0, width),
        "right": slice(-width, None),
    }
    opposite = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
    upright, side = case.corner.split()
    ground = shown[ends[opposite[upright]], ends[opposite[side]]].mean(axis=(0, 1))
    wanted = PALETTE[number % 8]
    np.testing.assert_allclose(ground, wanted, atol=12, err_msg=f"picture {number}")
    assert shown[ends[upright], ends[side]].mean() > 230, f"corner of picture {number}"


@each_case
def test_pictures_are_read_right_or_refused(case: Case, made: Callable[[Case], Path]) -> None:
    path = made(case)
    if isinstance(case.pictures, str):
        assert case.pictures in refusal(path, lambda path: list(video.frames(path)))
        refusal(path, lambda path: video.track(path, fps=None))
        return
    shown = list(video.frames(path))
    track = video.track(path, fps=None, size=8)
    assert len(track) == len(shown)
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in shown)
    if isinstance(case.pictures, Left):
        numbers = np.round(track.times_s * 25).astype(int)
        assert case.pictures.least <= len(numbers) < 48
        assert (np.diff(numbers) > 0).all()
    else:
        numbers = np.array(case.pictures)
        assert len(shown) == len(numbers)
    for picture, number in zip(shown, numbers, strict=True):
        check(picture, number, case)
        assert case.size in (None, picture.shape[:2])
    if case.times_s is not None:
        # WebM rounds to milliseconds, and the first picture's time with the others'.
        np.testing.assert_allclose(track.times_s, case.times_s, atol=1.01e-3)


@each_case
def test_sound_is_read_right_or_refused(case: Case, made: Callable[[Case], Path]) -> None:
    path = made(case)
    if isinstance(case.sound_s, str):
        assert case.sound_s in refusal(path, audio.read)
        return
    x = audio.read(path, sr=SR)
    assert x.size / SR == pytest.approx(case.sound_s, abs=0.03)
    assert np.isfinite(x).all()


def test_a_folder_of_them_all_lists_what_is_refused(made: Callable[[Case], Path]) -> None:
    for case in CASES:
        root = made(case).parents[2]
    corpus = cryutils.load(root)
    problems = corpus.problems()
    listed = {Path(item).name for item in problems.item[problems.kind == "left out"]}
    refused = {case for case in CASES if case.is_left_out}
    assert listed == {case.name for case in refused}
    assert {clip.path.name for clip in corpus} == {case.name for case in {*CASES} - refused}
