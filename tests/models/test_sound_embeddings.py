"""Google's speech embedding, if it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils._io import extras
from cryutils.models import sound_embeddings


@pytest.mark.skipif(
    not extras.is_installed("pyopen_wakeword"), reason="the extra embeddings is not installed"
)
def test_a_row_is_mean_and_deviation_over_time_of_a_sound_at_any_level() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    rows = sound_embeddings.speech([tone, noise, 0.5 * noise, tone[:1600]], sr=16_000)
    assert rows.shape == (4, 192)
    np.testing.assert_array_equal(rows[1], rows[2])
    assert np.abs(rows[0] - rows[1]).max() > 1
    assert not rows[3, 96:].any(), "a short sound has one vector"
