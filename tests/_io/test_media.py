"""What a media file holds, and that a damaged one is told in one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import refusal

from cryutils import audio, video
from cryutils._io.media import probe

Writer = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".mp3", ".3gp", ".mp4"])
def test_a_sound_or_film_has_its_duration(suffix: str, tmp_path: Path, sound: Writer) -> None:
    info = probe(sound(tmp_path / f"a{suffix}", seconds=0.5))
    assert (info.has_audio, info.has_video) == (True, suffix == ".mp4")
    # Lossy codecs pad by up to three frames of their own.
    assert 0.5 <= info.duration_s <= 0.5 + 3 * 1152 / 16000


def test_a_coding_that_no_decoder_here_reads(tmp_path: Path, sound: Writer) -> None:
    path = sound(tmp_path / "a.wav")
    content = path.read_bytes()
    start = content.index(b"fmt ") + 8
    path.write_bytes(content[:start] + b"\x04\x00" + content[start + 2 :])
    assert refusal(path, probe).endswith("can't be read here; convert it to WAV or MP4.")


TEXTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{other}'\n",
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
    "stream": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=No\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "subtitles": "1\n00:00:01,000 --> 00:00:02,000\ncry\n",
    "notes": "Mia cried at three.\n" * 500,
}


@pytest.mark.parametrize("suffix", [".wav", ".mp4"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_never_opened_as_the_files_that_it_names(
    text: str, suffix: str, tmp_path: Path, sound: Writer
) -> None:
    path, pipe = tmp_path / f"cat{suffix}", tmp_path / "pipe.wav"
    os.mkfifo(pipe)  # opening it would wait until somebody writes into it
    for other in (pipe, sound(tmp_path / "other.wav")):
        path.write_text(TEXTS[text].format(other=other.name))
        for reading in (probe, audio.read, lambda path: next(video.frames(path))):
            assert "can't be decoded" in refusal(path, reading)


def test_a_header_without_a_length_is_counted(tmp_path: Path, sound: Writer) -> None:
    """A recorder that was stopped hard leaves the length of its Matroska file empty."""
    path = sound(tmp_path / "a.webm", seconds=0.5)
    content = path.read_bytes()
    at = content.index(b"\x44\x89\x88")  # Duration, an 8-byte float
    path.write_bytes(content[:at] + b"\xec\x89" + content[at + 2 :])  # Void in its place
    assert probe(path).duration_s == pytest.approx(0.5, abs=0.1)
