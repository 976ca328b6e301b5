"""Cry bursts: where made ones are found, and what describes them."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.audio import bursts

SR = 8000


def tones(*lengths_s: float, level: float = 0.3) -> np.ndarray:
    """Silence and tones in turn, beginning with silence."""
    parts = [
        level * (k % 2) * np.sin(2 * np.pi * 400 * np.arange(round(length * SR)) / SR)
        for k, length in enumerate(lengths_s)
    ]
    return np.concatenate(parts).astype(np.float32)


def test_bursts_are_found_where_they_were_made() -> None:
    found = bursts.find(tones(0.5, 1.0, 0.4, 0.6, 0.3), sr=SR)
    np.testing.assert_allclose(found, [(0.5, 1.5), (1.9, 2.5)], atol=0.033)  # a frame of 32 ms


def test_short_pauses_join_and_short_bursts_are_left_out() -> None:
    found = bursts.find(tones(0.2, 0.5, 0.06, 0.5, 0.4, 0.05, 0.4), sr=SR)
    np.testing.assert_allclose(found, [(0.2, 1.26)], atol=0.033)


@pytest.mark.parametrize("x", [tones(0.3, 0.05, 0.3), np.zeros(SR, np.float32)])
def test_there_is_always_a_burst(x: np.ndarray) -> None:
    assert len(bursts.find(x, sr=SR)) == 1


def test_a_burst_is_described_by_hand() -> None:
    features = np.arange(20, dtype=np.float32).reshape(10, 2)  # a frame every 0.1 s
    rows = bursts.describe(features, [(0.1, 0.3), (0.5, 0.9)], hop_s=0.1)
    np.testing.assert_allclose(rows[0], [3, 4, 1, 1, np.log2(0.2), np.log2(0.1)], rtol=1e-5)
    wide = np.std([10, 12, 14, 16])
    np.testing.assert_allclose(rows[1], [13, 14, wide, wide, np.log2(0.4), np.log2(0.2)], rtol=1e-5)
    late = bursts.describe(features, [(5.0, 5.1)], hop_s=0.1)
    np.testing.assert_allclose(late[0, :4], [18, 19, 0, 0])
