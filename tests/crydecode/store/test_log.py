"""An infant's log: what was appended comes back, and a day counts what the readings say."""

from __future__ import annotations

import json
import secrets
import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crydecode import diary
from crydecode.store import Log, Store
from cryutils.errors import InputError
from cryutils.inference.readings import Kind, Reading
from cryutils.words import GAP, NO_CRY

NOON = 1_800_000_000.0  # 2027-01-15 08:00 UTC
EIGHT = datetime.fromtimestamp(NOON) - timedelta(hours=12)
# What both databases see alike is tried in one.
in_one = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


def logged(log: Log, *readings: Reading) -> int:
    return log.append(log.begin("test"), readings)


def reading(row: dict[str, Any]) -> Reading:
    """A row of the log as the reading that it was."""
    parts = [json.loads(row[name] or "null") for name in ("probabilities", "sound", "face")]
    return Reading(row["time"], row["verdict"], *parts, row["cry"], row["note"], Kind(row["kind"]))


# Readings


def test_a_reading_comes_back_as_it_was(mia: Log) -> None:
    shares = {"hungry": 0.1 + 0.2, "pain": 1e-17}
    readings = [
        Reading(NOON + 0.123456, "hungry", shares, shares, {"hungry": 1.0}, 0.97, "by both"),
        Reading(NOON + 1.5, NO_CRY, {}, None, None, 0.01, kind=Kind.NO_FACE),
        Reading(NOON + 60.0, GAP, note="the page was hidden"),
    ]
    assert logged(mia, *readings) == 3
    assert list(map(reading, mia.entries())) == readings


def test_a_repeated_append_adds_nothing(mia: Log) -> None:
    session = mia.begin("camera")
    batch = [Reading(NOON + 2 * i, "hungry") for i in range(10)]
    assert mia.append(session, batch[:6]) == 6
    assert mia.append(session, batch) == 4
    assert mia.append(session, batch) == mia.append(session, []) == 0


@in_one
@pytest.mark.parametrize(
    "reading",
    [
        Reading(float("nan"), NO_CRY),
        Reading(1e18, NO_CRY),
        Reading(NOON, NO_CRY, cry=np.inf),
        Reading(NOON, NO_CRY, {"pain": float("nan")}),
    ],
    ids=str,
)
def test_a_number_that_is_none_is_refused_and_its_batch_with_it(reading: Reading, mia: Log) -> None:
    with pytest.raises(InputError, match=r"is none|no time"):
        logged(mia, Reading(NOON, NO_CRY), reading)
    assert list(mia.entries()) == []


# Days


def test_listening_counts_once_for_two_devices_and_gaps_do_not_count(mia: Log) -> None:
    logged(mia, *(Reading(NOON + i / 2, NO_CRY) for i in range(120)))
    logged(mia, *(Reading(NOON + i / 2 + 0.2, "hungry") for i in range(40, 60)))
    logged(mia, *(Reading(NOON + 60 + i, GAP) for i in range(10)))
    assert mia.listened_s(NOON - 1, NOON + 100) == 60
    assert mia.listened_s(NOON + 30, NOON + 40) == 10
    assert mia.listened_s(NOON + 70, NOON + 80) == 0
    assert mia.listened_s(NOON - 1, NOON + 100, crying=True) == 10


@in_one
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Kathmandu", "2026-06-01", 24),
        ("America/Santiago", "2026-09-05", 23),
        ("Europe/Vienna", "2026-10-24", 25),
    ],
)
def test_a_day_goes_from_noon_to_noon(
    zone: str, day: str, hours: int, mia: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    first, last = (pd.Timestamp(f"{day} 12:00", tz=zone) + pd.DateOffset(days=n) for n in (0, 1))
    around = pd.date_range(first - pd.Timedelta(hours=9), last + pd.Timedelta(hours=9), freq="1h")
    logged(mia, *(Reading(at.timestamp(), NO_CRY) for at in around))
    assert diary.day(mia, first.date()).listened_s == hours / 2
    monkeypatch.undo()
    time.tzset()


@in_one
def test_a_day_s_crying_is_that_of_its_lines_without_false_alarms(mia: Log) -> None:
    for start in (0, 600, 1200):
        logged(mia, *(Reading(NOON + start + k / 2, "hungry") for k in range(1, 241)))
    mia.correct(NOON + 600, NOON + 720, NO_CRY)
    mia.correct(NOON + 3000, NOON + 3000, "pain")
    shown = diary.day(mia, EIGHT.date())
    assert (shown.cried_s, len(shown.lines)) == (240, 4), "a caregiver's report has no length"


PIECES = st.lists(
    st.tuples(st.sampled_from(["hungry", "pain", NO_CRY, GAP, None]), st.integers(1, 200)), max_size=8
)  # what a device hears, None if it does not listen, and for how many half seconds


@in_one
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, min_size=1, max_size=3))
def test_an_infant_never_cries_longer_than_a_device_listened(
    store: Store, devices: list[list[tuple[str | None, int]]]
) -> None:
    log = store.add_infant(secrets.token_hex())
    for number, pieces in enumerate(devices):
        heard = [verdict for verdict, hops in pieces for _ in range(hops)]
        times = (NOON + 0.17 * number + k / 2 for k in range(len(heard)))
        logged(log, *(Reading(at, verdict) for at, verdict in zip(times, heard, strict=True) if verdict))
    day = diary.day(log, EIGHT.date())
    assert day.cried_s == sum(line.cried_s for line in day.lines) <= day.listened_s
