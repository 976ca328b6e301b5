"""Export of the diary or of all readings to a CSV file or to MongoDB: `export`.

Paper B's Figure 6 shows user data in MongoDB Compass, so the copy there also has users and infants.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Literal, TextIO, TypeAlias

from crydecode.diary import CRY
from crydecode.store.database import Row
from crydecode.store.log import Log
from cryutils._io import extras
from cryutils._io.paths import resolve, writing
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError

Content: TypeAlias = Literal["diary", "readings"]

_COLUMNS: dict[Content, str] = {
    "diary": "infant what start stop cried_minutes state probability run corrected helped",
    "readings": "infant session run time verdict cry probabilities sound face kind note",
}
_AT_ONCE = 50_000  # documents as Python objects
_WAIT_MS = 5000  # for a MongoDB server
MONGODB = ("mongodb://", "mongodb+srv://")


def export(logs: Sequence[Log], target: str, kind: Content, users: Sequence[str] = ()) -> int:
    """Write the diary or all readings of infants to a file or to MongoDB; return how many rows.

    target: a file that ends in .csv (local times), or mongodb://HOST/DATABASE (UTC), which also gets
    infants and the names of `users`. Only a cry has a `stop`, an answer and `cried_minutes`, without
    its pauses; a missed cry and a note, such as "fed", have a `start`. Parts of a
    reading are JSON in a file.

    A file is either complete or absent, and only its owner may read it. Raises InputError,
    without a password in the message, for another target and a server that can't be reached.
    """
    if target.startswith(MONGODB):
        return _to_mongodb(target, kind, logs, users)
    path = resolve(target)
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: name a file that ends in .csv.")
    with writing(path) as part:
        part.touch(0o600)
        with part.open("w", encoding="utf-8", newline="") as file:
            return write(logs, kind, file)


def write(logs: Sequence[Log], kind: Content, file: TextIO) -> int:
    """Write the rows of a CSV file, as `export` describes them; return how many."""
    table, n = csv.DictWriter(file, _COLUMNS[kind].split(), lineterminator="\n"), 0
    table.writeheader()
    for row in _rows(logs, kind):
        n += 1
        table.writerow({name: _cell(value) for name, value in row.items()})
    return n


def _cell(value: object) -> object:
    """Return a local time, a part as JSON, or a text with an apostrophe if it looks like a formula."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.astimezone().isoformat(" ", "milliseconds")
    return no_formula(value) if isinstance(value, str) else value


def _to_mongodb(url: str, kind: Content, logs: Sequence[Log], users: Sequence[str]) -> int:
    """Replace the documents of users and infants; return how many. Default database: `cryutils`."""
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    names = [log.name for log in logs]
    content: dict[str, tuple[str, Sequence[str], Iterator[Row]]] = {
        "users": ("user", users, ({"user": name} for name in users)),
        "infants": ("infant", names, ({"infant": log.name, "number": log.id} for log in logs)),
        kind: ("infant", names, _rows(logs, kind)),
    }
    n = 0
    limits = {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **limits)  # type: ignore[arg-type]
        with client:
            for name, (owner, owners, rows) in content.items():
                collection = client.get_default_database("cryutils")[name]
                collection.delete_many({owner: {"$in": list(owners)}})
                while batch := list(islice(rows, _AT_ONCE)):
                    n += len(collection.insert_many(batch).inserted_ids)
    except InputError:  # a ValueError, of the log
        raise
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError("MongoDB can't be reached at this address.") from error
    return n


def _rows(logs: Sequence[Log], kind: Content) -> Iterator[Row]:
    """Yield readings, or lines of the diary, of which only a cry has a length and an answer."""
    for log in logs:
        for reading in log.entries() if kind == "readings" else ():
            yield reading | {"infant": log.name, "time": _utc(reading["time"])}
        for line in log.lines() if kind == "diary" else ():
            row: Row = {"infant": log.name, "what": line.what, "start": _utc(line.start)}
            row |= {"corrected": None if line.helped else line.corrected, "helped": line.helped or None}
            if line.what == CRY:
                row |= {"stop": _utc(line.stop), "cried_minutes": round(line.cried_s / 60, 2)}
                row |= {"state": line.state, "run": line.run}
                row["probability"] = line.probability and round(line.probability, 4)
            yield row


def _utc(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
