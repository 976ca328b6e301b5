"""Sound of every kind of file, and the features of a corpus with their cache on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import librosa
import made_media
import numpy as np
import pytest
from refusals import refusal
from scipy.io import wavfile

from cryutils import audio
from cryutils.audio import extraction, spectral
from cryutils.errors import InputError

TONE_HZ = 440.0


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "joblib"


def tone(sr: int, *, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * sr)) / sr
    return (amplitude * np.sin(2 * np.pi * TONE_HZ * t)).astype(np.float32)


def encode(path: Path, x: np.ndarray, *, sr: int, codec: str, video: str = "", **container: Any) -> Path:
    """Write `x`, float32 (channels, samples), as a container named by the suffix."""
    greys = [np.full((32, 32, 3), 20 * i, np.uint8) for i in range(10)] if video else []
    sounds = [x] if x.size else []
    return made_media.write(path, greys, sounds, sr=sr, codec=codec, video=video, fps=10, **container)


def write_wav16(path: Path, values: np.ndarray, *, sr: int = 8000) -> Path:
    wavfile.write(path, sr, values.astype(np.int16))
    return path


def tone_level(x: np.ndarray, sr: int) -> tuple[float, float]:
    """Return the frequency and the amplitude of the strongest tone in the middle of `x`."""
    middle = x[len(x) // 4 : 3 * len(x) // 4].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    peak = spectrum.argmax()
    return peak * sr / (1 << 18), spectrum[peak] / (np.hanning(len(middle)).sum() / 2)


# name, codec, rate in Hz, channels, largest error of a sample (None: lossy)
KINDS = [
    ("s16.wav", "pcm_s16le", 8000, 1, 1 / 32768),
    ("f32.wav", "pcm_f32le", 11025, 1, 0.0),
    ("cry.aiff", "pcm_s16be", 44100, 1, 1 / 32768),
    ("cry.caf", "pcm_s16be", 44100, 1, 1 / 32768),
    ("cry.flac", "flac", 16000, 1, 1 / 32768),
    ("cry.mp3", "libmp3lame", 44100, 1, None),
    ("opus.ogg", "libopus", 48000, 1, None),
    ("aac.m4a", "aac", 44100, 1, None),
    ("aac.3gp", "aac", 16000, 1, None),
    ("opus.webm", "libopus", 48000, 2, None),
]


@pytest.mark.parametrize(("name", "codec", "sr", "channels", "error"), KINDS)
def test_reads_every_kind_of_sound(tmp_path, name, codec, sr, channels, error) -> None:
    x = tone(sr)
    path = encode(tmp_path / name, np.tile(x, (channels, 1)), sr=sr, codec=codec)
    y = audio.read(path)
    assert (y.dtype, y.shape) == (np.float32, x.shape)
    assert audio.native_rate(path) == sr
    if error is not None:
        np.testing.assert_allclose(y, x, rtol=0, atol=error)
    frequency, amplitude = tone_level(y, sr)
    assert frequency == pytest.approx(TONE_HZ, abs=0.5)
    # LAME turns MP3 down to 0.95 before it encodes; the other codecs leave the level alone.
    assert amplitude == pytest.approx(0.475 if codec == "libmp3lame" else 0.5, rel=0.03)


def test_a_codecs_run_in_is_cut_off(tmp_path) -> None:
    x = np.zeros(22050, np.float32)
    x[8000:] = tone(22050)[: len(x) - 8000]
    y = audio.read(encode(tmp_path / "cry.m4a", x[None], sr=22050, codec="aac"))
    assert abs(int(np.argmax(np.abs(y) > 0.2)) - int(np.argmax(np.abs(x) > 0.2))) < 60


@pytest.mark.parametrize(("channels", "sr"), [(1, None), (2, 16000)])
def test_read_is_librosas_load(tmp_path, channels, sr) -> None:
    values = np.random.default_rng(0).integers(-9000, 9000, (8001, channels)).astype(np.int16)
    path = write_wav16(tmp_path / "cry.wav", values, sr=11025)
    theirs, _ = librosa.load(path, sr=sr)
    np.testing.assert_allclose(audio.read(path, sr=sr), theirs, rtol=0, atol=1e-7)


CUT = {"wav": "pcm_s16le", "mp3": "libmp3lame", "webm": "libopus"}


@pytest.mark.parametrize("suffix", CUT)
def test_a_file_cut_short_gives_what_is_left(tmp_path, suffix) -> None:
    x = tone(48000) + np.random.default_rng(0).normal(0, 0.02, 48000).astype(np.float32)
    path = encode(tmp_path / f"a.{suffix}", x[None], sr=48000, codec=CUT[suffix])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    y = audio.read(path)
    assert 0.4 * 48000 < len(y) <= 0.55 * 48000
    assert tone_level(y, 48000)[0] == pytest.approx(TONE_HZ, abs=1)


def test_a_late_start_is_no_hole(tmp_path) -> None:
    """In a browser's file, time passes before the microphone is on."""
    path = encode(tmp_path / "a.webm", tone(48000)[None], sr=48000, codec="libopus")
    other = made_media.retimed(path, tmp_path / "b.webm", lambda s: s + 2)
    np.testing.assert_array_equal(audio.read(other), audio.read(path))


def mute(path: Path) -> None:
    encode(path, np.zeros((1, 0), np.float32), sr=8000, codec="aac", video="mpeg4")


def floats(*values: float) -> Callable[[Path], object]:
    x = np.array([values * 99], np.float32)
    return lambda path: encode(path, x, sr=8000, codec="pcm_f32le")


def overwritten(path: Path) -> None:
    data = encode(path, tone(44100)[None], sr=44100, codec="aac").read_bytes()
    third = len(data) // 3
    noise = np.random.default_rng(0).bytes(third // 2)
    path.write_bytes(data[:third] + noise + data[third + len(noise) :])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("head.wav", lambda path: path.write_bytes(b"RIFF\x24\0\0\0WAVEfmt "), "can't be decoded"),
        ("mute.mp4", mute, "no sound in it"),
        ("overwritten.m4a", overwritten, "damaged in the middle"),
        ("nan.wav", floats(0.1, np.nan, np.inf, 0.2), "are no numbers"),
        ("large.wav", floats(0.1, -3e38, 3e38, 0.2), "no sound's"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_file_that_cannot_be_read_is_refused_in_one_line(name, make, message, tmp_path) -> None:
    make(tmp_path / name)
    for reading in (audio.read, audio.native_rate):
        assert message in refusal(tmp_path / name, reading)


# A corpus and its features ------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path) -> list[SimpleNamespace]:
    """Three clips of different length and loudness at 8 kHz."""
    rng = np.random.default_rng(3)
    clips = []
    for i, samples in enumerate((9000, 700, 16001)):
        values = rng.normal(0, 800 * (i + 1), (samples, 1)).clip(-32768, 32767)
        path = write_wav16(tmp_path / f"clip{i}.wav", values)
        clips.append(SimpleNamespace(id=str(i), path=path))
    return clips


def bytes_of(arrays: list[np.ndarray]) -> list[bytes]:
    return [array.tobytes() for array in arrays]


@pytest.mark.filterwarnings("ignore:n_fft")
def test_features_of_a_corpus_are_librosas(corpus) -> None:
    stft, mel, mfcc = (audio.features(corpus, kind=k, sr=16000) for k in ("stft", "mel", "mfcc"))
    for i, clip in enumerate(corpus):
        x, rate = librosa.load(clip.path, sr=16000)
        wanted = {
            "stft": librosa.amplitude_to_db(np.abs(librosa.stft(x))),
            "mel": librosa.power_to_db(librosa.feature.melspectrogram(y=x, sr=rate)),
            "mfcc": librosa.feature.mfcc(y=x, sr=rate),
        }
        for ours, theirs in zip((stft[i], mel[i], mfcc[i]), wanted.values(), strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, theirs.T, rtol=0, atol=1e-3)


def test_the_second_time_nothing_is_decoded_and_the_bytes_are_the_same(corpus, monkeypatch) -> None:
    first = bytes_of(audio.features(corpus, kind="stft"))
    monkeypatch.setattr(extraction, "read", lambda path, sr: pytest.fail(f"{path} is read again"))
    assert bytes_of(audio.features(corpus, kind="stft")) == first
    audio.features(corpus, kind="mfcc")  # another kind, from the sound that was kept
    with pytest.raises(pytest.fail.Exception):
        audio.features(corpus, kind="stft", sr=16000)


def test_a_changed_file_is_read_again(corpus) -> None:
    before = audio.features(corpus, kind="mfcc")
    path = corpus[1].path
    old = path.stat()
    write_wav16(path, np.random.default_rng(9).normal(0, 500, (700, 1)))
    assert path.stat().st_size == old.st_size
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns + 1))
    after = audio.features(corpus, kind="mfcc")
    assert bytes_of(after)[0] == bytes_of(before)[0]
    np.testing.assert_array_equal(after[1], spectral.mfcc(audio.read(path), sr=8000))
    assert bytes_of(after)[1] != bytes_of(before)[1]


def test_clips_of_two_rates_need_one_chosen(corpus, tmp_path) -> None:
    other = write_wav16(tmp_path / "fast.wav", np.ones((4000, 1)), sr=44100)
    mixed = [*corpus, SimpleNamespace(path=other)]
    for kind in audio.KINDS:
        with pytest.raises(InputError, match=r"clip0\.wav has 8000 Hz, .*fast\.wav 44100 Hz.*sr="):
            audio.features(mixed, kind=kind)
    assert len(audio.features(mixed, kind="stft", sr=8000)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "mfc"}, "no feature 'mfc'. Did you mean mfcc?"),
        ({"kind": "mfcc", "n_mfcc": 200}, "n_mfcc=200"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(corpus, arguments, message) -> None:
    with pytest.raises(InputError) as caught:
        audio.features(corpus, **arguments)
    assert message in str(caught.value)


def test_an_empty_corpus_and_a_missing_file_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="the corpus is empty"):
        audio.features([], kind="stft")
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        audio.features([SimpleNamespace(path=tmp_path / "gone.wav")], kind="stft")
