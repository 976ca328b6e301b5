"""The log as a file: every reading a row, in both formats the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from cryutils.app.readings import GAP, Reading
from cryutils.app.store import Log, Store
from cryutils.app.store.export import export
from cryutils.errors import InputError

START = 1_800_000_000.0


@pytest.fixture
def logs(store: Store, mia: Log) -> list[Log]:
    max_ = store.infants.add("Max, \"the 'great'\"\n".strip(), user="demo")
    session = mia.begin("camera")
    mia.append(session, [Reading(START + i / 2, "hungry", {"hungry": 0.75}) for i in range(10)])
    mia.append(session, [Reading(START + 60, GAP, note="hidden")])
    mia.correct(START + 1, START + 2, "pain")
    max_.append(max_.begin("cry.wav"), [Reading(START, "tired", {}, None, {"tired": 1.0}, 0.5)])
    return [mia, max_]


def table(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return frame.assign(time=pd.to_datetime(frame.time, utc=True))


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_every_reading_is_a_row(name: str, logs: list[Log], apart: Path) -> None:
    assert export(logs, apart / name) == 12
    assert (apart / name).stat().st_mode & 0o777 == 0o600
    frame = table(apart / name)
    assert frame.infant.tolist() == ["Mia"] * 11 + [logs[1].name]
    assert frame.time[1] == pd.Timestamp(START + 0.5, unit="s", tz="UTC")
    assert frame.corrected.fillna("-").tolist() == [*"--", "pain", "pain", "pain", *"-------"]
    assert json.loads(frame.probabilities[0]) == {"hungry": 0.75}
    assert frame.note.fillna("")[10] == "hidden" and frame.source[11] == "cry.wav"
    assert frame.cry.isna().sum() == 11 and json.loads(frame.face[11]) == {"tired": 1.0}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_runs_no_cell_of_a_csv(start: str, store: Store, apart: Path) -> None:
    text = f"{start}HYPERLINK(1)"
    shown = ascii(text)[1:-1] if start.isspace() else f"'{text}"
    log = store.infants.add("Mia's =twin", user="demo")
    log.append(log.begin(text), [Reading(START, "hungry", {"hungry": 1.0}, note=text)])
    export([log], apart / "log.csv")
    with (apart / "log.csv").open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert row["source"] == row["note"] == shown
    assert row["infant"] == "Mia's =twin" and row["verdict"] == "hungry"
    export([log], apart / "log.parquet")
    assert table(apart / "log.parquet").note[0] == shown.removeprefix("'")


def test_since_and_until_choose_readings(logs: list[Log], apart: Path) -> None:
    assert export(logs, apart / "log.csv", START + 1, START + 60) == 8


def test_a_log_without_readings_is_a_table_without_rows(mia: Log, apart: Path) -> None:
    for name in ("log.csv", "log.parquet"):
        assert export([mia], apart / name) == 0
        assert table(apart / name).empty


def test_another_suffix_is_refused(logs: list[Log], apart: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.csv or \.parquet"):
        export(logs, apart / "log.xlsx")


def test_a_file_is_replaced_whole_or_not_at_all(logs: list[Log], apart: Path) -> None:
    export(logs, apart / "log.csv")
    before = (apart / "log.csv").read_bytes()
    logs[1].remove()
    with pytest.raises(InputError, match="no infant"):
        export(logs, apart / "log.csv")
    assert (apart / "log.csv").read_bytes() == before
    assert [path.name for path in apart.glob("log*")] == ["log.csv"]
