"""The store's tables and queries on SQLite or PostgreSQL, through SQLAlchemy: `Database`.

A row is a dictionary. Each call is a transaction or part of one. The transaction that changes
readings also counts their quarters again, so counts and readings always agree.
"""

from __future__ import annotations

import errno
import logging
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cryutils._io import extras
from cryutils._io.paths import resolve
from cryutils.app.readings import GAP
from cryutils.errors import InputError, printable

__all__ = [
    "LONGEST_S", "QUARTER_S", "SHARED", "VERSION", "Database", "Row", "Span", "StoreUnavailable",
    "quarter", "shown",
]  # fmt: skip

VERSION = 5  # of the tables
SHARED = 4  # the version in which each user had access to some infants only
# Readings are counted by quarters of an hour, which make up hours and days in every time zone.
QUARTER_S = 900
LONGEST_S = 86_400  # of a correction
Row = dict[str, Any]

_FORMS = "sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_CREATION = 0x437279  # PostgreSQL's advisory lock for the process that changes the tables
_AT_ONCE = 10_000  # readings in memory
_WAIT_S = 10  # for another transaction, and for a connection to a server
# A lost connection to a server is given up after about the same time. A live server that does not
# answer blocks its caller, so only threads with no other work may call it (`Writer`, `Aside`).
# Poolers such as PgBouncer accept neither start-up options nor prepared statements, and a database
# in SQL_ASCII returns bytes unless the client names an encoding.
_POSTGRESQL = {
    "connect_timeout": _WAIT_S, "client_encoding": "utf8", "prepare_threshold": None,
    "keepalives_idle": _WAIT_S // 2, "keepalives_interval": 1, "keepalives_count": _WAIT_S // 2,
    "tcp_user_timeout": 1000 * _WAIT_S,
}  # fmt: skip

# Why a store can't be used, in words for caregivers, by the error codes of SQLite and PostgreSQL.
_FULL, _LOCKED = "its disk is full", "another program has locked it"
_AWAY, _BROKEN = "its server can't be reached", "the database reports an error"
_DAMAGED = "it is damaged; restore a copy, or move it away to begin a new log"
_REASONS: dict[object, str] = {
    sqlite3.SQLITE_FULL: _FULL, sqlite3.SQLITE_BUSY: _LOCKED, sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED, sqlite3.SQLITE_NOTADB: _DAMAGED,
    "53100": _FULL, "55P03": _LOCKED,
}  # fmt: skip

_logger = logging.getLogger(__name__)
_TABLES = sa.MetaData()
_key = partial(sa.Column, primary_key=True, autoincrement=False)
_column = partial(sa.Column, nullable=False)
# Called for each column, since a foreign key belongs to one.
_infant = partial(sa.ForeignKey, "infants.id")
_user = partial(sa.ForeignKey, "users.name")

_META = sa.Table("meta", _TABLES, _key("key", sa.Text), _column("value", sa.BigInteger))
sa.Table("users", _TABLES, _key("name", sa.Text), _column("hash", sa.Text))
_INFANTS = sa.Table("infants", _TABLES, _key("id", sa.BigInteger), _column("name", sa.Text))
_SESSIONS = sa.Table(
    "sessions", _TABLES, _key("id", sa.BigInteger), _column("infant", sa.BigInteger, _infant()),
    sa.Column("user", sa.Text, _user()), _column("source", sa.Text), _column("started", sa.Double),
    sa.Column("ended", sa.Double), sa.Index("sessions_infant", "infant"),
)  # fmt: skip
_READINGS = sa.Table(
    "readings", _TABLES, _key("infant", sa.BigInteger, _infant()), _key("time", sa.Double),
    # No foreign key: removing a session would search all readings of the infant.
    _key("session", sa.BigInteger), _column("verdict", sa.Text), _column("probabilities", sa.Text),
    sa.Column("sound", sa.Text), sa.Column("face", sa.Text), sa.Column("cry", sa.Double),
    _column("note", sa.Text),
    sqlite_with_rowid=False,  # stored in the order of the key
)  # fmt: skip
_CORRECTIONS = sa.Table(
    "corrections", _TABLES, _key("id", sa.BigInteger), _column("infant", sa.BigInteger, _infant()),
    sa.Column("user", sa.Text, _user()), _column("start", sa.Double), _column("stop", sa.Double),
    _column("verdict", sa.Text), _column("made", sa.Double),
    sa.Index("corrections_infant", "infant", "stop"),
)  # fmt: skip
_QUARTERS = sa.Table(
    "quarters", _TABLES, _key("infant", sa.BigInteger, _infant()), _key("quarter", sa.BigInteger),
    _key("verdict", sa.Text), _column("n", sa.BigInteger), sqlite_with_rowid=False,
)  # fmt: skip
sa.Table(
    "logins", _TABLES, _key("token", sa.Text), _column("user", sa.Text, _user(), index=True),
    _column("expires", sa.Double),
)  # fmt: skip
sa.Table(
    "attempts", _TABLES, _key("id", sa.BigInteger), _column("user", sa.Text, index=True),
    _column("address", sa.Text, index=True), _column("time", sa.Double, index=True),
    _column("succeeded", sa.Boolean),
)  # fmt: skip


def quarter(time: float) -> int:
    """Return the start of the quarter of an hour that contains `time`; both in s since 1970."""
    return int(time // QUARTER_S) * QUARTER_S


@dataclass(frozen=True, slots=True)
class Span:
    """A condition on a column: at least `start` and below `stop`; None leaves that end open."""

    start: float | None = None
    stop: float | None = None


class StoreUnavailable(OSError):
    """The database can't be reached or used. Changes that it acknowledged are safe."""

    def __init__(self, why: object, shown: str, reason: str) -> None:
        """Report the first line of `why` for the store `shown`, an address without a password.

        `reason` is for caregivers.
        """
        self.reason = reason
        line = (str(why).splitlines() or ["no reason"])[0]
        super().__init__(errno.EIO, f"the store can't be used ({line}): {reason}", shown)


class Database:
    """The store's tables on an engine, or in one transaction if `connection` is given.

    A condition on a column is a value, a list of values, or a `Span`. `shown` is the address
    without a password.
    """

    def __init__(
        self, engine: sa.Engine, shown: str, connection: sa.Connection | None = None
    ) -> None:
        self._engine, self.shown, self._connection = engine, shown, connection
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    @classmethod
    def at(cls, address: str) -> Database:
        """Return the database at a URL.

        Raises InputError for an invalid URL, and for a file that can't be created.
        """
        scheme = address.partition("://")[0]
        if scheme not in ("sqlite", "postgresql"):
            raise InputError(f"CRYUTILS_STORE: not the address of a store; write {_FORMS}.")
        if scheme == "postgresql" and address.count("@") > 1:  # the host would have a part of it
            raise InputError(f"{shown(address)}: write @ in a password as %40.")
        try:
            url = sa.make_url(address)
        except (sa.exc.ArgumentError, ValueError) as error:  # the message may quote a password
            raise InputError(
                f"{shown(address)}: not a database address; is it mistyped?"
            ) from error
        if scheme == "postgresql":
            extras.require("psycopg", "app", "a store in PostgreSQL")
            url = url.set(drivername="postgresql+psycopg")
            chosen = {name: _POSTGRESQL[name] for name in _POSTGRESQL.keys() - url.query.keys()}
            engine = sa.create_engine(url, pool_pre_ping=True, connect_args=chosen)
            sa.event.listen(engine, "begin", _limit)
            return cls(engine, shown(address))
        if url.database in (None, "", ":memory:"):
            raise InputError(f"{address}: a database in memory would lose everything; name a file.")
        path = _file(resolve(str(url.database)))
        engine = sa.create_engine(url.set(database=str(path)), connect_args={"timeout": _WAIT_S})
        sa.event.listen(engine, "connect", _settle)
        sa.event.listen(engine, "begin", _begin)
        return cls(engine, str(path))

    def version(self) -> int | None:
        """Return the version of the tables; None without tables."""
        with self._connected() as connection:
            if not sa.inspect(connection).has_table(_META.name):
                return None
            return connection.scalar(sa.select(_META.c.value).where(_META.c.key == "version"))

    def create(self) -> None:
        """Create the tables and store their version, unless another process has just done so."""
        with self._alone() as (bound, connection):
            names = set(sa.inspect(connection).get_table_names())
            if names & set(_TABLES.tables) and _META.name not in names:
                raise InputError(
                    f"{self.shown}: it contains another program's tables; name another database."
                )
            _TABLES.create_all(connection)
            bound.add("meta", [{"key": "version", "value": VERSION}])

    def upgrade(self) -> None:
        """Remove the table `shares` of version `SHARED`, and make the infants' names unique.

        Infants with the same name get the names of their caregivers in brackets. If some user had
        no access to some infant until now, a warning is logged.
        """
        with self._alone() as (bound, connection):
            if bound.version() != SHARED:  # another process has just done it
                return
            shares = sa.Table("shares", sa.MetaData(), autoload_with=connection, resolve_fks=False)
            rows = connection.execute(sa.select(shares.c.infant, shares.c.user)).all()
            infants = bound.rows("infants")
            names = Counter(infant["name"] for infant in infants)
            for infant in [each for each in infants if names[each["name"]] > 1]:
                users = ", ".join(sorted(user for id, user in rows if id == infant["id"]))
                name = f"{infant['name']} ({users})"
                if name in names:
                    name = f"{infant['name']} ({users}, {infant['id']})"
                names[name] += 1
                bound.change("infants", {"name": name}, id=infant["id"])
            if len(rows) < len(infants) * len(bound.rows("users")):
                _logger.warning("%s: every user of this store now sees all its infants", self.shown)
            shares.drop(connection)
            bound.change("meta", {"value": VERSION}, key="version")

    @contextmanager
    def _alone(self) -> Iterator[tuple[Database, sa.Connection]]:
        """Yield the database in a transaction during which no other process changes the tables."""
        with self.transaction() as bound, bound._connected() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION)))
            yield bound, connection

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Yield the database in one transaction: all changes in it are made, or none."""
        if self._connection is not None:
            yield self
            return
        with self._connected(writes=True) as connection:
            yield Database(self._engine, self.shown, connection)

    @contextmanager
    def counted(self, infant: int, quarters: Iterable[int]) -> Iterator[Database]:
        """Like `transaction`, but recount the infant's readings in these quarters at the end."""
        with self.transaction() as bound:
            yield bound
            # If two processes add readings at once, the second waits here and counts both.
            lock = sa.select(_INFANTS.c.id).where(_INFANTS.c.id == infant)
            bound._run(lock.with_for_update(key_share=True))
            for start in quarters:
                bound.remove("quarters", infant=infant, quarter=start)
                counts = _counts(infant, start)
                bound._run(sa.insert(_QUARTERS).from_select(counts.selected_columns.keys(), counts))

    def add(self, table: str, rows: Sequence[Row]) -> int:
        """Add rows whose key is not in the table yet; return how many were new."""
        statement = self._insert(_TABLES.tables[table]).on_conflict_do_nothing()
        return self._run(statement, rows) if rows else 0

    def rows(self, table: str, **where: Any) -> list[Row]:
        """Return the rows that meet the conditions."""
        columns = _TABLES.tables[table]
        with self._connected() as connection:
            rows = connection.execute(sa.select(columns).where(*_conditions(columns, where)))
            return [dict(row) for row in rows.mappings()]

    def change(self, table: str, values: Row, **where: Any) -> int:
        """Set `values` in the rows that meet the conditions; return the number of these rows."""
        columns = _TABLES.tables[table]
        return self._run(sa.update(columns).where(*_conditions(columns, where)).values(values))

    def remove(self, table: str, **where: Any) -> int:
        """Remove the rows that meet the conditions; return how many were removed."""
        columns = _TABLES.tables[table]
        return self._run(sa.delete(columns).where(*_conditions(columns, where)))

    def readings(self, infant: int, span: Span) -> Iterator[Row]:
        """Yield an infant's readings in order of time, without loading them all into memory.

        Each has the `source` of its session, and as `corrected` another verdict, or None.
        """
        reading, session = _READINGS.c, _SESSIONS.c
        corrected = sa.func.nullif(_corrected(), reading.verdict).label("corrected")
        query = sa.select(_READINGS, session.source, corrected)
        query = query.outerjoin(_SESSIONS, session.id == reading.session)
        query = query.where(*_conditions(_READINGS, {"infant": infant, "time": span}))
        query = query.order_by(reading.time, reading.session)
        with self._connected() as connection:
            rows = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
            yield from map(dict, rows.mappings())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _run(self, statement: sa.Executable, rows: Sequence[Row] | None = None) -> int:
        with self._connected(writes=True) as connection:
            # Without this option, psycopg returns no count for several rows.
            options = {"preserve_rowcount": True}
            return connection.execute(statement, rows, execution_options=options).rowcount

    @contextmanager
    def _connected(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        """Yield this transaction's connection, or else one with a new transaction."""
        if self._connection is not None:
            yield self._connection
            return
        try:
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except sa.exc.IntegrityError as error:
            raise InputError("Someone else removed this in the meantime; look again.") from error
        except (
            sa.exc.DatabaseError, sa.exc.InterfaceError, sa.exc.TimeoutError, UnicodeDecodeError,
        ) as error:  # fmt: skip
            cause = getattr(error, "orig", None) or error
            raise StoreUnavailable(cause, self.shown, _reason(cause)) from error


def shown(url: str) -> str:
    """Return an address without user, password and options; without a host if it is malformed."""
    scheme, _, rest = url.partition("://")
    rest, _, options = rest.partition("?")
    place = rest.rpartition("@")[2]
    hosts = place.partition("/")[0].split(",")
    plain = all(re.fullmatch(r"[^:]*(:\d+)?", host) for host in hosts) and "@" not in options
    return printable(f"{scheme}://{place if plain else '...'}")


def _reason(error: BaseException) -> str:
    """Return why a database can't be used, from the error code of SQLite or PostgreSQL."""
    if isinstance(error, UnicodeDecodeError):
        return _DAMAGED
    if isinstance(error, sqlite3.Error):
        return _REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, _BROKEN)
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


def _settle(connection: Any, _record: Any) -> None:
    """Make a new SQLite connection durable. Transactions are begun only by `_begin`."""
    connection.isolation_level = None
    _log_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch a file to a write-ahead log; SQLite itself does not wait for another writer here."""
    stop = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > stop:
                raise
        time.sleep(0.01)


def _begin(connection: sa.Connection) -> None:
    # With a plain BEGIN, a read followed by a write fails instead of waiting for another writer.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _limit(connection: sa.Connection) -> None:
    """Limit how long a transaction of PostgreSQL waits for another one."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_S}s'")


def _conditions(table: sa.Table, where: Row) -> Iterator[sa.ColumnElement[bool]]:
    for name, value in where.items():
        column = table.c[name]
        match value:
            case Span(start, stop):
                if start is not None:
                    yield column >= start
                if stop is not None:
                    yield column < stop
            case list():
                yield column.in_(value)
            case _:
                yield column == value


def _corrected() -> sa.ColumnElement[str]:
    """Return the newest verdict on a reading in a query; gaps are never corrected."""
    reading, correction = _READINGS.c, _CORRECTIONS.c
    newest = (
        sa.select(correction.verdict)
        .where(correction.infant == reading.infant, correction.start <= reading.time)
        .where(correction.stop >= reading.time, correction.stop <= reading.time + LONGEST_S)
        .order_by(correction.made.desc(), correction.id.desc())
        .limit(1)
        .correlate(_READINGS)
        .scalar_subquery()
    )
    is_gap = reading.verdict == GAP
    return sa.case((is_gap, GAP), else_=sa.func.coalesce(newest, reading.verdict))


def _counts(infant: int, quarter: int) -> sa.Select[Any]:
    """Return the query for a quarter's counts by corrected verdict."""
    where = {"infant": infant, "time": Span(quarter, quarter + QUARTER_S)}
    each = sa.select(_corrected().label("verdict")).where(*_conditions(_READINGS, where)).subquery()
    return sa.select(
        sa.literal(infant, sa.BigInteger).label("infant"),
        sa.literal(quarter, sa.BigInteger).label("quarter"),
        each.c.verdict,
        sa.func.count().label("n"),
    ).group_by(each.c.verdict)
