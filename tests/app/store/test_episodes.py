"""Readings and corrections by hand, and the episodes that a caregiver finds in the diary."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cryutils.app.readings import GAP, HOP_S, NO_CRY, QUIET, UNSURE, Reading
from cryutils.app.store import Log
from cryutils.app.store.episodes import Episode, episodes

T = 1_800_000_000.0
HUNGRY = {"hungry": 0.7, "pain": 0.2, "tired": 0.1}
PAIN = {"hungry": 0.1, "pain": 0.8, "tired": 0.1}


def heard(start: float, stop: float, verdict: str, shares: dict[str, float] = HUNGRY) -> list[Any]:
    """Readings from `start` to `stop`, in s after T."""
    n = round((stop - start) / HOP_S)
    times = [T + start + (k + 1) * HOP_S for k in range(n)]
    shares = {} if verdict in (NO_CRY, QUIET, GAP) else shares
    return [{"time": t, "verdict": verdict, "probabilities": json.dumps(shares)} for t in times]


def said(start: float, stop: float, verdict: str) -> Any:
    return {"start": T + start, "stop": T + stop, "verdict": verdict}


def times(found: list[Episode]) -> list[tuple[float, float]]:
    return [(each.start - T, each.stop - T) for each in found]


def test_an_episode_includes_short_pauses_and_its_most_likely_state_is_of_all_of_it() -> None:
    rows = heard(0, 20, "hungry") + heard(20, 50, NO_CRY) + heard(50, 60, "pain", PAIN)
    (found,) = episodes(rows, [])
    assert times([found]) == [(0, 60)]
    assert found.state == "hungry" and found.probability == pytest.approx(
        (40 * 0.7 + 20 * 0.1) / 60
    )
    assert found.said is None


def test_a_long_pause_or_a_gap_ends_an_episode() -> None:
    for between in (NO_CRY, GAP):
        rows = heard(0, 10, "hungry") + heard(10, 75, between) + heard(75, 80, "hungry")
        assert times(episodes(rows, [])) == [(0, 10), (75, 80)]
    rows = heard(0, 10, "hungry") + heard(40, 40.5, GAP) + heard(41, 50, "hungry")
    assert times(episodes(rows, [])) == [(0, 50)]


def test_two_telephones_at_once_hear_one_episode() -> None:
    near, far = heard(0, 30, "hungry"), heard(10.25, 40.25, NO_CRY) + heard(41.25, 45.25, "hungry")
    rows = sorted(near + far, key=lambda row: row["time"])
    assert times(episodes(rows, [])) == [(0, 45.25)]


def test_an_episode_of_unknown_sounds_is_unsure() -> None:
    rows = heard(0, 10, UNSURE) + heard(10, 15, "hungry")  # unsure although hungry is probable
    (found,) = episodes(rows, [])
    assert (found.state, found.probability) == (UNSURE, None)
    rows = heard(0, 10, UNSURE, {}) + heard(10, 15, "hungry", {})
    assert episodes(rows, [])[0].state == UNSURE


def test_the_newest_correction_of_an_episode_applies_to_all_of_it() -> None:
    rows = heard(0, 20, "hungry") + heard(100, 120, "hungry")
    found = episodes(rows, [said(0, 10, "pain"), said(0, 20, "tired")])
    assert [(each.state, each.said) for each in found] == [("hungry", "pain"), ("hungry", None)]


def test_a_correction_where_nothing_was_heard_adds_an_episode() -> None:
    rows = heard(0, 200, NO_CRY) + heard(200, 210, "pain", PAIN)
    found = episodes(rows, [said(90, 150, "tired"), said(80, 100, "hungry"), said(0, 9, NO_CRY)])
    assert times(found) == [(90, 150), (200, 210)]
    assert (found[0].state, found[0].probability, found[0].said) == (None, None, "tired")
    assert episodes(rows[:100], [said(90, 150, NO_CRY), said(90, 150, "tired")]) == []


# In a log


def test_a_log_s_episodes_are_whole_at_the_ends_of_a_period_and_a_correction_is_undone(
    mia: Log,
) -> None:
    session = mia.begin("camera")
    for start, stop in ((0, 20), (3600, 3620)):
        cry = [
            Reading(T + start + k / 2, "hungry", HUNGRY) for k in range(1, 2 * (stop - start) + 1)
        ]
        mia.append(session, [*cry, Reading(T + stop + 1, NO_CRY)])
    assert times(mia.episodes()) == [(0, 20), (3600, 3620)]
    assert times(mia.episodes(T + 10, T + 15)) == times(mia.episodes(until=T + 3599)) == [(0, 20)]
    mia.correct(T, T + 20, "pain")
    mia.correct(T + 600, T + 700, "tired")
    assert [each.said for each in mia.episodes()] == ["pain", "tired", None]
    mia.undo(T + 5, T + 5)
    mia.undo(T + 600, T + 700)
    assert [each.said for each in mia.episodes()] == [None, None]
    mia.undo(T, T + 86_400)


def test_a_note_is_listed_and_removed(mia: Log) -> None:
    mia.note("fed", T + 60)
    mia.note("asleep", T)
    assert [(note["what"], note["time"] - T) for note in mia.notes()] == [
        ("asleep", 0),
        ("fed", 60),
    ]
    (fed,) = mia.notes(T + 1, T + 61)
    mia.remove_note(fed["id"])
    assert mia.purge(T) == 0 and len(mia.notes()) == 1
    mia.purge(T + 1)
    assert mia.notes() == []
