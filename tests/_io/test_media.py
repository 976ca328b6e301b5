"""What a media file holds, and that a damaged one is told in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import refusal

from cryutils import video
from cryutils._io.media import MediaInfo, probe

Writer = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".3gp", ".mp4"])
def test_a_sound_or_film_has_its_duration(suffix: str, tmp_path: Path, sound: Writer) -> None:
    info = probe(sound(tmp_path / f"a{suffix}", seconds=0.5))
    assert (info.has_audio, info.has_video) == (True, suffix == ".mp4")
    # Lossy codecs pad by up to three frames of their own.
    assert 0.5 <= info.duration_s <= 0.5 + 3 * 1152 / 16000


def test_a_still_has_no_duration(tmp_path: Path, still: Writer) -> None:
    assert probe(still(tmp_path / "a.PNG")) == MediaInfo(0.0, False, True)


def test_a_coding_that_no_decoder_here_reads(tmp_path: Path, sound: Writer) -> None:
    path = sound(tmp_path / "a.wav")
    content = path.read_bytes()
    start = content.index(b"fmt ") + 8
    path.write_bytes(content[:start] + b"\x04\x00" + content[start + 2 :])
    assert refusal(path, probe).endswith("can't be read here; convert it to WAV or MP4.")


def test_a_text_is_neither_sound_nor_pictures(tmp_path: Path) -> None:
    """FFmpeg would show it on a terminal."""
    path = tmp_path / "notes.txt"
    path.write_text("Mia cried at three.\n" * 500)
    assert refusal(path, probe).endswith("neither sound nor pictures.")
    assert "no pictures" in refusal(path, lambda path: next(video.frames(path)))


def test_a_header_without_a_length_is_counted(tmp_path: Path, sound: Writer) -> None:
    """A recorder that was stopped hard leaves the length of its Matroska file empty."""
    path = sound(tmp_path / "a.webm", seconds=0.5)
    content = path.read_bytes()
    at = content.index(b"\x44\x89\x88")  # Duration, an 8-byte float
    path.write_bytes(content[:at] + b"\xec\x89" + content[at + 2 :])  # Void in its place
    assert probe(path).duration_s == pytest.approx(0.5, abs=0.1)
