"""The infant in another session: no session is on both sides, and shares are by infant."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cryutils.papers import controls


def test_every_clip_is_tested_once_in_a_session_that_was_not_trained_on() -> None:
    infants = ["a"] * 5 + ["b"] * 4
    sessions = ["a/1", "a/1", "a/2", "a/3", "a/3", "b/1", "b/2", "b/2", "b/2"]
    drawn = controls.across_sessions(infants, sessions)
    assert sorted(np.concatenate([test for _, test in drawn])) == list(range(9))
    for train, test in drawn:
        assert not {sessions[i] for i in train} & {sessions[i] for i in test}
        assert {infants[i] for i in train} == {"a", "b"}


def test_each_infant_counts_equally_however_many_clips_it_has() -> None:
    answers = pd.DataFrame(
        {"infant": list("aaab"), "truth": list("aaab"), "predicted": list("abbb")}
    )
    shares, infants = controls.recognised(answers.assign(repeat=0))
    assert infants.tolist() == ["a", "b"]
    np.testing.assert_allclose(shares, [[1 / 3, 1]])
