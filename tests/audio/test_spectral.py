"""The transforms against librosa, and the conditioning steps against their formulas."""

import librosa
import numpy as np
import pytest

from cryutils.audio import spectral
from cryutils.errors import InputError

CLOSE_DB = 1e-3


def noise_and_tone(seconds: float, sr: int) -> np.ndarray:
    """A loud tone in front of noise, with a pause: 60 dB between neighbours in one clip."""
    t = np.arange(int(seconds * sr)) / sr
    noise = np.random.default_rng(0).normal(size=len(t))
    x = 0.5 * np.sin(2 * np.pi * 440 * t) + 1e-3 * noise
    x[len(x) // 3 : len(x) // 2] *= 1e-3
    return x.astype(np.float32)


SIGNALS = {
    "8 kHz": (noise_and_tone(1.3, 8000), 8000),
    "odd rate": (noise_and_tone(0.5, 11127), 11127),
    "silence": (np.zeros(5000, np.float32), 8000),
    "shorter than a frame": (noise_and_tone(0.02, 8000), 8000),
}
FRAMES = pytest.mark.parametrize(
    "frames", [{"n_fft": 2048, "hop_length": 512}, {"n_fft": 255, "hop_length": 100}]
)


# librosa warns where a clip is shorter than a frame or a mel band holds no bin; both are asked for.
@pytest.mark.filterwarnings("ignore:n_fft", "ignore:Empty filters")
@FRAMES
@pytest.mark.parametrize("name", SIGNALS)
def test_transforms_are_librosas(name, frames) -> None:
    x, sr = SIGNALS[name]
    spectrum = spectral.stft(x, **frames)
    theirs = librosa.stft(x, **frames).T
    assert (spectrum.dtype, spectrum.shape) == (np.complex64, theirs.shape)
    np.testing.assert_allclose(spectrum, theirs, rtol=1e-6, atol=1e-9)
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


@pytest.mark.filterwarnings("ignore:n_fft")
@FRAMES
@pytest.mark.parametrize("name", SIGNALS)
def test_the_inverse_transform_is_librosas(name, frames) -> None:
    x, _ = SIGNALS[name]
    spectrum = spectral.stft(x, **frames)
    spectrum *= np.random.default_rng(2).random(spectrum.shape, np.float32)
    for length in (len(x) + 700, len(x) // 3):
        ours = spectral.istft(spectrum, **frames, length=length)
        theirs = librosa.istft(spectrum.T, **frames, length=length)
        assert (ours.dtype, ours.shape) == (np.float32, theirs.shape)
        # Behind the last frame's middle both divide by next to nothing, and grow large.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)


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


def test_samples_that_are_no_numbers_and_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        spectral.stft(np.array([0, np.nan], np.float32))
    with pytest.raises(InputError, match="hop_length=0"):
        spectral.stft(np.ones(99, np.float32), hop_length=0)


def test_padding_is_cut_off_at_both_ends_and_kept_between() -> None:
    inside = np.float32([0.001, 0, 0, -0.2])
    padded = np.r_[np.zeros(9, np.float32), np.float32(0.0004), inside, np.float32([-0.0005, 0])]
    np.testing.assert_array_equal(spectral.without_padding(padded), inside)
    np.testing.assert_array_equal(spectral.without_padding(np.zeros(3, np.float32)), np.zeros(3))


def test_amplitude_is_normalised_and_silence_kept() -> None:
    np.testing.assert_array_equal(
        spectral.normalise_amplitude(np.float32([0.1, -0.2, 0])), np.float32([0.5, -1, 0])
    )
    assert not spectral.normalise_amplitude(np.zeros(9, np.float32)).any()
