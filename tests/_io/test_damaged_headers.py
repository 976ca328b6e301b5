"""Headers that state wrong sizes, rates, lengths and times."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import refusal
from scipy.io import wavfile

from cryutils import audio, video
from cryutils._io import media, pictures
from cryutils.video import mp4

pytestmark = pytest.mark.usefixtures("apart")
Writer = Callable[..., Path]

PCM = np.random.default_rng(0).integers(-(2**15), 2**15, 8000).astype(np.int16)
EVERY = (media.probe, audio.read, audio.native_rate, video.track, lambda p: list(video.frames(p)))


def wav(path: Path, samples: np.ndarray = PCM, *, rate: int = 8000, length: int | None = None) -> Path:
    """Write PCM whose header states `rate` and `length` bytes of samples."""
    wavfile.write(path, 8000, samples)
    with path.open("r+b") as file:
        file.seek(24)
        file.write(struct.pack("<I", rate))
        if length is not None:
            file.seek(40)
            file.write(struct.pack("<I", length))
    return path


# --- sound -----------------------------------------------------------------------------------


def test_a_wav_from_a_pipe_that_states_four_gigabytes_is_read(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", length=2**32 - 1)
    np.testing.assert_array_equal(audio.read(path), PCM / 2**15)


def test_a_rate_of_no_sound_is_refused(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", rate=999)
    assert "a sample rate of 999 Hz" in refusal(path, audio.read)


def test_more_than_an_hour_is_not_read_whole_but_in_pieces(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 3601 * 1000).astype(np.int16)
    path = wav(tmp_path / "night.wav", samples, rate=1000)
    assert "more than 60 min of sound at 1000 Hz" in refusal(path, audio.read)
    parts = list(audio.pieces(path))
    assert [start for start, _ in parts] == [600.0 * k for k in range(6)]
    assert [len(x) for _, x in parts] == [600_000] * 5 + [601_000]
    np.testing.assert_array_equal(np.concatenate([x for _, x in parts]), samples / 2**15)


def test_only_a_file_is_opened(tmp_path: Path) -> None:
    """Opening a pipe would wait until somebody writes into it."""
    for name in ("a.wav", "a.mp4", "a.png"):
        os.mkfifo(tmp_path / name)
        for reading in EVERY:
            assert "no regular file" in refusal(tmp_path / name, reading)


@pytest.mark.parametrize("name", ["12:30.mp4", "%03d.mp4"])
def test_a_name_is_no_protocol_option_or_pattern(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grey = np.full((16, 16, 3), 99, np.uint8)
    mp4.write(name, [grey] * 5, fps=5, sound=np.float32(PCM / 2**16), sr=8000)
    for reading in EVERY:
        reading(Path(name))


# --- pictures --------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(path: Path, *extra: bytes, width: int = 16, height: int = 16) -> Path:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(16 * 49)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + rows + chunk(b"IEND", b""))
    return path


BOMB = b"a\0\0" + zlib.compress(bytes(10**8))


@pytest.mark.parametrize(("kind", "content"), [(b"IHDR", b""), (b"zTXt", BOMB)])
def test_a_chunk_that_is_short_or_unpacks_to_gigabytes_is_a_damaged_picture(
    kind: bytes, content: bytes, tmp_path: Path
) -> None:
    path = png(tmp_path / "a.png", chunk(kind, content))
    for reading in (media.probe, video.track):
        assert "this picture can't be decoded" in refusal(path, reading)


def test_a_giant_picture_is_refused_by_its_header(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", width=8193, height=8193)
    wanted = "too large (8193 x 8193 pixels); give one of at most 8192 x 8192 pixels"
    for reading in (pictures.read, media.probe, video.track):
        assert wanted in refusal(path, reading)


def test_large_pictures_are_shrunk(tmp_path: Path) -> None:
    grey = np.zeros((8, 8192), np.uint8)
    grey[4:, 4096:] = 200
    Image.fromarray(grey).save(tmp_path / "a.png")
    values = pictures.read(tmp_path / "a.png")
    assert values.shape == (4, 4096, 3)
    np.testing.assert_allclose([values[0, 0], values[-1, -1]], [[0] * 3, [200] * 3], atol=4)


# --- videos ----------------------------------------------------------------------------------


def test_a_png_with_a_named_colour_profile_may_be_called_a_video(tmp_path: Path) -> None:
    """In its own process: PyAV frees the profile's name twice, which would end it."""
    picture = Image.new("RGB", (16, 16), (200, 40, 40))
    picture.save(tmp_path / "a.png", icc_profile=bytes(400))
    (tmp_path / "a.png").rename(tmp_path / "a.avi")
    script = (
        "import gc, sys, pathlib; from cryutils import video\n"
        "for k in range(20):\n"
        "    (shown,) = video.frames(pathlib.Path(sys.argv[1])); gc.collect()\n"
        "print(shown.shape, shown[0, 0].tolist())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.avi")],
        env={**os.environ, "MALLOC_PERTURB_": "165"},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (0, "(16, 16, 3) [200, 40, 40]\n"), ended.stderr
