"""Readings and what caregivers said by hand, and the lines and days of the diary that follow."""

import secrets
import time
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crydecode.diary import CRY, MISSED, Line, lines, score, sleeps
from crydecode.store import Log, Store
from cryutils.inference.readings import HOP_S, Kind, Reading
from cryutils.words import GAP, NO_CRY, UNSURE

T = 1_800_000_000.0
EIGHT = datetime.fromtimestamp(T) - timedelta(hours=12)
HUNGRY = {"hungry": 0.7, "pain": 0.2, "tired": 0.1}
PAIN = {"hungry": 0.1, "pain": 0.8, "tired": 0.1}
SHAKY = {"hungry": 0.52, "pain": 0.2, "tired": 0.28}


def heard(start: float, stop: float, verdict: str, shares: Any = HUNGRY, **fields: str) -> list[Any]:
    """Readings from `start` to `stop`, in s after T."""
    same = {"verdict": verdict, "kind": Kind.PLAIN, "probabilities": shares, "run": "a"} | fields
    return [{"time": T + start + (k + 1) * HOP_S} | same for k in range(round((stop - start) / HOP_S))]


def times(found: list[Line]) -> list[tuple[float, float]]:
    return [(each.start - T, each.stop - T) for each in found]


# Lines


def test_a_line_has_one_state_over_its_pauses_which_do_not_count_as_crying() -> None:
    rows = heard(0, 20, "hungry") + heard(20, 50, NO_CRY) + heard(50, 60, "hungry", SHAKY)
    (found,) = lines(rows, [])
    assert times([found]) == [(0, 60)]
    assert found.state == "hungry" and found.probability == pytest.approx((2 * 0.7 + 0.52) / 3)
    assert (found.cried_s, found.corrected) == (30, None)
    rows = heard(0, 10, "hungry") + heard(10, 75, GAP) + heard(75, 80, "hungry")
    assert times(lines(rows, [])) == [(0, 10), (75, 80)], "a minute without crying ends it"


def test_another_state_after_a_pause_is_another_line_and_an_unsure_one_is_not() -> None:
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


def test_a_line_of_unknown_sounds_is_unsure_by_their_kind_and_not_by_a_note() -> None:
    rows = heard(0, 10, UNSURE, kind=Kind.UNLIKE) + heard(10, 15, "hungry")  # hungry is probable
    (found,) = lines(rows, [])
    assert (found.state, found.probability) == (UNSURE, None)


def test_what_was_said_by_other_versions_stays_and_the_newest_word_on_a_missed_cry_counts() -> None:
    rows = heard(0, 10, "hungry") + heard(200, 210, "hungry")
    said = [
        (0, 10, CRY, "hungry"),
        (200, 210, CRY, "feed"),
        (500, 500, MISSED, "sleep"),
        (500, 500, MISSED, ""),
    ]
    names = ("start", "stop", "what", "verdict")
    told = [dict(zip(names, (T + a, T + b, *rest), strict=True)) for a, b, *rest in said]
    found = lines(rows, told)
    assert [(each.said, each.helped) for each in found] == [
        ("this was right", ""),
        ("a feed helped", "feed"),
        ("sleep helped", "sleep"),
    ]


def answered(state: str, helped: str, n: int) -> list[Line]:
    return [Line(T, T + 1, CRY, state, 0.8, 1.0, "a", helped)] * n


def test_the_models_are_scored_on_what_helped() -> None:
    found = answered("hungry", "feed", 8) + answered("tired", "sleep", 1) + answered("tired", "feed", 6)
    found += answered("pain", "sleep", 12) + answered("discomfort", "sleep", 1) + answered("pain", "nappy", 3)
    found += answered(UNSURE, "feed", 5)  # named nothing
    found += answered("hungry", "cuddle", 7) + answered("hungry", "nothing", 7)  # no state of these models
    found += answered("hungry", NO_CRY, 9) + answered("hungry", "hungry", 9) + answered("hungry", "", 9)
    result = score(found, ("discomfort", "hungry", "pain", "tired"))
    assert (result.answers, result.named, result.right) == (36, 31, 9)
    assert (result.common, result.most) == ("hungry", 14)
    assert result.interval == pytest.approx((0.161, 0.466), abs=5e-4), "Wilson's, by hand"
    assert score(answered("hug", "cuddle", 2), ("hug", "hungry", "sleepy")).right == 2, "Paper A's states"


# Days


def test_a_strip_shows_a_day_in_percent(mia: Log) -> None:
    noon = datetime(2026, 11, 20, 12).timestamp()
    six_am = noon + 18 * 3600
    cry = [Reading(six_am + k / 2, "hungry" if 1200 <= k < 1920 else NO_CRY) for k in range(1, 7200)]
    mia.append(mia.begin(), cry)  # an hour, with six minutes of crying from 6:10
    for what, at in (("fed", 1800), ("nappy", 3600), ("asleep", -8 * 3600), ("awake", -2 * 3600)):
        mia.say(what, six_am + at, six_am + at)
    mia.say(MISSED, noon + 3600, noon + 3600)
    mia.say("asleep", noon - 1800, noon - 1800)
    mia.say("awake", noon + 900, noon + 900)
    day = mia.day(datetime.fromtimestamp(noon).date())
    assert sorted(day.marks) == [
        ("cried", pytest.approx(75.69, abs=0.02), pytest.approx(0.42, abs=0.02)),
        ("fed", 77.08, 0),
        ("heard", 75.0, pytest.approx(4.17, abs=0.01)),
        ("missed", 4.17, 0),
        ("nappy", 79.17, 0),
        ("slept", 0, 1.04),
        ("slept", pytest.approx(41.67), 25.0),
    ]
    assert (day.cried_s, day.slept_s) == (360, 6 * 3600 + 900)
    assert day.hours[18] == 360 and [k for k, cried in enumerate(day.hours) if cried is not None] == [18]
    assert day.ticks == [(25.0, "18:00"), (50.0, "00:00"), (75.0, "06:00")]


def test_a_sleep_ends_when_it_is_noted_or_is_left_out() -> None:
    hour = 3600.0
    notes = [
        (0, "awake"),
        (1, "asleep"),
        (2, "asleep"),
        (4, "awake"),
        (5, "asleep"),
        (30, "asleep"),
        (31, "awake"),
    ]
    timed = [(at * hour, what) for at, what in notes]
    assert sleeps(timed, 40 * hour) == [(hour, 4 * hour), (30 * hour, 31 * hour)]
    assert sleeps([(0.0, "asleep")], 2 * hour) == [(0.0, 2 * hour)], "it goes on"
    assert sleeps([(0.0, "asleep")], 17 * hour) == [], "its end was forgotten"


def test_a_day_goes_from_noon_to_noon(mia: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    noon = pd.Timestamp("2026-10-24 12:00", tz="Europe/Vienna")  # summer time ends at night
    hours = pd.date_range(noon - pd.Timedelta(hours=9), periods=48, freq="1h")
    mia.append(mia.begin(), [Reading(at.timestamp(), NO_CRY) for at in hours])
    assert mia.day(noon.date()).listened_s == 25 * 60
    monkeypatch.undo()
    time.tzset()


PIECES = st.lists(
    st.tuples(st.sampled_from(["hungry", "pain", NO_CRY, GAP, None]), st.integers(1, 200)), max_size=8
)  # what a device hears, None if it does not listen, and for how many half seconds


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, min_size=1, max_size=3))
def test_nobody_cries_longer_than_a_device_hears(
    store: Store, devices: list[list[tuple[str | None, int]]]
) -> None:
    log = store.add_infant(secrets.token_hex())
    for number, pieces in enumerate(devices):
        hops = [verdict for verdict, hops in pieces for _ in range(hops)]
        moments = (T + 0.17 * number + k / 2 for k in range(len(hops)))
        readings = [Reading(at, verdict) for at, verdict in zip(moments, hops, strict=True) if verdict]
        log.append(log.begin(), readings)
    day = log.day(EIGHT.date())
    assert day.cried_s <= day.listened_s
    for line in day.lines:
        log.say(CRY, line.start, line.stop, NO_CRY)
    assert log.day(EIGHT.date()).cried_s == 0, "false alarms"
