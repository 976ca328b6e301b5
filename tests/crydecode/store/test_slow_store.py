"""Nobody who listens waits for a store: it is locked, frozen, full, and every reading is kept."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
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


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Have another connection write to a SQLite file without end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


class Ear:
    """Puts a reading every 0.1 s, and takes the time of that and of what the page shows."""

    def __init__(self, log: Log) -> None:
        self.writer, self.log, self.session = Writer(self.write), log, log.begin("test")
        self.times: list[float] = []
        self.troubles: list[str] = []

    def write(self, readings: list[Reading]) -> None:
        self.log.append(self.session, readings)

    def hear(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.times.append(START + len(self.times) / 2)
            begun = time.monotonic()
            self.writer.put([Reading(self.times[-1], NO_CRY)])
            self.troubles.append(self.writer.trouble())
            assert time.monotonic() - begun < PROMPT_S
            time.sleep(0.1)

    def check(self) -> None:
        """Check that everything is logged, once, with its time, and nothing else."""
        self.writer.flush(20)
        assert self.writer.waiting == 0 and self.writer.trouble() == ""
        assert [(row["time"], row["verdict"]) for row in self.log.entries()] == [
            (moment, NO_CRY) for moment in self.times
        ]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@in_sqlite
def test_a_locked_sqlite_stops_nobody_who_listens(
    mia: Log, apart: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(mia)
    ear.hear(0.5)
    with locked(apart / "store.sqlite"):
        ear.hear(40 if LARGE else 13)
    ear.check()
    assert any("it does not answer" in words for words in ear.troubles)
    assert "another program has locked it" in ear.troubles[-1]
    assert [line.rpartition(":")[2] for line in lines(caplog)] == [
        " it does not answer",
        " another program has locked it",
        "the caregiver log is written again",
    ]


@in_sqlite
def test_a_full_disk_is_named_and_nothing_is_lost(mia: Log) -> None:
    pages = 1  # that the file may have, if it has not more

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    sa.event.listen(sa.pool.Pool, "checkout", limit)
    try:
        ear = Ear(mia)
        ear.writer.put([Reading(START - 1 - k, NO_CRY, note="x" * 999) for k in range(99)])
        ear.hear(1)
        assert "its disk is full. The last 54 s wait" in ear.troubles[-1]
        pages = 2**30
        ear.writer.flush(20)
        assert len(list(mia.entries())) == 109
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
