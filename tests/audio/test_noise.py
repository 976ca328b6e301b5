"""Noise of a known ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.audio.noise import add_noise
from cryutils.errors import InputError


def tone(samples: int = 16000) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(samples) / 16000)).astype(np.float32)


@given(st.floats(-30, 40), st.sampled_from([0.0, -3.0, -6.0]))
def test_the_ratio_of_powers_is_the_one_asked_for(snr_db: float, slope_db: float) -> None:
    x = tone(4000)
    noise = add_noise(x, snr_db=snr_db, rng=np.random.default_rng(1), slope_db=slope_db) - x
    measured = 10 * np.log10(np.mean(x.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert measured == pytest.approx(snr_db, abs=0.02)


@pytest.mark.parametrize("slope_db", [0.0, -3.0, -6.0])
def test_the_noise_falls_by_so_many_db_an_octave(slope_db: float) -> None:
    x = tone(2**17)
    noisy = add_noise(x, snr_db=-60, rng=np.random.default_rng(2), slope_db=slope_db)
    power = np.abs(np.fft.rfft(noisy)) ** 2
    octaves = [np.mean(power[2**k : 2 ** (k + 1)]) for k in range(8, 15)]
    slope = np.polyfit(np.arange(7), 10 * np.log10(octaves), 1)[0]
    assert slope == pytest.approx(slope_db, abs=0.3)


def test_the_same_generator_gives_the_same_noise() -> None:
    first, second = (add_noise(tone(), snr_db=0, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_silence_stays_silence() -> None:
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(
        add_noise(silence, snr_db=0, rng=np.random.default_rng(0)), silence
    )
    assert len(add_noise(silence[:0], snr_db=0, rng=np.random.default_rng(0))) == 0


def test_wrong_amounts_are_refused() -> None:
    with pytest.raises(InputError, match="snr_db=nan"):
        add_noise(tone(), snr_db=float("nan"), rng=np.random.default_rng(0))
