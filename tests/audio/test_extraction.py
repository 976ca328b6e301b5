"""Sound of every kind of file, and the features of a corpus with their cache on disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import librosa
import numpy as np
import pytest
from scipy.io import wavfile

from cryutils import audio
from cryutils.audio import extraction
from cryutils.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "joblib"


def write_wav16(path: Path, values: np.ndarray, *, sr: int = 8000) -> Path:
    wavfile.write(path, sr, values.astype(np.int16))
    return path


@pytest.mark.parametrize(("channels", "sr"), [(1, None), (2, 16000)])
def test_read_is_librosas_load(tmp_path, channels, sr) -> None:
    values = np.random.default_rng(0).integers(-9000, 9000, (8001, channels)).astype(np.int16)
    path = write_wav16(tmp_path / "cry.wav", values, sr=11025)
    theirs, _ = librosa.load(path, sr=sr)
    np.testing.assert_allclose(audio.read(path, sr=sr), theirs, rtol=0, atol=1e-7)


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


def test_the_second_time_nothing_is_decoded_and_the_bytes_are_the_same(corpus, monkeypatch) -> None:
    first = bytes_of(audio.features(corpus, kind="stft"))
    monkeypatch.setattr(extraction, "read", lambda path, sr: pytest.fail(f"{path} is read again"))
    assert bytes_of(audio.features(corpus, kind="stft")) == first
    audio.features(corpus, kind="mfcc")  # another kind, from the sound that was kept
    with pytest.raises(pytest.fail.Exception):
        audio.features(corpus, kind="stft", sr=16000)


def test_clips_of_two_rates_need_one_chosen(corpus, tmp_path) -> None:
    other = write_wav16(tmp_path / "fast.wav", np.ones((4000, 1)), sr=44100)
    mixed = [*corpus, SimpleNamespace(path=other)]
    for kind in audio.KINDS:
        with pytest.raises(InputError, match=r"clip0\.wav has 8000 Hz, .*fast\.wav 44100 Hz.*sr="):
            audio.features(mixed, kind=kind)
    assert len(audio.features(mixed, kind="stft", sr=8000)) == 4


def test_a_wrong_kind_and_a_wrong_rate_are_named_before_a_file_is_read() -> None:
    clips = [SimpleNamespace(path=Path("never made.wav"))]
    with pytest.raises(InputError, match=r"no feature 'mfc'. Did you mean mfcc\?"):
        audio.features(clips, kind="mfc")
    with pytest.raises(InputError, match="sr=nan"):
        audio.features(clips, kind="mfcc", sr=float("nan"))  # type: ignore[arg-type]


def test_an_empty_corpus_and_a_missing_file_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="the corpus is empty"):
        audio.features([], kind="stft")
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        audio.features([SimpleNamespace(path=tmp_path / "gone.wav")], kind="stft")
