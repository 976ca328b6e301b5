"""Videos of three states: their frames, their embeddings, and the room that they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_corpus import corpus

from cryutils import video
from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError
from cryutils.models import backend
from cryutils.models.backbones import Backbone
from cryutils.models.inputs import PictureInput
from cryutils.studies import embeddings
from cryutils.video import mp4

pytestmark = pytest.mark.usefixtures("bare")

SIZE, FPS = 48, 4.0
INPUT = PictureInput(fps=FPS, size=SIZE, crop="frame")


def clip(path: Path, label: str = "hungry", *, has_video: bool = True) -> Clip:
    return Clip(
        id=path.stem,
        path=path,
        label=label,
        infant="i",
        session="i/1",
        start_s=None,
        duration_s=2.0,
        has_audio=True,
        has_video=has_video,
    )


def write(path: Path, *, height: int = 64, width: int = 96, seed: int = 0, count: int = 8) -> Path:
    """A video of `count` pictures at 4 a second, each a smooth pattern of its own."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    pictures = [np.kron(c, np.ones((height // 4, width // 6, 1), np.uint8)) for c in coarse]
    mp4.write(path, pictures, fps=FPS, sound=None, sr=None, crf=10)
    return path


@pytest.fixture(scope="module")
def mean_colour() -> Backbone:
    """A backbone whose embedding of a frame is its mean colour, so that everybody can check."""
    keras = backend.keras()
    pixels = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(pixels, keras.layers.Rescaling(1.0)(pixels))
    return Backbone(model, "mean colour", "no weights", "none")


@pytest.fixture
def three(bare: Path) -> list[Clip]:
    return [clip(write(bare / f"{n}.mp4", seed=n)) for n in range(3)]


def colours(clips: list[Clip]) -> list[np.ndarray]:
    return [np.stack([frame.mean(axis=(0, 1)) for frame in INPUT.frames(clip.path)]) for clip in clips]


# The three states


@pytest.mark.parametrize(
    ("labels", "states"),
    [
        (("hungry", "tired", "lonely", "burping"), ("hungry", "sleepy", "hug")),
        (("hungry", "tired", "belly_pain"), ("hungry", "sleepy")),
        (("sleepy", "tired", "hug", "lonely"), ("sleepy", "hug")),  # its own names are there
    ],
)
def test_three_states_by_the_papers_names(labels: tuple[str, ...], states: tuple[str, ...]) -> None:
    chosen = corpus(list(labels)).select(embeddings.STATES, embeddings.STAND_INS)
    assert tuple(chosen.labels) == states
    assert set(chosen.classes) <= set(embeddings.STATES) == set(embeddings.WORDS)


# Frames


def test_the_whole_frame_is_its_centred_square(bare: Path) -> None:
    path = write(bare / "wide.mp4")
    frame_input = PictureInput(fps=FPS, size=64, crop="frame")
    for frame, picture in zip(frame_input.frames(path), video.frames(path, fps=FPS), strict=True):
        np.testing.assert_array_equal(frame, picture[:, 16:80])


def test_the_face_is_the_one_that_video_follows(bare: Path) -> None:
    import cryutils

    corpus = cryutils.load(
        "synthetic",
        classes=["hug", "hungry"],
        video=True,
        infants=8,
        clips_per_infant=1,
        duration_s=1.0,
        fps=8,
        size=96,
        progress=False,
    )
    frames = np.stack(list(PictureInput(fps=8, size=32, crop="face").frames(corpus[0].path)))
    track = video.track(corpus[0].path, fps=8, size=32)
    np.testing.assert_array_equal(frames, track.crops)
    assert track.with_face.any()


# Embeddings


def test_each_clip_is_given_what_the_backbone_makes_of_its_frames(
    three: list[Clip], mean_colour: Backbone
) -> None:
    features = embeddings.embed(three, mean_colour, INPUT)
    assert [rows.dtype for rows in features] == [np.float32] * 3
    for rows, wanted in zip(features, colours(three), strict=True):
        np.testing.assert_allclose(rows, wanted, rtol=1e-5)
    assert np.abs(features[0] - features[1]).max() > 1  # the clips differ, so it could have failed


def test_a_clip_without_pictures_has_no_rows_and_a_still_has_one(
    bare: Path, still: Any, three: list[Clip], mean_colour: Backbone
) -> None:
    heard = clip(bare / "sound.wav", has_video=False)
    with_still = replace(heard, still=still(bare / "a.png"))
    features = embeddings.embed([three[0], heard, with_still, three[1]], mean_colour, INPUT)
    assert [rows.shape for rows in features] == [(8, 3), (0, 3), (1, 3), (8, 3)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the files that were decoded."""
    names: list[str] = []
    decode = video.frames

    def counted(path: Path, **options: Any) -> Iterator[np.ndarray]:
        names.append(Path(path).name)
        return decode(path, **options)

    monkeypatch.setattr(video, "frames", counted)
    yield names


def test_what_was_stopped_goes_on_where_it_was(
    bare: Path, three: list[Clip], mean_colour: Backbone, opened: list[str]
) -> None:
    good = three[1].path.read_bytes()
    three[1].path.write_bytes(good[: len(good) // 4])
    with pytest.raises(InputError, match=r"1\.mp4"):
        embeddings.embed(three, mean_colour, INPUT)
    three[1].path.write_bytes(good)
    opened.clear()
    features = embeddings.embed(three, mean_colour, INPUT)
    assert opened == ["1.mp4", "2.mp4"]
    for rows, wanted in zip(features, colours(three), strict=True):
        np.testing.assert_allclose(rows, wanted, rtol=1e-5)
