"""The dials: each scales one term of what shapes a clip, whatever the others are."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.datasets.synthetic import states
from cryutils.datasets.synthetic.states import REACH, Dials, Effects

DIAL = st.floats(0.0, 1.0)


def drawn(
    effects: Effects, dials: Dials, state: str = "hungry", *, infant: int = 1, session: int = 1, clip: int = 1
) -> np.ndarray:
    """The parameters of one clip before they are clipped to their limits."""
    rng, free = np.random.default_rng(clip), copy(effects)
    free.least, free.most = np.full((2, effects.base.size), [[-np.inf], [np.inf]])
    clip_parameters = free.draw(state, infant=infant, session=session, dials=dials, rng=rng)
    return np.array([*vars(clip_parameters).values()])


@pytest.mark.parametrize("effects", [states.VOICES, states.FACES], ids=["voice", "face"])
@given(dials=st.builds(Dials, DIAL, DIAL, session=DIAL))
def test_each_dial_scales_one_term_whatever_the_others_are(effects, dials) -> None:
    def apart(dials: Dials, **other: int) -> np.ndarray:
        return drawn(effects, dials) - drawn(effects, dials, **other)

    infants, visits = apart(Dials(signal=0.0), infant=2), apart(Dials(session=1.0), session=2)
    np.testing.assert_allclose(apart(dials, infant=2), dials.identity * infants, atol=1e-9)
    np.testing.assert_allclose(apart(dials, session=2), dials.session * visits, atol=1e-9)
    states = drawn(effects, dials) - drawn(effects, dials, "pain")
    table = effects.states["hungry"] - effects.states["pain"]
    np.testing.assert_allclose(states, REACH * dials.signal * table, atol=1e-9)
