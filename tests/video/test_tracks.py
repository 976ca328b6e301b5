"""Frames at their times, a face followed through them, crops of a corpus kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from cryutils import video
from cryutils.datasets.synthetic import face as drawn
from cryutils.datasets.synthetic import voice
from cryutils.errors import InputError
from cryutils.video import faces, mp4, tracks


@pytest.fixture(autouse=True)
def _own_cache(apart, monkeypatch) -> None:
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)


def grey(level: int, *, height: int = 32, width: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def levels(pictures: Iterator[np.ndarray]) -> list[int]:
    """The number that `numbered` gave each picture."""
    return [round((float(picture.mean()) - 20) / 10) for picture in pictures]


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> Path:
    """Twenty pictures at 10 a second, told apart by their grey."""
    path = tmp_path_factory.mktemp("numbered") / "a.mp4"
    mp4.write(path, (grey(20 + 10 * i) for i in range(20)), fps=10, crf=5)
    return path


@pytest.fixture(scope="module")
def baby(tmp_path_factory) -> Path:
    """Two seconds of a synthetic face at 20 a second."""
    path = tmp_path_factory.mktemp("baby") / "baby.mp4"
    mp4.write(path, drawn_frames(), fps=20)
    return path


def drawn_frames() -> list[np.ndarray]:
    plan = drawn.plan(voice.plan("hungry", infant=1, seed=0, duration_s=2.0), fps=20)
    return list(drawn.frames(plan, size=160))


# --- times -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fps", "numbers"),
    [
        (None, list(range(20))),
        (5, list(range(0, 20, 2))),
        (4, [0, 2, 5, 7, 10, 12, 15, 17]),
        (20, [i // 2 for i in range(40)]),
        (Fraction(10, 3), [0, 3, 6, 9, 12, 15, 18]),
    ],
)
def test_frames_at_a_rate(numbered, fps, numbers) -> None:
    assert levels(video.frames(numbered, fps=fps)) == numbers


@pytest.mark.parametrize("fps", [0, float("nan"), 1001])
def test_a_rate_that_is_none_is_refused_at_once(numbered, fps) -> None:
    with pytest.raises(InputError, match="is no frame rate"):
        video.frames(numbered, fps=fps)


# --- the face --------------------------------------------------------------------------------


def test_a_face_is_followed_through_every_frame(baby) -> None:
    track = video.track(baby, fps=None)
    assert track.detector == "haar"
    assert len(track) == 40
    assert track.crops.shape == (40, 64, 64, 3)
    assert track.crops.dtype == np.uint8
    assert track.with_face.all()
    assert not track.blank.any()
    np.testing.assert_allclose(track.times_s, np.arange(40) / 20)
    eye = faces.Detector("haar")
    for frame, box in zip(video.frames(baby), track.boxes, strict=True):
        (detection,) = eye.detect(frame)
        middle = box[:2] + box[2:4] / 2
        np.testing.assert_allclose(middle, detection[:2] + detection[2:4] / 2, atol=0.1 * box[2])
        assert box[2] == pytest.approx(detection[2], rel=0.25)


def test_without_a_face_the_centre_is_shown_and_not_called_found(tmp_path) -> None:
    scene = np.random.default_rng(0).integers(60, 200, (40, 60, 3), dtype=np.uint8)
    mp4.write(tmp_path / "a.mp4", [scene] * 10, fps=10)
    track = video.track(tmp_path / "a.mp4", fps=5, size=20)
    assert not track.with_face.any()
    assert not track.blank.any()
    np.testing.assert_array_equal(track.boxes, [(10, 0, 40, 40, 0)] * 5)
    (first, *_) = video.frames(tmp_path / "a.mp4")
    expected = cv2.resize(first[:, 10:50], (20, 20), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(track.crops[0], expected)


def test_a_face_that_appears_late_is_shown_from_the_start_but_not_found(tmp_path) -> None:
    shown = drawn_frames()
    wall = np.random.default_rng(0).integers(60, 200, shown[0].shape, dtype=np.uint8)
    black = np.zeros_like(wall)
    mp4.write(tmp_path / "a.mp4", [*[wall] * 40, *shown, *[black] * 20], fps=20)
    track = video.track(tmp_path / "a.mp4", fps=10)
    np.testing.assert_array_equal(track.blank, track.times_s >= 4)
    # Found half a second before it appears, but not where all is black.
    np.testing.assert_array_equal(track.with_face, (track.times_s >= 1.5) & (track.times_s < 4))
    np.testing.assert_array_equal(track.boxes[:20], np.tile(track.boxes[20], (20, 1)))


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (7, 7), (99, 40)])
def test_a_limit_takes_frames_evenly_over_the_length(baby, limit, count) -> None:
    whole, part = video.track(baby, fps=None), video.track(baby, fps=None, limit=limit)
    assert len(part) == count
    chosen = np.searchsorted(whole.times_s, part.times_s)
    np.testing.assert_array_equal(part.crops, whole.crops[chosen])
    np.testing.assert_array_equal(part.boxes, whole.boxes[chosen])
    assert part.times_s[0] == 0
    if count > 1:
        assert part.times_s[-1] == whole.times_s[-1]
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1


# --- a corpus --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    path: Path
    has_video: bool = True
    still: Path | None = None


@pytest.fixture
def corpus(tmp_path, baby, numbered, sound) -> list[Recording]:
    """A face, no face, sound alone, and sound with a still."""
    picture = tmp_path / "still.png"
    cv2.imwrite(str(picture), drawn_frames()[0][..., ::-1])
    noise = sound(tmp_path / "a.wav")
    return [
        Recording(baby),
        Recording(numbered),
        Recording(noise, has_video=False),
        Recording(noise, has_video=True, still=picture),
    ]


def test_crops_are_the_tracks_in_the_order_of_the_corpus(corpus) -> None:
    for _ in ("computed", "from the cache"):
        tracks = video.crops(corpus, fps=2)
        assert [len(track) for track in tracks] == [4, 4, 0, 1]
        for track, path in ((tracks[0], corpus[0].path), (tracks[3], corpus[3].still)):
            alone = video.track(path, fps=2)
            for name in ("crops", "boxes", "with_face", "blank", "times_s"):
                np.testing.assert_array_equal(getattr(track, name), getattr(alone, name))


def test_the_second_look_decodes_nothing_unless_a_setting_differs(corpus, monkeypatch) -> None:
    video.crops(corpus, fps=2)
    monkeypatch.setattr(tracks, "timed_pictures", lambda path: pytest.fail(f"{path} is read again"))
    video.crops(corpus, fps=2)
    for change in ({"fps": 3}, {"size": 32}, {"limit": 2}, {"fps": None}):
        with pytest.raises(pytest.fail.Exception):
            video.crops(corpus, **{"fps": 2, **change})


def test_the_picture_at_a_time_is_the_one_shown_then_or_the_last(numbered) -> None:
    pictures = list(video.frames(numbered))
    shown = list(video.frames(numbered, fps=2))
    for k, picture in enumerate(shown):
        np.testing.assert_array_equal(video.frame_at(numbered, k / 2), picture)
    np.testing.assert_array_equal(video.frame_at(numbered, 1e6), pictures[-1])
