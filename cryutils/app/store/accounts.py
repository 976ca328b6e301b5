"""Users with passwords, `Users`, and logged-in browsers, `Logins`. Guessing is throttled.

Paper B, Figure 1. The store contains argon2id hashes of passwords and SHA-256 hashes of tickets, so
nobody can log in with its contents.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cryutils._io import extras
from cryutils.app.store.database import Database, Row, Span
from cryutils.errors import InputError, printable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = [
    "LIFETIME_S", "Attempt", "Logins", "Users", "clean_name", "folded", "hasher", "network",
]  # fmt: skip

LIFETIME_S = 7 * 86400.0  # of a login
PASSWORD_LENGTH = (8, 1024)  # characters; hashing far longer ones could stall the server
_NAME_LENGTH = 64

# Failed attempts per day without a wait, by what they have in common. After these, each wait is
# twice the previous one. The limit by user alone does not apply at an address from which the user
# has logged in before, so guessing from many addresses does not lock a caregiver out at home.
_FREE = {("user", "address"): 5, ("address",): 20, ("user",): 200}
_DAY_S = 86400.0
_WAIT_S, _LONGEST_WAIT_S = 15.0, 900.0
_REMEMBERED_S = 90 * _DAY_S  # how long the addresses of a user's logins are remembered


@cache
def hasher() -> PasswordHasher:
    """Return the argon2id password hasher. Raises InputError without the extra [app]."""
    extras.require("argon2", "app", "the application")
    from argon2 import PasswordHasher

    return PasswordHasher()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A counted attempt to log in.

    row: in the table "attempts". wait_s: how long it has to wait, in s.
    """

    row: Row
    wait_s: float


class Users:
    """The store's users. Names are not case-sensitive."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    def add(self, name: str, password: str) -> str:
        """Add a user and return the name as stored. Raises InputError if the name is taken."""
        user = folded(clean_name(name))
        if not self._database.add("users", [{"name": user, "hash": _hashed(password)}]):
            raise InputError(f"{user}: a user of this name exists; choose another.")
        return user

    def names(self) -> list[str]:
        """Return all user names in order."""
        return sorted(row["name"] for row in self._database.rows("users"))

    def require(self, name: str) -> str:
        """Return the name as stored. Raises InputError if there is no such user."""
        user = folded(name)
        # A suggestion would reveal another user's name.
        if not self._database.rows("users", name=user):
            raise InputError(f"no user {user!r}; is the name mistyped?")
        return user

    def set_password(self, name: str, password: str) -> None:
        """Set a user's password, end the user's logins, and forget failed attempts."""
        user, hashed = self.require(name), _hashed(password)
        with self._database.transaction() as database:
            database.change("users", {"hash": hashed}, name=user)
            database.remove("logins", user=user)
            database.remove("attempts", user=user, succeeded=False)

    def remove(self, name: str) -> None:
        """Remove a user with all logins. The user's log entries stay, without a name.

        Raises InputError if there is no such user.
        """
        user = self.require(name)
        with self._database.transaction() as database:
            for table in ("logins", "attempts"):
                database.remove(table, user=user)
            for table in ("sessions", "corrections"):
                database.change(table, {"user": None}, user=user)
            database.remove("users", name=user)

    def attempt(self, name: str, *, address: str) -> Attempt:
        """Count an attempt from the client at `address` (not a proxy's address), and return it.

        Attempts are counted before they are checked, so parallel attempts can't exceed the limit.
        """
        row: Row = {
            "id": secrets.randbits(48), "user": folded(name),
            "address": network(address), "time": self._clock(), "succeeded": False,
        }  # fmt: skip
        with self._database.transaction() as database:
            for succeeded, age_s in ((False, _DAY_S), (True, _REMEMBERED_S)):
                old = Span(stop=row["time"] - age_s)
                database.remove("attempts", succeeded=succeeded, time=old)
            database.add("attempts", [row])
        wait_s = max(0.0, self._wait_s(row))
        if wait_s:
            self._database.remove("attempts", id=row["id"])
        return Attempt(row, wait_s)

    def check(self, attempt: Attempt, password: str) -> bool:
        """Return whether `password` is the user's, for an attempt that does not have to wait.

        A wrong password and an unknown user give the same answer and take the same work.
        """
        user, who = attempt.row["user"], {name: attempt.row[name] for name in ("user", "address")}
        rows = self._database.rows("users", name=user)
        right = _matches(rows[0]["hash"] if rows else _nobody(hasher()), password) and bool(rows)
        if right:
            with self._database.transaction() as database:
                database.change("attempts", {"succeeded": True}, id=attempt.row["id"])
                database.remove("attempts", succeeded=False, **who)
        return right

    def _wait_s(self, attempt: Row) -> float:
        """Return how long an attempt in the table must wait, in s; 0 or less for no wait."""
        home = {name: attempt[name] for name in ("user", "address")}
        is_home = bool(self._database.rows("attempts", succeeded=True, **home))
        since = Span(attempt["time"] - _DAY_S)
        longest = 0.0
        for names, free in _FREE.items():
            common = {name: attempt[name] for name in names}
            failed = self._database.rows("attempts", succeeded=False, time=since, **common)
            times = [row["time"] for row in failed if row["id"] != attempt["id"]]
            if len(times) >= free and not (names == ("user",) and is_home):
                wait_s = min(_WAIT_S * 2.0 ** min(len(times) - free, 30), _LONGEST_WAIT_S)
                longest = max(longest, max(times) + wait_s - attempt["time"])
        return longest


class Logins:
    """The logged-in browsers, each with a random ticket."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    def begin(self, user: str) -> str:
        """Return a new ticket for a user whose password was right, valid for LIFETIME_S."""
        self._database.remove("logins", expires=Span(stop=self._clock()))
        ticket = secrets.token_urlsafe(32)
        expires = self._clock() + LIFETIME_S
        row = {"token": _digest(ticket), "user": folded(user), "expires": expires}
        self._database.add("logins", [row])
        return ticket

    def user(self, ticket: str) -> str | None:
        """Return the user of a valid ticket, else None."""
        valid = Span(start=self._clock())
        rows = self._database.rows("logins", token=_digest(ticket), expires=valid)
        return rows[0]["user"] if rows else None

    def end(self, ticket: str) -> None:
        """Invalidate a ticket."""
        self._database.remove("logins", token=_digest(ticket))


def clean_name(name: str) -> str:
    """Return a name without surrounding spaces. Raises InputError for one that can't be used."""
    cleaned = unicodedata.normalize("NFKC", name).strip()
    if not 0 < len(cleaned) <= _NAME_LENGTH or not cleaned.isprintable():
        raise InputError(
            f"{printable(name[:_NAME_LENGTH])!r}: no name; give 1 to {_NAME_LENGTH} characters "
            "that can be printed."
        )
    return cleaned


def folded(name: str) -> str:
    """Return a user name as it is stored, whether or not there is such a user."""
    # Phone keyboards start with a capital letter, and databases do not accept every character.
    return printable(unicodedata.normalize("NFKC", name).strip().casefold())[:_NAME_LENGTH]


def _normal(password: str) -> bytes:
    # Keyboards encode accents differently.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _hashed(password: str) -> str:
    shortest, longest = PASSWORD_LENGTH
    if not shortest <= len(password) <= longest:
        raise InputError(f"A password has {shortest} to {longest} characters; choose another.")
    return hasher().hash(_normal(password))


@cache
def _nobody(argon2id: PasswordHasher) -> str:
    """Return a hash that no password matches, to check for unknown users."""
    return argon2id.hash(secrets.token_bytes())


def _matches(hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return hasher().verify(hashed, _normal(password[: PASSWORD_LENGTH[1] + 1]))
    except (VerificationError, InvalidHashError):
        return False


def network(address: str) -> str:
    """Return a client's address; for IPv6 its /64 network, all of which one client can use."""
    try:
        host = ipaddress.ip_address(address)
    except ValueError:  # a name or a socket's path
        return printable(address)[:_NAME_LENGTH]
    return str(ipaddress.ip_network((host, 64), strict=False)) if host.version == 6 else str(host)


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
