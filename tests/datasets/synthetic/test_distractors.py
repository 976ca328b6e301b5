"""Sounds that are no cry: reproducible and within range."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.datasets.synthetic.distractors import KINDS, distractor


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_sound_within_range_at_any_rate_the_same_for_a_seed(kind) -> None:
    for seed, sr in ((0, 8000), (2, 44100)):
        x, again, other = (
            distractor(kind, rng=np.random.default_rng(s), sr=sr, duration_s=1.5) for s in (seed, seed, 9)
        )
        assert np.array_equal(x, again) and not np.allclose(x, other)
        assert (x.dtype, x.shape) == (np.float32, (round(1.5 * sr),))
        assert -30.01 < 20 * np.log10(np.abs(x).max()) < 0.01
