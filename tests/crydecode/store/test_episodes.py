"""Readings and corrections by hand, and the episodes that a caregiver finds in the diary."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crydecode.lines import MISSED, Line, lines
from crydecode.store import Log
from cryutils.inference.readings import HOP_S, Kind, Reading
from cryutils.words import GAP, NO_CRY, QUIET, UNSURE

T = 1_800_000_000.0
HUNGRY = {"hungry": 0.7, "pain": 0.2, "tired": 0.1}
PAIN = {"hungry": 0.1, "pain": 0.8, "tired": 0.1}
SHAKY = {"hungry": 0.52, "pain": 0.2, "tired": 0.28}


def heard(
    start: float,
    stop: float,
    verdict: str,
    shares: dict[str, float] = HUNGRY,
    kind: Kind = Kind.PLAIN,
    run: str = "a",
) -> list[Any]:
    """Readings from `start` to `stop`, in s after T."""
    n = round((stop - start) / HOP_S)
    times = [T + start + (k + 1) * HOP_S for k in range(n)]
    shares = {} if verdict in (NO_CRY, QUIET, GAP) else shares
    same = {"verdict": verdict, "kind": kind, "probabilities": json.dumps(shares), "run": run}
    return [{"time": t} | same for t in times]


def said(start: float, stop: float, verdict: str) -> Any:
    return {"start": T + start, "stop": T + stop, "verdict": verdict}


def times(found: list[Line]) -> list[tuple[float, float]]:
    return [(each.start - T, each.stop - T) for each in found]


def test_an_episode_has_one_state_over_its_pauses_which_do_not_count_as_crying() -> None:
    rows = heard(0, 20, "hungry") + heard(20, 50, NO_CRY) + heard(50, 60, "hungry", SHAKY)
    (found,) = lines(rows, [])
    assert times([found]) == [(0, 60)]
    assert found.state == "hungry" and found.probability == pytest.approx((2 * 0.7 + 0.52) / 3)
    assert (found.cried_s, found.corrected) == (30, None)


def test_a_minute_without_crying_ends_an_episode() -> None:
    for between in (NO_CRY, GAP):
        rows = heard(0, 10, "hungry") + heard(10, 75, between) + heard(75, 80, "hungry")
        assert times(lines(rows, [])) == [(0, 10), (75, 80)]
    rows = heard(0, 10, "hungry") + heard(40, 40.5, GAP) + heard(41, 50, "hungry")
    assert times(lines(rows, [])) == [(0, 50)]


def test_another_state_after_a_pause_is_another_episode_and_an_unsure_one_is_not() -> None:
    rows = heard(0, 14, "hungry") + heard(18, 32, "pain", PAIN) + heard(40, 50, "hungry")
    found = lines(rows, [])
    assert [each.state for each in found] == ["hungry", "pain", "hungry"]
    assert times(found) == [(0, 14), (18, 32), (40, 50)]
    rows = heard(0, 14, "hungry") + heard(18, 22, UNSURE, {}) + heard(30, 50, "hungry")
    assert [(each.state, each.cried_s) for each in lines(rows, [])] == [("hungry", 38)]
    rows = heard(0, 14, "hungry") + heard(14, 20, "pain", PAIN)
    assert times(lines(rows, [])) == [(0, 20)], "without a pause it is one cry"


def test_two_models_are_not_averaged_and_the_one_that_answered_last_counts() -> None:
    rows = heard(0, 30, UNSURE, SHAKY, run="a") + heard(30, 40, "pain", PAIN, run="b")
    (found,) = lines(rows, [])
    assert (found.state, found.probability, found.run) == ("pain", pytest.approx(0.8), "b")
    assert found.cried_s == 40


def test_two_telephones_at_once_hear_one_episode() -> None:
    near, far = heard(0, 30, "hungry"), heard(10.25, 20.25, NO_CRY) + heard(20.25, 45.25, "hungry")
    rows = sorted(near + far, key=lambda row: row["time"])
    (found,) = lines(rows, [])
    assert times([found]) == [(0, 45.25)] and found.cried_s == 45


def test_an_episode_of_unknown_sounds_is_unsure_by_their_kind_and_not_by_a_note() -> None:
    rows = heard(0, 10, UNSURE, kind=Kind.UNLIKE) + heard(10, 15, "hungry")  # hungry is probable
    (found,) = lines(rows, [])
    assert (found.state, found.probability) == (UNSURE, None)
    rows = heard(0, 10, UNSURE, {}) + heard(10, 15, "hungry", {})
    assert lines(rows, [])[0].state == UNSURE


def test_the_newest_correction_of_an_episode_applies_to_all_of_it() -> None:
    rows = heard(0, 20, "hungry") + heard(100, 120, "hungry")
    found = lines(rows, [said(0, 10, "pain"), said(0, 20, "tired")])
    assert [(each.state, each.corrected) for each in found] == [("hungry", "pain"), ("hungry", None)]


def test_a_correction_where_nothing_was_heard_adds_an_episode() -> None:
    rows = heard(0, 200, NO_CRY) + heard(200, 210, "pain", PAIN)
    found = lines(rows, [said(90, 90, "tired"), said(0, 9, NO_CRY)])
    assert times(found) == [(90, 90), (200, 210)]
    assert (found[0].what, found[0].cried_s, found[0].corrected) == (MISSED, 0, "tired")


# In a log


def test_a_log_s_episodes_are_whole_at_the_ends_of_a_period_and_a_correction_is_undone(mia: Log) -> None:
    session = mia.begin("camera")
    for start, stop in ((0, 20), (3600, 3620)):
        cry = [Reading(T + start + k / 2, "hungry", HUNGRY) for k in range(1, 2 * (stop - start) + 1)]
        mia.append(session, [*cry, Reading(T + stop + 1, NO_CRY)])
    assert times(mia.lines()) == [(0, 20), (3600, 3620)]
    assert times(mia.lines(T + 10, T + 15)) == times(mia.lines(until=T + 3599)) == [(0, 20)]
    mia.correct(T, T + 20, "pain")
    mia.correct(T + 600, T + 700, "tired")
    assert [each.corrected for each in mia.lines()] == ["pain", "tired", None]
    mia.undo(T + 5, T + 5)
    mia.undo(T + 600, T + 700)
    assert [each.corrected for each in mia.lines()] == [None, None]
    mia.undo(T, T + 86_400)


def test_a_note_is_listed_and_removed(mia: Log) -> None:
    mia.note("fed", T + 60)
    mia.note("asleep", T)
    assert [line.what for line in mia.lines()] == ["asleep", "fed"]
    (fed,) = mia.lines(T + 1, T + 61)
    assert fed.note is not None
    mia.remove_note(fed.note)
    assert mia.purge(T) == 0 and len(mia.lines()) == 1
    mia.purge(T + 1)
    assert mia.lines() == []
