"""Export of the diary or of all readings to a CSV or Parquet file or to MongoDB: `export`.

Paper B's Figure 6 shows the log in MongoDB Compass.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Literal, TypeAlias

from crydecode.diary import CRY
from crydecode.store.database import Row, shown
from crydecode.store.log import PARTS, Log
from cryutils._io import extras
from cryutils._io.paths import resolve, writing
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError

Content: TypeAlias = Literal["diary", "readings"]

_COLUMNS: dict[Content, str] = {
    "diary": "infant what start stop cried_minutes state probability run corrected",
    "readings": "infant session run time verdict cry probabilities sound face kind note",
}
_TYPES = dict.fromkeys(("start", "stop", "time"), "datetime64[us, UTC]") | {"session": "int64"}
_TYPES |= dict.fromkeys(("cried_minutes", "probability", "cry"), "float64")  # all others are texts
_AT_ONCE = 50_000  # rows as Python objects
_WAIT_MS = 5000  # for a MongoDB server


def export(logs: Sequence[Log], target: str, kind: Content) -> int:
    """Write the diary or all readings of infants to a file or to MongoDB; return how many rows.

    target: a file that ends in .csv (local times) or .parquet (UTC), or mongodb://HOST/DATABASE,
    whose collection is called as `kind` and has UTC; an earlier export of the same infants is
    replaced there. Only a cry has a `stop`, an answer and `cried_minutes`, without its pauses; a
    missed cry and a note, such as "fed", have a `start`. Parts of a reading are JSON.

    A file is either complete or absent, and only its owner may read it. Raises InputError,
    without a password in the message, for another target and a server that can't be reached.
    """
    rows = _rows(logs, kind)
    if target.startswith(("mongodb://", "mongodb+srv://")):
        return _to_mongodb(target, kind, [log.name for log in logs], rows)
    path = resolve(target)
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


def _to_mongodb(url: str, kind: Content, infants: list[str], rows: Iterator[Row]) -> int:
    """Replace the infants' documents in a collection; the default database is `cryutils`."""
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    n = 0
    limits = {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **limits)  # type: ignore[arg-type]
        with client:
            collection = client.get_default_database("cryutils")[kind]
            collection.delete_many({"infant": {"$in": infants}})
            while documents := [_document(row) for row in islice(rows, _AT_ONCE)]:
                collection.insert_many(documents)
                n += len(documents)
    except InputError:  # a ValueError, of the log
        raise
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError(f"{shown(url)}: MongoDB can't be reached there.") from error
    return n


def _document(row: Row) -> Row:
    """Return a row as a MongoDB document, with probabilities by state."""
    return row | {name: json.loads(row[name] or "null") for name in PARTS if name in row}


def _rows(logs: Sequence[Log], kind: Content) -> Iterator[Row]:
    """Yield readings, or lines of the diary, of which only a cry has a length and an answer."""
    for log in logs:
        for reading in log.entries() if kind == "readings" else ():
            yield reading | {"time": _utc(reading["time"])}
        for line in log.lines() if kind == "diary" else ():
            row: Row = {"infant": log.name, "what": line.what, "start": _utc(line.start)}
            row["corrected"] = line.corrected
            if line.what == CRY:
                row |= {"stop": _utc(line.stop), "cried_minutes": round(line.cried_s / 60, 2)}
                row |= {"state": line.state, "run": line.run}
                row["probability"] = line.probability and round(line.probability, 4)
            yield row


def _utc(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
