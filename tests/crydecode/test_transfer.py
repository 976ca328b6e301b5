"""The log as a file, in both formats the same; MongoDB's copy is in store/test_contract.py."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from crydecode.diary import CRY, MISSED
from crydecode.store import Log, Store
from crydecode.store.transfer import export
from cryutils.errors import InputError
from cryutils.inference.readings import Reading
from cryutils.words import GAP

START = 1_800_000_000.0


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
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in times})


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_every_reading_and_every_line_of_the_diary_is_a_row(name: str, logs: list[Log], apart: Path) -> None:
    assert export(logs, name, "readings") == 12
    assert (apart / name).stat().st_mode & 0o777 == 0o600
    frame = table(apart / name, "time")
    assert frame.infant.tolist() == ["Mia"] * 11 + [logs[1].name]
    assert frame.time[0] == pd.Timestamp(START + 0.5, unit="s", tz="UTC")
    assert json.loads(frame.probabilities[0]) == {"hungry": 0.75} and frame.note.fillna("")[10] == "hidden"
    assert frame.run.fillna("").tolist() == ["judged"] * 11 + [""]
    assert frame.cry.isna().sum() == 11 and json.loads(frame.face[11]) == {"tired": 1.0}

    assert export(logs, name, "diary") == 4
    frame = table(apart / name, "start", "stop")
    assert frame.what.tolist() == ["cry", "fed", "missed cry", "cry"]
    assert frame.state.tolist()[::3] == ["hungry", "unsure"] and frame.probability[0] == 0.75
    assert (frame.corrected[0], frame.corrected[2], frame.run[0]) == ("pain", "tired", "judged")
    assert frame["stop"][0] == pd.Timestamp(START + 5, unit="s", tz="UTC")
    assert frame.start[1] == pd.Timestamp(START + 200, unit="s", tz="UTC")
    assert frame.cried_minutes[0] == 0.08
    assert frame[1:3][["stop", "cried_minutes", "state"]].isna().all(axis=None), "only a cry has a length"
    assert export(logs, name, "diary", START + 200, START + 300) == 1
    assert export(logs, name, "diary", START + 1000) == 0
    assert list(table(apart / name).columns) == list(frame.columns)


@pytest.mark.parametrize("start", ["=", " \uff0b"])
def test_a_spreadsheet_runs_no_cell_of_a_csv(start: str, store: Store, apart: Path) -> None:
    text = f"{start}HYPERLINK(1)"
    log = store.add_infant("Mia's =twin")
    log.append(log.begin(), [Reading(START, "hungry", {"hungry": 1.0}, note=text)])
    export([log], "log.csv", "readings")
    row = pd.read_csv("log.csv").iloc[0]
    assert row["note"] == f"'{text}"
    assert row["infant"] == "Mia's =twin" and row["verdict"] == "hungry"


@pytest.mark.parametrize("address", ["mongodb://u:pa55w0rd@127.0.0.1:1/d", "mongodb://u:pa55w0rd@h:99999/d"])
def test_a_mongodb_server_that_is_not_there_is_named_without_a_password(
    address: str, mia: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crydecode.store.transfer._WAIT_MS", 100)
    with pytest.raises(InputError) as caught:
        export([mia], address, "readings")
    assert str(caught.value) == f"mongodb://{address.split('@')[1]}: MongoDB can't be reached there."
