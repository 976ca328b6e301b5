"""The cry gate as it is shipped, and YAMNet's file in its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lite_file import lite_file
from refusals import refusal

from cryutils.audio import spectral
from cryutils.datasets.synthetic import voice
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.models.gate import FAINTEST_DB, READY, SR, Gate, Yamnet, level_db

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


def test_a_gate_comes_back_as_it_was_saved(tmp_path) -> None:
    GATE.save(tmp_path / "gate.json")
    again = Gate.load(tmp_path / "gate.json")
    x = voice.cry("hungry", infant=900, seed=900, sr=SR)[:SR]
    assert again.score(x, SR) == GATE.score(x, SR)
    assert (again.threshold, again.note) == (GATE.threshold, GATE.note)


@pytest.mark.parametrize("change", [{"threshold": "high"}, {"coefficients": [1.0]}, None])
def test_what_is_no_gate_is_refused(tmp_path, change) -> None:
    path = tmp_path / "gate.json"
    if change is not None:
        path.write_text(json.dumps({**json.loads(READY.read_text()), **change}))
    assert "tools/fit_gate.py" in refusal(path, Gate.load)


# YAMNet


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """`light(samples, kinds)` writes a LiteRT file that takes sound without a batch, as YAMNet.

    What it answers as an infant's cry is the mean of the samples' squares, all else is 0.
    """

    def write(samples: int, kinds: int) -> Path:
        path = tmp_path_factory.mktemp("yamnet") / "yamnet.tflite"
        return lite_file(path, samples, kinds, only=20)

    return write


@pytest.mark.parametrize("sr", [8000, 16000, 44100])
def test_yamnet_scores_by_its_class_for_cries(light, sr) -> None:
    gate = Yamnet(light(15_600, 521))
    x = spectral.resample(TONE, sr=SR, to=sr)
    assert gate.score(x, sr) == pytest.approx(0.5, abs=0.01)
    half = gate.score(x[: round(0.4875 * sr)], sr)
    assert half == pytest.approx(0.25, abs=0.01), "what is missing is filled up with silence"
    assert gate.score(1e-4 * x, sr) == 0.0


@pytest.mark.parametrize(("samples", "kinds"), [(15_600, 100), (1000, 521)])
def test_another_network_is_not_yamnet(light, samples, kinds) -> None:
    refusal(light(samples, kinds), Yamnet)
