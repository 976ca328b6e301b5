"""Videos of three states: their frames, their embeddings, and the room that they need."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_corpus import corpus

from cryutils import video
from cryutils.datasets.corpus import Clip
from cryutils.datasets.synthetic import face, voice
from cryutils.errors import InputError
from cryutils.models import backbones, backend, small_cnn
from cryutils.models.backbones import Backbone
from cryutils.papers import embeddings
from cryutils.papers.embeddings import FrameInput
from cryutils.video import faces, mp4

SIZE, FPS = 48, 4.0
INPUT = FrameInput(fps=FPS, size=SIZE)


def clip(path: Path, label: str = "hungry", *, has_video: bool = True) -> Clip:
    return Clip(
        id=path.stem, path=path, label=label, infant="i", session="i/1", start_s=None,
        duration_s=2.0, has_audio=True, has_video=has_video,
    )  # fmt: skip


def write(path: Path, *, height: int = 64, width: int = 96, seed: int = 0, count: int = 8) -> Path:
    """A video of `count` pictures at 4 a second, each a smooth pattern of its own."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    pictures = [np.kron(c, np.ones((height // 4, width // 6, 1), np.uint8)) for c in coarse]
    mp4.write(path, pictures, fps=FPS, sound=None, sr=None, crf=10)
    return path


@pytest.fixture(autouse=True)
def bare(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)
    return apart


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
    return [
        np.stack([frame.mean(axis=(0, 1)) for frame in INPUT.frames(clip.path)]) for clip in clips
    ]


# The three states


@pytest.mark.parametrize(
    ("labels", "states"),
    [
        (("hungry", "tired", "lonely", "burping"), ("hungry", "sleepy", "hug")),
        (("hungry", "tired", "belly_pain"), ("hungry", "sleepy")),
        (("hugging", "lonely", "sleepy"), ("hug", "hug", "sleepy")),
        (("sleepy", "tired", "hug", "lonely"), ("sleepy", "hug")),  # its own names are there
        (("hug", "hungry", "sleepy"), ("hug", "hungry", "sleepy")),
    ],
)
def test_three_states_by_the_papers_names(labels: tuple[str, ...], states: tuple[str, ...]) -> None:
    chosen = embeddings.three_states(corpus(list(labels)))
    assert tuple(chosen.labels) == states
    assert set(chosen.classes) <= set(embeddings.STATES) == set(embeddings.WORDS)


def test_a_corpus_of_one_state_is_refused() -> None:
    with pytest.raises(
        InputError,
        match="hug or lonely or hugging, hungry, sleepy or tired are needed, but it has only",
    ):
        embeddings.three_states(corpus(["hungry", "pain"]))


# Frames


def test_the_whole_frame_is_its_centred_square(bare: Path) -> None:
    path = write(bare / "wide.mp4")
    frame_input = FrameInput(fps=FPS, size=64)
    for frame, picture in zip(frame_input.frames(path), video.frames(path, fps=FPS), strict=True):
        np.testing.assert_array_equal(frame, picture[:, 16:80])


def test_the_centre_is_the_middle_share_of_that_square(bare: Path) -> None:
    path = write(bare / "tall.mp4", height=96, width=48)
    frame_input = FrameInput(fps=FPS, size=24, crop="centre", share=0.5)
    for frame, picture in zip(frame_input.frames(path), video.frames(path, fps=FPS), strict=True):
        np.testing.assert_array_equal(frame, picture[36:60, 12:36])


def test_the_face_is_the_one_that_video_follows(bare: Path) -> None:
    import cryutils

    corpus = cryutils.load(
        "synthetic", classes=["hug", "hungry"], video=True, infants=8, clips_per_infant=1,
        duration_s=1.0, fps=8, size=96, progress=False,
    )  # fmt: skip
    frames = np.stack(list(FrameInput(fps=8, size=32, crop="face").frames(corpus[0].path)))
    track = video.track(corpus[0].path, fps=8, size=32)
    np.testing.assert_array_equal(frames, track.crops)
    assert track.with_face.any()


def test_without_a_face_the_centre_stands_there(bare: Path) -> None:
    path = write(bare / "room.mp4")
    frame_input = FrameInput(fps=FPS, size=64)
    face = replace(frame_input, crop="face")
    assert not video.track(path, fps=FPS, size=64).with_face.any()
    np.testing.assert_array_equal(list(face.frames(path)), list(frame_input.frames(path)))


def test_the_default_share_holds_the_crop_that_the_small_backbone_has_learned() -> None:
    sides = []
    for infant in range(20):
        cry = voice.plan("hungry", infant=infant, seed=infant, duration_s=1.0)
        sides += list(face.plan(cry, fps=2).boxes(size=100)[:, 2])
    learned = np.median(sides) / 100 * (1 + 2 * small_cnn.MARGIN)
    assert learned < FrameInput().share < learned * (1 + small_cnn.JITTER)


def test_frames_are_a_stream(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, decoded = write(bare / "a.mp4"), []
    crop = faces.crop
    monkeypatch.setattr(faces, "crop", lambda *a, **k: decoded.append(0) or crop(*a, **k))
    frames = INPUT.frames(path)
    assert decoded == []
    next(frames)
    assert len(decoded) == 1


def test_the_key_holds_what_shapes_the_pixels_and_nothing_else(bare: Path) -> None:
    path, other = write(bare / "a.mp4"), write(bare / "b.mp4", seed=1)
    keys = {frame_input.key(path) for frame_input in (
        INPUT, replace(INPUT, fps=5.0), replace(INPUT, size=32), replace(INPUT, crop="face"),
        replace(INPUT, crop="centre"), replace(INPUT, crop="centre", share=0.5),
    )}  # fmt: skip
    assert len(keys) == 6
    assert INPUT.key(other) not in keys
    assert replace(INPUT, share=0.5, detector="haar").key(path) == INPUT.key(path)
    assert replace(INPUT, fps=4).key(path) == INPUT.key(path)
    by_name = replace(INPUT, crop="face", detector="haar").key(path)
    assert by_name == replace(INPUT, crop="face").key(path)  # no YuNet here


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"crop": "center"}, "no crop 'center'. Did you mean centre"),
        ({"size": 0}, "size=0"), ({"share": 1.1}, "share=1.1"), ({"fps": 0.0}, "fps=0.0"),
    ],
)  # fmt: skip
def test_what_is_no_setting_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        FrameInput(**wrong)
    assert words in str(caught.value) and "\n" not in str(caught.value)


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


def test_the_same_file_twice_and_a_damaged_entry_do_no_harm(
    bare: Path, three: list[Clip], mean_colour: Backbone
) -> None:
    wanted = [rows.copy() for rows in embeddings.embed(three[:1], mean_colour, INPUT)]
    (path,) = bare.glob("cache/joblib/**/output.pkl")
    path.write_bytes(b"damaged")
    features = embeddings.embed([three[0], three[1], three[1], three[2]], mean_colour, INPUT)
    np.testing.assert_array_equal(features[0], wanted[0])
    expected = colours([three[1], three[1], three[2]])
    for rows, other in zip(features[1:], expected, strict=True):
        np.testing.assert_allclose(rows, other, rtol=1e-5)


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


@pytest.mark.parametrize(("crop", "ahead"), [("frame", 400), ("face", 5 * 30)])
def test_a_few_hundred_frames_or_a_few_files_wait_for_the_network(
    crop: str, ahead: int, mean_colour: Backbone, monkeypatch: pytest.MonkeyPatch, apart: Path
) -> None:
    count, made, taken = {"frame": 900, "face": 30}[crop], 0, 0

    def counted(_: FrameInput, path: Path) -> Iterator[np.ndarray]:
        nonlocal made
        for k in range(count):
            made += 1
            yield np.array([int(path.stem), k])

    def network(pairs: Any, *_: Any, **__: Any) -> list[Any]:
        nonlocal taken
        for number, (_, source) in enumerate(pairs):
            for k, frame in enumerate(source()):
                assert frame.tolist() == [number, k]
                taken += 1
                assert made - taken <= ahead
        return []

    monkeypatch.setattr(FrameInput, "key", lambda _, path: str(path))
    monkeypatch.setattr(FrameInput, "frames", counted)
    monkeypatch.setattr(backbones, "embeddings", network)
    films = [clip(apart / f"{n}.mp4") for n in range(12)]
    embeddings.embed(films, mean_colour, replace(INPUT, crop=crop))
    assert made == taken == count * len(films)


@pytest.mark.parametrize("crop", ["frame", "face"])
def test_a_file_that_another_process_embeds_meanwhile_is_passed_over(
    three: list[Clip], mean_colour: Backbone, crop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame_input = replace(INPUT, crop=crop)
    wanted = [rows.copy() for rows in embeddings.embed(three, mean_colour, frame_input)]
    monkeypatch.setattr(backbones, "cached", lambda keys, *_, **__: [False for _ in keys])
    for rows, other in zip(embeddings.embed(three, mean_colour, frame_input), wanted, strict=True):
        np.testing.assert_array_equal(rows, other)
    (path, *_) = Path(os.environ["CRYUTILS_CACHE_DIR"]).rglob("output.pkl")
    path.unlink()
    for rows, other in zip(embeddings.embed(three, mean_colour, frame_input), wanted, strict=True):
        np.testing.assert_array_equal(rows, other)


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


def test_frames_of_another_size_than_the_backbones_are_refused(
    three: list[Clip], mean_colour: Backbone
) -> None:
    with pytest.raises(InputError, match="size=64: mean colour takes 48 x 48"):
        embeddings.embed(three, mean_colour, FrameInput(size=64))


# Room


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes the disk says are free: its one element."""
    left = [2**40]
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(embeddings.shutil, "disk_usage", lambda _: usage(2**41, 0, left[0]))
    return left


def test_a_disk_without_room_is_refused_before_anything_is_decoded(
    bare: Path, three: list[Clip], mean_colour: Backbone, free: list[int], opened: list[str]
) -> None:
    embeddings.embed(three[:2], mean_colour, INPUT)
    opened.clear()
    free[0] = 2**20
    with pytest.raises(InputError) as caught:
        embeddings.embed(three, mean_colour, INPUT)
    message = str(caught.value)
    assert opened == [] and "\n" not in message
    for words in (str(bare / "cache"), "CRYUTILS_CACHE_DIR", "0.0 GiB are free"):
        assert words in message
    embeddings.embed(three[:2], mean_colour, INPUT)  # needs nothing more


def test_what_a_stopped_run_has_written_is_room_for_it(bare: Path, free: list[int]) -> None:
    free[0] = 2**30
    path = bare / "cache" / "joblib" / "output.pkl"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(2**30)
    needed = 3 * 2**29
    with pytest.raises(InputError, match=r"1\.5 GiB are needed, 1\.0 GiB are free"):
        embeddings.check_disk(needed)
    embeddings.check_disk(needed, resuming=True)
    with pytest.raises(InputError, match=r"2\.0 GiB are needed"):
        embeddings.check_disk(2**31, resuming=True)


def test_the_papers_size_needs_its_embeddings_and_its_sound() -> None:
    need = embeddings.disk_need(800, 15.0, fps=30, features=[2048, 128])
    assert need == 360_000 * 2176 * 4 + 800 * 15 * 64_000


def test_the_need_covers_what_is_really_written(bare: Path, mean_colour: Backbone) -> None:
    import cryutils
    from cryutils import audio

    corpus = cryutils.load(
        "synthetic", classes=["hug", "hungry"], video=True, infants=8, clips_per_infant=1,
        duration_s=2.0, fps=FPS, size=96, progress=False,
    )  # fmt: skip
    audio.signals(corpus, sr=16000)
    embeddings.embed(corpus, mean_colour, INPUT)
    written = sum(
        path.stat().st_size for path in (bare / "cache").rglob("*") if path.suffix != ".json"
        and path.is_file()
    )  # fmt: skip
    need = embeddings.disk_need(len(corpus), 2.0, fps=FPS, features=[3], side=96)
    assert written < need < 1.5 * written
