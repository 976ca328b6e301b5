"""The transforms against librosa, and the conditioning steps against their formulas."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cryutils.audio import spectral
from cryutils.errors import InputError

CLOSE_DB = 1e-3


def noise_and_tone(seconds: float, sr: int, *, seed: int = 0) -> np.ndarray:
    """A loud tone in front of noise, with a pause: 60 dB between neighbours in one clip."""
    t = np.arange(int(seconds * sr)) / sr
    noise = np.random.default_rng(seed).normal(size=len(t))
    x = 0.5 * np.sin(2 * np.pi * 440 * t) + 1e-3 * noise
    x[len(x) // 3 : len(x) // 2] *= 1e-3
    return x.astype(np.float32)


SIGNALS = {
    "8 kHz": (noise_and_tone(1.3, 8000), 8000),
    "odd rate": (noise_and_tone(0.5, 11127), 11127),
    "silence": (np.zeros(5000, np.float32), 8000),
    "shorter than a frame": (noise_and_tone(0.02, 8000), 8000),
}
SETTINGS = [(2048, 512), (255, 100)]

each_signal = pytest.mark.parametrize("name", SIGNALS)
each_setting = pytest.mark.parametrize(("n_fft", "hop_length"), SETTINGS)
# librosa warns where a clip is shorter than a frame or a mel band holds no bin; both are asked for.
quiet = pytest.mark.filterwarnings("ignore:n_fft", "ignore:Empty filters")


@quiet
@each_setting
@each_signal
def test_stft_is_librosas(name, n_fft, hop_length) -> None:
    x, _ = SIGNALS[name]
    ours = spectral.stft(x, n_fft=n_fft, hop_length=hop_length)
    theirs = librosa.stft(x, n_fft=n_fft, hop_length=hop_length).T
    assert ours.dtype == np.complex64
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@quiet
@each_setting
@each_signal
def test_istft_is_librosas_whatever_was_done_to_the_cells(name, n_fft, hop_length) -> None:
    x, _ = SIGNALS[name]
    spectrum = spectral.stft(x, n_fft=n_fft, hop_length=hop_length)
    spectrum *= np.random.default_rng(2).random(spectrum.shape, np.float32)
    for length in (len(x), len(x) + 700, max(1, len(x) // 3)):
        ours = spectral.istft(spectrum, n_fft=n_fft, hop_length=hop_length, length=length)
        theirs = librosa.istft(spectrum.T, n_fft=n_fft, hop_length=hop_length, length=length)
        assert (ours.dtype, ours.shape) == (np.float32, theirs.shape)
        # Behind the last frame's middle both divide by next to nothing, and grow large.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)


@quiet
@each_setting
@each_signal
def test_features_are_librosas(name, n_fft, hop_length) -> None:
    x, sr = SIGNALS[name]
    frames = {"n_fft": n_fft, "hop_length": hop_length}
    mel = {"sr": sr, "n_mels": 64, **frames}
    pairs = [
        (spectral.stft_db(x, **frames), librosa.amplitude_to_db(np.abs(librosa.stft(x, **frames)))),
        (spectral.mel_db(x, **mel), librosa.power_to_db(librosa.feature.melspectrogram(y=x, **mel))),
        (spectral.mfcc(x, n_mfcc=13, **mel), librosa.feature.mfcc(y=x, n_mfcc=13, **mel)),
        (spectral.mfcc(x, sr=sr), librosa.feature.mfcc(y=x, sr=sr)),
    ]
    for ours, theirs in pairs:
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs.T, rtol=0, atol=CLOSE_DB)


@pytest.mark.parametrize(("sr", "to"), [(8000, 16000), (44100, 16000)])
def test_resample_is_librosas(sr, to) -> None:
    x = noise_and_tone(0.301, sr)
    ours = spectral.resample(x, sr=sr, to=to)
    theirs = librosa.resample(x, orig_sr=sr, target_sr=to)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)


def test_pre_emphasis_is_librosas_after_silence() -> None:
    x = noise_and_tone(0.1, 8000)
    np.testing.assert_allclose(
        spectral.pre_emphasis(x), librosa.effects.preemphasis(x, zi=np.zeros(1)), atol=1e-7
    )


def test_min_max_is_paper_as_two_scalers() -> None:
    x = np.random.default_rng(0).normal(0.1, 0.2, 900).astype(np.float32)
    standard = StandardScaler().fit_transform(x[:, None].astype(np.float64))
    theirs = MinMaxScaler().fit_transform(standard)[:, 0]
    np.testing.assert_allclose(spectral.min_max(x), theirs, atol=1e-6)


def test_a_sample_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        spectral.stft(np.array([0, np.nan], np.float32))


@pytest.mark.parametrize("setting", ["n_fft", "hop_length"])
def test_settings_out_of_range_are_refused(setting) -> None:
    with pytest.raises(InputError, match=f"{setting}=0"):
        spectral.stft(np.ones(99, np.float32), **{setting: 0})


def test_amplitude_is_normalised_and_silence_kept() -> None:
    np.testing.assert_array_equal(
        spectral.normalise_amplitude(np.float32([0.1, -0.2, 0])), np.float32([0.5, -1, 0])
    )
    assert not spectral.normalise_amplitude(np.zeros(9, np.float32)).any()
