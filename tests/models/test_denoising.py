"""Noise taken out of sounds: what comes back, what is gained, against known answers."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.audio.stress import add_noise
from cryutils.errors import InputError
from cryutils.models import denoising, stacked
from cryutils.models.denoising import Spectrogram

SR = 8000


def chirps(seed: int = 0, seconds: float = 1.5) -> np.ndarray:
    """Two short harmonic sounds with silence around them, float32."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SR)) / SR
    pitch = rng.uniform(350, 550) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 2) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / SR
    voice = sum(np.sin(k * phase) / k for k in range(1, 5))
    sounding = (np.sin(2 * np.pi * t / seconds * 2) > 0).astype(float)
    return (0.2 * voice * sounding).astype(np.float32)


def noisy(x: np.ndarray, snr_db: float, seed: int = 1) -> np.ndarray:
    return add_noise(x, snr_db=snr_db, rng=np.random.default_rng(seed))


def test_the_level_is_librosas_and_stops_at_the_floor() -> None:
    x, spectrogram = chirps(), Spectrogram(floor_db=40)
    spectrum = np.abs(librosa.stft(x, n_fft=256, hop_length=64)).T
    ref = 20 * np.log10(spectrum.max())
    assert spectrogram.loudest_db(x) == pytest.approx(ref, abs=1e-3)
    expected = np.maximum(20 * np.log10(np.maximum(spectrum, 1e-6)) - ref, -40)
    assert spectrogram.level(x, ref_db=spectrogram.loudest_db(x)) == pytest.approx(
        expected, abs=0.01
    )


@given(st.integers(1, 40), st.integers(1, 9))
def test_patches_joined_again_are_the_level(frames, patch) -> None:
    level = np.random.default_rng(frames).normal(size=(frames, 5)).astype(np.float32)
    spectrogram = Spectrogram(patch=patch)
    cut = spectrogram.patches(level)
    assert cut.shape[1] == 5 * patch
    assert spectrogram.joined(cut, frames) == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize("hop_length", [32, 64, 128])
def test_a_gain_of_one_gives_the_sound_back_and_of_a_half_half_of_it(hop_length) -> None:
    x, spectrogram = chirps(), Spectrogram(hop_length=hop_length)
    for gain in (1.0, 0.5):
        back = spectrogram.sound(gain * spectrogram.stft(x), len(x))
        assert back.dtype == np.float32
        assert back == pytest.approx(gain * x, abs=1e-5)


@given(st.floats(-20, 40))
def test_the_ratio_is_that_of_the_noise_that_was_added(snr_db) -> None:
    x = chirps()
    assert denoising.snr_db(x, noisy(x, snr_db)) == pytest.approx(snr_db, abs=0.02)


def test_the_ratio_counts_a_wrong_loudness_as_noise() -> None:
    x = chirps()
    assert denoising.snr_db(x, 2 * x) == pytest.approx(0, abs=1e-6)
    assert denoising.snr_db(x, 0 * x) == pytest.approx(0, abs=1e-6)
    assert denoising.snr_db(x, x) == float("inf")
    with pytest.raises(InputError, match="silence"):
        denoising.snr_db(0 * x, x)


def test_gains_are_after_less_before() -> None:
    clean = [chirps(0), chirps(1)]
    heard = [noisy(clean[0], 0), noisy(clean[1], 10)]
    assert denoising.gains_db(clean, heard, lambda y: y) == pytest.approx([0, 0])
    # Nothing at all has a ratio of 0 dB, whatever it was before.
    assert denoising.gains_db(clean, heard, np.zeros_like) == pytest.approx([0, -10], abs=0.02)


def test_pairs_are_patches_of_one_place_noisy_and_clean() -> None:
    sounds, spectrogram = [chirps(0), chirps(1)], Spectrogram()
    rng = np.random.default_rng(5)
    x, y, of = denoising.pairs(sounds, spectrogram, snr_db=(60, 60), rng=rng, per_sound=30)
    assert x.shape == y.shape == (60, 4 * 129)
    assert of.tolist() == [0] * 30 + [1] * 30
    loud = y > -30
    assert np.abs(x - y)[loud].max() < 1  # so little noise changes loud cells by next to nothing
    x, y, _ = denoising.pairs(sounds, spectrogram, snr_db=(0, 0), rng=rng, per_sound=10**6)
    assert x.max() == pytest.approx(0, abs=1e-4)
    assert x.mean() >= y.mean() + 3


def test_the_gate_takes_noise_out_between_the_cries_and_leaves_the_cry() -> None:
    x = chirps()
    heard = noisy(x, 10)
    gated = denoising.spectral_gate(heard, Spectrogram(), threshold_db=9)
    silent = np.flatnonzero(np.convolve(np.abs(x), np.ones(1400), "same") == 0)
    assert np.mean(gated[silent] ** 2) < 0.05 * np.mean(heard[silent] ** 2)
    assert denoising.snr_db(x, gated) > 13


def test_silence_stays_silence(trained) -> None:
    silence = np.zeros(4000, np.float32)
    assert not denoising.spectral_gate(silence, Spectrogram()).any()
    assert not denoising.autoencoder(silence, trained, 0, Spectrogram()).any()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> stacked.NetworkBatch:
    sounds = [chirps(seed) for seed in range(24)]
    x, y, of = denoising.pairs(
        sounds, Spectrogram(), snr_db=(-5, 10), rng=np.random.default_rng(0), per_sound=50
    )
    small = replace(denoising.SETTINGS, units=(96, 32, 96), epochs=20)
    task = stacked.FitSpec(np.flatnonzero(of < 18), np.flatnonzero(of >= 18))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return stacked.fit(x, y, [task], settings=small)


def test_the_autoencoder_betters_noisy_sounds_that_it_was_not_trained_on(trained) -> None:
    clean = [chirps(seed) for seed in range(100, 106)]
    heard = [noisy(x, 0, seed) for seed, x in enumerate(clean)]
    gains = denoising.gains_db(
        clean, heard, lambda y: denoising.autoencoder(y, trained, 0, Spectrogram())
    )
    assert gains.mean() > 4, gains
    assert gains.min() > 0, gains


def test_a_louder_recording_is_treated_alike(trained) -> None:
    heard = noisy(chirps(201), 0)
    quiet, loud = (
        denoising.autoencoder(scale * heard, trained, 0, Spectrogram()) for scale in (1, 10)
    )
    assert loud == pytest.approx(10 * quiet, abs=1e-3)
    opened = denoising.autoencoder(heard, trained, 0, Spectrogram(), lift_db=300)
    assert opened == pytest.approx(heard, abs=1e-5)  # a gain never amplifies
