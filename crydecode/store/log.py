"""One infant's log, `Log`: readings and what caregivers said.

Paper B §3, step 3. Acknowledged readings are on disk. Time without monitoring is logged as a gap
or not counted, never as silence.
"""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import sqlalchemy as sa

from crydecode import diary
from crydecode.diary import CRY, LONGEST_SLEEP_S, MISSED, ONE_DAY, Day, Line
from crydecode.store import database as tables
from crydecode.store.database import Database, Row
from cryutils.errors import InputError, printable
from cryutils.inference.readings import Reading
from cryutils.words import CALM, GAP

EARLIEST_S, LATEST_S = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2000, 2100))

# A time of listening by one page: its number, and the name of the run whose models answer, or "".
Session: TypeAlias = tuple[int, str]
_AGAIN_S = 60.0  # between two taps that are one


class Log:
    """The log of one infant. What is written raises InputError if the infant was removed."""

    def __init__(self, database: Database, number: int, name: str) -> None:
        """Open the log of infant `number`; `Store.infant` finds it by name."""
        self._database, self.id, self.name = database, number, name

    def begin(self, run: str = "") -> Session:
        """Return a new session, for `append`."""
        return secrets.randbits(48), printable(run)

    def append(self, session: Session, readings: Sequence[Reading]) -> int:
        """Log readings of a session from `begin`, durably; return how many were new.

        Readings with the same session and time count as the same, so a failed call can be repeated.
        Readings may be late and out of order. Raises InputError for times before 2000 or after 2099.
        """
        number, run = session
        same = {"infant": self.id, "session": number, "run": run}
        rows = [_row(reading) | same for reading in readings]
        with self._database.begin(writes=True) as connection:
            return tables.insert_new(connection, tables.READINGS, rows) if rows else 0

    def heard(self, since: float) -> list[tuple[float, str, str]]:
        """Return time, verdict and note of the readings after a time (s since 1970), in order of time."""
        reading = tables.READINGS.c
        query = sa.select(reading.time, reading.verdict, reading.note)
        newer = query.where(self._within(tables.READINGS), reading.time > since).order_by(reading.time)
        with self._database.begin() as connection:
            return [(at, verdict, note) for at, verdict, note in connection.execute(newer)]

    def lines(self, since: float = EARLIEST_S, until: float = LATEST_S) -> list[Line]:
        """Return the diary's lines from `since` to before `until`, where cries begin and end."""
        reading, said = tables.READINGS.c, tables.SAID.c
        columns = (reading.time, reading.verdict, reading.kind, reading.probabilities, reading.run)
        heard = self._within(tables.READINGS, since, until)
        cries = sa.select(*columns).where(reading.verdict.not_in(CALM), heard).order_by(reading.time)
        statements = sa.select(tables.SAID).where(self._within(tables.SAID, since, until))
        newest_first = statements.order_by(said.made.desc(), said.id.desc())
        with self._database.begin() as connection:
            told = [dict(row) for row in connection.execute(newest_first).mappings()]
            rows = connection.execute(cries, execution_options={"yield_per": 10_000}).mappings()
            parsed = ({**row, "probabilities": json.loads(row["probabilities"])} for row in rows)
            found = diary.lines(parsed, told)
        return [replace(line, start=max(line.start, since)) for line in found]

    def day(self, when: date | None = None) -> Day:
        """Return the diary of a day in this machine's time zone; by default the newest."""
        when = when or (datetime.now() - timedelta(hours=12)).date()
        days = (when, when + ONE_DAY)
        return self.period(*(datetime(day.year, day.month, day.day, 12).timestamp() for day in days))

    def period(self, since: float, until: float) -> Day:
        """Return the diary from `since` to `until`, in s since 1970."""
        reading, said, now = tables.READINGS.c, tables.SAID.c, time.time()
        heard = (reading.verdict != GAP, self._within(tables.READINGS, since, until))
        minutes = sa.select(sa.func.floor(reading.time / 60).label("minute")).where(*heard).distinct()
        around = self._within(tables.SAID, since - LONGEST_SLEEP_S, until + LONGEST_SLEEP_S)
        notes = sa.select(said.start, said.what).where(said.what.in_(("asleep", "awake")), around)
        with self._database.begin() as connection:
            listened = diary.joined(connection.scalars(minutes.order_by("minute")))
            slept = diary.sleeps(connection.execute(notes.order_by(said.start)), now)
        within = [span for span in slept if span[1] > since and span[0] < until]
        shown = self.lines(since, until)[::-1]
        return Day(since, until, shown, listened, within, now)

    def say(self, what: str, start: float, stop: float, verdict: str = "", number: int | None = None) -> None:
        """Log what a caregiver says about a time (s since 1970); the newest statement applies.

        what: `CRY` corrects or confirms a cry; `MISSED` adds one that nothing heard; otherwise a
        note, such as "fed". Only a cry has a length: nobody measured the others. verdict: what helped
        (`diary.HELPED`), or NO_CRY. number: of the button. Within a minute, the same number is the
        same statement, so a second tap, or one after a lost answer, adds nothing.

        Raises InputError for times before 2000 or after 2099.
        """
        _require(start, stop)
        now, said, number = time.time(), tables.SAID, number or secrets.randbits(48)
        row: Row = {"infant": self.id, "start": start, "stop": stop, "made": now}
        row |= {"what": printable(what), "verdict": printable(verdict)}
        with self._database.begin(writes=True) as connection:
            made = connection.scalar(sa.select(said.c.made).where(said.c.id == number))
            if made is None or now - made > _AGAIN_S:
                unused = number if made is None else secrets.randbits(48)
                connection.execute(sa.insert(said), [row | {"id": unused}])

    def undo(self, what: str, start: float, stop: float) -> None:
        """Remove all that was said about a cry, or a note, from `start` to `stop`."""
        _require(start, stop)
        said, of_cry = tables.SAID.c, (CRY, MISSED)
        over = (said.infant == self.id, said.start <= stop, said.stop >= start)
        same = said.what.in_(of_cry if what in of_cry else [what])
        with self._database.begin(writes=True) as connection:
            connection.execute(sa.delete(tables.SAID).where(same, *over))

    def purge(self, before: float) -> int:
        """Remove everything logged before a time (s since 1970); return how many readings."""
        reading, said = tables.READINGS.c, tables.SAID.c
        with self._database.begin(writes=True) as connection:
            connection.execute(sa.delete(tables.SAID).where(said.infant == self.id, said.stop < before))
            old = sa.delete(tables.READINGS).where(reading.infant == self.id, reading.time < before)
            return connection.execute(old).rowcount

    def remove(self) -> None:
        """Remove the infant and its whole log."""
        with self._database.begin(writes=True) as connection:
            for table in (tables.READINGS, tables.SAID):
                connection.execute(sa.delete(table).where(table.c.infant == self.id))
            connection.execute(sa.delete(tables.INFANTS).where(tables.INFANTS.c.id == self.id))

    def _within(
        self, table: sa.Table, since: float = EARLIEST_S, until: float = LATEST_S
    ) -> sa.ColumnElement[bool]:
        """Return the condition that a row of a table is the infant's and reaches into a time."""
        start, stop = (table.c[name if name in table.c else "time"] for name in ("start", "stop"))
        return sa.and_(table.c.infant == self.id, stop >= since, start < until)


def _row(reading: Reading) -> Row:
    """Return a reading as a row."""
    _require(reading.time, reading.time)
    row: Row = {"time": float(reading.time), "cry": reading.cry, "kind": reading.kind}
    row |= {"verdict": printable(reading.verdict), "note": printable(reading.note)}
    for name in ("probabilities", "sound", "face"):
        part = getattr(reading, name)
        numbers = part and {state: float(share) for state, share in part.items()}
        row[name] = None if part is None else json.dumps(numbers, separators=(",", ":"))
    return row


def _require(start: float, stop: float) -> None:
    """Raise InputError for what is no span of a day at most in the years that a log has."""
    if not EARLIEST_S <= start <= stop < LATEST_S:
        times = " to ".join(dict.fromkeys((f"{start:g}", f"{stop:g}")))
        raise InputError(f"{times} s since 1970: no time from 2000 to 2099; is a clock wrong?")
    if stop - start > 86_400:
        raise InputError(f"{start:g} to {stop:g} s since 1970: a correction spans a day at most.")
