"""Disturbances of a known amount: what was asked for is measured in what comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.audio.stress import add_noise, clip_peaks, low_pass, reverberate

SR = 16000


def tone(samples: int = SR, hz: float = 440) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(samples) / SR)).astype(np.float32)


def db(power_ratio: float) -> float:
    return float(10 * np.log10(power_ratio))


# Noise


@given(st.floats(-30, 40))
def test_the_ratio_of_powers_is_the_one_asked_for(snr_db) -> None:
    x = tone(4000)
    noise = add_noise(x, snr_db=snr_db, rng=np.random.default_rng(1)) - x
    measured = db(np.mean(x.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert measured == pytest.approx(snr_db, abs=0.02)


# Rooms


def test_echoes_fall_by_60_db_in_that_time() -> None:
    rt60_s = 0.3
    # Schroeder 1965: the energy still to come, of a single click, falls along a straight line.
    click = np.zeros(2 * SR, np.float32)
    click[0] = 1
    room = reverberate(click, sr=SR, rt60_s=rt60_s, rng=np.random.default_rng(0))
    to_come = 10 * np.log10(np.cumsum(room[::-1].astype(float) ** 2)[::-1][: round(rt60_s * SR / 3)])
    slope = np.polyfit(np.arange(len(to_come) - 10) / SR, to_come[10:], 1)[0]
    assert slope == pytest.approx(-60 / rt60_s, rel=0.1)


# Bandwidth


def test_a_low_pass_removes_a_tone_above_its_cut_and_leaves_that_below() -> None:
    low_tone, high_tone = tone(hz=500), tone(hz=2000)
    y = low_pass(low_tone + high_tone, sr=SR, cut_hz=1000)
    inner = slice(SR // 10, -SR // 10)
    np.testing.assert_allclose(y[inner], low_tone[inner], atol=1e-3)
    gone = low_pass(high_tone, sr=SR, cut_hz=1000)[inner]
    assert db(np.mean(gone.astype(float) ** 2) / np.mean(high_tone.astype(float) ** 2)) < -90


# Clipping


@given(st.floats(0, 0.9), st.integers(0, 20))
def test_that_share_of_the_samples_lies_at_the_largest_level(share, seed) -> None:
    x = np.random.default_rng(seed).normal(size=1000).astype(np.float32)
    y = clip_peaks(x, share=share)
    at_limit = np.mean(np.abs(y) == np.abs(y).max())
    assert at_limit == pytest.approx(share, abs=1.5 / len(x))
    uncut = np.abs(y) < np.abs(y).max()
    np.testing.assert_array_equal(y[uncut], x[uncut])
