"""The cry gate as it is shipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refusal

from cryutils.datasets.synthetic import voice
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.models.gate import FAINTEST_DB, READY, SR, Gate, level_db, reference

GATE = Gate.load()
TONE = np.sin(2 * np.pi * 440 * np.arange(SR) / SR).astype(np.float32)


def seconds(x: np.ndarray, sr: int) -> list[np.ndarray]:
    return [x[k * sr : (k + 1) * sr] for k in range(len(x) // sr)]


@pytest.mark.parametrize("sr", [8000, 48000])
def test_an_infant_that_cries_passes(sr) -> None:
    # Of infants that it has not met; of one second in 20 it may be wrong.
    passing = [
        GATE.score(x, sr) >= GATE.threshold
        for infant in range(900, 905)
        for x in seconds(voice.cry("hungry", infant=infant, seed=infant, sr=sr), sr)
        if level_db(x) > -35
    ]
    assert len(passing) > 20
    assert np.mean(passing) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_cry_does_not(kind) -> None:
    passing = [
        GATE.score(x, SR) >= GATE.threshold
        for k in range(10)
        for x in seconds(distractor(kind, rng=np.random.default_rng([999, k])), SR)
    ]
    assert np.mean(passing) < 0.1


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-20])
def test_what_nobody_could_hear_scores_nothing(level) -> None:
    assert GATE.score(level * TONE, SR) == 0.0


def test_a_level_is_that_of_a_sine() -> None:
    assert level_db(TONE) == pytest.approx(-3.01, abs=0.01)
    assert level_db(np.zeros(10, np.float32)) == -120.0


@given(st.floats(-30, 0))
def test_how_loud_a_sound_is_makes_no_difference(gain_db) -> None:
    x = distractor("speech", rng=np.random.default_rng(1), duration_s=1.0)
    x /= np.abs(x).max()
    louder = (10 ** (gain_db / 20) * x).astype(np.float32)
    if level_db(louder) > FAINTEST_DB:
        assert GATE.score(louder, SR) == pytest.approx(GATE.score(x, SR), abs=1e-3)


def test_a_score_is_the_logistic_function_of_a_weighted_sum() -> None:
    gate = Gate(np.r_[1.0, np.zeros(99)], intercept=-2.0, threshold=0.5, note="")
    rows = np.zeros((2, 100))
    rows[1, 0] = 2.0
    np.testing.assert_allclose(gate.scores(rows), [1 / (1 + np.e**2), 0.5])


@pytest.mark.parametrize("change", [{"threshold": "high"}, {"coefficients": [1.0]}, None])
def test_what_is_no_gate_is_refused(tmp_path, change) -> None:
    path = tmp_path / "gate.json"
    if change is not None:
        path.write_text(json.dumps({**json.loads(READY.read_text()), **change}))
    assert "tools/fit_gate.py" in refusal(path, Gate.load)


def test_the_stored_evaluation_is_of_the_shipped_threshold() -> None:
    table = reference().query("how == 'out of fold'").set_index("condition").value
    curve = reference("gate_curve").set_index(["source", "threshold"]).passing
    assert table["donateacry"] == pytest.approx(curve["donateacry", GATE.threshold])
