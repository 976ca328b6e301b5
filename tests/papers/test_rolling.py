"""Averaging over time: flicker and accuracy by hand, and what is recorded."""

from __future__ import annotations

import numpy as np
import pytest
from made_corpus import corpus

from cryutils import claims
from cryutils.models.fusion import rolling_average
from cryutils.papers import rolling

FRAMES = 6
CORPUS = corpus(["hungry", "sleepy"] * 4, [f"i{k // 2}" for k in range(8)])


def flickering() -> list[np.ndarray]:
    """Return answers that are right but for every third frame; 6 frames, 5 steps, 3 changes."""
    answers = []
    for label in CORPUS.labels:
        p = np.full((FRAMES, 2), 0.2, np.float32)
        p[:, CORPUS.classes.index(label)] = 0.8
        p[2::3] = p[2::3, ::-1]
        answers.append(p)
    return answers


def test_averaging_over_time_by_hand() -> None:
    alone, three, whole = rolling.over_windows([flickering()], CORPUS, [1, 3, 99], fps=2.0)
    assert alone.flicker.value == pytest.approx(3 / 5 * 60 * 2)
    assert (alone.accuracy.value, alone.final.value) == (pytest.approx(4 / 6), 0.0)
    assert (alone.flicker_change.value, alone.accuracy_change.value) == (0.0, 0.0)
    for averaged in (three, whole):
        assert averaged.flicker.value == 0
        assert (averaged.accuracy.value, averaged.final.value) == (1.0, 1.0)
        assert averaged.flicker_change.value == pytest.approx(-alone.flicker.value)
    last = rolling_average(flickering()[0], 99)[-1]
    np.testing.assert_allclose(last, flickering()[0].mean(axis=0), rtol=1e-6)


def test_a_clip_without_frames_is_wrong_and_does_not_flicker() -> None:
    over_time = flickering()
    over_time[3] = np.zeros((0, 2), np.float32)
    (whole,) = rolling.over_windows([over_time], CORPUS, [99], fps=2.0)
    assert whole.final.value == pytest.approx(7 / 8)
    assert whole.accuracy.value == pytest.approx(7 / 8)
    assert whole.flicker.n == 7
    single = [p[:1] for p in over_time]
    (still,) = rolling.over_windows([single], CORPUS, [1], fps=2.0)
    assert still.flicker is None


def test_the_effect_of_averaging_is_recorded() -> None:
    claims.begin("test_rolling", seed=0)
    rolled = rolling.over_windows([flickering()], CORPUS, [1, 3], fps=2.0)
    claims.record_table(rolling.results(rolled, CORPUS))
    results = claims.results().set_index("key")
    assert results.loc["rolling.1.flicker_per_minute", "value"] == pytest.approx(72)
    assert results.loc["rolling.3.accuracy", "value"] == 1
    assert set(results.split) == {"infant"}
    assert results.loc["rolling.minus_single_frames.flicker_per_minute", "value"] == pytest.approx(
        -72
    )
    assert results.loc["rolling.minus_single_frames.accuracy", "value"] == pytest.approx(1 / 3)
    assert "rolling.3.final_accuracy" in results.index
    assert set(results.trainings) == {1}


def test_several_trainings_are_averaged_and_widen_the_intervals() -> None:
    restless, calm = flickering(), [p[:2] for p in flickering()]
    (both,) = rolling.over_windows([restless, calm], CORPUS, [1], fps=2.0)
    alone = [rolling.over_windows([t], CORPUS, [1], fps=2.0)[0] for t in (restless, calm)]
    assert both.trainings == 2
    assert both.flicker.value == pytest.approx(np.mean([each.flicker.value for each in alone]))
    assert both.final.value == pytest.approx(np.mean([each.final.value for each in alone]))
    assert both.accuracy.high - both.accuracy.low > alone[0].accuracy.high - alone[0].accuracy.low


def test_the_delay_is_counted_from_the_change_to_the_new_label() -> None:
    first, second = (np.tile(p, (8, 1)).astype(np.float32) for p in ([1, 0], [0, 1]))
    silent = np.zeros((0, 2), np.float32)
    assert rolling.delays([first, second], 1).tolist() == [0]
    assert rolling.delays([first, silent, second, second], 4).tolist() == [2]  # 2 of 4 are a tie
    assert rolling.delays([first, second, first], 8).tolist() == [4, 3]  # a tie goes to the first
    assert rolling.delays([np.tile(first, (9, 1)), second], 80).tolist() == [8], "never"
    assert rolling.delays([first, first], 4).tolist() == []
