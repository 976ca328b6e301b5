"""What the store asks of a database: a dozen operations that `sql` and `mongo` both have.

A table is a name in `KEYS`, a row a dictionary. Whatever the log, the accounts and the gate decide
is decided once, above these; so the same contract test runs against every database.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from cryutils.app.readings import GAP

__all__ = [
    "AWAY", "BROKEN", "FULL", "KEYS", "LOCKED", "QUARTER_S", "VERSION", "Database", "Row", "Span",
    "StoreUnavailable", "corrected", "quarter",
]  # fmt: skip

VERSION = 3  # of the tables; 1 had no `quarters`, 2 no `invitations`
# Readings are counted by quarters of an hour, of which hours and days consist in every time zone.
QUARTER_S = 900
# What a row can't share with another of its table.
KEYS = {
    "meta": ("key",),
    "users": ("name",),
    "infants": ("id",),
    "shares": ("infant", "user"),
    "invitations": ("infant", "user"),
    "sessions": ("id",),
    "readings": ("infant", "time", "session"),
    "corrections": ("id",),
    "quarters": ("infant", "quarter", "verdict"),
    "logins": ("token",),
    "attempts": ("id",),
}

Row = dict[str, Any]


def quarter(time: float) -> int:
    """Return the quarter of an hour that `time` lies in, by its beginning; both in s since 1970."""
    return int(time // QUARTER_S) * QUARTER_S


def corrected(reading: Row, corrections: Iterable[Row]) -> str:
    """Return a reading's verdict after `corrections`, the newest last; a gap stays one."""
    time, verdict = reading["time"], reading["verdict"]
    if verdict != GAP:
        for correction in corrections:
            if correction["start"] <= time <= correction["stop"]:
                verdict = correction["verdict"]
    return verdict


# Why a store can't be used, for those who only see the page.
FULL = "its disk is full"
LOCKED = "another program has locked it"
AWAY = "its server can't be reached"
BROKEN = "the database reports an error"


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` on, and before `stop`; None leaves that end open. A condition on a column."""

    start: float | None = None
    stop: float | None = None


class StoreUnavailable(OSError):
    """The database can't be reached, or has no room; what it acknowledged before is in it."""

    def __init__(self, why: object, shown: str, reason: str) -> None:
        """Say `why`, the first line of it, of the store that is `shown` without its password.

        `reason` is the same for caregivers: FULL, LOCKED, AWAY or BROKEN.
        """
        self.reason = reason
        line = (str(why).splitlines() or ["no reason"])[0]
        super().__init__(errno.EIO, f"the store can't be used now ({line})", shown)


class Database(Protocol):
    """A place for the store's tables. Conditions: a value, a list of values, or a `Span`."""

    shown: str

    def transaction(self) -> AbstractContextManager[Database]:
        """Give the database such that all that is done to it happens, or (in SQL) nothing."""

    def counted(self, infant: int, quarters: Iterable[int]) -> AbstractContextManager[Database]:
        """As `transaction`, and then count the infant's readings in these quarters again."""

    def upgrade(self) -> AbstractContextManager[Database]:
        """As `transaction`, while nobody else upgrades."""

    def create(self) -> None:
        """Make the tables that are missing."""

    def version(self) -> int | None:
        """Return the version of the tables; None where there are none."""

    def add(self, table: str, rows: Sequence[Row]) -> int:
        """Add rows, but those whose key is there already; return how many were new."""

    def rows(self, table: str, **where: Any) -> list[Row]:
        """Return the rows that meet the conditions."""

    def change(self, table: str, values: Row, **where: Any) -> int:
        """Set `values` in the rows that meet the conditions; return how many do."""

    def remove(self, table: str, **where: Any) -> int:
        """Remove the rows that meet the conditions; return how many did."""

    def readings(self, infant: int, span: Span) -> Iterator[Row]:
        """Yield an infant's readings by time, however many, without holding them in memory."""

    def quarters(self, infant: int, span: Span) -> list[int]:
        """Return the quarters that begin in `span` and have readings, in order."""

    def sums(self, infant: int, edges: Sequence[int]) -> list[tuple[int, str, int]]:
        """Return (beginning, verdict, readings) of each period from one edge to the next."""

    def close(self) -> None:
        """Let go of all connections."""
