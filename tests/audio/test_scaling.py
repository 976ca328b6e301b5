"""Paper A's scaling: the algebra that its docstring states, and what it does to a spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cryutils.audio import spectral
from cryutils.audio.scaling import SignalScaler
from cryutils.errors import InputError

signals = st.lists(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30), min_size=1, max_size=5
).map(lambda clips: [np.array(clip, np.float32) for clip in clips])


def spread(clips: list[np.ndarray]) -> float:
    return float(np.ptp(np.concatenate(clips)))


def test_it_is_scikit_learns_two_scalers() -> None:
    rng = np.random.default_rng(0)
    train = [rng.normal(0.1, 0.2, n).astype(np.float32) for n in (500, 900)]
    test = rng.normal(0, 0.3, 700).astype(np.float32)
    column = np.concatenate(train).astype(np.float64)[:, None]
    standard = StandardScaler().fit(column)
    min_max = MinMaxScaler().fit(standard.transform(column))
    theirs = min_max.transform(standard.transform(test.astype(np.float64)[:, None]))[:, 0]
    scaler = SignalScaler.fit(train)
    np.testing.assert_allclose(scaler.transform(test), theirs, atol=1e-6)
    assert scaler.mean == pytest.approx(float(standard.mean_[0]))
    assert scaler.std == pytest.approx(float(standard.scale_[0]))


@given(signals)
def test_training_values_fill_0_to_1(clips) -> None:
    if spread(clips) == 0:
        with pytest.raises(InputError, match="two values"):
            SignalScaler.fit(clips)
        return
    scaled = np.concatenate([SignalScaler.fit(clips).transform(x) for x in clips])
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)


def test_inner_frames_change_by_the_gain_alone_beyond_bin_1() -> None:
    x = (0.2 * np.random.default_rng(0).normal(size=16000)).clip(-1, 1).astype(np.float32)
    scaler = SignalScaler.fit([x])
    gain = 1 / (scaler.high - scaler.low)
    before, after = spectral.stft(x), spectral.stft(scaler.transform(x))
    inner = slice(4, -4)
    np.testing.assert_allclose(after[inner, 2:], gain * before[inner, 2:], atol=1e-4)
    assert np.abs(after[inner, 0] - gain * before[inner, 0]).min() > 100
    assert np.abs(after[0, 2:] - gain * before[0, 2:]).max() > 10  # the step at the edge
