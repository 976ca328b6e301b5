"""The dials: each rules one share of what shapes a clip, whatever the others are."""

from __future__ import annotations

from dataclasses import astuple, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.datasets.synthetic import face_states, states, voice
from cryutils.datasets.synthetic.dials import REACH, Dials, Effects
from cryutils.errors import InputError

EFFECTS = {"voice": states.EFFECTS, "face": face_states.EFFECTS}
DIAL = st.floats(0.0, 1.0)
ANY = st.builds(Dials, DIAL, DIAL, DIAL, DIAL)
BOTH = pytest.mark.parametrize("effects", EFFECTS.values(), ids=EFFECTS)


def drawn(
    effects: Effects, dials: Dials, state: str = "hungry", *, infant: int = 1, session: int = 1,
    clip: int = 1,
) -> np.ndarray:  # fmt: skip
    rng = np.random.default_rng(clip)
    return effects.mix(state, infant=infant, session=session, dials=dials, rng=rng)


@BOTH
@given(dials=ANY)
def test_infants_lie_as_far_apart_whatever_the_other_dials_are(
    effects: Effects, dials: Dials
) -> None:
    whole = drawn(effects, Dials(signal=0.0)) - drawn(effects, Dials(signal=0.0), infant=2)
    dials = replace(dials, interaction=0.0)
    apart = drawn(effects, dials) - drawn(effects, dials, infant=2)
    np.testing.assert_allclose(apart, dials.identity * whole, atol=1e-9)


@BOTH
@given(dials=ANY)
def test_sessions_lie_as_far_apart_whatever_the_other_dials_are(
    effects: Effects, dials: Dials
) -> None:
    whole = drawn(effects, Dials(session=1.0)) - drawn(effects, Dials(session=1.0), session=2)
    apart = drawn(effects, dials) - drawn(effects, dials, session=2)
    np.testing.assert_allclose(apart, dials.session * whole, atol=1e-9)


@BOTH
@given(dials=ANY)
def test_states_lie_as_far_apart_as_signal_says(effects: Effects, dials: Dials) -> None:
    table = effects.states["hungry"] - effects.states["pain"]
    dials = replace(dials, interaction=0.0)
    apart = drawn(effects, dials) - drawn(effects, dials, "pain")
    np.testing.assert_allclose(apart, REACH * dials.signal * table, atol=1e-9)


@BOTH
@given(dials=ANY)
def test_interaction_shares_the_variance_between_the_table_and_the_infant(
    effects: Effects, dials: Dials
) -> None:
    def apart(interaction: float) -> np.ndarray:
        both = (
            drawn(effects, replace(dials, interaction=interaction), s) for s in ("hungry", "pain")
        )
        return np.subtract(*both)

    common, lone = apart(0.0), apart(1.0)
    mixed = np.sqrt(1 - dials.interaction) * common + np.sqrt(dials.interaction) * lone
    np.testing.assert_allclose(apart(dials.interaction), mixed, atol=1e-9)


@BOTH
def test_states_of_an_infants_own_are_as_large_as_the_tables_and_point_anywhere(
    effects: Effects,
) -> None:
    dials = Dials(identity=0.0, interaction=1.0)
    clips = np.array([drawn(effects, dials, infant=i) for i in range(400)])
    offsets = clips - drawn(effects, Dials(signal=0.0, identity=0.0))
    size = REACH * np.sqrt(np.mean(np.square(list(effects.states.values())), axis=0))
    np.testing.assert_array_equal(offsets[:, size == 0], 0)
    z = offsets[:, size > 0] / size[size > 0]
    # Five standard errors of a mean, and of a variance, of 400 normal numbers.
    assert np.abs(z.mean(axis=0)).max() < 5 / np.sqrt(400)
    assert np.abs(z.var(axis=0) - 1).max() < 5 * np.sqrt(2 / 400)
    others = np.array([drawn(effects, dials, "pain", infant=i) for i in range(400)])
    others = (others - drawn(effects, Dials(signal=0.0, identity=0.0)))[:, size > 0] / size[
        size > 0
    ]
    assert abs(np.mean(z * others)) < 5 / np.sqrt(z.size)


def nearest(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return which of `test` lie nearest to the training mean of their own class."""
    means = np.array([x[train & (y == k)].mean(axis=0) for k in range(y.max() + 1)])
    distances = ((x[test][:, None] - means) ** 2).sum(axis=2)
    return distances.argmin(axis=1) == y[test]


@BOTH
@pytest.mark.parametrize(("interaction", "across"), [(0.0, True), (1.0, False)])
def test_states_of_their_own_are_told_within_an_infant_and_not_across(
    effects: Effects, interaction: float, across: bool
) -> None:
    names, infants, clips = ["hungry", "tired", "pain", "discomfort"], 16, 6
    dials = Dials(interaction=interaction)
    design = [(i, k, c) for i in range(infants) for k in range(4) for c in range(clips)]
    who, y, number = np.array(design).T
    x = np.array(
        [
            drawn(effects, dials, names[k], infant=i, clip=1000 * i + 10 * k + c)
            for i, k, c in design
        ]
    )
    # In units of how far clips of one infant and state lie apart.
    x = (x / np.where(effects.clip > 0, effects.clip, 1))[:, effects.clip > 0]
    within = [
        nearest(x, y, (who == i) & (number > 0), (who == i) & (number == 0)) for i in range(infants)
    ]
    assert np.mean(within) > 0.95
    # Infants' own means are taken out, so that nothing but their states can be in the way.
    x = x - np.array([x[who == i].mean(axis=0) for i in range(infants)])[who]
    new = np.array([nearest(x, y, who != i, who == i).mean() for i in range(infants)])
    if across:
        assert new.mean() > 0.95
    else:  # chance, within three standard errors over infants
        assert abs(new.mean() - 0.25) < 3 * max(new.std(ddof=1), 0.1) / np.sqrt(infants)


@BOTH
def test_a_session_moves_place_and_day_and_clips_of_one_share_it(effects: Effects) -> None:
    names = [f.name for f in fields(effects.kind)]
    dials = Dials(session=1.0)
    first, other = drawn(effects, dials), drawn(effects, dials, session=2)
    moved = {name for name, step in zip(names, first != other, strict=True) if step}
    place = {"room", "noise", "low_cut"} if "room" in names else {"light", "sheet", "grain"}
    assert place < moved
    assert not moved & {"arch", "vowel", "tract", "burst", "whimper", "skin", "hair", "gape"}
    # Clips of a session differ by their own noise alone, as at `session=0`.
    alone, together = (
        drawn(effects, d) - drawn(effects, d, clip=2) for d in (Dials(session=0.0), dials)
    )
    np.testing.assert_allclose(together, alone, atol=1e-9)


def test_nothing_said_is_as_plain_as_can_be() -> None:
    assert astuple(Dials()) == (1.0, 1.0, 0.0, 0.0)
    plain = voice.plan("hungry", infant=1, seed=2)
    assert plain.session == 2
    assert plain.voice == voice.plan("hungry", infant=1, seed=2, session=9).voice


def test_clips_of_one_session_sound_alike() -> None:
    def pauses(session: int, clip: int) -> np.ndarray:
        """The spectrum of the quietest moments, in which place and microphone are heard."""
        sound = voice.cry(
            "hungry", infant=1, seed=100 * session + clip, session=session, sr=8000, duration_s=5.0,
            dials=Dials(signal=0.0, identity=0.0, session=1.0),
        )  # fmt: skip
        power = np.percentile(np.abs(np.fft.rfft(sound.reshape(-1, 200))) ** 2, 5, axis=0)
        levels = 10 * np.log10(power[1:])
        return levels - levels.mean()

    x = np.array([pauses(session, clip) for session in range(8) for clip in range(2)])
    distances = np.linalg.norm(x[:, None] - x, axis=2) + np.diag([np.inf] * 16)
    # Drawing blindly, 16/15 of them would be right, and eight or more once in 300,000 times.
    assert np.sum(distances.argmin(axis=1) // 2 == np.arange(16) // 2) >= 8


@pytest.mark.parametrize("name", ["signal", "identity", "interaction", "session"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_a_dial_outside_its_range_is_named_in_one_line(name: str, value: float) -> None:
    turned: dict[str, Any] = {name: value}
    with pytest.raises(
        InputError, match=f"^face_{name}={value} is outside the dial; use"
    ) as caught:
        Dials(**turned).check("face_")
    assert "\n" not in str(caught.value)
