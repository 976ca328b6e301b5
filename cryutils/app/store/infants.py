"""The gate: which caregiver reaches which infant. Everything that names an infant passes it.

`Infants.infant(name, user=...)` gives the infant's `Log`, by which alone readings are reached. A
log asks again at each call, so an infant that is no longer shared is out of reach at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryutils.app.store.accounts import Users, clean_name
from cryutils.app.store.database import Database
from cryutils.app.store.log import Log
from cryutils.errors import InputError, near_miss, printable

__all__ = ["Infants"]


class Infants:
    """The store's infants. Two of different families may have the same name."""

    def __init__(self, database: Database, users: Users, clock: Callable[[], float]) -> None:
        """Keep them in `database`, shared among `users`; `clock()` is in s since 1970."""
        self._database, self._users, self._clock = database, users, clock

    def add(self, name: str, *, user: str | None) -> Log:
        """Add an infant that `user` cares for.

        Parameters
        ----------
        name : str
        user : str or None
            None: no caregiver yet, only the owner of this machine.

        Raises
        ------
        InputError
            The user has an infant of this name already.
        """
        name, user = clean_name(name), None if user is None else self._users.require(user)
        if any(log.name == name for log in self.all(user=user)):
            raise InputError(f"{name}: an infant of this name is there already; choose another.")
        number = secrets.randbits(48)
        with self._database.transaction() as database:
            database.add("infants", [{"id": number, "name": name}])
            if user is not None:
                database.add("shares", [{"infant": number, "user": user}])
        return self._log(number, name, user)

    def all(self, *, user: str | None) -> list[Log]:
        """Return the infants that `user` reaches, by name.

        None stands for whoever owns the machine, and reaches all.
        """
        where = {}
        if user is not None:
            user = self._users.require(user)
            where = {"id": [row["infant"] for row in self._database.rows("shares", user=user)]}
        logs = [
            self._log(row["id"], row["name"], user)
            for row in self._database.rows("infants", **where)
        ]
        return sorted(logs, key=lambda log: (log.name, log.id))

    def infant(self, name: str | int, *, user: str | None) -> Log:
        """Return the log of the infant of this name or number.

        Raises InputError where `user` reaches none, with the same words whether there is one.
        """
        logs = self.all(user=user)
        named = [log for log in logs if str(name) in (log.name, str(log.id))]
        if len(named) > 1:
            numbers = ", ".join(str(log.id) for log in named)
            raise InputError(f"{name}: several infants are called so; say which: {numbers}.")
        if not named:
            hint = near_miss(str(name), [log.name for log in logs])
            raise InputError(f"no infant {printable(name)!r}.{hint}")
        return named[0]

    def share(self, name: str | int, to: str, *, user: str | None) -> None:
        """Let another user reach an infant that `user` reaches."""
        row = {"infant": self.infant(name, user=user).id, "user": self._users.require(to)}
        self._database.add("shares", [row])

    def unshare(self, name: str | int, other: str, *, user: str | None) -> None:
        """Let another user no longer reach an infant. Raises InputError for the last who does."""
        log, other = self.infant(name, user=user), self._users.require(other)
        if log.caregivers() == [other]:
            raise InputError(f"{log.name}: {other} alone cares for this infant; share it first.")
        self._database.remove("shares", infant=log.id, user=other)

    def _log(self, number: int, name: str, user: str | None) -> Log:
        return Log(self._database, number, name, user, self._clock)
