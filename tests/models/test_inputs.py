"""What networks are given: shapes, windows and crops, and the reason where there are none."""

import numpy as np
import pytest

from cryutils.audio.spectral import resample
from cryutils.errors import InputError
from cryutils.models.inputs import PictureInput, SoundInput, picture_problem, sound_problem, windows
from cryutils.video.tracks import FaceTrack

SR = 8000
RNG = np.random.default_rng(0)


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return (level * RNG.standard_normal(round(seconds * SR))).astype(np.float32)


def track(faces: list[int], blank: list[int]) -> FaceTrack:
    crops, boxes = np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 4), np.float32)
    return FaceTrack(crops, boxes, np.array(faces, bool), np.array(blank, bool), np.arange(2) / 2)


# Sound: features and windows


@pytest.mark.parametrize(("kind", "wide"), [("mel+mfcc", 60), ("stft", 257)])
def test_a_window_has_the_shape_that_is_promised(kind, wide) -> None:
    asked = SoundInput(kind=kind)
    cut = asked.windows(noise(5))
    assert asked.shape == (63, wide)  # 2 s, a frame each 32 ms, both ends
    assert (cut.shape, cut.dtype) == ((4, 63, wide), np.float32)


def test_a_recording_scaled_as_in_paper_a_keeps_its_gain_and_no_constant() -> None:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x = noise(1) + np.float32(0.3)
    letter = MinMaxScaler().fit_transform(StandardScaler().fit_transform(x[:, None]))[:, 0]
    signal = SoundInput(scaling="recording").scaled(x)
    np.testing.assert_allclose(signal, letter - letter.mean(), atol=1e-6)


@pytest.mark.parametrize(("seconds", "window_s", "step_s"), [(0.3, 2.0, 1.0), (7.9, 0.7, 0.33)])
def test_starts_are_where_the_windows_were_cut(seconds, window_s, step_s) -> None:
    asked = SoundInput(window_s=window_s, step_s=step_s)
    length = round(seconds * SR)
    frames = np.arange(1 + length // asked.hop_length, dtype=np.float32)[:, None]  # by number
    cut = windows(frames, frames=asked.frames, hop=asked.hop)
    np.testing.assert_allclose(asked.starts_s(len(cut), length), cut[:, 0, 0] * asked.hop_length / SR)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "mfc"}, "no kind 'mfc'. Did you mean mfcc"),
        ({"window_s": 0.1}, "window_s=0.1"),
        ({"step_s": 0.0}, "step_s=0.0"),
    ],
)
def test_what_is_no_setting_is_refused(changes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SoundInput(**changes)


# Sound: reasons


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (np.zeros(0), "no sound"),
        (noise(0.2), "only 0.20 s of sound"),
        (resample(np.full(8000, 0.9, np.float32), sr=8000, to=SR), "silence"),
        (np.tile([1e-4, -1e-4], SR // 2), "silence (peak -80 dB)"),
        (0.5 + noise(1, 1e-2), "None"),
    ],
)
def test_why_a_sound_cannot_be_judged(x, why) -> None:
    assert str(sound_problem(x.astype(np.float32), SR)).startswith(why)
    examples = SoundInput().examples([x.astype(np.float32), noise(4)])
    assert examples.clip.tolist() == [0] * (why == "None") + [1] * 3


# Faces


@pytest.mark.parametrize(
    ("face_track", "why"),
    [
        (None, "no pictures"),
        (track([0, 0], [1, 1]), "black or blank frames"),
        (track([1, 0], [1, 0]), "no face in 2 frames"),  # the one with a face is blank
        (track([0, 1], [1, 0]), None),
    ],
)
def test_why_pictures_cannot_be_judged(face_track, why) -> None:
    assert picture_problem(face_track) == why
    examples = PictureInput(size=8).examples([None, face_track])
    assert examples.x.dtype == np.uint8 and examples.clip.tolist() == [1] * (why is None)


# Examples


@pytest.mark.parametrize(
    ("hop", "starts"),
    [
        (3, [0, 3, 6, 9]),
        (5, [0, 5, 9]),  # four frames of five are, so a window ends with the clip
    ],
)
def test_windows_start_every_hop_and_the_last_ends_with_the_clip(hop, starts) -> None:
    features = np.arange(26, dtype=np.float32).reshape(13, 2)
    cut = windows(features, frames=4, hop=hop)
    np.testing.assert_array_equal(cut, [features[i : i + 4] for i in starts])
