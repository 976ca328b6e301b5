"""The answer that a user is given: a state from a half on."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils.models.verdict import UNSURE, verdict


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([0.5, 0.3, 0.2], "hungry"),
        ([0.2, 0.3, 0.5], "tired"),
        ([0.25, 0.5, 0.25], "pain"),
        ([np.nextafter(0.5, 0), 0.3, 0.2], UNSURE),
        ([0.4, 0.4, 0.2], UNSURE),
    ],
)
def test_a_state_is_named_from_a_half_on(p, expected) -> None:
    assert verdict(dict(zip(("hungry", "pain", "tired"), p, strict=True))) == expected
