"""The store and its address: `open(url)` returns a `Store`.

The default is an SQLite file in the user's data folder. CRYUTILS_STORE or the caller can name
another file, or a PostgreSQL server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import platformdirs

from cryutils.app.store.accounts import Logins, Users
from cryutils.app.store.database import VERSION, Database, StoreUnavailable
from cryutils.app.store.infants import Infants
from cryutils.errors import InputError

__all__ = ["Store", "open"]


class Store(AbstractContextManager["Store"]):
    """Users, their logins, and infants with their logs. A context manager."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.users = Users(database, clock)
        self.logins = Logins(database, clock)
        self.infants = Infants(database, self.users, clock)

    @property
    def address(self) -> str:
        """The address, without a password."""
        return self._database.shown

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def open(url: str | None = None, *, clock: Callable[[], float] = time.time) -> Store:
    """Return the store at `url`, which is created if it does not exist.

    The default is CRYUTILS_STORE, or else a file in the user's data folder. A relative file is
    resolved against the folder in which the command was started. `clock()` is the time in s since
    1970.

    Raises InputError, without a password in the message, for a store that can't be reached or
    written, or that another version of cryutils made.
    """
    default = f"sqlite:///{platformdirs.user_data_path('cryutils') / 'store.sqlite'}"
    database = Database.at(url or os.environ.get("CRYUTILS_STORE") or default)
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
