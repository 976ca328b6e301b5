"""The caregiver application's database: users, infants, readings and what caregivers said.

Paper B §3, step 3. `open(url)` returns a `Store`, on SQLite or PostgreSQL. One store is one
household or ward: every user has access to all its infants. No models are imported.
"""

import os
import secrets
from contextlib import AbstractContextManager

import platformdirs
import sqlalchemy as sa

from crydecode.store.accounts import Logins, Users, clean_name
from crydecode.store.database import INFANTS, Database, StoreUnavailable
from crydecode.store.log import Log
from cryutils._io.paths import explain_no_home
from cryutils.errors import InputError, near_miss, printable

__all__ = ["Log", "Store", "StoreUnavailable", "open"]


class Store(AbstractContextManager["Store"]):
    """Users, their logins, and infants with their logs. address: without a password."""

    def __init__(self, database: Database) -> None:
        self._database, self.address = database, database.shown
        self.users, self.logins = Users(database), Logins(database)

    def add_infant(self, name: str) -> Log:
        """Add an infant and return its log. Raises InputError if the name is taken."""
        name, number = clean_name(name), secrets.randbits(48)
        with self._database.begin(writes=True) as connection:
            if connection.scalar(sa.select(INFANTS.c.id).where(INFANTS.c.name == name)) is not None:
                raise InputError(f"{name}: an infant of this name exists; choose another.")
            connection.execute(sa.insert(INFANTS), [{"id": number, "name": name}])
        return Log(self._database, number, name)

    def infants(self) -> list[Log]:
        """Return the logs of all infants, sorted by name."""
        with self._database.begin() as connection:
            rows = connection.execute(sa.select(INFANTS)).all()
        return [Log(self._database, row.id, row.name) for row in sorted(rows, key=lambda row: row.name)]

    def infant(self, name: str) -> Log:
        """Return the log of the infant of this name or `Log.id`. Raises InputError for another."""
        logs = self.infants()
        for log in logs:
            if name in (log.name, str(log.id)):
                return log
        hint = near_miss(name, [log.name for log in logs])
        raise InputError(f"no infant {printable(name)!r}.{hint}")

    def __exit__(self, *_: object) -> None:
        self._database.close()


def open(url: str | None = None) -> Store:
    """Return the store at `url`, which is created if it does not exist.

    The default is CRYUTILS_STORE, or else a file in the user's data folder. Raises InputError,
    without a password in the message, for a store that can't be reached or written, or that another
    version of cryutils made.
    """
    if not (url := url or os.environ.get("CRYUTILS_STORE")):
        with explain_no_home("CRYUTILS_STORE to a file or database"):
            url = f"sqlite:///{platformdirs.user_data_path('cryutils') / 'store.sqlite'}"
    database = Database(url)
    try:
        database.prepare()
    except StoreUnavailable as error:
        database.close()
        raise InputError(f"{error.filename}: {error.strerror}.") from error
    return Store(database)
