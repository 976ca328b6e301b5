"""An infant's log: what was appended comes back, and summaries count what the readings say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from clock import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sizes import LARGE

from cryutils.app.readings import GAP, NO_CRY, Reading
from cryutils.app.store import Log, Store
from cryutils.errors import InputError

NOON = 1_800_000_000.0  # 2027-01-15 08:00 UTC
# What both databases see alike is tried in one.
in_one = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


def logged(log: Log, *readings: Reading) -> int:
    return log.append(log.begin("test"), readings)


def reading(row: dict[str, Any]) -> Reading:
    """A row of the log as the reading that it was."""
    parts = [json.loads(row[name] or "null") for name in ("probabilities", "sound", "face")]
    return Reading(row["time"], row["verdict"], *parts, row["cry"], row["note"])


def in_steps(table: pd.DataFrame) -> pd.DataFrame:
    """A summary's minutes in steps of 2 s."""
    return (30 * table).round().astype(int)


def at(text: str) -> float:
    return pd.Timestamp(text).timestamp()


# Readings


def test_a_reading_comes_back_as_it_was(mia: Log) -> None:
    shares = {"hungry": 0.1 + 0.2, "pain": 1e-17}
    readings = [
        Reading(NOON + 0.123456, "hungry", shares, shares, {"hungry": 1.0}, 0.97, "by both"),
        Reading(NOON + 1.5, NO_CRY, {}, None, None, 0.01),
        Reading(NOON + 60.0, GAP, note="the page was hidden"),
    ]
    assert logged(mia, *readings) == 3
    assert list(map(reading, mia.entries())) == readings


def test_readings_come_by_time_from_since_on_and_before_until(mia: Log) -> None:
    times = [NOON + s for s in (5, 0, 3, 1, 4, 2)]
    logged(mia, *(Reading(time, NO_CRY) for time in times))
    assert [row["time"] - NOON for row in mia.entries()] == [0, 1, 2, 3, 4, 5]
    assert [row["time"] - NOON for row in mia.entries(NOON + 1, NOON + 4)] == [1, 2, 3]
    assert [row["time"] - NOON for row in mia.entries(since=NOON + 4)] == [4, 5]


def test_a_repeated_append_adds_nothing(mia: Log) -> None:
    session = mia.begin("camera")
    batch = [Reading(NOON + 2 * i, "hungry") for i in range(10)]
    assert mia.append(session, batch[:6]) == 6
    assert mia.append(session, batch) == 4
    assert mia.append(session, batch) == mia.append(session, []) == 0
    assert in_steps(mia.summary("day", "UTC")).hungry.tolist() == [10]


def test_two_devices_that_listen_at_once_count_once_and_crying_prevails(mia: Log) -> None:
    logged(mia, *(Reading(NOON + i / 2, NO_CRY) for i in range(120)))
    logged(mia, *(Reading(NOON + i / 2 + 0.2, "hungry") for i in range(40, 60)))
    logged(mia, Reading(NOON + 60, GAP))
    assert in_steps(mia.summary("hour", "UTC")).to_dict("list") == {
        "hungry": [5],
        NO_CRY: [25],
        GAP: [1],
    }


@in_one
@pytest.mark.parametrize(
    "reading",
    [
        Reading(float("nan"), NO_CRY), Reading(float("inf"), NO_CRY), Reading(-1.0, NO_CRY),
        Reading(1e18, NO_CRY), Reading(NOON, NO_CRY, {"pain": float("nan")}),
        Reading(NOON, NO_CRY, cry=float("inf")), Reading(NOON, NO_CRY, sound={"a": -np.inf}),
    ],
    ids=str,
)  # fmt: skip
def test_a_number_that_is_none_is_refused_and_its_batch_with_it(reading: Reading, mia: Log) -> None:
    with pytest.raises(InputError, match=r"^reading at .*(is none|no time)"):
        logged(mia, Reading(NOON, NO_CRY), reading)
    assert list(mia.entries()) == []


# Summaries


def every(step: str, log: Log, first: str, last: str) -> None:
    times = pd.date_range(first, last, freq=step, inclusive="left")
    logged(log, *(Reading(time.timestamp(), NO_CRY) for time in times))


@in_one
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Kathmandu", "2026-06-01", 24), ("America/Santiago", "2026-09-06", 23),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
    ],
)  # fmt: skip
def test_a_day_is_as_long_as_its_zone_makes_it(zone: str, day: str, hours: float, mia: Log) -> None:
    first, last = (f"{pd.Timestamp(day) + pd.Timedelta(days=n):%F} 00:00Z" for n in (-2, 3))
    every("30min", mia, first, last)
    days = in_steps(mia.summary("day", zone))
    counts = dict(zip(days.index.strftime("%F"), days[NO_CRY], strict=True))
    around = [f"{pd.Timestamp(day) + pd.Timedelta(days=n):%F}" for n in (-1, 0, 1)]
    assert [counts[name] for name in around] == [48, 2 * hours, 48]
    assert len(counts) == len(days)


@in_one
def test_only_periods_with_readings_are_listed_and_a_gap_is_a_gap(mia: Log) -> None:
    logged(mia, Reading(NOON, "hungry"), Reading(NOON + 2, GAP), Reading(NOON + 7200, NO_CRY))
    hours = in_steps(mia.summary("hour", "UTC"))
    assert [f"{start:%H:%M}" for start in hours.index] == ["08:00", "10:00"]
    assert hours.to_dict("list") == {"hungry": [1, 0], GAP: [1, 0], NO_CRY: [0, 1]}


@in_one
def test_a_device_whose_clock_is_wrong_adds_one_row(mia: Log) -> None:
    times = [0.0, NOON, at("2038-01-19 04:00Z")]
    logged(mia, *(Reading(time, NO_CRY) for time in times))
    for by in ("hour", "day", "week"):
        table = in_steps(mia.summary(by, "Europe/Vienna"))
        assert table.index.year.tolist() in ([1970, 2027, 2038], [1969, 2027, 2038])
        assert table[NO_CRY].tolist() == [1, 1, 1]


# Corrections


def test_a_correction_counts_as_what_it_says_also_for_what_comes_late(mia: Log) -> None:
    session = mia.begin("camera")
    mia.append(session, [Reading(NOON + i, "hungry") for i in range(0, 20, 4)])
    mia.correct(NOON + 4, NOON + 10, "pain")
    assert in_steps(mia.summary("hour", "UTC")).to_dict("list") == {"hungry": [3], "pain": [2]}
    mia.append(session, [Reading(NOON + i, "hungry") for i in range(2, 20, 4)])
    assert in_steps(mia.summary("hour", "UTC")).to_dict("list") == {"hungry": [6], "pain": [4]}
    assert {row["verdict"] for row in mia.entries()} == {"hungry"}, "what the models said"
    assert [row["corrected"] for row in mia.entries(NOON + 10, NOON + 14)] == ["pain", None]


# A property: whatever was done in whatever order, a summary is what pandas makes of the readings.

# Some close together, some days apart.
SECONDS = st.one_of(st.integers(0, 40), st.integers(0, 5 * 86400 * 4)).map(lambda n: n / 4)
VERDICTS = st.sampled_from(["hungry", "pain", NO_CRY, GAP])
APPEND = st.tuples(st.just("append"), st.lists(st.tuples(SECONDS, VERDICTS), max_size=12))
CORRECT = st.tuples(st.just("correct"), st.tuples(SECONDS, st.floats(0, 80000), st.just("tired")))
PURGE = st.tuples(st.just("purge"), SECONDS)
START = at("2026-10-23T00:00Z")  # the clocks of Vienna are set back two days later


def expected(
    readings: dict[tuple[int, float], str], corrections: list[Any], by: str, zone: str
) -> Any:
    """Steps by period and verdict, of readings by session and time, by way of pandas alone."""
    by_step: dict[float, list[str]] = {}
    for (_, time), verdict in readings.items():
        over = [state for start, stop, state in corrections if start <= time <= stop]
        name = over[-1] if over and verdict != GAP else verdict
        by_step.setdefault(time // 2 * 2, []).append(name)
    rank = {NO_CRY: 1, GAP: 3}
    verdicts = [
        min(names, key=lambda name: (rank.get(name, 0), name)) for names in by_step.values()
    ]
    seconds = pd.Series(list(by_step), dtype=float)
    times = pd.to_datetime(seconds, unit="s", utc=True)
    local = times.dt.tz_convert(zone)
    if by == "hour":  # the zones below differ from UTC by whole hours
        keys = times.dt.floor("h").dt.strftime("%F %H")
    else:
        back = local.dt.day_of_week if by == "week" else 0
        keys = (local.dt.tz_localize(None).dt.normalize() - pd.to_timedelta(back, "D")).astype(str)
    return pd.crosstab(keys.to_numpy(), np.array(verdicts)).stack().loc[lambda n: n > 0].to_dict()


@settings(
    max_examples=12 if LARGE else 5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(APPEND, APPEND, CORRECT, PURGE), min_size=1, max_size=8))
def test_a_summary_is_what_pandas_makes_of_the_readings(
    store: Store, clock: Clock, steps: list[Any]
) -> None:
    log = store.add_infant(f"Mia {len(store.infants())}")
    session = log.begin("camera")
    readings: dict[tuple[int, float], str] = {}
    corrections: list[Any] = []
    for what, value in steps:
        clock.now += 1
        if what == "append":
            log.append(session, [Reading(START + s, verdict) for s, verdict in value])
            new = {(session, START + s): verdict for s, verdict in reversed(value)}
            readings = new | readings
        elif what == "correct":
            corrections.append((START + value[0], START + value[0] + value[1], value[2]))
            log.correct(*corrections[-1])
        else:
            before = START + value
            log.purge(before)
            readings = {key: verdict for key, verdict in readings.items() if key[1] >= before}
            corrections = [row for row in corrections if row[1] >= before]
            session = log.begin("camera")
    for zone in ("Europe/Vienna", "America/New_York"):
        for by, form in (("hour", "%F %H"), ("day", "%F"), ("week", "%F")):
            table = in_steps(log.summary(by, zone))
            index = table.index.tz_convert("UTC") if by == "hour" else table.index
            table.index = index.strftime(form)
            assert {k: n for k, n in table.stack().items() if n} == (
                expected(readings, corrections, by, zone) if readings else {}
            )
