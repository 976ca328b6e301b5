"""Videos and pictures with the answer drawn in: they play, keep their sound, show the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trained_run import Trained

from cryutils import audio, video
from cryutils._io import media
from cryutils.errors import InputError
from cryutils.papers.annotate import HEIGHT, PANEL, annotate, panel
from cryutils.papers.predict import Prediction, Predictor, Timeline
from cryutils.video import mp4

BLUE, PALE, ORANGE = (0, 114, 178), (150, 190, 215), (230, 159, 0)
STATES = ("discomfort", "hungry", "pain", "tired")


@pytest.fixture
def prediction(quick: Trained, recordings: Path) -> Prediction:
    return Predictor()(recordings / "cry.mp4")


def is_colour(pixels: np.ndarray, colour: tuple[int, int, int], *, within: int = 0) -> np.ndarray:
    return (np.abs(pixels.astype(int) - colour) <= within).all(axis=-1)


def bars(strip: np.ndarray) -> list[int]:
    """How long the filled part of each state's bar is, in pixels, from above."""
    filled = is_colour(strip, BLUE) | is_colour(strip, PALE)
    lengths = filled.sum(axis=1)
    starts = np.flatnonzero((lengths[1:] > 0) & (lengths[:-1] == 0)) + 1
    return [int(lengths[start + 2]) for start in starts]


def plays(path: Path) -> tuple[float, list[np.ndarray]]:
    """The frames of a video as PyAV shows them, and how long they last."""
    import av

    with av.open(str(path)) as container:
        frames: list = list(container.decode(video=0))
        rate = float(container.streams.video[0].average_rate)
    return frames[-1].time + 1 / rate, [frame.to_ndarray(format="rgb24") for frame in frames]


# Files


def test_a_video_keeps_its_length_and_sound_and_grows_by_the_panel(
    prediction: Prediction, tmp_path: Path
) -> None:
    path = annotate(prediction, tmp_path / "drawn")
    assert path == tmp_path / "drawn" / "cry.mp4"
    seconds, frames = plays(path)
    assert seconds == pytest.approx(plays(prediction.file)[0], abs=1 / 25)
    assert frames[0].shape == (HEIGHT, HEIGHT + PANEL, 3)  # the recording is a square
    x, y = (audio.read(p, sr=8000) for p in (prediction.file, path))
    assert len(y) == pytest.approx(len(x), abs=8000 / 25)
    n = min(len(x), len(y))
    assert np.corrcoef(x[:n], y[:n])[0, 1] > 0.95


def test_a_video_without_sound_gets_none(quick: Trained, recordings: Path, tmp_path: Path) -> None:
    path = annotate(Predictor()(recordings / "mute.mp4"), tmp_path)
    assert not media.probe(path).has_audio


def test_the_recording_is_seen_beside_the_panel_at_its_own_time(
    prediction: Prediction, tmp_path: Path
) -> None:
    _, drawn = plays(annotate(prediction, tmp_path))
    _, recording = plays(prediction.file)  # at 8 frames a second
    import cv2

    for at_s in (0.0, 1.0, 1.75):
        shown = drawn[round(at_s * 25)][:, :HEIGHT]
        apart = [
            np.abs(cv2.resize(frame, (HEIGHT, HEIGHT)).astype(int) - shown).mean()
            for frame in recording
        ]
        assert int(np.argmin(apart)) == round(at_s * 8)


@pytest.mark.parametrize("size", [(64, 96), (97, 51)])
def test_any_shape_of_picture_is_drawn(
    size: tuple[int, int], quick: Trained, tmp_path: Path
) -> None:
    height, width = size
    frames = [np.full((height, width, 3), 40 * k, np.uint8) for k in range(3)]
    mp4.write(tmp_path / "odd.mp4", frames, fps=12.5)
    _, drawn = plays(annotate(Predictor()(tmp_path / "odd.mp4"), tmp_path / "drawn"))
    rows, columns = (side + side % 2 for side in size)
    assert drawn[0].shape[0] == HEIGHT
    assert drawn[0].shape[1] == pytest.approx(HEIGHT * columns / rows + PANEL, abs=2)


def test_a_still_becomes_a_png_of_any_name(
    quick: Trained, recordings: Path, tmp_path: Path
) -> None:
    prediction = Predictor()(recordings / "face.png")
    assert annotate(prediction, tmp_path, name="monday-2") == tmp_path / "monday-2.png"
    assert annotate(prediction, tmp_path) == tmp_path / "face.png"
    with Image.open(tmp_path / "face.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (HEIGHT + PANEL, HEIGHT))


def test_a_sound_has_nothing_to_draw_in(quick: Trained, recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a sound has no picture to draw in"):
        annotate(Predictor()(recordings / "cry.wav"), tmp_path)


@pytest.mark.parametrize("name", ["cry.mp4", "face.png"])
def test_the_recordings_own_folder_is_refused(
    name: str, quick: Trained, recordings: Path, tmp_path: Path
) -> None:
    linked = tmp_path / name
    linked.symlink_to(recordings / name)
    for source, folder in ((recordings / name, recordings), (linked, tmp_path),
                           (linked, recordings)):  # fmt: skip
        with pytest.raises(InputError, match="choose another folder"):
            annotate(Predictor()(source), folder)


# What is drawn


def test_bars_are_as_long_as_their_shares_and_the_longest_alone_is_dark() -> None:
    shares = dict(zip(STATES, (0.5, 0.25, 1.0, 0.1), strict=True))
    strip = panel(shares, heading="", lines=[])
    assert bars(strip) == pytest.approx([s * (PANEL - 32) for s in shares.values()], abs=1.5)
    rows = np.flatnonzero(is_colour(strip, BLUE).any(axis=1))
    pale = np.flatnonzero(is_colour(strip, PALE).any(axis=1))
    assert np.ptp(rows) < 20  # one bar
    assert (pale < rows.min()).any() and (pale > rows.max()).any()


def test_without_an_answer_there_are_words_and_no_bars() -> None:
    strip = panel({}, heading="picture", lines=["no prediction"])
    assert bars(strip) == []
    assert (strip != panel({}, heading="picture", lines=[])).any()


def test_long_lines_are_broken_within_the_panel() -> None:
    strip = panel({}, heading="", lines=["a long reason " * 12])
    assert (strip[:, -8:] == 255).all()
    inked = (strip < 200).any(axis=(1, 2))
    assert np.count_nonzero(inked[1:] & ~inked[:-1]) >= 4


def test_the_box_is_on_the_judged_face_and_nowhere_without_one(
    quick: Trained, recordings: Path, tmp_path: Path
) -> None:
    prediction = Predictor("image")(recordings / "face.png")
    assert prediction.face is not None and prediction.face.boxes is not None
    x, y, width, height = prediction.face.boxes[0] * HEIGHT / 96
    orange = is_colour(picture_of(prediction, tmp_path)[:, :HEIGHT], ORANGE, within=12)
    rows, columns = np.flatnonzero(orange.any(axis=1)), np.flatnonzero(orange.any(axis=0))
    # A pixel of the recording is nearly four of the drawn picture.
    np.testing.assert_allclose([columns.min(), rows.min()], [x, y], atol=6)
    np.testing.assert_allclose([columns.max(), rows.max()], [x + width, y + height], atol=6)
    without = picture_of(replace(prediction, face=None), tmp_path)
    assert not is_colour(without[:, :HEIGHT], ORANGE, within=2).any()


def picture_of(prediction: Prediction, folder: Path) -> np.ndarray:
    with Image.open(annotate(prediction, folder)) as picture:
        return np.asarray(picture)


def test_each_moment_shows_what_was_said_by_then(tmp_path: Path) -> None:
    frames: Iterator[np.ndarray] = (np.full((64, 64, 3), 99, np.uint8) for _ in range(20))
    mp4.write(tmp_path / "grey.mp4", frames, fps=10)
    over_time = np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0]], np.float32)
    prediction = Prediction(
        file=tmp_path / "grey.mp4", info=media.probe(tmp_path / "grey.mp4"),
        state="hungry", why=(), used="audio", face=None,
        probabilities=dict(zip(STATES, (0.55, 0.45, 0, 0), strict=True)),
        sound=Timeline(np.array([0.0, 1.0]), over_time),
    )  # fmt: skip
    shown = list(video.frames(annotate(prediction, tmp_path / "drawn")))
    for at_s, expected in ((0.5, 0.9), (0.96, 0.9), (1.0, 0.2), (1.9, 0.2)):
        first = shown[round(at_s * 25)][72:82, HEIGHT + 16 : -16]  # the bar of the first state
        dark = first.mean(axis=2) < 225  # its ground is lighter, whatever the codec did
        assert dark.mean() == pytest.approx(expected, abs=0.03)


def test_the_whole_recordings_answer_its_reasons_and_its_source_are_written(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryutils.papers import annotate as module

    panels, still = list[list[str]](), recordings / "face.png"
    monkeypatch.setattr(
        module, "panel", lambda shares, *, heading, lines: panels.append([heading, *lines]) or
        np.zeros((HEIGHT, PANEL, 3), np.uint8),
    )  # fmt: skip
    nothing = Prediction(
        file=still, info=media.probe(still), state=None, probabilities={}, used="none",
        sound=None, face=None, why=("sound: no sound", "picture: no face in 1 frames"),
    )  # fmt: skip
    annotate(nothing, tmp_path, note="Trained on synthetic voices.")
    assert panels == [
        [
            "picture", "Whole recording: no prediction",
            "picture: no face in 1 frames", "No medical device.", "Trained on synthetic voices.",
        ]
    ]  # fmt: skip
