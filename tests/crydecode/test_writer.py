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
in_sqlite = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


@in_sqlite
def test_a_locked_sqlite_stops_nobody_who_listens(
    mia: Log, apart: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session, troubles = mia.begin(), list[str]()
    writer = Writer(lambda readings: mia.append(session, readings))

    def hear(seconds: int) -> None:
        for _ in range(10 * seconds):
            begun = time.monotonic()
            writer.put([Reading(START + len(troubles) / 2, NO_CRY)])
            troubles.append(writer.trouble())
            assert time.monotonic() - begun < PROMPT_S
            time.sleep(0.1)

    hear(1)
    with closing(sqlite3.connect(apart / "store.sqlite", isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        hear(40 if LARGE else 13)
        another.execute("ROLLBACK")
    writer.flush(20)
    assert writer.waiting == 0 and writer.trouble() == ""
    assert [row["time"] for row in mia.entries()] == [START + k / 2 for k in range(len(troubles))]
    assert any("it does not answer" in words for words in troubles)
    assert "another program has locked it" in troubles[-1]
    (logged,) = caplog.records
    assert "another program has locked it" in logged.getMessage()


@in_sqlite
def test_a_full_disk_is_named_and_nothing_is_lost(mia: Log) -> None:
    pages = 1  # that the file may have, if it has not more

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    session = mia.begin()
    writer = Writer(lambda readings: mia.append(session, readings))
    sa.event.listen(sa.pool.Pool, "checkout", limit)
    try:
        writer.put([Reading(START - k, NO_CRY, note="x" * 999) for k in range(108)])
        writer.flush(1)
        assert "its disk is full. The last 54 s wait" in writer.trouble()
        pages = 2**30
        writer.flush(20)
        assert len(list(mia.entries())) == 108
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", limit)


def test_at_most_an_hour_waits() -> None:
    opened = threading.Event()
    logged: list[float] = []

    def write(readings: list[Reading]) -> None:
        assert opened.wait(20)
        logged.extend(reading.time for reading in readings)

    writer = Writer(write)
    for second in range(10_000):
        writer.put([Reading(START + second, NO_CRY)])
    assert writer.waiting <= 2 * 7_200
    opened.set()
    writer.flush(20)
    assert logged[-7_200:] == [START + second for second in range(10_000 - 7_200, 10_000)]
