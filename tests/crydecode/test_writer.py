"""Nobody who listens waits for a store: it is locked or full, and every reading is kept."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sizes import LARGE

from crydecode.store import Log
from crydecode.writer import Writer
from cryutils.inference.readings import Reading
from cryutils.words import NO_CRY

START = 1_800_000_000.0
PROMPT_S = 0.25  # far less than the page holds back, on a machine with other work


@pytest.fixture
def writer(mia: Log) -> Writer:
    session = mia.begin()
    return Writer(lambda readings: mia.append(session, readings))


def hear(writer: Writer, start: int, stop: int) -> list[str]:
    """Put a reading every 0.1 s; return what the page shows meanwhile."""
    troubles = []
    for number in range(start, stop):
        begun = time.monotonic()
        writer.put([Reading(START + number, NO_CRY)])
        troubles.append(writer.trouble())
        assert time.monotonic() - begun < PROMPT_S
        time.sleep(0.1)
    return troubles


def test_a_locked_sqlite_stops_nobody_who_listens(
    writer: Writer, mia: Log, apart: Path, caplog: pytest.LogCaptureFixture
) -> None:
    n = 400 if LARGE else 130
    hear(writer, 0, 10)
    with closing(sqlite3.connect(apart / "store.sqlite", isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        troubles = hear(writer, 10, n)
        another.execute("ROLLBACK")
    writer.flush(20)
    assert writer.waiting == 0 and writer.trouble() == ""
    assert [row["time"] for row in mia.entries()] == [START + number for number in range(n)]
    assert any("it does not answer" in words for words in troubles)
    assert "another program has locked it" in troubles[-1]
    assert ["another program has locked it" in record.getMessage() for record in caplog.records] == [True]


def test_a_full_disk_is_named_and_nothing_is_lost(writer: Writer, mia: Log) -> None:
    pages = 1  # that the file may have, if it has not more

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    sa.event.listen(sa.pool.Pool, "checkout", limit)
    writer.put([Reading(START - k, NO_CRY, note="x" * 999) for k in range(108)])
    writer.flush(1)
    assert "its disk is full. The last 54 s wait" in writer.trouble()
    pages = 2**30
    writer.flush(20)
    sa.event.remove(sa.pool.Pool, "checkout", limit)
    assert len(list(mia.entries())) == 108


def test_at_most_an_hour_waits() -> None:
    opened, logged = threading.Event(), list[float]()

    def write(readings: list[Reading]) -> None:
        assert opened.wait(20)
        logged.extend(reading.time for reading in readings)

    writer = Writer(write)
    for second in range(10_000):
        writer.put([Reading(START + second, NO_CRY)])
    opened.set()
    writer.flush(20)
    assert logged[-7_200:] == [START + second for second in range(10_000 - 7_200, 10_000)]
    assert len(logged) <= 2 * 7_200
