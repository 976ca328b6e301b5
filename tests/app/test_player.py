"""The cry player's state and its messages to a page, without a browser."""

from __future__ import annotations

import base64
import io
import json
import re
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cryutils.app.clip_view import Sound, envelope
from cryutils.app.player import CryPlayer
from cryutils.audio import wav_bytes
from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError
from cryutils.video import mp4

SR = 8000


def tone(hz: float, seconds: float, sr: int = SR) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * sr)) / sr)).astype(np.float32)


@pytest.fixture
def player() -> CryPlayer:
    sounds = [
        ("low", "hungry", tone(500, 1.0), SR),
        ("middle", "tired", tone(1000, 2.0), SR),
        Sound("high", "hungry", tone(2000, 0.5), SR),
    ]
    return CryPlayer(sounds, data="tones, not an infant")


def decoded(data: bytes) -> tuple[np.ndarray, int]:
    with wave.open(io.BytesIO(data)) as file:
        frames = file.readframes(file.getnframes())
        return np.frombuffer(frames, "<i2") / 32767, file.getframerate()


# The page's picture and sound


def test_the_page_gets_the_clip_as_sound(player: CryPlayer) -> None:
    samples, sr = decoded(player._clip["wav"])
    assert sr == SR
    np.testing.assert_allclose(samples, tone(500, 1.0), atol=0.5 / 32767 + 1e-7)
    loud, _ = decoded(wav_bytes(np.array([-2.0, 0.0, 2.0], np.float32), SR))
    assert loud.tolist() == [-1.0, 0.0, 1.0]


@given(arrays(np.float32, st.integers(1, 400), elements=st.floats(-1, 1, width=32)))
@example(np.array([0.0, 0.5, -0.5, 0.25, 1.0, -1.0], np.float32))
def test_each_column_of_the_envelope_has_the_extremes_of_its_part(samples: np.ndarray) -> None:
    bounds = envelope(samples, columns=3)
    ends = np.arange(len(bounds) + 1) * len(samples) // len(bounds)
    parts = [samples[start:stop] for start, stop in pairwise(ends)]
    assert len(bounds) == min(3, len(samples))
    assert bounds.tolist() == [[part.min(), part.max()] for part in parts]


# Steps and selections


def stepped(player: CryPlayer, *steps: str) -> list[int]:
    indices = []
    for step in steps:
        player._handle_custom_msg({"type": step}, [])  # as the page's buttons do
        indices.append(player.index)
    return indices


def test_next_and_previous_go_round_and_another_clip_begins_at_its_start(player: CryPlayer) -> None:
    player.set_state({"playing": True, "position_s": 0.3, "selection": [0.2, 0.4]})
    assert stepped(player, "next", "next", "next", "previous") == [1, 2, 0, 2]
    assert (player.playing, player.position_s, player.selection) == (False, 0.0, [])


# Files


def file_clip(path: Path, label: str, infant: str, *, has_video: bool = False) -> Clip:
    return Clip(path.stem, path, label, infant, "", None, 0.5, True, has_video)


class Files(list):
    note = "two tones (no infants)"
    licence = "CC0"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    clips = Files()
    for name, hz in (("a", 500), ("b", 1000)):
        path = tmp_path / f"{name}.wav"
        path.write_bytes(wav_bytes(tone(hz, 0.5), SR))
        clips.append(file_clip(path, "hungry", f"infant-{name}"))
    return clips


def test_a_clip_that_cannot_be_read_is_said_to_the_person(files: Files) -> None:
    files[1].path.write_bytes(b"not a sound")
    player = CryPlayer(files)

    with pytest.raises(InputError, match=r"b\.wav"):
        player.index = 1
    assert "b.wav" in player.notice
    assert stepped(player, "previous", "next") == [0, 1], "the page gets no traceback"
    assert "b.wav" in player.notice


# Classes and infants


@pytest.fixture
def nursery(tmp_path: Path) -> CryPlayer:
    """Four clips: infant a is hungry, then tired; b is hungry twice."""
    clips = Files()
    for number, (infant, label) in enumerate(
        [("a", "hungry"), ("a", "tired"), ("b", "hungry"), ("b", "hungry")]
    ):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(wav_bytes(tone(500 + 100 * number, 0.5), SR))
        clips.append(file_clip(path, label, infant))
    return CryPlayer(clips)


@pytest.mark.parametrize(
    ("choices", "index", "chosen", "count", "steps"),
    [
        ({"chosen_class": "hungry"}, 0, ("hungry", ""), 3, [2, 3, 0]),
        ({"chosen_class": "hungry", "chosen_infant": "a"}, 0, ("hungry", "a"), 1, [0, 0, 0]),
        # A choice that leaves nothing of an earlier one ends that one.
        ({"chosen_class": "tired", "chosen_infant": "b"}, 2, ("", "b"), 2, [3, 2, 3]),
        ({"chosen_infant": "b", "index": 1}, 1, ("", ""), 4, [2, 3, 0]),
    ],
)
def test_steps_visit_the_clips_of_the_chosen_class_and_infant(
    nursery: CryPlayer, choices: dict[str, Any], index: int, chosen: tuple[str, str], count: int,
    steps: list[int],
) -> None:  # fmt: skip
    for name, value in choices.items():
        setattr(nursery, name, value)
    assert (nursery.index, nursery.sound.name) == (index, str(index))
    assert (nursery.chosen_class, nursery.chosen_infant) == chosen
    assert nursery._clip["count"] == count
    assert stepped(nursery, "next", "next", "next") == steps


# Videos and outputs over time


@pytest.fixture
def films(tmp_path: Path) -> Files:
    """Two real MP4 files of a second, with a tone."""
    clips = Files()
    for name in "ab":
        path = tmp_path / f"{name}.mp4"
        frames = [np.full((32, 32, 3), 20 * k, np.uint8) for k in range(10)]
        mp4.write(path, frames, fps=10, sound=tone(500, 1.0), sr=SR)
        clips.append(file_clip(path, "hungry", f"infant-{name}", has_video=True))
    return clips


def test_a_video_that_no_page_can_show_is_heard_and_the_reason_given(
    films: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = films[1].path.rename(films[1].path.with_suffix(".avi"))
    clip = CryPlayer([file_clip(path, "hungry", "infant-a", has_video=True)])._clip
    assert (clip["video"], clip["video_note"]) == (b"", "A page can't show avi videos: sound only.")

    monkeypatch.setattr("cryutils.app.player.VIDEO_BYTES", films[0].path.stat().st_size - 1)
    clip = CryPlayer(films)._clip
    assert clip["video"] == b"" and len(clip["wav"]) > SR
    assert "too much for a page" in clip["video_note"]


def test_answers_over_time_reach_the_page_clip_by_clip() -> None:
    sounds = [(name, name, tone(500, 1.0), SR) for name in ("hungry", "tired")]
    nan = [np.nan, np.nan]
    heard = [[[0.25, 0.75], nan], [[0.5, 0.5]]]
    player = CryPlayer(sounds, over_time={"sound": heard, "face": [[nan], [nan]]}, step_s=0.5)

    assert player._about["tracks"] == ["sound", "face"]
    assert (player._about["classes"], player._about["step_s"]) == (["hungry", "tired"], 0.5)
    assert player._clip["tracks"] == [[[0.25, 0.75], None], [None]]
    player.index = 1
    assert player._clip["tracks"] == [[[0.5, 0.5]], [None]]
    json.dumps(player._clip["tracks"], allow_nan=False)  # what a page can read


# Saved notebooks


def test_the_still_picture_plays_without_kernel_or_network() -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 44100 * 20).astype(np.float32)
    player = CryPlayer([("a & b", "hungry", noise, 44100)], data="noise <not an infant>")
    page = player._repr_mimebundle_()[0]["text/html"]
    sound = re.search(r'<audio controls src="data:audio/wav;base64,([^"]+)"', page)

    assert sound is not None
    samples, sr = decoded(base64.b64decode(sound.group(1)))
    assert (sr, len(samples) / sr) == (8000, 8.0)
    assert "(the first 8 s)" in page
    assert "a &amp; b" in page and "noise &lt;not an infant&gt;" in page
    assert "http" not in page
    assert len(page) < 300_000  # the worst case: noise packs badly and fills all 8 s


# Mistakes


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("index", [-1, 3], "clips 0 to 2"),
        ("selection", [[0.5, 0.5], [0.6, 0.5], [0.5], [0.1, 0.2, 0.3]], r"\[\] or \[start, stop\]"),
        ("chosen_class", ["hungri"], "Did you mean hungry"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    name: str, values: list[Any], message: str, player: CryPlayer
) -> None:
    before = getattr(player, name)
    for value in values:
        with pytest.raises(InputError, match=message):
            setattr(player, name, value)
    assert getattr(player, name) == before
