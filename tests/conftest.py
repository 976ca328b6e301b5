"""What many tests share: an environment of their own, the real corpus, small media files."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryutils.locations import resolve

# Read once, before any test changes the environment or the folder.
_NAMED = os.environ.get("CRYUTILS_DATA_DIR")
_DATA = resolve(_NAMED) if _NAMED else None

CODECS = {
    ".wav": "pcm_s16le", ".flac": "flac", ".mp3": "mp3", ".m4a": "aac", ".3gp": "aac",
    ".caf": "pcm_s16le", ".ogg": "libopus", ".webm": "libopus", ".mp4": "aac",
}  # fmt: skip


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the test starts in, with cache and outputs inside and no data folder."""
    for name in ("DATA_DIR", "OFFLINE", "PROJECT_DIR", "RUN_DIR"):
        monkeypatch.delenv(f"CRYUTILS_{name}", raising=False)
    for name, value in (("CACHE_DIR", "cache"), ("OUTPUTS_DIR", "outputs"), ("START_DIR", ".")):
        monkeypatch.setenv(f"CRYUTILS_{name}", str(tmp_path / value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def donateacry(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real recordings, found by the library; skips where there are none."""
    if _DATA is None or not (_DATA / "donateacry").is_dir():
        pytest.skip("CRYUTILS_DATA_DIR holds no donateacry/ here, so nothing real is tested")
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(_DATA))
    return _DATA / "donateacry"


def cry(seconds: float, sr: int, seed: int) -> np.ndarray:
    """A sound that differs by seed, float32 (samples,)."""
    t = np.arange(round(seconds * sr)) / sr
    noise = np.random.default_rng(seed).normal(0, 0.01, t.size)
    return (0.3 * np.sin(2 * np.pi * (400 + 10 * seed) * t) + noise).astype(np.float32)


@pytest.fixture(scope="session")
def sound() -> Callable[..., Path]:
    """`sound(path, seconds=0.3, seed=0)` writes a recording in the format of the suffix."""

    def write(path: Path, *, seconds: float = 0.3, sr: int = 16000, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        x = cry(seconds, sr, seed)
        if path.suffix == ".wav":
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(sr)
                file.writeframes((x * 32767).astype("<i2").tobytes())
        else:
            _encode(path, x, sr)
        return path

    return write


def _encode(path: Path, x: np.ndarray, sr: int) -> None:
    import av

    rate = 48000 if CODECS[path.suffix] == "libopus" else sr  # Opus knows few rates
    x = np.repeat(x, rate // sr)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=10) if path.suffix == ".mp4" else None
        track = container.add_stream(CODECS[path.suffix], rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(x[None], "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        if pictures is not None:
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuv420p"
            for i in range(3):
                grey = np.full((32, 32, 3), 50 * i, np.uint8)
                picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
                picture.pts = i
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        container.mux(track.encode(frame))
        container.mux(track.encode(None))


@pytest.fixture(scope="session")
def still() -> Callable[..., Path]:
    """`still(path, seed=0)` writes a small picture in the format of the suffix."""

    def write(path: Path, *, seed: int = 0) -> Path:
        import cv2

        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), pixels)
        return path

    return write
