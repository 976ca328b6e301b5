"""Export of the diary or of all readings to a CSV or Parquet file or to MongoDB: `export`.

Paper B's Figure 6 shows the log in MongoDB Compass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from crydecode.diary import CRY, Line
from crydecode.store.database import Row, shown
from crydecode.store.log import PARTS, Log
from cryutils._io import extras
from cryutils._io.paths import resolve, writing
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Content: TypeAlias = Literal["diary", "readings"]

_COLUMNS: dict[Content, str] = {
    "diary": "infant what start stop cried_minutes state probability run corrected",
    "readings": "infant session run time verdict cry probabilities sound face kind note",
}
_TEXT, _TIME = "string[pyarrow]", "datetime64[us, UTC]"
_TYPES = dict.fromkeys(("start", "stop", "time"), _TIME) | {"session": "int64"}
_TYPES |= dict.fromkeys(("cried_minutes", "probability", "cry"), "float64")  # all others are texts
_AT_ONCE = 50_000  # rows as Python objects
_WAIT_MS = 5000  # for a MongoDB server


def export(
    logs: Sequence[Log], target: str, kind: Content, since: float | None = None, until: float | None = None
) -> int:
    """Write the diary or all readings of infants to a file or to MongoDB; return how many rows.

    target: a file that ends in .csv (local times) or .parquet (UTC), or mongodb://HOST/DATABASE,
    whose collection is called as `kind` and has UTC; an earlier export of the same infants and
    period is replaced there. Only a cry has a `stop`, an answer and `cried_minutes`, without its
    pauses; a missed cry and a note, such as "fed", have a `start`. Parts of a reading are JSON.

    A file is either complete or absent, and only its owner may read it. Raises InputError,
    without a password in the message, for another target and a server that can't be reached.
    """
    rows = _rows(logs, kind, since, until)
    batches = iter(lambda: list(islice(rows, _AT_ONCE)), [])
    if target.startswith(("mongodb://", "mongodb+srv://")):
        edges = {"$gte": since, "$lt": until}
        period = {name: _utc(at) for name, at in edges.items() if at is not None}
        old: Row = {"infant": {"$in": [log.name for log in logs]}}
        if period:
            old["start" if kind == "diary" else "time"] = period
        return _to_mongodb(target, kind, old, batches)
    return _to_file(resolve(target), kind, batches)


def _to_file(path: Path, kind: Content, batches: Iterator[list[Row]]) -> int:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"{path}: name a file that ends in .csv or .parquet.")
    import pandas as pd

    columns, n = {name: _TYPES.get(name, _TEXT) for name in _COLUMNS[kind].split()}, 0
    # The first table is empty, so that a file without rows has columns as well.
    tables = (pd.DataFrame(rows, columns=list(columns)).astype(columns) for rows in chain([[]], batches))
    with writing(path) as part:
        part.touch(0o600)
        if suffix == ".parquet":
            table = pd.concat(tables)
            table.to_parquet(part, index=False)
            return len(table)
        for table in tables:
            is_new = part.stat().st_size == 0
            _for_spreadsheet(table).to_csv(part, index=False, header=is_new, mode="a")
            n += len(table)
    return n


def _for_spreadsheet(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with local times, and an apostrophe before texts that look like formulas."""
    table = table.copy()
    for name in table:
        if table[name].dtype == _TEXT:
            table[name] = table[name].map(no_formula, na_action="ignore")
        elif table[name].dtype == _TIME:
            table[name] = table[name].map(_local, na_action="ignore")
    return table


def _to_mongodb(url: str, kind: Content, old: Row, batches: Iterator[list[Row]]) -> int:
    """Replace the documents `old`, a query, of a collection; the default database is `cryutils`."""
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    n = 0
    wait = {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **wait)  # type: ignore[arg-type]
        with client:
            collection = client.get_default_database("cryutils")[kind]
            collection.delete_many(old)
            for rows in batches:
                collection.insert_many(map(_document, rows))
                n += len(rows)
    except InputError:  # a ValueError, of the log
        raise
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError(f"{shown(url)}: MongoDB can't be reached there.") from error
    return n


def _rows(logs: Sequence[Log], kind: Content, since: float | None, until: float | None) -> Iterator[Row]:
    for log in logs:
        if kind == "readings":
            for row in log.entries(since, until):
                yield row | {"time": _utc(row["time"])}
        else:
            for line in log.lines(since, until):
                yield _row(line) | {"infant": log.name}


def _row(line: Line) -> Row:
    """Return a line of the diary; only a cry has a length and an answer."""
    row = {"what": line.what, "start": _utc(line.start), "corrected": line.corrected}
    if line.what != CRY:
        return row
    return row | {
        "stop": _utc(line.stop),
        "cried_minutes": round(line.cried_s / 60, 2),
        "state": line.state,
        "probability": line.probability and round(line.probability, 4),
        "run": line.run,
    }


def _document(row: Row) -> Row:
    """Return a row as a MongoDB document, with probabilities by state."""
    return row | {name: json.loads(row[name] or "null") for name in PARTS if name in row}


def _local(time: datetime) -> str:
    """Return a time in this machine's time zone; pandas' own times have no such zone."""
    return datetime.fromtimestamp(time.timestamp()).astimezone().isoformat(" ", "milliseconds")


def _utc(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
