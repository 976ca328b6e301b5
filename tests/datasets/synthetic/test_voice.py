"""The synthesiser: F0 as planned, dials that do what they say, the same bytes again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryutils.datasets.synthetic import voice
from cryutils.datasets.synthetic.states import Dials
from cryutils.errors import InputError

DIAL = st.floats(0.0, 1.0)
SEED = st.integers(0, 2**40)


def test_same_infant_and_seed_give_the_same_bytes() -> None:
    first = voice.cry("hungry", infant=3, seed=5)
    assert first.tobytes() == voice.cry("hungry", infant=3, seed=5).tobytes()
    assert not np.array_equal(first, voice.cry("hungry", infant=3, seed=6))
    assert not np.array_equal(first, voice.cry("hungry", infant=4, seed=5))
    assert not np.array_equal(first, voice.cry("tired", infant=3, seed=5))


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


@settings(max_examples=40)
@given(
    state=st.sampled_from(sorted(voice.STATES)),
    infant=SEED,
    seed=SEED,
    dials=st.builds(Dials, DIAL, DIAL, DIAL, DIAL),
    duration_s=st.floats(0.5, 4.0),
    sr=st.sampled_from([4000, 8000, 11025, 16000, 22050]),
)
def test_any_dials_give_a_clean_clip(state, infant, seed, dials, duration_s, sr) -> None:
    sound = voice.cry(state, infant=infant, seed=seed, dials=dials, duration_s=duration_s, sr=sr)
    assert sound.dtype == np.float32
    assert sound.shape == (round(duration_s * sr),)
    assert np.isfinite(sound).all()
    # Normalised below full scale, so no sample can have been clipped.
    assert 0.35 < np.abs(sound).max() < 0.95


@pytest.mark.parametrize(
    ("change", "message"),
    [({"state": "hungri"}, "Did you mean hungry"), ({"duration_s": 0.1}, "duration_s=0.1")],
)
def test_bad_arguments_are_named_in_one_line(change, message) -> None:
    good: dict[str, object] = {"state": "hungry", "infant": 0, "seed": 0}
    with pytest.raises(InputError, match=message) as caught:
        voice.cry(**{**good, **change})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
