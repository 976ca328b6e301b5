"""The interface to a database, `Database`, which `sql` and `mongo` implement.

A table is a name in `tables`, a row is a dictionary. The log, the accounts and access to infants
are built on this interface alone, so the same tests run against every database.
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
# Readings are counted by quarters of an hour: in every time zone, hours and days consist of these.
QUARTER_S = 900
Row = dict[str, Any]


def quarter(time: float) -> int:
    """Return the start of the quarter of an hour that contains `time`; both in s since 1970."""
    return int(time // QUARTER_S) * QUARTER_S


def corrected(reading: Row, corrections: Iterable[Row]) -> str:
    """Return a reading's verdict after `corrections`, the newest last; a gap is never corrected."""
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
    """The database can't be reached or is full. What it acknowledged before is safe."""

    def __init__(self, why: object, shown: str, reason: str) -> None:
        """Report the first line of `why` about the store `shown`, an address without a password.

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
        """Make the tables and note their version, unless another process has just done so."""

    def transaction(self) -> AbstractContextManager[Database]:
        """Return the database in a context in which (in SQL) all changes are made, or none."""

    def counted(self, infant: int, quarters: Iterable[int]) -> AbstractContextManager[Database]:
        """Like `transaction`, but finally count the infant's readings in these quarters again."""

    def add(self, table: str, rows: Sequence[Row]) -> int:
        """Add rows whose key is not in the table yet; return how many were new."""

    def rows(self, table: str, **where: Any) -> list[Row]:
        """Return the rows that meet the conditions."""

    def change(self, table: str, values: Row, **where: Any) -> int:
        """Set `values` in the rows that meet the conditions; return how many rows do."""

    def remove(self, table: str, **where: Any) -> int:
        """Remove the rows that meet the conditions; return how many there were."""

    def readings(self, infant: int, span: Span) -> Iterator[Row]:
        """Yield an infant's readings in order of time, without holding them in memory."""

    def counts(self, infant: int, span: Span) -> list[tuple[int, str, int]]:
        """Return (quarter, verdict, number of readings) of the quarters that begin in `span`."""

    def close(self) -> None:
        """Close all connections."""
