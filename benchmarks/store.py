"""Measure the log: appends to SQLite and PostgreSQL, and a day of a year-long log.

    python benchmarks/store.py [--days N]

A reading every two seconds for a year is 15.8 million; one in ten is a cry with its probabilities.
Readings are appended as by the application, with `Log.append`, which returns when they are on the
disk: one at a time, as a live page does, a hundred at a time, as it does after the log was
unreachable, and a day at a time, for the year. Exits with 1 if a promise is broken. A year takes 1
to 3 GB of disk and several minutes per database. PostgreSQL is measured only if it is installed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from postgres import Server, programs

from crydecode import diary, store
from crydecode.store import Log
from cryutils.inference.readings import HOP_S, NO_CRY, Reading

STEP_S, DAY = 2.0, 43_200
BATCH = 100
# Promised: readings per second, BATCH at a time; one at a time, for eight live pages; s for a day
# in the diary of a year.
RATE, LIVE_RATE, DIARY_S = 1000, 8 / HOP_S, 1.0
START = datetime(2026, 1, 1).timestamp()  # midnight here
SHARES = {"discomfort": 0.1234567, "hungry": 0.6123456, "pain": 0.2000001, "tired": 0.0641976}


@dataclass(frozen=True)
class Figures:
    """Readings per second, one, BATCH and a day at a time; s of a day in the diary, and the day."""

    single: float
    batches: float
    days: float
    diary_s: float
    day: diary.Day


def readings() -> Iterator[Reading]:
    """Yield readings without end, one every STEP_S."""
    for i in count():
        cries = i % 10 == 0
        yield Reading(
            START + STEP_S * i,
            "hungry" if cries else NO_CRY,
            SHARES if cries else {},
            SHARES if cries else None,
            None,
            0.9 if cries else 0.1,
        )


def rate(log: Log, rows: Sequence[Reading], size: int) -> float:
    """Return how many readings per second are appended, `size` at a time."""
    session, begun = log.begin("benchmark"), time.perf_counter()
    for i in range(0, len(rows), size):
        log.append(session, rows[i : i + size])
    return len(rows) / (time.perf_counter() - begun)


def measure(url: str, *, days: int, single: int, batches: int) -> Figures:
    """Return the figures of the database at `url`, for these numbers of days and readings."""
    with store.open(url) as opened:
        one, hundred = (
            rate(opened.add_infant(f"{size}"), list(islice(readings(), n)), size)
            for n, size in ((single, 1), (batches, BATCH))
        )
        log, rows = opened.add_infant("year"), readings()
        session, begun = log.begin("benchmark"), time.perf_counter()
        for _ in range(days):
            log.append(session, list(islice(rows, DAY)))
        filled = days * DAY / (time.perf_counter() - begun)
        begun = time.perf_counter()
        day = diary.day(log, date(2026, 1, 1) + timedelta(days=days // 2))
        return Figures(one, hundred, filled, time.perf_counter() - begun, day)


def report(name: str, url: str, days: int) -> bool:
    """Print the figures of a database; return whether the promises hold."""
    figures = measure(url, days=days, single=500, batches=20_000)
    print(
        f"{name}: {figures.single:.0f} readings a second appended one at a time (promised"
        f" {LIVE_RATE:.0f}, of eight pages), {figures.batches:.0f} {BATCH} at a time (promised"
        f" {RATE}), {figures.days:.0f} a day at a time; a day with {figures.day.cried_s:.0f} s of"
        f" crying is shown in {figures.diary_s:.2f} s (promised {DIARY_S:g})",
        flush=True,
    )
    kept = figures.single >= LIVE_RATE and figures.batches >= RATE
    return kept and figures.diary_s <= DIARY_S


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="fill so many")
    days = parser.parse_args().days
    with tempfile.TemporaryDirectory() as folder:
        hold = report("SQLite", f"sqlite:///{folder}/store.sqlite", days)
    if programs() is None:
        print("PostgreSQL was not measured: initdb and pg_ctl are not installed here")
    else:
        with Server() as server:
            hold &= report("PostgreSQL", server.emptied(), days)
    sys.exit(not hold)
