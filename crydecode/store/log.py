"""One infant's log, `Log`: sessions, readings, corrections and notes.

Paper B §3, step 3. Acknowledged readings are on disk. Time without monitoring is logged as a gap
or not counted, never as silence.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from crydecode.lines import Line, lines
from crydecode.store import database as tables
from crydecode.store.database import Database, Row
from cryutils.errors import InputError, printable
from cryutils.inference.readings import HOP_S, Reading
from cryutils.words import CALM, GAP

EARLIEST_S, LATEST_S = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2000, 2100))

_AT_ONCE = 10_000  # readings in memory
_AGAIN_S = 60.0  # between two taps that are one


class Session(NamedTuple):
    """A time of listening.

    source: such as "camera and microphone". run: the name of the run whose models answer. started:
    in s since 1970.
    """

    id: int
    source: str
    run: str
    started: float


class Log:
    """The log of one infant. Every method raises InputError if the infant was removed."""

    def __init__(self, database: Database, number: int, name: str) -> None:
        """Open the log of infant `number`; `Store.infant` finds it by name."""
        self._database, self.id, self.name = database, number, name

    def begin(self, source: str, run: str = "") -> Session:
        """Return a new session, which the first `append` stores. source, run: as in `Session`."""
        return Session(secrets.randbits(48), printable(source), printable(run), time.time())

    def append(self, session: Session, readings: Sequence[Reading]) -> int:
        """Log readings of a session from `begin`, durably; return how many were new.

        Readings with the same session and time count as the same, so a failed call can be repeated.
        Readings may be late and out of order. A session that `purge` removed is stored again.
        Raises InputError for times before 2000 or after 2099, and for NaN and infinite numbers.
        """
        rows = [_row(reading) | {"infant": self.id, "session": session.id} for reading in readings]
        stored = session._asdict() | {"infant": self.id}
        with self._begin(writes=True) as connection:
            tables.insert_new(connection, tables.SESSIONS, [stored])
            return tables.insert_new(connection, tables.READINGS, rows) if rows else 0

    def entries(self, since: float | None = None, until: float | None = None) -> Iterator[Row]:
        """Yield the readings from `since` to before `until` (s since 1970), in order of time.

        They are rows of the table, without loading all into memory, with the infant's name and the
        session's source and run. Corrections are not in them, but in `lines`.
        """
        reading, session = tables.READINGS.c, tables.SESSIONS.c
        query = sa.select(tables.READINGS, session.source, session.run)
        query = query.outerjoin(tables.SESSIONS, session.id == reading.session)
        query = query.where(reading.infant == self.id, *_within(reading.time, since, until))
        query = query.order_by(reading.time, reading.session)
        with self._begin() as connection:
            rows = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
            for row in _checked(rows):
                yield row | {"infant": self.name}

    def lines(self, since: float | None = None, until: float | None = None) -> list[Line]:
        """Return the diary's lines that reach into the time from `since` to before `until`."""
        reading, session = tables.READINGS.c, tables.SESSIONS.c
        correction, note = tables.CORRECTIONS.c, tables.NOTES.c
        # A cry may begin earlier and end later.
        first = None if since is None else since - tables.LONGEST_S
        last = None if until is None else until + tables.LONGEST_S
        cries = sa.select(
            reading.time, reading.verdict, reading.kind, reading.probabilities, session.run
        ).outerjoin(tables.SESSIONS, session.id == reading.session)
        cries = cries.where(
            reading.infant == self.id, reading.verdict.not_in(CALM), *_within(reading.time, first, last)
        )
        said = sa.select(tables.CORRECTIONS).where(
            correction.infant == self.id, *_within(correction.stop, first, last)
        )
        said = said.order_by(correction.made.desc(), correction.id.desc())
        notes = sa.select(note.id, note.time, note.what).where(
            note.infant == self.id, *_within(note.time, since, until)
        )
        with self._begin() as connection:
            corrections = list(_checked(connection.execute(said)))
            options = {"yield_per": _AT_ONCE}
            rows = connection.execute(cries.order_by(reading.time), execution_options=options)
            around = lines(_checked(rows), corrections, _checked(connection.execute(notes)))
        return [
            line
            for line in around
            if (since is None or line.stop >= since) and (until is None or line.start < until)
        ]

    def correct(self, start: float, stop: float, verdict: str) -> None:
        """Correct a cry from `start` to `stop` (s since 1970), or add one that nothing heard.

        For a missed cry, both are about when it was: nobody measured how long.

        A confirmation is a correction to the same verdict. The newest correction of a cry applies.
        Raises InputError for times before 2000 or after 2099, more than a day between them, and an
        empty verdict.
        """
        _require(start, stop)
        if not verdict.strip() or verdict == GAP:
            raise InputError(f"{verdict!r}: readings have no such verdict; name a state.")
        row = {
            "id": secrets.randbits(48),
            "infant": self.id,
            "start": start,
            "stop": stop,
            "verdict": printable(verdict),
            "made": time.time(),
        }
        with self._begin(writes=True) as connection:
            connection.execute(sa.insert(tables.CORRECTIONS), [row])

    def undo(self, start: float, stop: float) -> None:
        """Remove all corrections that reach into a time as in `correct`."""
        _require(start, stop)
        correction = tables.CORRECTIONS.c
        over = (correction.infant == self.id, correction.start <= stop, correction.stop >= start)
        with self._begin(writes=True) as connection:
            connection.execute(sa.delete(tables.CORRECTIONS).where(*over))

    def note(self, what: str, at: float, number: int | None = None) -> None:
        """Note something that a caregiver did at a time (s since 1970), such as "fed".

        number: of the button, a note's new `id`. Within a minute, a note of the same number is the
        same note, so a second tap, or one after a lost answer, adds nothing.
        """
        _require(at, at)
        note, row = tables.NOTES, {"infant": self.id, "time": at, "what": printable(what)}
        with self._begin(writes=True) as connection:
            first = connection.scalar(sa.select(note.c.time).where(note.c.id == number))
            if first is None or at - first > _AGAIN_S:
                unused = number if number is not None and first is None else secrets.randbits(48)
                tables.insert_new(connection, note, [{"id": unused} | row])

    def remove_note(self, number: int) -> None:
        """Remove a note by its `id`."""
        note = tables.NOTES.c
        mine = sa.delete(tables.NOTES).where(note.id == number, note.infant == self.id)
        with self._begin(writes=True) as connection:
            connection.execute(mine)

    def listened_s(self, since: float, until: float, *, crying: bool = False) -> float:
        """Return how long a device listened between two times, or heard `crying`, in s.

        A reading is about the `HOP_S` that it ends. Time in which several devices listened counts
        once, and gaps do not count.
        """
        reading = tables.READINGS.c
        step = sa.cast(sa.func.floor(reading.time / HOP_S), sa.BigInteger)
        query = sa.select(sa.func.count(sa.distinct(step))).where(
            reading.infant == self.id,
            reading.verdict.not_in(CALM if crying else (GAP,)),
            *_within(reading.time, since + HOP_S, until + HOP_S),
        )
        with self._begin() as connection:
            return HOP_S * (connection.scalar(query) or 0)

    def purge(self, before: float) -> int:
        """Remove everything logged before a time (s since 1970); return how many readings."""
        reading, session = tables.READINGS.c, tables.SESSIONS.c
        times = (reading.time, tables.CORRECTIONS.c.stop, tables.NOTES.c.time, session.started)
        readings, corrections, notes, sessions = (
            sa.delete(at.table).where(at.table.c.infant == self.id, at < before) for at in times
        )
        remaining = sa.select(reading.session).where(reading.infant == self.id)
        ended = sessions.where(session.id.not_in(remaining))
        with self._begin(writes=True) as connection:
            n = connection.execute(readings).rowcount
            for old in (corrections, notes, ended):
                connection.execute(old)
        return n

    def remove(self) -> None:
        """Remove the infant and its whole log."""
        with self._begin(writes=True) as connection:
            for table in (tables.NOTES, tables.READINGS, tables.CORRECTIONS, tables.SESSIONS):
                connection.execute(sa.delete(table).where(table.c.infant == self.id))
            connection.execute(sa.delete(tables.INFANTS).where(tables.INFANTS.c.id == self.id))

    @contextmanager
    def _begin(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        """Begin a transaction, if the infant is still there."""
        query = sa.select(tables.INFANTS.c.id).where(tables.INFANTS.c.id == self.id)
        with self._database.begin(writes=writes) as connection:
            if connection.scalar(query) is None:
                raise InputError(f"no infant {self.name!r}.")
            yield connection


PARTS = ("probabilities", "sound", "face")


def _row(reading: Reading) -> Row:
    """Return a reading as a row. Raises InputError for NaN and infinity."""
    _require(reading.time, reading.time)
    parts = {name: getattr(reading, name) for name in PARTS}
    numbers = [reading.cry or 0.0, *chain(*(part.values() for part in parts.values() if part))]
    if not np.isfinite(numbers).all():
        raise InputError(f"reading at {reading.time}: a number in it is none (NaN or infinity).")
    row: Row = {
        "time": float(reading.time),
        "verdict": printable(reading.verdict),
        "cry": reading.cry,
        "note": printable(reading.note),
        "kind": reading.kind,
    }
    for name, part in parts.items():
        shares = part and {state: float(share) for state, share in part.items()}
        row[name] = None if part is None else json.dumps(shares, separators=(",", ":"))
    return row


def _require(start: float, stop: float) -> None:
    """Raise InputError for what is no span of a day at most in the years that a log has."""
    if not EARLIEST_S <= start <= stop < LATEST_S:
        times = " to ".join(dict.fromkeys((f"{start:g}", f"{stop:g}")))
        raise InputError(f"{times} s since 1970: no time from 2000 to 2099; is a clock wrong?")
    if stop - start > tables.LONGEST_S:
        raise InputError(f"{start:g} to {stop:g}: a correction spans a day at most.")


def _checked(rows: sa.Result[Any]) -> Iterator[Row]:
    """Yield rows. Raises DamagedError for times, numbers and texts that never were stored."""
    for row in map(dict, rows.mappings()):
        at = [row[name] for name in ("time", "start", "stop") if name in row]
        texts = [row[name] for name in ("verdict", "what", "note", "kind") if name in row]
        try:
            parts = [json.loads(row[name] or "{}") for name in PARTS if name in row]
            shares = chain([row.get("cry") or 0.0], *(part.values() for part in parts))
            is_whole = all(0 <= each <= 1 for each in shares) and all(0 <= x < 2**33 for x in at)
        except (AttributeError, TypeError, ValueError):
            is_whole = False
        if not (is_whole and all(isinstance(text, str) for text in texts)):
            raise tables.DamagedError(f"row at {at}")
        yield row


def _within(
    column: sa.Column[Any], since: float | None, until: float | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions that a column is at least `since` and below `until`; None: no limit."""
    if since is not None:
        yield column >= since
    if until is not None:
        yield column < until
