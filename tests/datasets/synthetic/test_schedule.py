"""The structure of the synthetic corpus: labels, sessions and seeds of each infant."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from cryutils.datasets.synthetic import schedule, voice


@pytest.mark.parametrize("mostly", [0.0, 0.5, 0.85, 1.0])
@pytest.mark.parametrize("classes", [["hungry", "tired"], list(voice.STATES)])
def test_each_infant_cries_mostly_for_one_reason(mostly, classes) -> None:
    clips = schedule.plan(classes, infants=32, clips_per_infant=5, mostly=mostly)
    main = {f"infant-{i:03d}": classes[i % len(classes)] for i in range(32)}
    share = np.mean([clip.label == main[clip.infant] for clip in clips])
    assert share == pytest.approx(mostly, abs=0.5 / len(clips))


def test_infants_and_clips_are_spread_evenly_over_classes() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=5)
    assert set(Counter(c.label for c in clips)) == set(schedule.CLASSES)
    counts = Counter(c.label for c in clips).values()
    # Not always within one, since an infant's exceptions can't be of its own class.
    assert max(counts) - min(counts) <= 2
    assert set(Counter(c.infant for c in clips).values()) == {5}
    for label in schedule.CLASSES:
        assert len({c.infant for c in clips if c.label == label}) >= 6


def test_infants_sessions_and_clips_have_seeds_of_their_own() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=6)
    voices = {c.infant: c.voice_seed for c in clips}
    sessions = {c.session: c.session_seed for c in clips}
    assert all(c.voice_seed == voices[c.infant] for c in clips)
    assert all(c.session_seed == sessions[c.session] for c in clips)
    assert len(set(sessions.values())) == len(sessions) > 24
    assert len({c.seed for c in clips} | {*voices.values()}) == len(clips) + len(voices)


def test_a_session_is_one_infant_within_minutes_and_sessions_lie_hours_apart() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=6)
    sizes = Counter(c.session for c in clips)
    assert max(sizes.values()) > 1
    for before, after in itertools.pairwise(clips):
        if before.infant == after.infant:
            gap = after.start_s - before.start_s
            assert gap > 0
            assert (gap < 600) == (before.session == after.session)
        else:
            assert before.session != after.session


def test_sex_and_age_belong_to_the_infant() -> None:
    clips = schedule.plan(infants=24, clips_per_infant=3)
    assert len({(c.infant, c.sex, c.age) for c in clips}) == 24
    assert {c.sex for c in clips} == {"f", "m"} and {c.age for c in clips} == set(schedule.AGES)
