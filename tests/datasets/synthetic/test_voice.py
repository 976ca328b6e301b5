"""The synthesiser: F0 as planned, dials that scale one term each, clean sound."""

from copy import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryutils.datasets.synthetic import states, voice
from cryutils.datasets.synthetic.states import REACH, Dials, Effects

DIAL = st.floats(0.0, 1.0)


@pytest.mark.parametrize("state", voice.STATES)
def test_f0_is_as_planned(state) -> None:
    import librosa

    deviations = []
    for seed in range(3):
        # At full signal the tired nearly whisper, and YIN knows no better than the plan.
        plan = voice.plan(state, infant=seed, seed=seed, dials=Dials(signal=0.5))
        heard = librosa.yin(
            voice.render(plan, 16000), fmin=140, fmax=2200, sr=16000, frame_length=1024, hop_length=160
        )
        frames = (np.arange(heard.size) * 0.01 * voice.RATE).astype(int)
        # Whole windows of 64 ms inside phonation: no edge, no leap, no doubled period, no whisper.
        planned = np.lib.stride_tricks.sliding_window_view(np.pad(plan.f0, 16), 33)[frames]
        steady = (planned.min(1) > 0.85 * planned.max(1)) & (plan.rough[frames] == 0)
        steady &= plan.loudness[frames] > 0.15
        deviations.append(heard[steady] / np.median(planned[steady], axis=1) - 1)
    errors = np.concatenate(deviations)
    assert errors.size > 200
    assert abs(np.median(errors)) < 0.01
    assert np.mean(np.abs(errors) < 0.05) > 0.8


@settings(max_examples=25)
@given(
    state=st.sampled_from(sorted(voice.STATES)),
    seed=st.integers(0, 2**40),
    dials=st.builds(Dials, DIAL, DIAL, DIAL, DIAL),
    duration_s=st.floats(0.5, 3.0),
    sr=st.sampled_from([4000, 11025, 22050]),
)
def test_any_dials_give_a_clean_clip(state, seed, dials, duration_s, sr) -> None:
    plan = voice.plan(state, infant=seed, seed=seed, dials=dials, duration_s=duration_s)
    sound = voice.render(plan, sr)
    assert sound.tobytes() == voice.render(plan, sr).tobytes()
    assert (sound.dtype, sound.shape) == (np.float32, (round(duration_s * sr),))
    # Normalised below full scale, so no sample can have been clipped.
    assert 0.35 < np.abs(sound).max() < 0.95


def test_a_clip_made_in_the_browser_differs_by_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = voice.plan("hungry", infant=1, seed=2, duration_s=1.3)
    sound = voice.render(plan, 11025)
    monkeypatch.setattr("sys.platform", "emscripten")
    assert np.allclose(voice.render(plan, 11025), sound, rtol=0, atol=1e-5)


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
