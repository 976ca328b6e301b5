"""Access to infants, `Infants`: which caregiver has access to which infant.

Readings are available only through the `Log` that `Infants.infant(name, user=...)` returns. A log
checks access at each call, so the end of a share takes effect at once. The machine's owner (user
None) adds and shares infants.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryutils.app.store.accounts import Users, clean_name
from cryutils.app.store.database import Database, Row
from cryutils.app.store.log import Log
from cryutils.errors import InputError, near_miss, printable

__all__ = ["Infants"]


class Infants:
    """The store's infants. Infants of different families may have the same name."""

    def __init__(self, database: Database, users: Users, clock: Callable[[], float]) -> None:
        self._database, self._users, self._clock = database, users, clock

    def add(self, name: str, *, user: str) -> Log:
        """Add an infant for a caregiver and return its log.

        Raises InputError if the user has an infant of this name already.
        """
        name, user = clean_name(name), self._users.require(user)
        if any(log.name == name for log in self.all(user=user)):
            raise InputError(f"{name}: an infant of this name exists; choose another.")
        row: Row = {"id": secrets.randbits(48), "name": name}
        with self._database.transaction() as database:
            database.add("infants", [row])
            database.add("shares", [{"infant": row["id"], "user": user}])
        return Log(self._database, row["id"], name, user, self._clock)

    def all(self, *, user: str | None) -> list[Log]:
        """Return logs sorted by name: `user`'s infants, or all for the machine's owner (None)."""
        where = {}
        if user is not None:
            user = self._users.require(user)
            where = {"id": [row["infant"] for row in self._database.rows("shares", user=user)]}
        rows = self._database.rows("infants", **where)
        logs = [Log(self._database, row["id"], row["name"], user, self._clock) for row in rows]
        return sorted(logs, key=lambda log: (log.name, log.id))

    def infant(self, name: str | int, *, user: str | None) -> Log:
        """Return the log of the infant of this name or number.

        Raises InputError if `user` has access to none, worded the same whether it exists or not.
        """
        logs = self.all(user=user)
        named = [log for log in logs if str(name) in (log.name, str(log.id))]
        if len(named) > 1:
            numbers = ", ".join(str(log.id) for log in named)
            raise InputError(f"{name}: several infants have this name; give a number: {numbers}.")
        if not named:
            hint = near_miss(str(name), [log.name for log in logs])
            raise InputError(f"no infant {printable(name)!r}.{hint}")
        return named[0]

    def share(self, name: str | int, user: str) -> None:
        """Give a user access to an infant."""
        row = {"infant": self.infant(name, user=None).id, "user": self._users.require(user)}
        self._database.add("shares", [row])

    def unshare(self, name: str | int, user: str) -> None:
        """End a user's access to an infant. Raises InputError for its only caregiver."""
        log, user = self.infant(name, user=None), self._users.require(user)
        if log.caregivers() == [user]:
            raise InputError(f"{log.name}: {user} alone cares for this infant; share it first.")
        self._database.remove("shares", infant=log.id, user=user)
