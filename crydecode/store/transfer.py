"""Export of the diary to a CSV file or to MongoDB: `export`.

Paper B's Figure 6 shows user data in MongoDB Compass, so the copy there also has users and infants.
"""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TextIO

from crydecode.diary import CRY
from crydecode.store.database import Row
from crydecode.store.log import Log
from cryutils._io import extras
from cryutils._io.paths import resolve, writing
from cryutils._io.spreadsheet import no_formula
from cryutils.errors import InputError

COLUMNS = ["infant", "what", "start", "stop", "cried_minutes"]
COLUMNS += ["state", "probability", "run", "corrected", "helped"]
MONGODB = ("mongodb://", "mongodb+srv://")
_WAIT_MS = 5000  # for a MongoDB server
_utc = partial(datetime.fromtimestamp, tz=UTC)


def export(logs: Sequence[Log], target: str, users: Sequence[str] = ()) -> int:
    """Write the diary of infants to a file or to MongoDB; return how many rows.

    target: a file that ends in .csv (local times), or mongodb://HOST/DATABASE (UTC), which also gets
    infants and the names of `users`. Only a cry has a `stop`, an answer and `cried_minutes`, without
    its pauses; a missed cry and a note, such as "fed", have a `start`.

    A file is either complete or absent, and only its owner may read it. Raises InputError,
    without a password in the message, for another target and a server that can't be reached.
    """
    if target.startswith(MONGODB):
        return _to_mongodb(target, logs, users)
    path = resolve(target)
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: name a file that ends in .csv.")
    with writing(path) as part:
        part.touch(0o600)
        with part.open("w", encoding="utf-8", newline="") as file:
            return write(logs, file)


def write(logs: Sequence[Log], file: TextIO) -> int:
    """Write the rows of a CSV file, as `export` describes them; return how many."""
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    rows = [{name: _cell(value) for name, value in row.items()} for row in _rows(logs)]
    table.writeheader()
    table.writerows(rows)
    return len(rows)


def _cell(value: object) -> object:
    """Return a local time, or a text with an apostrophe if it looks like a formula."""
    if isinstance(value, datetime):
        return value.astimezone().isoformat(" ", "milliseconds")
    return no_formula(value) if isinstance(value, str) else value


def _to_mongodb(url: str, logs: Sequence[Log], users: Sequence[str]) -> int:
    """Replace the documents of users and infants; return how many. Default database: `cryutils`."""
    extras.require("pymongo", "app", "an export to MongoDB")
    import pymongo
    from pymongo.errors import PyMongoError

    names, n = [log.name for log in logs], 0
    content: dict[str, tuple[str, Sequence[str], list[Row]]] = {
        "users": ("user", users, [{"user": name} for name in users]),
        "infants": ("infant", names, [{"infant": log.name, "number": log.id} for log in logs]),
        "diary": ("infant", names, list(_rows(logs))),
    }
    limits = {"serverSelectionTimeoutMS": _WAIT_MS, "connectTimeoutMS": _WAIT_MS}
    try:
        client: pymongo.MongoClient[Row] = pymongo.MongoClient(url, **limits)  # type: ignore[arg-type]
        with client:
            for name, (owner, owners, rows) in content.items():
                collection = client.get_default_database("cryutils")[name]
                collection.delete_many({owner: {"$in": list(owners)}})
                n += len(collection.insert_many(rows).inserted_ids) if rows else 0
    except (PyMongoError, ValueError) as error:  # the message may quote a password
        raise InputError("MongoDB can't be reached at this address.") from error
    return n


def _rows(logs: Sequence[Log]) -> Iterator[Row]:
    """Yield the lines of the diary, of which only a cry has a length and an answer."""
    for log in logs:
        for line in log.lines():
            row: Row = {"infant": log.name, "what": line.what, "start": _utc(line.start)}
            row |= {"corrected": None if line.helped else line.corrected, "helped": line.helped or None}
            if line.what == CRY:
                row |= {"stop": _utc(line.stop), "cried_minutes": round(line.cried_s / 60, 2)}
                row |= {"state": line.state, "run": line.run}
                row["probability"] = line.probability and round(line.probability, 4)
            yield row
