"""The log as a file, in both formats the same, and in MongoDB."""

from __future__ import annotations

import json
from pathlib import Path

import mongomock
import pandas as pd
import pymongo
import pytest

from crydecode.store import Log, Store
from crydecode.store.transfer import export
from cryutils.errors import InputError
from cryutils.inference.readings import Reading
from cryutils.words import GAP

# What both databases see alike is tried in one.
pytestmark = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
START = 1_800_000_000.0


@pytest.fixture
def logs(store: Store, mia: Log) -> list[Log]:
    max_ = store.add_infant("Max, \"the 'great'\"\n".strip())
    session = mia.begin("camera", "judged")
    mia.append(session, [Reading(START + i / 2, "hungry", {"hungry": 0.75}) for i in range(10)])
    mia.append(session, [Reading(START + 60, GAP, note="hidden")])
    mia.correct(START + 1, START + 2, "pain")
    mia.correct(START + 300, START + 300, "tired")
    mia.note("fed", START + 200)
    max_.append(max_.begin("cry.wav"), [Reading(START, "tired", {}, None, {"tired": 1.0}, 0.5)])
    return [mia, max_]


def table(path: Path, *times: str) -> pd.DataFrame:
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in times})


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_every_reading_is_a_row(name: str, logs: list[Log], apart: Path) -> None:
    assert export(logs, name, "readings") == 12
    assert (apart / name).stat().st_mode & 0o777 == 0o600
    frame = table(apart / name, "time")
    assert frame.infant.tolist() == ["Mia"] * 11 + [logs[1].name]
    assert frame.time[1] == pd.Timestamp(START + 0.5, unit="s", tz="UTC")
    assert json.loads(frame.probabilities[0]) == {"hungry": 0.75}
    assert frame.note.fillna("")[10] == "hidden" and frame.source[11] == "cry.wav"
    assert frame.run.fillna("").tolist() == ["judged"] * 11 + [""]
    assert frame.cry.isna().sum() == 11 and json.loads(frame.face[11]) == {"tired": 1.0}


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_every_line_of_the_diary_is_a_row_and_a_missed_cry_has_no_length(
    name: str, logs: list[Log], apart: Path
) -> None:
    assert export(logs, name, "diary") == 4
    frame = table(apart / name, "start", "stop")
    assert frame.infant.tolist() == ["Mia"] * 3 + [logs[1].name]
    assert frame.what.tolist() == ["cry", "fed", "missed cry", "cry"]
    assert frame.state.tolist()[::3] == ["hungry", "unsure"] and frame.probability[0] == 0.75
    assert (frame.corrected[0], frame.corrected[2], frame.run[0]) == ("pain", "tired", "judged")
    assert frame.corrected.isna()[3]
    assert frame["stop"][0] == pd.Timestamp(START + 4.5, unit="s", tz="UTC")
    assert frame.start[1] == pd.Timestamp(START + 200, unit="s", tz="UTC")
    assert frame.cried_minutes[0] == 0.08
    assert frame[1:3][["stop", "cried_minutes", "state"]].isna().all(axis=None)
    assert export(logs, name, "diary", START + 200, START + 300) == 1
    assert export(logs, name, "diary", START + 1000) == 0
    assert list(table(apart / name).columns) == list(frame.columns)


@pytest.mark.parametrize("start", ["=", "@", "\uff1d", " \uff0b"])
def test_a_spreadsheet_runs_no_cell_of_a_csv(start: str, store: Store, apart: Path) -> None:
    text = f"{start}HYPERLINK(1)"
    log = store.add_infant("Mia's =twin")
    log.append(log.begin(text), [Reading(START, "hungry", {"hungry": 1.0}, note=text)])
    export([log], "log.csv", "readings")
    row = pd.read_csv("log.csv").iloc[0]
    assert row["source"] == row["note"] == f"'{text}"
    assert row["infant"] == "Mia's =twin" and row["verdict"] == "hungry"


def test_a_file_is_replaced_whole_or_not_at_all(logs: list[Log], apart: Path) -> None:
    export(logs, "log.csv", "readings")
    before = (apart / "log.csv").read_bytes()
    logs[1].remove()
    with pytest.raises(InputError, match="no infant"):
        export(logs, "log.csv", "readings")
    assert (apart / "log.csv").read_bytes() == before
    assert [path.name for path in apart.glob("log*")] == ["log.csv"]


# MongoDB, where mongomock stands in for a server


def test_mongodb_shows_the_diary_as_it_is_after_late_readings(
    logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mongomock.MongoClient()
    monkeypatch.setattr(pymongo, "MongoClient", lambda url, **_: server)
    assert export(logs, "mongodb://h/log", "diary") == 4
    late = Reading(START - 10, "hungry", {"hungry": 0.75})
    logs[0].append(logs[0].begin("another", "judged"), [late])
    for _ in range(2):
        assert export(logs[:1], "mongodb://h/log", "diary", START) == 3
    documents = list(server.get_default_database("cryutils").diary.find().sort("start"))
    assert [each["what"] for each in documents] == ["cry", "cry", "fed", "missed cry"]
    assert [each["infant"] for each in documents] == ["Mia", logs[1].name, "Mia", "Mia"]
    assert [documents[0][name] for name in ("state", "probability", "corrected")] == ["hungry", 0.75, "pain"]
    assert documents[3]["stop"] is None
    assert export(logs, "mongodb://h/log", "readings") == 13
    assert server.cryutils.readings.find_one()["probabilities"] == {"hungry": 0.75}
    logs[0].append(logs[0].begin("another"), [Reading(START + 2.2, "hungry")])
    assert export(logs[:1], "mongodb://h/log", "readings", START + 1, START + 4) == 7
    assert server.cryutils.readings.count_documents({}) == 14


@pytest.mark.parametrize("address", ["mongodb://u:pa55w0rd@127.0.0.1:1/d", "mongodb://u:pa55w0rd@h:99999/d"])
def test_a_mongodb_server_that_is_not_there_is_named_without_a_password(
    address: str, mia: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crydecode.store.transfer._WAIT_MS", 100)
    mia.append(mia.begin("camera"), [Reading(START, "hungry")])
    with pytest.raises(InputError) as caught:
        export([mia], address, "readings")
    assert str(caught.value) == f"mongodb://{address.split('@')[1]}: MongoDB can't be reached there."
