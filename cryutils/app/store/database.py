"""The interface to a database, `Database`, which `sql` and `mongo` implement.

A table is a name in `tables`, a row is a dictionary. The log, accounts and access to infants use
only this interface, so the same tests run against every database.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from cryutils.app.readings import GAP

__all__ = [
    "AWAY", "BROKEN", "FULL", "LOCKED", "QUARTER_S", "VERSION", "Database", "Row", "Span",
    "StoreUnavailable", "corrected", "quarter",
]  # fmt: skip

VERSION = 3  # of the tables
# Readings are counted by quarters of an hour, which make up hours and days in every time zone.
QUARTER_S = 900
Row = dict[str, Any]


def quarter(time: float) -> int:
    """Return the start of the quarter of an hour that contains `time`; both in s since 1970."""
    return int(time // QUARTER_S) * QUARTER_S


def corrected(reading: Row, corrections: Iterable[Row]) -> str:
    """Return a reading's verdict after `corrections`, oldest first; gaps are never corrected."""
    time, verdict = reading["time"], reading["verdict"]
    if verdict != GAP:
        for correction in corrections:
            if correction["start"] <= time <= correction["stop"]:
                verdict = correction["verdict"]
    return verdict


# Why a store can't be used, in words for caregivers.
FULL = "its disk is full"
LOCKED = "another program has locked it"
AWAY = "its server can't be reached"
BROKEN = "the database reports an error"


@dataclass(frozen=True, slots=True)
class Span:
    """A condition on a column: at least `start` and below `stop`; None leaves that end open."""

    start: float | None = None
    stop: float | None = None


class StoreUnavailable(OSError):
    """The database can't be reached or used. Changes that it acknowledged are safe."""

    def __init__(self, why: object, shown: str, reason: str) -> None:
        """Report the first line of `why` for the store `shown`, an address without a password.

        `reason` is for caregivers: FULL, LOCKED, AWAY or BROKEN.
        """
        self.reason = reason
        line = (str(why).splitlines() or ["no reason"])[0]
        super().__init__(errno.EIO, f"the store can't be used now ({line})", shown)


class Database(Protocol):
    """The store's tables. A condition is a value, a list of values, or a `Span`."""

    shown: str

    def version(self) -> int | None:
        """Return the version of the tables; None without tables."""

    def create(self) -> None:
        """Create the tables and store their version, unless another process has just done so."""

    def transaction(self) -> AbstractContextManager[Database]:
        """Return the database as a context; in SQL either all changes in it are made, or none."""

    def counted(self, infant: int, quarters: Iterable[int]) -> AbstractContextManager[Database]:
        """Like `transaction`, but recount the infant's readings in these quarters at the end."""

    def add(self, table: str, rows: Sequence[Row]) -> int:
        """Add rows whose key is not in the table yet; return how many were new."""

    def rows(self, table: str, **where: Any) -> list[Row]:
        """Return the rows that meet the conditions."""

    def change(self, table: str, values: Row, **where: Any) -> int:
        """Set `values` in the rows that meet the conditions; return the number of these rows."""

    def remove(self, table: str, **where: Any) -> int:
        """Remove the rows that meet the conditions; return how many were removed."""

    def readings(self, infant: int, span: Span) -> Iterator[Row]:
        """Yield an infant's readings in order of time, without loading them all into memory."""

    def counts(self, infant: int, span: Span) -> list[tuple[int, str, int]]:
        """Return (quarter, verdict, number of readings) of the quarters that begin in `span`."""

    def close(self) -> None:
        """Close all connections."""
