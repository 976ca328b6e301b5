"""The store's tables and transactions on SQLite or PostgreSQL, through SQLAlchemy: `Database`."""

import errno
import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from traitlets.log import get_logger

from cryutils._io import extras
from cryutils._io.paths import resolve
from cryutils.errors import InputError

VERSION = 9  # of the tables
Row = dict[str, Any]

_FORMS = "sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_SERVER = "postgresql://"
_WAIT_S = 10  # for another transaction, and for a connection to a server
# A lost connection to a server is given up after about the same time. A suspended server blocks its
# caller, so only threads with no other work may call it (`threads`).
_POSTGRESQL = {"keepalives_idle": 5, "keepalives_interval": 1, "tcp_user_timeout": 1000 * _WAIT_S}
_POSTGRESQL["connect_timeout"] = _WAIT_S

# Why a store can't be used, in words for caregivers, by the error codes of SQLite and PostgreSQL.
_FULL, _LOCKED = "its disk is full", "another program has locked it"
_AWAY, _BROKEN = "its server can't be reached", "the database reports an error"
NO_ANSWER = "it does not answer"
_FIRST = "stop the server first, then"
DAMAGED = f"it is damaged; {_FIRST} restore a copy, or move it away to begin a new log"
_MOVED = f"its file was moved, deleted or replaced; put it back, or {_FIRST} begin a new log"
_REASONS: dict[object, str] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    "53100": _FULL,
    "55P03": _LOCKED,
    "57014": NO_ANSWER,
}
_UNKNOWN = " What you sent may still be saved: check the diary before you send it again."
_ADVICE = {DAMAGED: "", _MOVED: "", NO_ANSWER: _UNKNOWN}
_UNREADABLE = (UnicodeDecodeError, json.JSONDecodeError)  # texts in a damaged file
_logged: set[str] = set()  # the reasons that are in the server's log

_TABLES = sa.MetaData()
_key = partial(sa.Column, primary_key=True, autoincrement=False)
_column = partial(sa.Column, nullable=False)

_META = sa.Table("meta", _TABLES, _key("key", sa.Text), _column("value", sa.BigInteger))
USERS = sa.Table("users", _TABLES, _key("name", sa.Text), _column("hash", sa.Text))
INFANTS = sa.Table("infants", _TABLES, _key("id", sa.BigInteger), _column("name", sa.Text))
READINGS = sa.Table(
    "readings",
    _TABLES,
    _key("infant", sa.BigInteger, sa.ForeignKey("infants.id")),
    _key("time", sa.Double),
    _key("session", sa.BigInteger),
    _column("run", sa.Text),
    _column("verdict", sa.Text),
    _column("probabilities", sa.Text),
    sa.Column("sound", sa.Text),
    sa.Column("face", sa.Text),
    sa.Column("cry", sa.Double),
    _column("note", sa.Text),
    _column("kind", sa.Text),
    sqlite_with_rowid=False,  # stored in the order of the key
)
SAID = sa.Table(
    "said",
    _TABLES,
    _key("id", sa.BigInteger),
    _column("infant", sa.BigInteger, sa.ForeignKey("infants.id")),
    _column("start", sa.Double),
    _column("stop", sa.Double),
    _column("what", sa.Text),
    _column("verdict", sa.Text),
    _column("made", sa.Double),
    sa.Index("said_infant", "infant", "stop"),
)
LOGINS = sa.Table(
    "logins",
    _TABLES,
    _key("token", sa.Text),
    _column("user", sa.Text, sa.ForeignKey("users.name"), index=True),
    _column("expires", sa.Double),
)


class StoreUnavailable(OSError):
    """The database can't be reached or used. A new reason is written to the server's log."""

    def __init__(self, why: object, shown: str, reason: str) -> None:
        """Report `why`, and for caregivers `reason`. shown: the store's, without a password."""
        self.reason = reason
        line = (str(why).splitlines() or ["no reason"])[0].partition(" with text ")[0]
        super().__init__(errno.EIO, f"the store can't be used ({line}): {reason}", shown)
        if reason not in _logged:
            _logged.add(reason)
            get_logger().warning("%s: %s", shown, self.strerror)

    @property
    def advice(self) -> str:
        """Why the store can't be used and what to do, for a caregiver's page."""
        safe = " What was saved before is safe. Try again soon."
        return f"The diary can't be used now: {self.reason}.{_ADVICE.get(self.reason, safe)}"


class Database:
    """The store's tables. `shown` is the address without user, password and options."""

    def __init__(self, address: str) -> None:
        """Open the database at a URL. Raises InputError if it is invalid, or its file can't be created."""
        url, self._path, options = _url(address), None, Row()
        if url.drivername == "sqlite":
            self._path = _file(resolve(str(url.database)))
            self.shown, url = str(self._path), url.set(database=str(self._path))
            options["connect_args"] = {"timeout": _WAIT_S}
        else:
            extras.require("psycopg", "app", "a store in PostgreSQL")
            self.shown = f"{_SERVER}{url.host or ''}/{url.database}"
            url = url.set(drivername="postgresql+psycopg")
            options |= {"pool_pre_ping": True, "connect_args": _POSTGRESQL | dict(url.query)}
        self._file: tuple[int, int] | None = None  # stays the same: SQLite would write to a deleted one
        self._engine = sa.create_engine(url, pool_timeout=_WAIT_S, **options)
        if self._path is not None:
            sa.event.listen(self._engine, "connect", _settle)
        sa.event.listen(self._engine, "begin", _begin)

    def prepare(self) -> None:
        """Create the tables if there are none. Raises InputError for those of another version."""
        with self.begin(writes=True) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x437279)))
            known = sa.select(_META.c.value).where(_META.c.key == "version")
            version = connection.scalar(known) if sa.inspect(connection).has_table(_META.name) else None
            if version is None:  # fails in a database with another program's tables
                _TABLES.create_all(connection, checkfirst=False)
                connection.execute(sa.insert(_META).values(key="version", value=VERSION))
            elif version != VERSION:
                what = f"another version of cryutils made this store (format {version}, not {VERSION})"
                raise InputError(f"{self.shown}: {what}; install that version, or name another store.")
        self._file = _identity(self._path) if self._path else None

    @contextmanager
    def begin(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        """Yield a connection with a transaction: all changes in it are made, or none.

        Raises StoreUnavailable if the database can't be used or is damaged, and InputError for rows
        of an infant or user that was removed.
        """
        try:
            self._require_file()
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
            if writes:
                self._require_file()
                _logged.intersection_update({DAMAGED})
        except sa.exc.IntegrityError as error:
            raise InputError("This baby or this user was removed; look again.") from error
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, *_UNREADABLE) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreUnavailable(cause, self.shown, _reason(cause)) from error

    def _require_file(self) -> None:
        """Raise StoreUnavailable if SQLite's file is not the one that was opened."""
        if self._path and self._file and _identity(self._path) != self._file:
            raise StoreUnavailable("another file", self.shown, _MOVED)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def insert_new(connection: sa.Connection, table: sa.Table, rows: list[Row]) -> int:
    """Add rows whose key is not in the table yet; return how many were new."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing()
    # Without this option, psycopg returns no count for several rows.
    options = {"preserve_rowcount": True}
    return connection.execute(statement, rows, execution_options=options).rowcount


def _url(address: str) -> sa.URL:
    """Return the parts of an address. Raises InputError, which does not quote it, for no store's."""
    with suppress(sa.exc.ArgumentError, ValueError):
        url = sa.make_url(address)
        is_file = url.drivername == "sqlite" and url.database not in (None, "", ":memory:")
        # The host would have a part of a password with @.
        if is_file or (address.startswith(_SERVER) and "@" not in (url.host or "")):
            return url
    raise InputError(f"CRYUTILS_STORE: not the address of a store; write {_FORMS} (%40 for @ in a password).")


def _reason(error: BaseException) -> str:
    """Return why a database can't be used, from the error code of SQLite or PostgreSQL."""
    if isinstance(error, _UNREADABLE):
        return DAMAGED
    if isinstance(error, sqlite3.Error):  # without a code, a text can't be decoded
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        return _REASONS.get(code & 0xFF, _BROKEN)
    state = getattr(error, "sqlstate", None)
    # A server that shuts down sends a code of class 57P; one that is gone sends none.
    is_gone = state is None or state.startswith("57P")
    return _REASONS.get(state, _AWAY if is_gone else _BROKEN)


def _file(path: Path) -> Path:
    """Create SQLite's file, accessible only to its owner, if it is missing; return its path."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise InputError(f"{path}: can't be written to ({error.strerror}).") from error
    return path


def _identity(path: Path) -> tuple[int, int] | None:
    """Return a file's device and inode, or None if it is empty or can't be found."""
    with suppress(OSError):
        found = path.stat()
        return (found.st_dev, found.st_ino) if found.st_size else None
    return None


def _settle(connection: Any, _record: Any) -> None:
    """Make a new SQLite connection durable. Transactions are begun only by `_begin`."""
    connection.isolation_level = None
    connection.create_function("floor", 1, math.floor, deterministic=True)  # SQLite may have none
    with suppress(sqlite3.OperationalError):  # SQLite does not wait here for another writer
        connection.execute("PRAGMA journal_mode=WAL")
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction on SQLite; limit how long one of PostgreSQL waits for others and for rows."""
    writes = connection.get_execution_options().get("writes")
    if connection.dialect.name == "sqlite":
        # With a plain BEGIN, a read followed by a write fails instead of waiting for another writer.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    else:  # removing a year takes longer than reading a part of it
        limited = "lock_timeout" if writes else "statement_timeout"
        connection.exec_driver_sql(f"SET LOCAL {limited} = '{_WAIT_S}s'")
