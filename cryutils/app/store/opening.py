"""Where a store is, and what it consists of: `open(url)` gives a `Store`.

SQLite in a file of the user's unless CRYUTILS_STORE or the caller names another; PostgreSQL or
MongoDB by the address of a server. An older store is brought up, a newer one is refused.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from math import inf, nextafter

from cryutils._io import extras
from cryutils.app.store.accounts import Logins, Users
from cryutils.app.store.database import VERSION, Database, Span, StoreUnavailable, quarter
from cryutils.app.store.infants import Infants
from cryutils.errors import InputError, printable

__all__ = ["Store", "open"]

_FORMS = "sqlite:///FILE, postgresql://USER@HOST/DATABASE or mongodb://HOST/DATABASE"


class Store:
    """Users and their logins, infants, and through these every log. A context manager."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Use a database whose tables are there; `clock()` is the time in s since 1970."""
        self._database, self._clock = database, clock
        self.users = Users(database, clock)
        self.logins = Logins(database, clock)
        self.infants = Infants(database, self.users, clock)

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return self._database.shown

    def keep(self, days: int | None) -> int:
        """Purge what is older than so many days, now and whenever a session begins; None: nothing.

        Returns how many readings it was now.
        """
        if days is not None and not 1 <= days <= 36500:
            raise InputError(f"{days} days: keep readings for 1 to 36500 days, or all.")
        with self._database.transaction() as database:
            database.remove("meta", key="keep_days")
            if days is not None:
                database.add("meta", [{"key": "keep_days", "value": days}])
        return sum(log.retain() for log in self.infants.all(user=None))

    def purge_user(self, name: str) -> int:
        """Remove what a user logged and corrected; return how many readings it was."""
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
        return self._database.counted(infant, self._database.quarters(infant, touched))

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(
    url: str | None = None, *, clock: Callable[[], float] = time.time, to_read: bool = False
) -> Store:
    """Return the store at `url`, made or brought up to this version where that is needed.

    Parameters
    ----------
    url : str, optional
        None: CRYUTILS_STORE, else a file in the user's data folder. Relative files are resolved
        against the folder where the command was started.
    clock : function
        The time in s since 1970.
    to_read : bool
        Whether to take a file as well that can only be read; what would change it then fails.

    Raises
    ------
    InputError
        In one line without a password: there is no such place, it can't be reached or written, or a
        newer version made it.
    """
    database = _database(url or os.environ.get("CRYUTILS_STORE") or _default(), to_read=to_read)
    with ExitStack() as stack:
        stack.callback(database.close)
        try:
            _bring_up(database)
        except StoreUnavailable as error:
            raise InputError(f"{error.filename}: {error.strerror}.") from error
        stack.pop_all()
    return Store(database, clock)


def _default() -> str:
    import platformdirs

    return f"sqlite:///{platformdirs.user_data_path('cryutils') / 'store.sqlite'}"


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
    raise InputError(f"CRYUTILS_STORE: no address of a store; write {_FORMS}.")


def _shown(url: str) -> str:
    """Return an address without user, password and options, and less where it can't be read."""
    scheme, _, rest = url.partition("://")
    rest, _, options = rest.partition("?")
    place = rest.rpartition("@")[2]
    hosts = place.partition("/")[0].split(",")
    plain = all(re.fullmatch(r"[^:]*(:\d+)?", host) for host in hosts) and "@" not in options
    return printable(f"{scheme}://{place if plain else '...'}")


def _bring_up(database: Database) -> None:
    """Make the tables, or those that an older version lacked. Raises InputError for a newer one."""
    if database.version() == VERSION:
        return
    with database.upgrade() as alone:
        version = alone.version()
        if version is not None and version > VERSION:
            raise InputError(
                f"{database.shown}: a newer cryutils made this store (version {version}, not "
                f"{VERSION}); install that one."
            )
        alone.create()
        if version == 1:
            _count(alone)
        alone.remove("meta", key="version")
        alone.add("meta", [{"key": "version", "value": VERSION}])


def _count(database: Database) -> None:
    """Count all readings by quarters of an hour, which version 1 did not."""
    for infant in database.rows("infants"):
        readings = database.readings(infant["id"], Span())
        quarters = {quarter(reading["time"]) for reading in readings}
        with database.counted(infant["id"], quarters):
            pass
