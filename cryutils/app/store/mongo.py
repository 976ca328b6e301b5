"""The store in MongoDB, through pymongo: `MongoDatabase`.

A single server has no transactions, so related changes are made in an order that can be repeated
after an interruption. A requested quarter is counted if it has changed since its last count, if a
process is changing it, or if a process was killed while changing it (`open`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError

from cryutils.app.store import database
from cryutils.app.store.database import QUARTER_S, Database, Row, Span, StoreUnavailable
from cryutils.app.store.tables import TABLES
from cryutils.errors import InputError

__all__ = ["WAIT_MS", "MongoDatabase"]

WAIT_MS = 5000
_DUPLICATE = 11000  # the server's code for an existing key
_OUT_OF_DISK = 14031


class MongoDatabase(Database):
    """`Database` in one of a MongoDB server's databases."""

    def __init__(self, client: pymongo.MongoClient[Row], name: str, shown: str) -> None:
        self._client, self._tables, self.shown = client, client[name], shown

    @classmethod
    def at(cls, address: str, shown: str) -> MongoDatabase:
        """Return the database at a URL. Acknowledged writes are in the server's journal.

        Raises InputError for an invalid URL.
        """
        wait: Row = {"serverSelectionTimeoutMS": WAIT_MS, "connectTimeoutMS": WAIT_MS}
        try:
            client: pymongo.MongoClient[Row] = pymongo.MongoClient(
                address, w="majority", journal=True, **wait
            )
            return cls(client, client.get_default_database("cryutils").name, shown)
        except (PyMongoError, ValueError) as error:  # the message may quote a password
            raise InputError(
                f"{shown}: not the address of a database; check it for mistakes."
            ) from error

    def version(self) -> int | None:
        rows = self.rows("meta", key="version")
        return rows[0]["value"] if rows else None

    def create(self) -> None:
        with self._talking():
            for table in TABLES.sorted_tables:
                keys = [column.name for column in table.primary_key]
                if table.name == "quarters":  # here one document with a list of verdicts
                    keys.remove("verdict")
                own = self._tables[table.name]
                own.create_index([(name, 1) for name in keys], unique=True)
                for index in table.indexes:
                    own.create_index([(column.name, 1) for column in index.columns])
        self.add("meta", [{"key": "version", "value": database.VERSION}])

    @contextmanager
    def transaction(self) -> Iterator[MongoDatabase]:
        yield self

    @contextmanager
    def counted(self, infant: int, quarters: Iterable[int]) -> Iterator[MongoDatabase]:
        keys = [{"infant": infant, "quarter": start} for start in quarters]
        for is_open in (1, -1):
            with self._talking():
                for key in keys:
                    step = {"$inc": {"open": is_open, "version": 1}}
                    self._tables.quarters.update_one(key, step, upsert=is_open == 1)
            if is_open == 1:
                yield self

    def add(self, table: str, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        copies = [dict(row) for row in rows]  # pymongo adds its own key to the rows
        with self._talking():
            try:
                return len(self._tables[table].insert_many(copies, ordered=False).inserted_ids)
            except BulkWriteError as error:
                details = error.details
                if any(problem["code"] != _DUPLICATE for problem in details["writeErrors"]):
                    raise
                return details["nInserted"]

    def rows(self, table: str, **where: Any) -> list[Row]:
        with self._talking():
            return list(self._tables[table].find(_conditions(where), {"_id": 0}))

    def change(self, table: str, values: Row, **where: Any) -> int:
        with self._talking():
            step = {"$set": values}
            return self._tables[table].update_many(_conditions(where), step).matched_count

    def remove(self, table: str, **where: Any) -> int:
        with self._talking():
            return self._tables[table].delete_many(_conditions(where)).deleted_count

    def readings(self, infant: int, span: Span) -> Iterator[Row]:
        where = _conditions({"infant": infant, "time": span})
        with self._talking():
            order = [("time", 1), ("session", 1)]
            yield from self._tables.readings.find(where, {"_id": 0}).sort(order)

    def counts(self, infant: int, span: Span) -> list[tuple[int, str, int]]:
        found = []
        with self._talking():
            where = _conditions({"infant": infant, "quarter": span})
            for row in list(self._tables.quarters.find(where)):
                is_counted = row["open"] == 0 and row.get("counted") == row["version"]
                counts = row["counts"] if is_counted else self._count(row)
                found += [(row["quarter"], verdict, n) for verdict, n in counts]
        return found

    def close(self) -> None:
        self._client.close()

    def _count(self, row: Row) -> list[tuple[str, int]]:
        """Count the readings of a quarter by corrected verdict, and store the counts."""
        infant, start, stop = row["infant"], row["quarter"], row["quarter"] + QUARTER_S
        where = {"infant": infant, "start": {"$lt": stop}, "stop": {"$gte": start}}
        corrections = list(self._tables.corrections.find(where).sort([("made", 1), ("id", 1)]))
        readings = self._tables.readings.find(
            _conditions({"infant": infant, "time": Span(start, stop)}), {"time": 1, "verdict": 1}
        )
        counts = Counter(database.corrected(reading, corrections) for reading in readings)
        # If the quarter has changed meanwhile, its version differs, so it is counted again.
        values = {"counts": list(counts.items()), "counted": row["version"]}
        self._tables.quarters.update_one({"_id": row["_id"]}, {"$set": values})
        return values["counts"]

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except PyMongoError as error:
            raise StoreUnavailable(error, self.shown, _reason(error)) from error


def _reason(error: PyMongoError) -> str:
    if isinstance(error, ConnectionFailure):
        return database.AWAY
    is_full = getattr(error, "code", None) == _OUT_OF_DISK
    return database.FULL if is_full else database.BROKEN


def _conditions(where: Row) -> Row:
    conditions: Row = {}
    for name, value in where.items():
        match value:
            case Span(start, stop):
                bounds = {"$gte": start, "$lt": stop}
                bounds = {name: bound for name, bound in bounds.items() if bound is not None}
                conditions |= {name: bounds} if bounds else {}
            case list():
                conditions[name] = {"$in": value}
            case _:
                conditions[name] = {"$eq": value}
    return conditions
