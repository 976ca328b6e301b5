"""Disturbances of a known amount: what was asked for is measured in what comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.audio.stress import add_noise, low_pass, reverberate

SR = 16000


def tone(hz: float = 440) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(SR) / SR)).astype(np.float32)


@given(st.floats(-30, 40))
def test_the_ratio_of_powers_is_the_one_asked_for(snr_db) -> None:
    x = tone()
    noise = add_noise(x, snr_db=snr_db, rng=np.random.default_rng(1)) - x
    assert 20 * np.log10(x.std() / noise.std()) == pytest.approx(snr_db, abs=0.02)


def test_echoes_fall_by_60_db_in_that_time() -> None:
    rt60_s = 0.3
    # Schroeder 1965: the energy still to come, of a single click, falls along a straight line.
    click = np.zeros(2 * SR, np.float32)
    click[0] = 1
    room = reverberate(click, sr=SR, rt60_s=rt60_s, rng=np.random.default_rng(0))
    to_come = 10 * np.log10(np.cumsum(room[::-1].astype(float) ** 2)[::-1][: round(rt60_s * SR / 3)])
    slope = np.polyfit(np.arange(len(to_come) - 10) / SR, to_come[10:], 1)[0]
    assert slope == pytest.approx(-60 / rt60_s, rel=0.1)


def test_a_low_pass_removes_a_tone_above_its_cut_and_leaves_that_below() -> None:
    y = low_pass(tone(500) + tone(2000), sr=SR, cut_hz=1000)
    inner = slice(SR // 10, -SR // 10)
    np.testing.assert_allclose(y[inner], tone(500)[inner], atol=1e-3)
