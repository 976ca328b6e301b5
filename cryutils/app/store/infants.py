"""Access to infants, `Infants`: which caregiver has access to which infant.

Readings are available only through the `Log` that `Infants.infant(name, user=...)` returns. A log
checks access at each call, so the end of a share takes effect at once. When a caregiver shares an
infant, the other caregiver gets an invitation, and gets access after accepting it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryutils.app.store.accounts import Users, clean_name, folded
from cryutils.app.store.database import Database, Row
from cryutils.app.store.log import Log
from cryutils.errors import InputError, near_miss, printable

__all__ = ["Infants"]

# The most unanswered invitations of a user: in total, and from one sender.
_PENDING, _PENDING_OF_ONE = 20, 5


class Infants:
    """The store's infants. Infants of different families may have the same name."""

    def __init__(self, database: Database, users: Users, clock: Callable[[], float]) -> None:
        self._database, self._users, self._clock = database, users, clock

    def add(self, name: str, *, user: str | None) -> Log:
        """Add an infant for `user` (None: without a caregiver yet) and return its log.

        Raises InputError if the user has an infant of this name already.
        """
        name, user = clean_name(name), None if user is None else self._users.require(user)
        if any(log.name == name for log in self.all(user=user)):
            raise InputError(f"{name}: an infant of this name exists; choose another.")
        row: Row = {"id": secrets.randbits(48), "name": name}
        with self._database.transaction() as database:
            database.add("infants", [row])
            if user is not None:
                database.add("shares", [{"infant": row["id"], "user": user}])
        return self._logs([row], user)[0]

    def all(self, *, user: str | None) -> list[Log]:
        """Return logs sorted by name: `user`'s infants, or all for the machine's owner (None)."""
        where = {}
        if user is not None:
            user = self._users.require(user)
            where = {"id": [row["infant"] for row in self._database.rows("shares", user=user)]}
        return self._logs(self._database.rows("infants", **where), user)

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

    def share(self, name: str | int, to: str, *, user: str | None) -> None:
        """Invite another user to an infant. If `user` is None (the machine's owner), add that user.

        A caregiver can't see whether the other user exists, already has access, or has too many
        unanswered invitations. Raises InputError if `user` has access to no such infant, and for
        the machine's owner also if the other user does not exist.
        """
        infant = self.infant(name, user=user).id
        if user is None:
            row = {"infant": infant, "user": self._users.require(to)}
            with self._database.transaction() as database:
                database.remove("invitations", **row)
                database.add("shares", [row])
            return
        key = {"infant": infant, "user": folded(to)}
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
            # The same statements in every case, so that their duration reveals nothing.
            is_void = n and (is_full or shares or not users)
            database.remove("invitations", infant=infant, user=key["user"] if is_void else "")

    def invitations(self, *, user: str) -> list[tuple[Log, str]]:
        """Return the infants that others want to share with the user, each with the sender.

        Their logs can't be read before `accept`.
        """
        user = self._users.require(user)
        rows = self._database.rows("invitations", user=user, accepted=False)
        senders = {row["infant"]: row["sender"] for row in rows}
        logs = self._logs(self._database.rows("infants", id=list(senders)), user)
        return [(log, senders[log.id]) for log in logs]

    def accept(self, infant: int, *, user: str) -> None:
        """Accept an invitation to an infant. Raises InputError if there is none."""
        row = {"infant": infant, "user": self._users.require(user)}
        with self._database.transaction() as database:
            if not database.change("invitations", {"accepted": True}, accepted=False, **row):
                raise InputError("This invitation is no longer there.")
            database.add("shares", [row])

    def decline(self, infant: int, *, user: str) -> None:
        """Decline an invitation to an infant."""
        user = self._users.require(user)
        self._database.remove("invitations", infant=infant, user=user, accepted=False)

    def senders(self, *, user: str) -> dict[int, str | None]:
        """Return the sender of each invitation that the user accepted, by infant.

        A sender who was removed is None. Infants that the user added, or that the machine's owner
        shared, are left out.
        """
        user = self._users.require(user)
        rows = self._database.rows("invitations", user=user, accepted=True)
        return {row["infant"]: row["sender"] for row in rows}

    def unshare(self, name: str | int, other: str, *, user: str | None) -> None:
        """Stop sharing an infant with another user, and withdraw invitations to and from that user.

        Raises InputError for the infant's only caregiver, and for the machine's owner also if the
        other user does not exist.
        """
        log = self.infant(name, user=user)
        other = self._users.require(other) if user is None else folded(other)
        if log.caregivers() == [other]:
            raise InputError(f"{log.name}: {other} alone cares for this infant; share it first.")
        with self._database.transaction() as database:
            database.remove("shares", infant=log.id, user=other)
            database.remove("invitations", infant=log.id, user=other)
            database.remove("invitations", infant=log.id, sender=other, accepted=False)

    def _logs(self, rows: list[Row], user: str | None) -> list[Log]:
        """Return the logs of rows of the table "infants", sorted by name."""
        logs = [Log(self._database, row["id"], row["name"], user, self._clock) for row in rows]
        return sorted(logs, key=lambda log: (log.name, log.id))
