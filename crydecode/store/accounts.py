"""Users with passwords, `Users`, and logged-in browsers, `Logins`. Guessing is throttled.

Paper B, Figure 1. The store contains argon2id hashes of passwords and SHA-256 hashes of tickets, so
nobody can log in with its contents.
"""

import hashlib
import ipaddress
import secrets
import unicodedata
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from time import monotonic, time

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from crydecode.store.database import LOGINS, USERS, Database, StoreUnavailable, insert_new
from cryutils.errors import InputError, near_miss, printable

HASHER = PasswordHasher()  # argon2id
LIFETIME_S = 7 * 86400.0  # of a login without use
LINK_S = 600  # of a link that logs another device in
_LINK = "link:"  # in the store before the hash of a link, so that none is taken for a ticket
_RENEW_S = 3600.0  # from one extension of a login in use to the next
PASSWORD_LENGTH = (8, 1024)  # characters; hashing far longer ones could stall the server
_NAME_LENGTH = 64

# Failed attempts of a day without a wait: of a user at an address, at an address, and of a user. After
# these, each wait is twice the previous one.
_FREE, _FREE_AT_ADDRESS, _FREE_OF_USER = 5, 20, 200
_DAY_S = 86400.0
_WAIT_S, _LONGEST_WAIT_S = 15.0, 900.0
_FAILED = 10_000  # the most that are remembered, until the server ends

# The most common passwords of eight and more characters, without capitals.
_COMMON = Path(__file__).with_name("common_passwords.txt").read_text("utf-8").split()


class Users:
    """The store's users. Names are not case-sensitive. Failed attempts are in this process's memory."""

    def __init__(self, database: Database) -> None:
        self._database, self._lock = database, Lock()
        self._failed: deque[tuple[float, str, str]] = deque(maxlen=_FAILED)  # time in s, user, address

    def add(self, name: str, password: str) -> str:
        """Add a user, or set a user's password and end the user's logins; return the name as stored."""
        user = folded(clean_name(name))
        row = {"name": user, "hash": _hashed(user, password)}
        with self._database.begin(writes=True) as connection:
            connection.execute(sa.delete(LOGINS).where(LOGINS.c.user == user))
            if not insert_new(connection, USERS, [row]):
                connection.execute(sa.update(USERS).where(USERS.c.name == user).values(row))
        return user

    def names(self) -> list[str]:
        """Return all user names in order."""
        with self._database.begin() as connection:
            return sorted(connection.scalars(sa.select(USERS.c.name)))

    def remove(self, name: str) -> None:
        """Remove a user with all logins, not the log. Raises InputError for another name."""
        if (user := folded(name)) not in (names := self.names()):
            raise InputError(f"no user {user!r}.{near_miss(user, names)}")
        with self._database.begin(writes=True) as connection:
            for column in (LOGINS.c.user, USERS.c.name):
                connection.execute(sa.delete(column.table).where(column == user))

    def check(self, name: str, password: str, address: str) -> tuple[bool, float]:
        """Return whether `password` is the user's, and for how long the client must not try again, in s.

        address: of the client, not of a proxy. An attempt is counted before it is checked, so parallel
        ones can't exceed the limit. A wrong password and an unknown user give the same answer and take
        the same work.
        """
        user, place = folded(name), network(address)
        with self._database.begin() as connection:
            hashed = connection.scalar(sa.select(USERS.c.hash).where(USERS.c.name == user))
        if wait_s := self._wait_s(user, place):
            return False, wait_s
        try:
            # A longer password is wrong, and hashing all of it could stall the server.
            HASHER.verify(hashed or _nobody(HASHER), _normal(password[: PASSWORD_LENGTH[1] + 1]))
        except (VerificationError, InvalidHashError):
            return False, 0.0
        if hashed is not None:
            with self._lock:
                others = [each for each in self._failed if each[1:] != (user, place)]
                self._failed = deque(others, _FAILED)
        return hashed is not None, 0.0

    def _wait_s(self, user: str, place: str) -> float:
        """Return how long an attempt has to wait, in s; if 0, count it as failed."""
        now, until = monotonic(), 0.0
        with self._lock:
            failed = [each for each in self._failed if each[0] > now - _DAY_S]
            kinds = ((user, place, _FREE), (None, place, _FREE_AT_ADDRESS), (user, None, _FREE_OF_USER))
            for whose, here, free in kinds:
                times = [at for at, who, where in failed if whose in (None, who) and here in (None, where)]
                if len(times) >= free:
                    longer_s = _WAIT_S * 2.0 ** min(len(times) - free, 30)
                    until = max(until, times[-1] + min(longer_s, _LONGEST_WAIT_S))
            if until <= now:
                self._failed.append((now, user, place))
        return max(0.0, until - now)


class Logins:
    """The logged-in browsers and links that log in once, each with a ticket of 256 random bits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, user: str) -> str:
        """Return a new ticket for a user whose password was right, valid for LIFETIME_S."""
        ticket = secrets.token_urlsafe(32)
        self._insert(_digest(ticket), user, LIFETIME_S)
        return ticket

    def link(self, user: str, lifetime_s: float) -> str:
        """Return a token with which `follow` names the user once; the user's earlier one ends.

        Like a login, it also ends with a new password.
        """
        token = secrets.token_urlsafe(32)
        earlier = sa.and_(LOGINS.c.user == folded(user), LOGINS.c.token.startswith(_LINK))
        self._insert(_LINK + _digest(token), user, lifetime_s, earlier)
        return token

    def follow(self, token: str) -> str | None:
        """Return the user of a link, None for one that is used, expired or wrong."""
        this = LOGINS.c.token == _LINK + _digest(token)
        query = sa.select(LOGINS.c.user).where(this, LOGINS.c.expires >= time())
        with self._database.begin() as connection:
            user = connection.scalar(query)
        if user is None:
            return None
        with self._database.begin(writes=True) as connection:  # of two that found it, one deletes it
            return user if connection.execute(sa.delete(LOGINS).where(this)).rowcount else None

    def user(self, ticket: str) -> str | None:
        """Return the user of a valid ticket, else None. The ticket is valid for longer then."""
        mine, now = LOGINS.c.token == _digest(ticket), time()
        query = sa.select(LOGINS.c.user, LOGINS.c.expires).where(mine, LOGINS.c.expires >= now)
        with self._database.begin() as connection:
            login = connection.execute(query).first()
        if login is None:
            return None
        longer = sa.update(LOGINS).where(mine).values(expires=now + LIFETIME_S)
        if login.expires < now + LIFETIME_S - _RENEW_S:
            with suppress(StoreUnavailable), self._database.begin(writes=True) as connection:
                connection.execute(longer)
        return str(login.user)

    def end(self, ticket: str) -> None:
        """Invalidate a ticket."""
        with self._database.begin(writes=True) as connection:
            connection.execute(sa.delete(LOGINS).where(LOGINS.c.token == _digest(ticket)))

    def _insert(self, token: str, user: str, lifetime_s: float, *also: sa.ColumnElement[bool]) -> None:
        """Store what is hashed, and delete what has expired, and what `also` says."""
        now = time()
        row = {"token": token, "user": folded(user), "expires": now + lifetime_s}
        with self._database.begin(writes=True) as connection:
            connection.execute(sa.delete(LOGINS).where(sa.or_(LOGINS.c.expires < now, *also)))
            connection.execute(sa.insert(LOGINS), [row])


def clean_name(name: str) -> str:
    """Return a name without surrounding spaces. Raises InputError for one that can't be used."""
    cleaned = unicodedata.normalize("NFKC", name).strip()
    if not 0 < len(cleaned) <= _NAME_LENGTH or not cleaned.isprintable():
        wrong = printable(name[:_NAME_LENGTH])
        raise InputError(f"{wrong!r}: no name; give 1 to {_NAME_LENGTH} characters that can be printed.")
    return cleaned


def folded(name: str) -> str:
    """Return a user name as it is stored, whether or not there is such a user."""
    # Phone keyboards start with a capital letter, and databases do not accept every character.
    return printable(unicodedata.normalize("NFKC", name).strip().casefold())[:_NAME_LENGTH]


def _normal(password: str) -> bytes:
    # Keyboards encode accents differently.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _hashed(user: str, password: str) -> str:
    shortest, longest = PASSWORD_LENGTH
    if folded(password) in (user, *_COMMON):
        raise InputError("Many people's guess would be this password; choose another.")
    if not shortest <= len(password) <= longest:
        raise InputError(f"A password has {shortest} to {longest} characters; choose another.")
    return HASHER.hash(_normal(password))


@cache
def _nobody(argon2id: PasswordHasher) -> str:
    """Return a hash that no password matches, to check for unknown users."""
    return argon2id.hash(secrets.token_bytes())


def network(address: str) -> str:
    """Return a client's address, for IPv6 the network of /64, all of which one client can use."""
    with suppress(ValueError):  # no IPv6 address
        return str(ipaddress.IPv6Network(f"{address}/64", strict=False))
    return address


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
