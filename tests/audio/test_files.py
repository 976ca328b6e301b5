"""Sound of every kind of file, and the features of a corpus with their cache on disk."""

from pathlib import Path
from types import SimpleNamespace

import librosa
import numpy as np
import pytest
from scipy.io import wavfile

from cryutils import audio
from cryutils.audio import files
from cryutils.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "joblib"


def wav(path: Path, shape: tuple[int, ...], *, sr: int = 8000) -> Path:
    """Write noise of 16 bits."""
    wavfile.write(path, sr, np.random.default_rng(0).integers(-9000, 9000, shape, np.int16))
    return path


def test_read_is_librosas_load(tmp_path) -> None:
    path = wav(tmp_path / "cry.wav", (8001, 2), sr=11025)
    for sr in (None, 16000):
        theirs, _ = librosa.load(path, sr=sr)
        np.testing.assert_allclose(audio.read(path, sr=sr), theirs, rtol=0, atol=1e-7)


@pytest.fixture
def corpus(tmp_path) -> list[SimpleNamespace]:
    """Three clips of different length at 8 kHz."""
    paths = [wav(tmp_path / f"clip{n}.wav", (n,)) for n in (9000, 700, 16001)]
    return [SimpleNamespace(path=path) for path in paths]


def bytes_of(arrays: list[np.ndarray]) -> list[bytes]:
    return [array.tobytes() for array in arrays]


def test_the_second_time_nothing_is_decoded_and_the_bytes_are_the_same(corpus, monkeypatch) -> None:
    first = bytes_of(audio.features(corpus, kind="stft"))
    monkeypatch.setattr(files, "read", lambda path, sr: pytest.fail(f"{path} is read again"))
    assert bytes_of(audio.features(corpus, kind="stft")) == first
    audio.features(corpus, kind="mfcc")  # another kind, from the sound that was kept
    with pytest.raises(pytest.fail.Exception):
        audio.features(corpus, kind="stft", sr=16000)


def test_clips_of_two_rates_need_one_chosen(corpus, tmp_path) -> None:
    mixed = [*corpus, SimpleNamespace(path=wav(tmp_path / "fast.wav", (4000,), sr=44100))]
    for kind in audio.KINDS:
        with pytest.raises(InputError, match=r"recordings at 8000, 44100 Hz: .*sr="):
            audio.features(mixed, kind=kind)
    assert len(audio.features(mixed, kind="stft", sr=8000)) == 4


@pytest.mark.parametrize(
    ("names", "settings", "words"),
    [
        (["gone"], {"kind": "mfc"}, "no feature 'mfc'. Did you mean mfcc"),
        (["gone"], {"kind": "mfcc", "sr": float("nan")}, "sr=nan"),
        (["gone"], {"kind": "stft"}, "gone: no such file"),
        ([], {"kind": "stft"}, "the corpus is empty"),
    ],
)
def test_what_gives_no_features_is_named(names, settings, words) -> None:
    with pytest.raises(InputError, match=words):
        audio.features([SimpleNamespace(path=Path(name)) for name in names], **settings)
