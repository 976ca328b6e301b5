"""Frames at their times, a face followed through them, crops of a corpus kept on disk."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from cryutils import audio, video
from cryutils.datasets.synthetic import face as drawn
from cryutils.datasets.synthetic import voice
from cryutils.errors import InputError
from cryutils.video import faces, mp4, tracks

pytestmark = pytest.mark.usefixtures("apart")


def number(picture: np.ndarray) -> int:
    """The number that `numbered` gave a picture."""
    return round((float(picture.mean()) - 20) / 10)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> Path:
    """Twenty pictures at 10 a second, told apart by their grey."""
    path = tmp_path_factory.mktemp("numbered") / "a.mp4"
    mp4.write(path, (np.full((32, 48, 3), 20 + 10 * i, np.uint8) for i in range(20)), fps=10, crf=5)
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


@pytest.mark.parametrize(
    ("fps", "numbers"),
    [(None, list(range(20))), (4, [0, 2, 5, 7, 10, 12, 15, 17]), (20, [i // 2 for i in range(40)])],
)
def test_frames_at_a_rate(numbered, fps, numbers) -> None:
    assert [number(picture) for picture in video.frames(numbered, fps=fps)] == numbers
    with pytest.raises(InputError, match="is no frame rate"):
        video.frames(numbered, fps=float("nan"))
    assert [number(video.frame_at(numbered, time_s)) for time_s in (0, 0.55, 1e6)] == [0, 5, 19]


def test_frames_and_sound_come_back_in_order_and_time(tmp_path) -> None:
    fps, sr = 30, 8000
    t = np.arange(1.5 * sr) / sr
    sound = (0.4 * np.sin(2 * np.pi * 440 * t) * np.hanning(t.size)).astype(np.float32)
    ramp = np.linspace(0, 60, 48)[None, :, None] + np.linspace(0, 30, 32)[:, None, None]
    frames = [np.tile(ramp + 100 * (i % 2) + i, 3).astype(np.uint8) for i in range(45)]
    mp4.write(tmp_path / "a.mp4", frames, fps=fps, sound=sound, sr=sr)
    for shown, frame in zip(video.frames(tmp_path / "a.mp4"), frames, strict=True):
        # Chroma is subsampled and the levels squeezed into 16-235, so not to the last bit.
        assert np.abs(shown.astype(int) - frame).mean() < 3
    heard = audio.read(tmp_path / "a.mp4")
    assert heard.shape == sound.shape
    # A shift by one sample would leave 0.4 * 2 pi 440 / 8000 = 0.14.
    assert np.sqrt(np.mean((heard - sound) ** 2)) < 0.01


def test_a_face_is_followed_through_every_frame(baby) -> None:
    track = video.track(baby, fps=None)
    assert (track.crops.shape, track.crops.dtype) == ((40, 64, 64, 3), np.uint8)
    assert track.usable.all()
    np.testing.assert_allclose(track.times_s, np.arange(40) / 20)
    eye = faces.Detector()
    for frame, box in zip(video.frames(baby), track.boxes, strict=True):
        (detection,) = eye.detect(frame)
        middle = box[:2] + box[2:4] / 2
        np.testing.assert_allclose(middle, detection[:2] + detection[2:4] / 2, atol=0.1 * box[2])
        assert box[2] == pytest.approx(detection[2], rel=0.25)


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


@pytest.mark.parametrize(("limit", "count"), [(7, 7), (99, 40)])
def test_a_limit_takes_frames_evenly_over_the_length(baby, limit, count) -> None:
    whole, part = video.track(baby, fps=None), video.track(baby, fps=None, limit=limit)
    assert len(part) == count
    chosen = np.searchsorted(whole.times_s, part.times_s)
    np.testing.assert_array_equal(part.crops, whole.crops[chosen])
    np.testing.assert_array_equal(part.boxes, whole.boxes[chosen])
    assert (part.times_s[0], part.times_s[-1]) == (0, whole.times_s[-1])
    assert np.ptp(np.diff(chosen)) <= 1


@pytest.fixture
def corpus(tmp_path, baby, numbered, sound) -> list[SimpleNamespace]:
    """A face, no face, sound alone, and sound with a still."""
    picture = tmp_path / "still.png"
    cv2.imwrite(str(picture), drawn_frames()[0][..., ::-1])
    noise = sound(tmp_path / "a.wav")
    rows = [(baby, True, None), (numbered, True, None), (noise, False, None), (noise, True, picture)]
    return [SimpleNamespace(path=path, has_video=shown, still=still) for path, shown, still in rows]


def test_crops_are_the_tracks_in_the_order_of_the_corpus(corpus) -> None:
    for _ in ("computed", "from the cache"):
        tracks = video.crops(corpus, fps=2)
        assert [len(track) for track in tracks] == [4, 4, 0, 1]
        for track, path in ((tracks[0], corpus[0].path), (tracks[3], corpus[3].still)):
            alone = video.track(path, fps=2)
            for name in ("crops", "boxes", "with_face", "blank", "times_s"):
                np.testing.assert_array_equal(getattr(track, name), getattr(alone, name))
        np.testing.assert_array_equal(tracks[1].boxes, [(8, 0, 32, 32)] * 4)  # the centre
        assert not tracks[1].with_face.any()


def test_the_second_look_decodes_nothing_unless_a_setting_differs(corpus, monkeypatch) -> None:
    video.crops(corpus, fps=2)
    monkeypatch.setattr(tracks, "timed_pictures", lambda path: pytest.fail(f"{path} is read again"))
    video.crops(corpus, fps=2)
    for change in ({"fps": 3}, {"size": 32}, {"limit": 2}, {"fps": None}):
        with pytest.raises(pytest.fail.Exception):
            video.crops(corpus, **{"fps": 2, **change})


NEAR = (10, 10, 40, 40, 9)
FAR = (100, 10, 20, 20, 9)


MOVING = [(10.0 + 5 * i, 10, 40, 40, 9) for i in range(9)]
BLUNDER = (0, 40, 90, 90, 9)
AWAY = [[]] * 6
FOLLOWED = {  # what is seen at each look, and the face that is followed
    "nothing": ([[], []], [None, None]),
    "the larger, wherever it stands": ([[NEAR, FAR], [FAR, NEAR], [FAR, NEAR]], [NEAR] * 3),
    "one that moves": ([[face, FAR] for face in MOVING], MOVING),
    "no large blunder of one look": ([*[[FAR]] * 3, [FAR, BLUNDER], *[[FAR]] * 8], [FAR] * 12),
    "no blunder while it is away": ([*[[NEAR]] * 4, *AWAY, [FAR], *AWAY], [*[NEAR] * 4, *[None] * 13]),
    "one that comes back elsewhere": (
        [*[[NEAR]] * 4, *AWAY, *[[FAR]] * 4],
        [*[NEAR] * 4, *[None] * 6, *[FAR] * 4],
    ),
}


@pytest.mark.parametrize(("seen", "followed"), FOLLOWED.values(), ids=FOLLOWED)
def test_one_face_is_followed(seen, followed) -> None:
    boxes = [np.array(look, np.float32).reshape(-1, 5) for look in seen]
    looks = tracks.choose(boxes, [0.25 * i for i in range(len(seen))])
    expected = [(0.25 * i, face[:4]) for i, face in enumerate(followed) if face]
    assert [(time, tuple(face)) for time, face in looks] == expected


def test_boxes_are_interpolated_and_a_face_is_present_half_a_second_around_looks() -> None:
    a, b = np.float32([0, 0, 40, 40]), np.float32([100, 50, 60, 60])  # apart: neither steadies the other
    times_s = np.array([0.0, 0.5, 1.0, 1.25, 2.0, 2.5, 5.0])
    boxes, present = tracks.follow([(1.0, a), (2.0, b)], times_s)
    np.testing.assert_allclose(boxes, [a, a, a, 0.75 * a + 0.25 * b, b, b, b])
    np.testing.assert_array_equal(present, [0, 1, 1, 1, 1, 1, 0])


def test_a_trembling_box_is_steadied() -> None:
    looks = [(0.25 * i, np.float32([10 + (-1) ** i, 10, 40, 40])) for i in range(5)]
    boxes, _ = tracks.follow(looks, np.arange(5) * 0.25)
    np.testing.assert_allclose(boxes[1:-1, 0], 10, atol=1e-6)  # (1, 2, 1) / 4 of -1, 1, -1
    np.testing.assert_allclose(boxes[[0, -1], 0], 10 + 1 / 3, atol=1e-6)
