"""The example for devices: with LiteRT and NumPy alone, the library's features and answer."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from trained_run import Trained

from cryutils import audio
from cryutils.audio import spectral
from cryutils.models import on_device
from cryutils.models.export import Lite
from cryutils.models.inputs import KINDS, SoundInput
from cryutils.papers import deployment

BLOCKED = ("tensorflow", "keras", "librosa", "scipy", "cryutils", "soxr", "pandas")
ALONE = f"""
import sys, runpy
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
"""
# Its transform stays in double precision, the library's is kept in single: 0.0003 dB at most here.
DECIBELS = 0.01


def write(path: Path, x: np.ndarray, sr: int, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, sr, 0, "NONE", ""))
        samples = np.round(x * 32767).astype("<i2")
        file.writeframes(np.repeat(samples, channels).tobytes())
    return path


def cry(seconds: float, sr: int) -> np.ndarray:
    t = np.arange(round(seconds * sr)) / sr
    noise = np.random.default_rng(0).normal(0, 0.01, t.size)
    return 0.4 * np.sin(2 * np.pi * 450 * t) * np.sin(2 * np.pi * t) ** 2 + noise


@pytest.fixture(scope="module")
def handed_over(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as somebody without cryutils gets it, and a recording."""
    folder = tmp_path_factory.mktemp("device")
    for precision in ("float", "float16"):
        deployment.export("cry2", run=trained.run, precision=precision, folder=folder)
    sr = trained.hearing.sr
    write(folder / "cry.wav", audio.read(trained.corpus[0].path, sr=sr), sr)
    return folder


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", ALONE + script], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize("precision", ["float", "float16"])
def test_with_litert_and_numpy_alone_it_answers_as_the_library_does(
    precision, handed_over, trained
) -> None:
    model = handed_over / f"cry2_{precision}.tflite"
    done = run(
        handed_over,
        f"sys.argv = ['on_device.py', '{model.name}', 'cry.wav']\n"
        "runpy.run_path('on_device.py', run_name='__main__')",
    )
    assert done.returncode == 0, done.stderr
    *lines, note = done.stdout.splitlines()
    assert note == f"{trained.corpus.note}. No medical device."
    shares = {line.split(": ")[0]: float(line.split(": ")[1].rstrip("%")) for line in lines}
    x = audio.read(handed_over / "cry.wav", sr=trained.hearing.sr)
    expected = Lite(model).predict(trained.hearing.windows(x)).mean(axis=0)
    classes = json.loads(model.with_name(f"{model.name}.json").read_text())["classes"]
    wanted = dict(zip(classes, 100 * expected, strict=True))
    assert shares == pytest.approx(wanted, abs=0.11)
    assert list(shares) == sorted(wanted, key=lambda name: -wanted[name])


def test_what_is_blocked_is_blocked(handed_over) -> None:
    for name in BLOCKED:
        assert "is blocked" in run(handed_over, f"import {name}").stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.7])
def test_its_features_are_the_librarys(kind, seconds, tmp_path) -> None:
    hearing = SoundInput(kind=kind, window_s=1.0, step_s=0.4)
    path = write(tmp_path / "cry.wav", cry(seconds, hearing.sr), hearing.sr, channels=2)
    x = on_device.sound(path, hearing.sr)
    np.testing.assert_array_equal(x, audio.read(path, sr=hearing.sr))
    windows = on_device.features(x, **asdict(hearing))
    assert windows.dtype == np.float32
    np.testing.assert_allclose(windows, hearing.windows(x), atol=DECIBELS)


@pytest.mark.parametrize("sr", [1000, 8000, 16000, 44100])
def test_its_mel_levels_are_the_librarys_at_other_rates(sr) -> None:
    hearing = SoundInput(sr=sr, n_fft=1024, hop_length=256, n_mels=20, window_s=0.5)
    x = cry(1.0, sr).astype(np.float32)
    expected = spectral.mel_db(
        spectral.condition(x, sr=sr), sr=sr, n_fft=1024, hop_length=256, n_mels=20
    )
    rows = on_device.features(x, **asdict(hearing))
    np.testing.assert_allclose(rows[0], expected[: hearing.frames], atol=DECIBELS)


def test_what_it_cannot_take_ends_in_one_line(handed_over, tmp_path) -> None:
    sr = 8000
    other = write(tmp_path / "fast.wav", cry(1.0, 16000), 16000)
    with pytest.raises(SystemExit, match="16 bits at 16000 Hz; the model takes 16 bits at 8000"):
        on_device.sound(other, sr)
    card = asdict(SoundInput())
    for x in (np.zeros(8000, np.float32), np.ones(100, np.float32)):
        with pytest.raises(SystemExit, match="nothing to hear"):
            on_device.features(x, **card)
    with pytest.raises(SystemExit, match="no sound is scaled as 'recording' here"):
        on_device.features(np.ones(8000, np.float32), **{**card, "scaling": "recording"})
    with pytest.raises(SystemExit, match="give a model and a sound"):
        on_device.main([])
