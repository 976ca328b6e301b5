"""Export of episodes or readings to a CSV or Parquet file or to MongoDB.

Paper B's Figure 6 shows the log in MongoDB Compass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cryutils._io import extras
from cryutils._io.paths import writing
from cryutils.app.store.database import LATEST_S, Row, shown
from cryutils.app.store.log import local_zone, zone
from cryutils.errors import InputError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cryutils.app.store.log import Log

__all__ = ["Kind", "rows", "to_file", "to_mongodb"]

Kind: TypeAlias = Literal["episodes", "readings"]

_COLUMNS: dict[Kind, dict[str, str]] = {
    "episodes": {
        "infant": "text", "start": "time", "stop": "time", "minutes": "number", "state": "text",
        "probability": "number", "corrected": "text",
    },
    "readings": {
        "infant": "text", "session": "id", "source": "text", "time": "time", "verdict": "text",
        "cry": "number", "probabilities": "text", "sound": "text", "face": "text", "note": "text",
    },
}  # fmt: skip
_PARTS = ("probabilities", "sound", "face")  # JSON
_AT_ONCE = 50_000  # rows in memory
_WAIT_MS = 5000  # for a MongoDB server
# Spreadsheets execute cells that begin like this. (The store's texts have no tabs or line breaks.)
_FORMULA = ("=", "+", "-", "@")


def rows(
    logs: Iterable[Log], kind: Kind, since: float | None = None, until: float | None = None
) -> Iterator[Row]:
    """Yield `Log.entries` or `Log.episodes` of several infants as rows, each with an `_id`."""
    for log in logs:
        if kind == "readings":
            for row in log.entries(since, until):
                yield row | {"_id": f"{row['session']}-{row['time']!r}"}
        else:
            for each in log.episodes(since, until):
                yield {
                    "_id": f"{log.id}-{each.start!r}", "infant": log.name, "start": each.start,
                    "stop": each.stop, "minutes": round((each.stop - each.start) / 60, 2),
                    "state": each.state, "corrected": each.said,
                    "probability": each.probability and round(each.probability, 4),
                }  # fmt: skip


def to_file(rows: Iterable[Row], path: Path, kind: Kind = "readings") -> int:
    """Write `rows` to a file; return their number. Times are in UTC, in CSV in local time.

    `corrected` is a caregiver's correction of an episode, and `probabilities`, `sound` and `face`
    of a reading are JSON by state. The file is either complete or absent, and only its owner may
    read it. In a CSV file, an apostrophe precedes texts that a spreadsheet would execute as
    formulas. Raises InputError for a suffix other than .csv and .parquet.
    """
    extras.require("pyarrow", "app", "an export of the log")
    import pyarrow as pa
    from pyarrow import csv, parquet

    writers = {".csv": csv.CSVWriter, ".parquet": parquet.ParquetWriter}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"{path}: name a file that ends in .csv or .parquet.")
    types = {"time": pa.timestamp("us", tz="UTC"), "text": pa.string(), "number": pa.float64(),
             "id": pa.int64()}  # fmt: skip
    time: Callable[[float], object] = _utc
    clean: Callable[[Row], Row] = dict
    if suffix == ".csv":
        types["time"], clean = pa.string(), _without_formulas
        parts = "seconds" if kind == "episodes" else "milliseconds"
        time = partial(_local, here=zone(local_zone()), parts=parts)
    schema = pa.schema({name: types[of] for name, of in _COLUMNS[kind].items()})
    n = 0
    with writing(path) as part, writers[suffix](part, schema) as writer:
        part.chmod(0o600)
        for some in _batches(rows):
            table = [clean(row | {name: time(row[name]) for name in _times(kind)}) for row in some]
            writer.write_table(pa.Table.from_pylist(table, schema))
            n += len(some)
    return n


def to_mongodb(
    logs: Sequence[Log], url: str, kind: Kind, since: float | None = None,
    until: float | None = None,
) -> int:  # fmt: skip
    """Copy `rows` to a collection named after their kind, in a MongoDB database; return how many.

    A repeated export updates what is there, and removes episodes of the period that are no longer
    in the log, such as one that has become a part of another. The default database is `cryutils`.
    Raises InputError, without a password in the message, for a server that can't be reached.
    """
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    ids: list[str] = []
    wait = {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **wait)  # type: ignore[arg-type]
        with client:
            collection = client.get_default_database("cryutils")[kind]
            for some in _batches(rows(logs, kind, since, until)):
                documents = [_document(row, kind) for row in some]
                replaced = [
                    pymongo.ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents
                ]
                collection.bulk_write(replaced, ordered=False)
                ids += [document["_id"] for document in documents]
            if kind == "episodes":
                limits = {"$gte": _utc(since or 0.0), "$lt": _utc(until or LATEST_S)}
                names = {"$in": [log.name for log in logs]}
                old: Row = {"infant": names, "start": limits, "_id": {"$nin": ids}}
                collection.delete_many(old)
    except InputError:  # a ValueError, of the log
        raise
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError(f"{shown(url)}: MongoDB can't be reached there.") from error
    return len(ids)


def _document(row: Row, kind: Kind) -> Row:
    """Return a row as a MongoDB document with times, and probabilities by state."""
    times = {name: _utc(row[name]) for name in _times(kind)}
    parts = {name: json.loads(row[name] or "null") for name in _PARTS if name in row}
    return row | times | parts


def _local(time: float, *, here: ZoneInfo, parts: str) -> str:
    return datetime.fromtimestamp(time, here).isoformat(" ", parts)


def _utc(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def _times(kind: Kind) -> list[str]:
    return [name for name, of in _COLUMNS[kind].items() if of == "time"]


def _batches(entries: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(entries)
    while some := list(islice(rows, _AT_ONCE)):
        yield some


def _without_formulas(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with an apostrophe before texts that look like formulas."""
    return {
        name: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
        for name, cell in row.items()
    }
