"""The dials: each scales one term of what shapes a clip, whatever the others are."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.datasets.synthetic import states
from cryutils.datasets.synthetic.states import REACH, Dials, Effects
from cryutils.errors import InputError

EFFECTS = {"voice": states.VOICES, "face": states.FACES}
DIAL = st.floats(0.0, 1.0)
ANY = st.builds(Dials, DIAL, DIAL, DIAL, DIAL)
BOTH = pytest.mark.parametrize("effects", EFFECTS.values(), ids=EFFECTS)


def drawn(
    effects: Effects, dials: Dials, state: str = "hungry", *, infant: int = 1, session: int = 1, clip: int = 1
) -> np.ndarray:
    """The parameters of one clip before they are clipped to their limits."""
    rng, free = np.random.default_rng(clip), copy(effects)
    free.least, free.most = np.full((2, effects.base.size), [[-np.inf], [np.inf]])
    clip_parameters = free.draw(state, infant=infant, session=session, dials=dials, rng=rng)
    return np.array([*vars(clip_parameters).values()])


@BOTH
@given(dials=ANY)
def test_each_dial_scales_one_term_whatever_the_others_are(effects, dials) -> None:
    def apart(dials: Dials, **other: int) -> np.ndarray:
        return drawn(effects, dials) - drawn(effects, dials, **other)

    dials = replace(dials, interaction=0.0)
    infants, visits = apart(Dials(signal=0.0), infant=2), apart(Dials(session=1.0), session=2)
    np.testing.assert_allclose(apart(dials, infant=2), dials.identity * infants, atol=1e-9)
    np.testing.assert_allclose(apart(dials, session=2), dials.session * visits, atol=1e-9)
    states = drawn(effects, dials) - drawn(effects, dials, "pain")
    table = effects.states["hungry"] - effects.states["pain"]
    np.testing.assert_allclose(states, REACH * dials.signal * table, atol=1e-9)


@BOTH
@given(dials=ANY)
def test_interaction_shares_the_variance_between_the_table_and_the_infant(effects, dials) -> None:
    def apart(interaction: float) -> np.ndarray:
        both = (drawn(effects, replace(dials, interaction=interaction), s) for s in ("hungry", "pain"))
        return np.subtract(*both)

    common, lone = apart(0.0), apart(1.0)
    mixed = np.sqrt(1 - dials.interaction) * common + np.sqrt(dials.interaction) * lone
    np.testing.assert_allclose(apart(dials.interaction), mixed, atol=1e-9)


@pytest.mark.parametrize("value", [1.01, float("nan")])
def test_a_dial_outside_its_range_is_named(value) -> None:
    with pytest.raises(InputError, match=f"^face_signal={value} is outside the dial; use"):
        Dials(signal=value).check("face_")
