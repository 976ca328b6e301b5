"""The labelled folder that corrections make: what is written, moved, refused, and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cryutils
from cryutils import audio
from cryutils.app.clips import HELD_S, Clips
from cryutils.errors import InputError

SR = 8000
NOON = 1_800_000_000.0


def ramp(start: float, stop: float) -> np.ndarray:
    """A sound that says when it was heard: it rises from 0 to 1 in 100 s, and changes its sign."""
    t = np.arange(round(start * SR), round(stop * SR)) / SR
    return (np.where(np.round(4 * t) % 2, -1, 1) * (t / 100 % 1)).astype(np.float32)


@pytest.fixture
def clips(apart: Path) -> Clips:
    return Clips(apart / "ours")


def files(clips: Clips) -> list[Path]:
    return sorted(clips.folder.rglob("*.wav"))


def heard(clips: Clips, start: float, stop: float) -> None:
    for at in np.arange(start, stop, 0.25):
        clips.push(ramp(at, at + 0.25), SR, NOON + at)


def test_a_correction_writes_its_own_sound_where_load_reads_it(clips: Clips) -> None:
    heard(clips, 0, 20)
    assert clips.keep("tired", "infant-7", NOON + 4, NOON + 6.5)
    (path,) = files(clips)
    assert path == clips.folder / "tired" / "infant-7" / "20270115-080004-000000.wav"
    # The first reading is of the second before it.
    np.testing.assert_allclose(audio.read(path, sr=SR), ramp(3, 6.5), atol=1e-4)
    (clip,) = cryutils.load(clips.folder)
    assert (clip.label, clip.infant) == ("tired", "infant-7")


def test_another_label_moves_it_even_when_it_is_no_longer_in_memory(clips: Clips) -> None:
    heard(clips, 0, 20)
    clips.keep("hungry", "infant-7", NOON + 4, NOON + 6.5)
    content = files(clips)[0].read_bytes()
    clips.forget()
    assert clips.keep("tired", "infant-7", NOON + 4, NOON + 6.5)
    (path,) = files(clips)
    assert path.parent == clips.folder / "tired" / "infant-7" and path.read_bytes() == content
    heard(clips, 0, 20)
    other = clips.keep("pain", "infant-8", NOON + 4, NOON + 6, is_in_memory=False)
    assert other is None, "what is in memory is another infant's"


def test_the_same_label_again_replaces_the_file_and_leaves_another_infant_s(clips: Clips) -> None:
    heard(clips, 0, 20)
    for stop in (6, 9):
        clips.keep("hungry", "infant-7", NOON + 4, NOON + stop)
    (path,) = files(clips)
    assert len(audio.read(path, sr=SR)) == 6 * SR
    clips.keep("tired", "infant-8", NOON + 4, NOON + 6)
    assert len(files(clips)) == 2


def test_it_is_undone_step_by_step(clips: Clips) -> None:
    heard(clips, 0, 20)
    first = clips.keep("hungry", "infant-7", NOON + 4, NOON + 6)
    before = [(path, path.read_bytes()) for path in files(clips)]
    second = clips.keep("tired", "infant-7", NOON + 4, NOON + 8)
    assert first is not None and second is not None
    second()
    assert [(path, path.read_bytes()) for path in files(clips)] == before
    first()
    assert files(clips) == []


def test_what_is_not_in_memory_is_not_kept(clips: Clips) -> None:
    assert clips.keep("tired", "infant-7", NOON, NOON + 2) is None
    heard(clips, 0, 4)
    assert clips.keep("tired", "infant-7", NOON + 3, NOON + 5) is None, "not heard yet"
    clips.push(ramp(0, 1), SR, NOON + HELD_S + 10)
    assert clips.keep("tired", "infant-7", NOON + 1, NOON + 3) is None, "too long ago"
    clips.forget()
    assert clips.keep("tired", "infant-7", NOON + HELD_S + 10, NOON + HELD_S + 11) is None
    assert not clips.folder.exists()


@given(st.floats(0.5, 9), st.floats(0.2, 3))
def test_sound_with_a_break_is_kept_from_the_break_on(
    tmp_path_factory: pytest.TempPathFactory, at: float, lasting: float
) -> None:
    clips = Clips(tmp_path_factory.mktemp("clips"))
    heard(clips, 0, at)
    after = at + 0.25 + lasting
    heard(clips, after, after + 3)
    clips.keep("tired", "infant-7", NOON + 1, NOON + after + 2)
    x = audio.read(files(clips)[0], sr=SR)
    assert abs(len(x) - 2 * SR) <= 1
    np.testing.assert_allclose(x[:100], ramp(after, after + 1)[:100], atol=1e-3)


@pytest.mark.parametrize("label", ["a/b", "..", ".", "", "/etc"])
def test_a_label_is_no_path(clips: Clips, label: str) -> None:
    heard(clips, 0, 5)
    with pytest.raises(InputError, match="no name for a folder"):
        clips.keep(label, "infant-7", NOON + 2, NOON + 4)


def test_a_folder_that_cannot_be_written_is_named(clips: Clips) -> None:
    clips.folder.write_text("no folder")
    heard(clips, 0, 5)
    with pytest.raises(InputError, match=r"ours: the sound can't be kept there"):
        clips.keep("tired", "infant-7", NOON + 2, NOON + 4)
