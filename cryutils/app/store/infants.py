"""The gate: which caregiver reaches which infant. Everything that names an infant passes it.

`Infants.infant(name, user=...)` gives the infant's `Log`, by which alone readings are reached. A
log asks again at each call, so an infant that is no longer shared is out of reach at once. What a
caregiver shares is an invitation: the other reaches the infant after accepting it, and the table
`invitations` keeps who it is from.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryutils.app.store.accounts import Users, clean_name
from cryutils.app.store.database import Database
from cryutils.app.store.log import Log
from cryutils.errors import InputError, near_miss, printable

__all__ = ["Infants"]

# Invitations that a user has not answered yet: in all, and from the same sender.
_PENDING, _PENDING_OF_ONE = 20, 5


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
        """Invite another user to an infant that `user` reaches; the machine's owner adds them.

        From a caregiver, the same happens to be seen whether there is such a user or not, whether
        the infant is shared with them already, and whether too many invitations wait for them.

        Parameters
        ----------
        name : str or int
        to : str
        user : str or None
            None: the machine's owner, whose share needs no answer.

        Raises
        ------
        InputError
            `user` reaches no such infant; from the machine's owner also where there is no user.
        """
        infant = self.infant(name, user=user).id
        if user is None:
            row = {"infant": infant, "user": self._users.require(to)}
            with self._database.transaction() as database:
                database.remove("invitations", **row)
                database.add("shares", [row])
            return
        key = {"infant": infant, "user": self._users.folded(to)}
        invitation = key | {"sender": self._users.require(user), "accepted": False}
        with self._database.transaction() as database:
            users = database.rows("users", name=key["user"])
            shares = database.rows("shares", **key)
            pending = database.rows("invitations", user=key["user"], accepted=False)
            senders = [other["sender"] for other in pending]
            is_full = (
                len(senders) >= _PENDING or senders.count(invitation["sender"]) >= _PENDING_OF_ONE
            )
            n = database.add("invitations", [invitation])
            # The same statements in every case, so that the time they take says nothing.
            is_void = n and (is_full or shares or not users)
            database.remove("invitations", infant=infant, user=key["user"] if is_void else "")

    def invitations(self, *, user: str) -> list[tuple[Log, str]]:
        """Return the logs that await the user's answer, and who wants to share each.

        They can't be read before `accept`.
        """
        user = self._users.require(user)
        rows = self._database.rows("invitations", user=user, accepted=False)
        senders = {row["infant"]: row["sender"] for row in rows}
        infants = self._database.rows("infants", id=list(senders))
        logs = [self._log(row["id"], row["name"], user) for row in infants]
        return [(log, senders[log.id]) for log in sorted(logs, key=lambda log: (log.name, log.id))]

    def accept(self, infant: int, *, user: str) -> None:
        """Reach an infant to which the user is invited. Raises InputError where they are not."""
        row = {"infant": infant, "user": self._users.require(user)}
        with self._database.transaction() as database:
            if not database.change("invitations", {"accepted": True}, accepted=False, **row):
                raise InputError("This invitation is no longer there.")
            database.add("shares", [row])

    def decline(self, infant: int, *, user: str) -> None:
        """Forget an invitation."""
        user = self._users.require(user)
        self._database.remove("invitations", infant=infant, user=user, accepted=False)

    def senders(self, *, user: str) -> dict[int, str | None]:
        """Return by infant who invited the user to it, None where that user is gone.

        Infants that the user added, or got from the machine's owner, are not among these.
        """
        user = self._users.require(user)
        rows = self._database.rows("invitations", user=user, accepted=True)
        return {row["infant"]: row["sender"] for row in rows}

    def unshare(self, name: str | int, other: str, *, user: str | None) -> None:
        """Let another user no longer reach an infant, nor accept an invitation to it or send one.

        Raises InputError for the last who reaches it; from the machine's owner also where there is
        no such user.
        """
        log = self.infant(name, user=user)
        other = self._users.require(other) if user is None else self._users.folded(other)
        if log.caregivers() == [other]:
            raise InputError(f"{log.name}: {other} alone cares for this infant; share it first.")
        with self._database.transaction() as database:
            database.remove("shares", infant=log.id, user=other)
            database.remove("invitations", infant=log.id, user=other)
            database.remove("invitations", infant=log.id, sender=other, accepted=False)

    def _log(self, number: int, name: str, user: str | None) -> Log:
        return Log(self._database, number, name, user, self._clock)
