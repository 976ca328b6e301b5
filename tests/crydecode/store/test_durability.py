"""What was acknowledged is there, whatever was killed: the writing process, the database."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres import Server

from crydecode import diary
from crydecode import store as stores
from crydecode.store import Log, Store, StoreUnavailable
from cryutils.errors import InputError
from cryutils.inference.readings import Reading

WRITER = Path(__file__).with_name("writer.py")


@contextmanager
def writer(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that appends four readings at a time and prints each number that is in."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def acknowledged(process: subprocess.Popen[str]) -> int:
    """How many readings had been acknowledged when the process ended."""
    assert process.stdout is not None
    return 4 * sum(1 for _ in process.stdout)


def test_what_a_killed_process_had_acknowledged_is_there(url: str, mia: Log) -> None:
    with writer(url) as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(10)]
        process.kill()
        n = 4 * len(first) + acknowledged(process)
    with stores.open(url) as again:
        log = again.infant("Mia")
        times = [row["time"] for row in log.entries()]
        assert times[:n] == [1.8e9 + i / 4 for i in range(n)]
        # At most what was on its way when the process died.
        assert n <= len(times) <= n + 4


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_what_a_killed_postgresql_had_acknowledged_is_there_and_the_store_goes_on(
    url: str, store: Store, mia: Log, postgres: Server
) -> None:
    session = mia.begin("camera")
    with writer(url) as process:
        assert process.stdout is not None and process.stderr is not None
        first = [process.stdout.readline() for _ in range(10)]
        postgres.stop("immediate")
        try:
            n = 4 * len(first) + acknowledged(process)
            assert "StoreUnavailable" in process.stderr.read()
            with pytest.raises(StoreUnavailable) as caught:
                mia.append(session, [Reading(1.7e9, "pain")])
            assert "\n" not in str(caught.value)
            assert caught.value.reason == "its server can't be reached"
        finally:
            postgres.start()
    times = [row["time"] for row in mia.entries()]
    assert times[:n] == [1.8e9 + i / 4 for i in range(n)]
    assert n <= len(times) <= n + 4
    assert mia.append(session, [Reading(1.7e9, "pain")]) == 1


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "mark, value",
    [(b'{"hungry":0.9}', b'{"hungry":9.9}'), (b"hungry", b"hu\xe7gry"), (b"SQLite", b"SQLiti")],
    ids=["share", "text", "header"],
)
def test_a_changed_byte_is_a_line(store: Store, mia: Log, url: str, mark: bytes, value: bytes) -> None:
    mia.append(mia.begin("camera"), [Reading(time.time() - 60, "hungry", {"hungry": 0.9})])
    store.close()
    file = Path(url.removeprefix("sqlite:///"))
    content = file.read_bytes()
    assert mark in content
    file.write_bytes(content.replace(mark, value))
    with pytest.raises((InputError, StoreUnavailable)) as caught, stores.open(url) as opened:
        diary.latest(opened.infant("Mia"))
    assert "\n" not in str(caught.value)
