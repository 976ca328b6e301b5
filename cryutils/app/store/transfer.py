"""Export of logs to a CSV or Parquet file or to MongoDB, for `cryutils log export`.

Paper B's Figure 6 shows the log in MongoDB Compass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from cryutils._io import extras
from cryutils._io.paths import writing
from cryutils.app.store.database import Row, shown
from cryutils.errors import InputError

__all__ = ["to_file", "to_mongodb"]

_AT_ONCE = 50_000  # readings in memory
_WAIT_MS = 5000  # for a MongoDB server
# Spreadsheets execute cells that begin like this. (The store's texts have no tabs or line breaks.)
_FORMULA = ("=", "+", "-", "@")


def to_file(entries: Iterable[Row], path: Path) -> int:
    """Write log entries to a file, one per row, with times in UTC; return their number.

    `corrected` is a caregiver's correction, and `probabilities`, `sound` and `face` are JSON by
    state. The file is either complete or absent, and only its owner may read it. In a CSV file, an
    apostrophe precedes texts that a spreadsheet would execute as formulas. Raises InputError for a
    suffix other than .csv and .parquet.
    """
    extras.require("pyarrow", "app", "an export of the log")
    import pyarrow as pa
    from pyarrow import csv, parquet

    writers = {".csv": csv.CSVWriter, ".parquet": parquet.ParquetWriter}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"{path}: name a file that ends in .csv or .parquet.")
    text, number = pa.string(), pa.float64()
    schema = pa.schema({
        "infant": text, "session": pa.int64(), "source": text,
        "time": pa.timestamp("us", tz="UTC"), "verdict": text, "corrected": text, "cry": number,
        "probabilities": text, "sound": text, "face": text, "note": text,
    })  # fmt: skip
    clean = _without_formulas if suffix == ".csv" else dict
    n = 0
    with writing(path) as part, writers[suffix](part, schema) as writer:
        part.chmod(0o600)
        for some in _batches(entries):
            table = [clean(row | {"time": round(row["time"] * 1e6)}) for row in some]
            writer.write_table(pa.Table.from_pylist(table, schema))
            n += len(some)
    return n


def to_mongodb(entries: Iterable[Row], url: str) -> int:
    """Copy log entries to the collection `readings` of a MongoDB database; return how many are new.

    A document's `_id` is made of session and time, so a repeated export adds only new readings and
    updates corrections. The default database is `cryutils`. Raises InputError, without a password
    in the message, for a server that can't be reached.
    """
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    n, wait = 0, {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **wait)  # type: ignore[arg-type]
        with client:
            readings = client.get_default_database("cryutils").readings
            for some in _batches(entries):
                documents = map(_document, some)
                replaced = [
                    pymongo.ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents
                ]
                n += readings.bulk_write(replaced, ordered=False).upserted_count
    except InputError:  # a ValueError, of the log
        raise
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError(f"{shown(url)}: MongoDB can't be reached there.") from error
    return n


def _document(row: Row) -> Row:
    """Return a reading as a MongoDB document with a time, and probabilities by state."""
    parts = {name: json.loads(row[name] or "null") for name in ("probabilities", "sound", "face")}
    time = {"time": datetime.fromtimestamp(row["time"], UTC)}
    return {"_id": f"{row['session']}-{row['time']!r}"} | row | time | parts


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
