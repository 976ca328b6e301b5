"""What a store is and is not, and how readings reach it and leave it as a file; on SQLite."""

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import platformdirs
import pytest
import sqlalchemy as sa

from crydecode import store as stores
from crydecode.diary import CRY, MISSED
from crydecode.store import Log, Store, StoreUnavailable
from crydecode.store.threads import Writer
from crydecode.store.transfer import export
from cryutils.errors import InputError
from cryutils.inference.readings import Reading
from cryutils.words import GAP, NO_CRY

# Addresses and files

SECRET = "pa55:w0rd"


def refusal(url: str | None = None) -> str:
    with pytest.raises((InputError, StoreUnavailable)) as caught, stores.open(url) as store:
        store.infant("Mia").lines()
    message = str(caught.value)
    assert "\n" not in message and "pa55" not in message and "w0rd" not in message
    return message


def test_by_default_it_is_a_file_for_its_owner_alone(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYUTILS_STORE", raising=False)
    folder = apart / "home" / "data"
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: folder / name)
    with stores.open() as store:
        assert store.address == str(folder / "cryutils" / "store.sqlite")
    assert (folder / "cryutils" / "store.sqlite").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("log.sqlite", "CRYUTILS_STORE"),
        ("sqlite:///:memory:", "CRYUTILS_STORE"),
        (f"postgresql:{SECRET}", "CRYUTILS_STORE"),
        (f"postgresql://u:{SECRET}@h:port/d", "CRYUTILS_STORE"),
        ("postgresql://u:pa55@w0rd@h/d", "%40"),
        ("postgresql://u:pa55w0rd@127.0.0.1:1/d", "postgresql://127.0.0.1/d: "),
        ("postgresql://u@127.0.0.1:1/d?password=pa55w0rd", "postgresql://127.0.0.1/d: "),
    ],
)
def test_what_is_no_store_is_named_in_one_line_without_a_password(url: str, named: str) -> None:
    assert named in refusal(url)


@pytest.mark.parametrize(
    ("mark", "value"),
    [
        (b'{"hungry":0.9}', b'{"hungry";0.9}'),
        (b"hungry", b"hu\xe7gry"),
        (b"SQLite", b"SQLiti"),
        (b"SQLite format 3\0", b"not a database.."),
    ],
    ids=["JSON", "text", "header", "another file"],
)
def test_a_damaged_file_is_named(store: Store, mia: Log, url: str, mark: bytes, value: bytes) -> None:
    mia.append(mia.begin(), [Reading(time.time() - 60, "hungry", {"hungry": 0.9})])
    with store:
        file = Path(url.removeprefix("sqlite:///"))
    content = file.read_bytes()
    assert mark in content
    file.write_bytes(content.replace(mark, value))
    message = refusal(url)
    assert str(file) in message and "restore a copy" in message


def test_a_file_that_was_emptied_takes_no_readings(mia: Log, url: str) -> None:
    os.truncate(url.removeprefix("sqlite:///"), 0)
    with pytest.raises(StoreUnavailable):
        mia.append(mia.begin(), [Reading(time.time(), "hungry")])


# Readings wait for a store that is locked or full

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


def test_a_lock_stops_nobody(writer: Writer, mia: Log, apart: Path, caplog: pytest.LogCaptureFixture) -> None:
    hear(writer, 0, 10)
    with closing(sqlite3.connect(apart / "store.sqlite", isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        troubles = hear(writer, 10, 130)
        another.execute("ROLLBACK")
    writer.flush(20)
    assert writer.waiting == 0 and writer.trouble() == ""
    assert [at for at, *_ in mia.heard(0)] == [START + number for number in range(130)]
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
    assert len(mia.heard(0)) == 108


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


# Exports; MongoDB's copy is in test_contract.py


@pytest.fixture
def logs(store: Store, mia: Log) -> list[Log]:
    max_ = store.add_infant("Max, \"the 'great'\"")
    session = mia.begin("judged")
    mia.append(session, [Reading(START + i / 2, "hungry", {"hungry": 0.75}) for i in range(1, 11)])
    mia.append(session, [Reading(START + 60, GAP, note="hidden")])
    mia.say(CRY, START + 1, START + 2, "pain")
    mia.say(MISSED, START + 300, START + 300, "tired")
    mia.say("fed", START + 200, START + 200)
    max_.append(max_.begin(), [Reading(START, "tired", {}, None, {"tired": 1.0}, 0.5)])
    return [mia, max_]


def table(path: Path, *times: str) -> pd.DataFrame:
    frame = pd.read_csv(path)
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in times})


def test_every_line_of_the_diary_is_a_row(logs: list[Log], apart: Path) -> None:
    name = "log.csv"
    assert export(logs, name) == 4
    assert (apart / name).stat().st_mode & 0o777 == 0o600
    assert pd.read_csv(apart / name).infant.tolist() == ["Mia"] * 3 + [logs[1].name]
    frame = table(apart / name, "start", "stop")
    assert frame.what.tolist() == ["cry", "fed", "missed cry", "cry"]
    assert frame.state.tolist()[::3] == ["hungry", "unsure"] and frame.probability[0] == 0.75
    assert (frame.corrected[0], frame.corrected[2], frame.run[0]) == ("pain", "tired", "judged")
    assert frame["stop"][0] == pd.Timestamp(START + 5, unit="s", tz="UTC")
    assert frame.cried_minutes[0] == 0.08
    assert frame[1:3][["stop", "cried_minutes", "state"]].isna().all(axis=None), "only a cry has a length"
    assert export([], name) == 0
    assert list(table(apart / name).columns) == list(frame.columns)


@pytest.mark.parametrize("start", ["=", " \uff0b"])
def test_a_spreadsheet_runs_no_cell_of_a_csv(start: str, store: Store, apart: Path) -> None:
    text = f"{start}HYPERLINK(1)"
    log = store.add_infant("Mia's =twin")
    log.append(log.begin(), [Reading(START, "hungry", {"hungry": 1.0})])
    log.say(CRY, START, START, text)
    export([log], "log.csv")
    row = pd.read_csv("log.csv").iloc[0]
    assert row["corrected"] == f"'{text}"
    assert row["infant"] == "Mia's =twin" and row["state"] == "hungry"


@pytest.mark.parametrize("address", ["mongodb://u:pa55w0rd@127.0.0.1:1/d", "mongodb://u:pa55w0rd@h:99999/d"])
def test_a_missing_mongodb_is_named(address: str, mia: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crydecode.store.transfer._WAIT_MS", 100)
    with pytest.raises(InputError) as caught:
        export([mia], address)
    assert "MongoDB" in str(caught.value) and "pa55" not in str(caught.value)
