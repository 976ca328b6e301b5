"""The store's tables as SQL has them, for `sql`. `database.VERSION` counts their changes."""

from __future__ import annotations

from functools import partial

from sqlalchemy import (
    BigInteger, Boolean, Column, Double, ForeignKey, Index, MetaData, Table, Text,
)  # fmt: skip

__all__ = ["CORRECTIONS", "INFANTS", "META", "QUARTERS", "READINGS", "TABLES"]

TABLES = MetaData()

_key = partial(Column, primary_key=True, autoincrement=False)
_column = partial(Column, nullable=False)


def _infant() -> ForeignKey:
    return ForeignKey("infants.id")


def _user() -> ForeignKey:
    return ForeignKey("users.name")


META = Table("meta", TABLES, _key("key", Text), _column("value", BigInteger))
Table("users", TABLES, _key("name", Text), _column("hash", Text))
INFANTS = Table("infants", TABLES, _key("id", BigInteger), _column("name", Text))
Table("shares", TABLES, _key("infant", BigInteger, _infant()), _key("user", Text, _user()))
Table(
    "sessions", TABLES, _key("id", BigInteger), _column("infant", BigInteger, _infant()),
    Column("user", Text, _user()), _column("source", Text), _column("started", Double),
    Column("ended", Double), Index("sessions_infant", "infant"),
)  # fmt: skip
READINGS = Table(
    "readings", TABLES, _key("infant", BigInteger, _infant()), _key("time", Double),
    # No foreign key: whenever a session goes, SQL would look through all readings of the infant.
    _key("session", BigInteger), _column("verdict", Text), _column("probabilities", Text),
    Column("sound", Text), Column("face", Text), Column("cry", Double), _column("note", Text),
    sqlite_with_rowid=False,  # they lie on the disk in the order of the key
)  # fmt: skip
CORRECTIONS = Table(
    "corrections", TABLES, _key("id", BigInteger), _column("infant", BigInteger, _infant()),
    Column("user", Text, _user()), _column("start", Double), _column("stop", Double),
    _column("verdict", Text), _column("made", Double),
    Index("corrections_infant", "infant", "stop"),
)  # fmt: skip
QUARTERS = Table(
    "quarters", TABLES, _key("infant", BigInteger, _infant()), _key("quarter", BigInteger),
    _key("verdict", Text), _column("n", BigInteger), sqlite_with_rowid=False,
)  # fmt: skip
Table(
    "logins", TABLES, _key("token", Text), _column("user", Text, _user(), index=True),
    _column("expires", Double),
)  # fmt: skip
Table(
    "attempts", TABLES, _key("id", BigInteger), _column("user", Text, index=True),
    _column("address", Text, index=True), _column("time", Double, index=True),
    _column("succeeded", Boolean),
)  # fmt: skip
