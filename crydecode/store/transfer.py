"""Export of the diary or of all readings to a CSV or Parquet file or to MongoDB: `export`.

Paper B's Figure 6 shows user data in MongoDB Compass, so the copy there also has users and infants.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Literal, TypeAlias

from crydecode.diary import CRY, MISSED
from crydecode.store.database import Row, shown
from crydecode.store.log import PARTS, Log
from cryutils._io import extras
from cryutils._io.paths import resolve, writing
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError

Content: TypeAlias = Literal["diary", "readings"]

_COLUMNS: dict[Content, str] = {
    "diary": "infant what start stop cried_minutes state probability run corrected helped",
    "readings": "infant session run time verdict cry probabilities sound face kind note",
}
_TYPES = dict.fromkeys(("start", "stop", "time"), "datetime64[us, UTC]") | {"session": "int64"}
_TYPES |= dict.fromkeys(("cried_minutes", "probability", "cry"), "float64")  # all others are texts
_AT_ONCE = 50_000  # rows as Python objects
_WAIT_MS = 5000  # for a MongoDB server
MONGODB = ("mongodb://", "mongodb+srv://")


def export(logs: Sequence[Log], target: str, kind: Content, users: Sequence[str] = ()) -> int:
    """Write the diary or all readings of infants to a file or to MongoDB; return how many rows.

    target: a file that ends in .csv (local times) or .parquet (UTC), or mongodb://HOST/DATABASE
    (UTC), which also gets the names of `users`; see `_to_mongodb`. Only a cry has a `stop`, an
    answer and `cried_minutes`, without its pauses; a missed cry and a note, such as "fed", have a
    `start`. Parts of a reading are JSON.

    A file is either complete or absent, and only its owner may read it. Raises InputError,
    without a password in the message, for another target and a server that can't be reached.
    """
    if target.startswith(MONGODB):
        return _to_mongodb(target, kind, logs, users)
    rows, path = _rows(logs, kind), resolve(target)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"{path}: name a file that ends in .csv or .parquet.")
    columns = _COLUMNS[kind].split()
    with writing(path) as part:
        part.touch(0o600)
        return (_to_csv if suffix == ".csv" else _to_parquet)(part, columns, rows)


def _to_csv(path: Path, columns: list[str], rows: Iterator[Row]) -> int:
    """Write rows with local times, and an apostrophe before texts that look like formulas."""
    n = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: _cell(value) for name, value in row.items()})
            n += 1
    return n


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone().isoformat(" ", "milliseconds")
    return no_formula(value) if isinstance(value, str) else value


def _to_parquet(path: Path, columns: list[str], rows: Iterator[Row]) -> int:
    import pandas as pd

    types = {name: _TYPES.get(name, "string[pyarrow]") for name in columns}
    batches = iter(lambda: list(islice(rows, _AT_ONCE)), [])
    # The first table is empty, so that a file without rows has columns as well.
    table = pd.concat(pd.DataFrame(batch, columns=columns).astype(types) for batch in chain([[]], batches))
    table.to_parquet(path, index=False)
    return len(table)


def _to_mongodb(url: str, kind: Content, logs: Sequence[Log], users: Sequence[str]) -> int:
    """Replace the documents of users and infants; return how many. Default database: `cryutils`.

    Collections: users, infants, and either readings or episodes (cries with their answers),
    corrections (each one, also of cries that nothing heard) and notes.
    """
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    content: dict[str, Iterator[Row]] = {
        "users": ({"user": name} for name in users),
        "infants": ({"infant": log.name, "number": log.id} for log in logs),
    }
    if kind == "readings":
        content["readings"] = _rows(logs, kind)
    else:
        content["episodes"] = (row for row in _rows(logs, kind) if row["what"] == CRY)
        content["corrections"] = _said(logs, of_cries=True)
        content["notes"] = _said(logs, of_cries=False)
    owners = {"user": list(users), "infant": [log.name for log in logs]}
    n = 0
    limits = {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **limits)  # type: ignore[arg-type]
        with client:
            for name, rows in content.items():
                collection = client.get_default_database("cryutils")[name]
                owner = "user" if name == "users" else "infant"
                collection.delete_many({owner: {"$in": owners[owner]}})
                while batch := list(islice(rows, _AT_ONCE)):
                    for row in batch:
                        row |= {name: json.loads(row[name] or "null") for name in PARTS if name in row}
                    collection.insert_many(batch)
                    n += len(batch)
    except InputError:  # a ValueError, of the log
        raise
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError(f"{shown(url)}: MongoDB can't be reached there.") from error
    return n


def _rows(logs: Sequence[Log], kind: Content) -> Iterator[Row]:
    """Yield readings, or lines of the diary, of which only a cry has a length and an answer."""
    for log in logs:
        for reading in log.entries() if kind == "readings" else ():
            yield reading | {"time": _utc(reading["time"])}
        for line in log.lines() if kind == "diary" else ():
            row: Row = {"infant": log.name, "what": line.what, "start": _utc(line.start)}
            row |= {"corrected": None if line.helped else line.corrected, "helped": line.helped or None}
            if line.what == CRY:
                row |= {"stop": _utc(line.stop), "cried_minutes": round(line.cried_s / 60, 2)}
                row |= {"state": line.state, "run": line.run}
                row["probability"] = line.probability and round(line.probability, 4)
            yield row


def _said(logs: Sequence[Log], *, of_cries: bool) -> Iterator[Row]:
    """Yield what caregivers said and when: corrections with their state, or notes."""
    for row in chain.from_iterable(log.said() for log in logs):
        times = {name: _utc(row[name]) for name in ("start", "made")}
        about = {"infant": row["infant"], "what": row["what"], **times}
        if of_cries == (row["what"] in (CRY, MISSED)):
            yield about | ({"stop": _utc(row["stop"]), "state": row["verdict"]} if of_cries else {})


def _utc(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
