"""Sounds that are no cry: reproducible, within range, and what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.errors import InputError


def made(kind: str, seed: int, **options: float) -> np.ndarray:
    return distractor(kind, rng=np.random.default_rng(seed), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_sound_within_range_at_any_rate(kind) -> None:
    for seed, sr in ((0, 8000), (1, 16000), (2, 44100)):
        x = made(kind, seed, sr=sr, duration_s=1.5)
        assert (x.dtype, x.shape) == (np.float32, (round(1.5 * sr),))
        peak_db = 20 * np.log10(np.abs(x).max())
        assert -30.01 < peak_db < 0.01
        assert np.isfinite(x).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_and_another_gives_another(kind) -> None:
    np.testing.assert_array_equal(made(kind, 3), made(kind, 3))
    assert not np.allclose(made(kind, 3), made(kind, 4))


def test_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="music"):
        made("musik", 0)
