"""The store's tables in SQLAlchemy, version `database.VERSION`.

MongoDB uses their keys and indexes.
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

__all__ = ["CORRECTIONS", "INFANTS", "META", "QUARTERS", "READINGS", "TABLES"]

TABLES = sa.MetaData()

_key = partial(sa.Column, primary_key=True, autoincrement=False)
_column = partial(sa.Column, nullable=False)

# Called for each column, since a foreign key belongs to one.
_infant = partial(sa.ForeignKey, "infants.id")
_user = partial(sa.ForeignKey, "users.name")

META = sa.Table("meta", TABLES, _key("key", sa.Text), _column("value", sa.BigInteger))
sa.Table("users", TABLES, _key("name", sa.Text), _column("hash", sa.Text))
INFANTS = sa.Table("infants", TABLES, _key("id", sa.BigInteger), _column("name", sa.Text))
sa.Table("shares", TABLES, _key("infant", sa.BigInteger, _infant()), _key("user", sa.Text, _user()))
sa.Table(
    "invitations", TABLES, _key("infant", sa.BigInteger, _infant()),
    # No foreign key: an invitation for an unknown user must take as long as any other.
    _key("user", sa.Text), sa.Column("sender", sa.Text, _user()), _column("accepted", sa.Boolean),
)  # fmt: skip
sa.Table(
    "sessions", TABLES, _key("id", sa.BigInteger), _column("infant", sa.BigInteger, _infant()),
    sa.Column("user", sa.Text, _user()), _column("source", sa.Text), _column("started", sa.Double),
    sa.Column("ended", sa.Double), sa.Index("sessions_infant", "infant"),
)  # fmt: skip
READINGS = sa.Table(
    "readings", TABLES, _key("infant", sa.BigInteger, _infant()), _key("time", sa.Double),
    # No foreign key: removing a session would search all readings of the infant.
    _key("session", sa.BigInteger), _column("verdict", sa.Text), _column("probabilities", sa.Text),
    sa.Column("sound", sa.Text), sa.Column("face", sa.Text), sa.Column("cry", sa.Double),
    _column("note", sa.Text),
    sqlite_with_rowid=False,  # stored in the order of the key
)  # fmt: skip
CORRECTIONS = sa.Table(
    "corrections", TABLES, _key("id", sa.BigInteger), _column("infant", sa.BigInteger, _infant()),
    sa.Column("user", sa.Text, _user()), _column("start", sa.Double), _column("stop", sa.Double),
    _column("verdict", sa.Text), _column("made", sa.Double),
    sa.Index("corrections_infant", "infant", "stop"),
)  # fmt: skip
QUARTERS = sa.Table(
    "quarters", TABLES, _key("infant", sa.BigInteger, _infant()), _key("quarter", sa.BigInteger),
    _key("verdict", sa.Text), _column("n", sa.BigInteger), sqlite_with_rowid=False,
)  # fmt: skip
sa.Table(
    "logins", TABLES, _key("token", sa.Text), _column("user", sa.Text, _user(), index=True),
    _column("expires", sa.Double),
)  # fmt: skip
sa.Table(
    "attempts", TABLES, _key("id", sa.BigInteger), _column("user", sa.Text, index=True),
    _column("address", sa.Text, index=True), _column("time", sa.Double, index=True),
    _column("succeeded", sa.Boolean),
)  # fmt: skip
