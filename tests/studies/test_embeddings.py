"""Videos of three states: their frames, their embeddings, and the room that they need."""

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

SIZE, FPS = 64, 4.0
INPUT = PictureInput(fps=FPS, size=SIZE, crop="frame")


def clip(path: Path) -> Clip:
    """A video of eight pictures at 4 a second, each a smooth pattern of its own."""
    coarse = np.random.default_rng(int(path.stem)).integers(0, 256, (8, 4, 6, 3), dtype=np.uint8)
    pictures = [np.kron(c, np.ones((16, 16, 1), np.uint8)) for c in coarse]
    mp4.write(path, pictures, fps=FPS, sound=None, sr=None, crf=10)
    return replace(corpus(["hungry"])[0], id=path.stem, path=path)


@pytest.fixture(scope="module")
def mean_colour() -> Backbone:
    """A backbone whose embedding of a frame is its mean colour, so that everybody can check."""
    keras = backend.keras()
    pixels = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(pixels, keras.layers.Rescaling(1.0)(pixels))
    return Backbone(model, "mean colour", "no weights", "none")


@pytest.fixture
def three(bare: Path) -> list[Clip]:
    return [clip(bare / f"{n}.mp4") for n in range(3)]


def test_three_states_by_the_papers_names() -> None:
    labels = ["hungry", "tired", "lonely", "burping"]
    chosen = corpus(labels).select(embeddings.STATES, embeddings.STAND_INS)
    assert tuple(chosen.labels) == ("hungry", "sleepy", "hug")
    own = corpus(["sleepy", "tired", "hug"]).select(embeddings.STATES, embeddings.STAND_INS)
    assert tuple(own.labels) == ("sleepy", "hug"), "its own names are there"


def test_films_have_at_most_the_papers_frames_together() -> None:
    for minutes, fps in ((200, 30.0), (400, 15.0)):
        assert embeddings.frame_rate([replace(corpus(["hug"])[0], duration_s=60.0)] * minutes, 30.0) == fps


def test_each_clip_gets_the_embeddings_of_its_frames_and_a_clip_without_pictures_none(
    bare: Path, still: Any, three: list[Clip], mean_colour: Backbone
) -> None:
    heard = replace(three[0], path=bare / "sound.wav", has_video=False)
    with_still = replace(heard, still=still(bare / "a.png"))
    features = embeddings.embed([*three, heard, with_still], mean_colour, INPUT)
    assert [rows.shape for rows in features] == [(8, 3)] * 3 + [(0, 3), (1, 3)]
    for rows, each in zip(features[:3], three, strict=True):
        squares = [picture[:, 16:80] for picture in video.frames(each.path, fps=FPS)]
        np.testing.assert_allclose(rows, np.mean(squares, axis=(1, 2)), rtol=1e-5)


def test_what_was_stopped_goes_on_where_it_was(
    three: list[Clip], mean_colour: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, decode, opened = three[1].path.read_bytes(), video.frames, []
    monkeypatch.setattr(video, "frames", lambda path, **k: opened.append(path.name) or decode(path, **k))
    three[1].path.write_bytes(good[: len(good) // 4])
    with pytest.raises(InputError, match=r"1\.mp4"):
        embeddings.embed(three, mean_colour, INPUT)
    three[1].path.write_bytes(good)
    opened.clear()
    embeddings.embed(three, mean_colour, INPUT)
    assert opened == ["1.mp4", "2.mp4"]
