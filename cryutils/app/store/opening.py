"""The store and its address: `open(url)` returns a `Store`.

The default is an SQLite file in the user's data folder. CRYUTILS_STORE or the caller can name
another file, or a PostgreSQL or MongoDB server.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from math import inf, nextafter

import platformdirs

from cryutils._io import extras
from cryutils.app.store.accounts import Logins, Users
from cryutils.app.store.database import VERSION, Database, Span, StoreUnavailable, quarter
from cryutils.app.store.infants import Infants
from cryutils.errors import InputError, printable

__all__ = ["Store", "open"]

_FORMS = "sqlite:///FILE, postgresql://USER@HOST/DATABASE or mongodb://HOST/DATABASE"


class Store(AbstractContextManager["Store"]):
    """Users, their logins, and infants with their logs. A context manager."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock
        self.users = Users(database, clock)
        self.logins = Logins(database, clock)
        self.infants = Infants(database, self.users, clock)

    @property
    def address(self) -> str:
        """The address, without a password."""
        return self._database.shown

    def keep(self, days: int | None) -> int:
        """Remove readings older than `days`, now and whenever a session begins; None keeps all.

        Returns how many readings were removed now.
        """
        if days is not None and not 1 <= days <= 36500:
            raise InputError(f"{days} days: keep readings for 1 to 36500 days, or all.")
        with self._database.transaction() as database:
            database.remove("meta", key="keep_days")
            if days is not None:
                database.add("meta", [{"key": "keep_days", "value": days}])
        return sum(log.retain() for log in self.infants.all(user=None))

    def purge_user(self, name: str) -> int:
        """Remove a user's readings and corrections; return how many readings were removed."""
        user, n = self.users.require(name), 0
        for row in self._database.rows("sessions", user=user):
            span = Span(row["started"], nextafter(row["ended"], inf))
            with self._counted(row["infant"], row["started"], row["ended"]) as database:
                whose = {"infant": row["infant"], "session": row["id"]}
                n += database.remove("readings", time=span, **whose)
                database.remove("sessions", id=row["id"])
        for row in self._database.rows("corrections", user=user):
            with self._counted(row["infant"], row["start"], row["stop"]) as database:
                database.remove("corrections", id=row["id"])
        return n

    def _counted(self, infant: int, first: float, last: float) -> AbstractContextManager[Database]:
        touched = Span(quarter(first), quarter(last) + 1)
        counts = self._database.counts(infant, touched)
        return self._database.counted(infant, sorted({start for start, _, _ in counts}))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def open(
    url: str | None = None, *, clock: Callable[[], float] = time.time, to_read: bool = False
) -> Store:
    """Return the store at `url`, which is created if it does not exist.

    The default is CRYUTILS_STORE, or else a file in the user's data folder. A relative file is
    resolved against the folder in which the command was started. `clock()` is the time in s since
    1970. With `to_read`, a read-only file is accepted as well; changes to it then fail.

    Raises InputError, without a password in the message, for a store that can't be reached or
    written, or that another version of cryutils made.
    """
    default = f"sqlite:///{platformdirs.user_data_path('cryutils') / 'store.sqlite'}"
    database = _database(url or os.environ.get("CRYUTILS_STORE") or default, to_read=to_read)
    with ExitStack() as stack:
        stack.callback(database.close)
        try:
            if (version := database.version()) is None:
                database.create()
                version = database.version()
        except StoreUnavailable as error:
            raise InputError(f"{error.filename}: {error.strerror}.") from error
        if version != VERSION:
            raise InputError(
                f"{database.shown}: another version of cryutils made this store (format {version},"
                f" not {VERSION}); install that version, or name another store."
            )
        stack.pop_all()
    return Store(database, clock)


def _database(url: str, *, to_read: bool) -> Database:
    scheme = url.partition("://")[0]
    if scheme == "postgresql":  # SQLAlchemy imports the driver
        extras.require("psycopg", "app", "a store in PostgreSQL")
    if scheme in ("sqlite", "postgresql"):
        from cryutils.app.store.sql import SqlDatabase

        return SqlDatabase.at(url, _shown(url), to_read=to_read)
    if scheme in ("mongodb", "mongodb+srv"):
        extras.require("pymongo", "app", "a store in MongoDB")
        from cryutils.app.store.mongo import MongoDatabase

        return MongoDatabase.at(url, _shown(url))
    raise InputError(f"CRYUTILS_STORE: not the address of a store; write {_FORMS}.")


def _shown(url: str) -> str:
    """Return an address without user, password and options; without a host if it is malformed."""
    scheme, _, rest = url.partition("://")
    rest, _, options = rest.partition("?")
    place = rest.rpartition("@")[2]
    hosts = place.partition("/")[0].split(",")
    plain = all(re.fullmatch(r"[^:]*(:\d+)?", host) for host in hosts) and "@" not in options
    return printable(f"{scheme}://{place if plain else '...'}")
