"""The store in SQLite or PostgreSQL, through SQLAlchemy: `SqlDatabase`.

Each call is a transaction or part of one. The transaction that changes readings also counts their
quarters again, so counts and readings always agree.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cryutils._io.paths import resolve
from cryutils.app.readings import GAP
from cryutils.app.store import database
from cryutils.app.store.database import QUARTER_S, VERSION, Database, Row, Span, StoreUnavailable
from cryutils.app.store.tables import CORRECTIONS, INFANTS, META, QUARTERS, READINGS, TABLES
from cryutils.errors import InputError

__all__ = ["SqlDatabase"]

_CREATION = 0x437279  # PostgreSQL's advisory lock for the process that makes the tables
_AT_ONCE = 10_000  # readings in memory
_WAIT_S = 10  # for another transaction, and for a connection to a server
# A lost connection to a server is given up after about the same time. A live server that does not
# answer blocks its caller, so only threads with no other work may call it (`Writer`, `Aside`).
_POSTGRESQL = {
    "connect_timeout": _WAIT_S, "options": f"-c lock_timeout={_WAIT_S}s",
    "keepalives_idle": _WAIT_S // 2, "keepalives_interval": 1, "keepalives_count": _WAIT_S // 2,
    "tcp_user_timeout": 1000 * _WAIT_S,
}  # fmt: skip
_REASONS: dict[object, str] = {
    sqlite3.SQLITE_FULL: database.FULL, "53100": database.FULL,
    sqlite3.SQLITE_BUSY: database.LOCKED, sqlite3.SQLITE_LOCKED: database.LOCKED,
    "55P03": database.LOCKED,
}  # fmt: skip


class SqlDatabase(Database):
    """`Database` on an SQLAlchemy engine, or on one transaction if `connection` is given."""

    def __init__(
        self, engine: sa.Engine, shown: str, connection: sa.Connection | None = None
    ) -> None:
        self._engine, self.shown, self._connection = engine, shown, connection
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    @classmethod
    def at(cls, address: str, shown: str, *, to_read: bool = False) -> SqlDatabase:
        """Return the database at a URL; `to_read` also accepts a file that can't be written.

        Raises InputError for an invalid URL, and for a file that can't be created.
        """
        try:
            url = sa.make_url(address)
        except (sa.exc.ArgumentError, ValueError) as error:  # the message may quote a password
            raise InputError(f"{shown}: not a database address; is it mistyped?") from error
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
            chosen = {name: _POSTGRESQL[name] for name in _POSTGRESQL.keys() - url.query.keys()}
            return cls(sa.create_engine(url, pool_pre_ping=True, connect_args=chosen), shown)
        if url.database in (None, "", ":memory:"):
            raise InputError(f"{shown}: a database in memory would lose everything; name a file.")
        path = resolve(str(url.database))
        if to_read and _can_only_be_read(path):
            return cls(sa.create_engine(_read_only(path)), str(path))
        url, options = url.set(database=str(_file(path))), {"timeout": _WAIT_S}
        engine = sa.create_engine(url, connect_args=options)
        sa.event.listen(engine, "connect", _settle)
        sa.event.listen(engine, "begin", _begin)
        return cls(engine, str(path))

    def version(self) -> int | None:
        with self._connected() as connection:
            if not sa.inspect(connection).has_table(META.name):
                return None
            return connection.scalar(sa.select(META.c.value).where(META.c.key == "version"))

    def create(self) -> None:
        with self.transaction() as bound, bound._connected() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION)))
            names = set(sa.inspect(connection).get_table_names())
            if names & set(TABLES.tables) and META.name not in names:
                raise InputError(
                    f"{self.shown}: it contains another program's tables; name another database."
                )
            TABLES.create_all(connection)
            bound.add("meta", [{"key": "version", "value": VERSION}])

    @contextmanager
    def transaction(self) -> Iterator[SqlDatabase]:
        if self._connection is not None:
            yield self
            return
        with self._connected(writes=True) as connection:
            yield SqlDatabase(self._engine, self.shown, connection)

    @contextmanager
    def counted(self, infant: int, quarters: Iterable[int]) -> Iterator[SqlDatabase]:
        with self.transaction() as bound:
            yield bound
            # If two processes add readings at once, the second waits here and counts both.
            lock = sa.select(INFANTS.c.id).where(INFANTS.c.id == infant)
            bound._run(lock.with_for_update(key_share=True))
            for quarter in quarters:
                bound.remove("quarters", infant=infant, quarter=quarter)
                counts = _counts(infant, quarter)
                bound._run(sa.insert(QUARTERS).from_select(counts.selected_columns.keys(), counts))

    def add(self, table: str, rows: Sequence[Row]) -> int:
        statement = self._insert(TABLES.tables[table]).on_conflict_do_nothing()
        return self._run(statement, rows) if rows else 0

    def rows(self, table: str, **where: Any) -> list[Row]:
        columns = TABLES.tables[table]
        with self._connected() as connection:
            rows = connection.execute(sa.select(columns).where(*_conditions(columns, where)))
            return [dict(row) for row in rows.mappings()]

    def change(self, table: str, values: Row, **where: Any) -> int:
        columns = TABLES.tables[table]
        return self._run(sa.update(columns).where(*_conditions(columns, where)).values(values))

    def remove(self, table: str, **where: Any) -> int:
        columns = TABLES.tables[table]
        return self._run(sa.delete(columns).where(*_conditions(columns, where)))

    def readings(self, infant: int, span: Span) -> Iterator[Row]:
        where = _conditions(READINGS, {"infant": infant, "time": span})
        query = sa.select(READINGS).where(*where).order_by(READINGS.c.time, READINGS.c.session)
        with self._connected() as connection:
            rows = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
            yield from map(dict, rows.mappings())

    def counts(self, infant: int, span: Span) -> list[tuple[int, str, int]]:
        where = _conditions(QUARTERS, {"infant": infant, "quarter": span})
        columns = QUARTERS.c.quarter, QUARTERS.c.verdict, QUARTERS.c.n
        with self._connected() as connection:
            return [(*row,) for row in connection.execute(sa.select(*columns).where(*where))]

    def close(self) -> None:
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
        except (sa.exc.DatabaseError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreUnavailable(cause, self.shown, _reason(cause)) from error


def _reason(error: BaseException) -> str:
    """Return why a database can't be used, from the error code of SQLite or PostgreSQL."""
    if isinstance(error, sqlite3.Error):
        return _REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, database.BROKEN)
    state = getattr(error, "sqlstate", None)
    # A server that shuts down sends a code of class 57P; one that is gone sends none.
    is_gone = state is None or state.startswith("57P")
    return _REASONS.get(state, database.AWAY if is_gone else database.BROKEN)


def _file(path: Path) -> Path:
    """Create SQLite's file, accessible only to its owner, if it is missing; return its path."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise InputError(f"{path}: can't be written to ({error.strerror}).") from error
    return path


def _can_only_be_read(path: Path) -> bool:
    return path.is_file() and not all(os.access(p, os.W_OK) for p in (path, path.parent))


def _read_only(path: Path) -> sa.URL:
    """Return the URL with which SQLite reads a file that it can't write."""
    # SQLite can't create a write-ahead log there, and needs none unless another process writes.
    is_open = any(path.with_name(path.name + end).exists() for end in ("-wal", "-shm"))
    query = {"uri": "true", "mode": "ro"} | ({} if is_open else {"immutable": "1"})
    return sa.URL.create("sqlite", database=path.as_uri(), query=query)


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


def _counts(infant: int, quarter: int) -> sa.Select[Any]:
    """Return the query for a quarter's counts by verdict; all except gaps are corrected."""
    reading, correction = READINGS.c, CORRECTIONS.c
    corrected = (
        sa.select(correction.verdict)
        .where(correction.infant == infant, correction.stop >= reading.time)
        .where(correction.start <= reading.time)
        .order_by(correction.made.desc(), correction.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    verdict = sa.case(
        (reading.verdict == GAP, GAP), else_=sa.func.coalesce(corrected, reading.verdict)
    )
    where = {"infant": infant, "time": Span(quarter, quarter + QUARTER_S)}
    each = sa.select(verdict.label("verdict")).where(*_conditions(READINGS, where)).subquery()
    return sa.select(
        sa.literal(infant, sa.BigInteger).label("infant"),
        sa.literal(quarter, sa.BigInteger).label("quarter"),
        each.c.verdict,
        sa.func.count().label("n"),
    ).group_by(each.c.verdict)
