"""One infant's log, `Log`: sessions, readings, corrections, and counts by hour, day and week.

Paper B §3, step 3. Acknowledged readings are on disk. Time
without monitoring is logged as a gap or not counted, never as silence.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from cryutils.app.readings import GAP, Reading
from cryutils.app.store.database import LONGEST_S, QUARTER_S, Database, Row, Span, quarter
from cryutils.errors import InputError, near_miss, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PERIODS", "Log", "local_zone", "zone"]

PERIODS = ("hour", "day", "week")
_MARGIN_S = 8 * 86_400  # more than a week, the longest period
_LATEST = 2.0**33  # s since 1970: the year 2242; pandas' times end in 2262


class Log:
    """The log of one infant, written by one user (None: the machine's owner).

    Every method raises InputError if the infant or the user was removed.
    """

    def __init__(
        self, database: Database, number: int, name: str, user: str | None,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        """Open the log of infant `number`; `Store.infant` finds it by name."""
        self._database, self.id, self.name, self._user = database, number, name, user
        self._clock = clock

    def begin(self, source: str) -> int:
        """Begin a session and return its number. source: such as "camera and microphone"."""
        row: Row = {
            "id": secrets.randbits(48), "infant": self._reached(), "user": self._user,
            "source": printable(source), "started": self._clock(), "ended": self._clock(),
        }  # fmt: skip
        self._database.add("sessions", [row])
        return row["id"]

    def append(self, session: int, readings: Sequence[Reading]) -> int:
        """Log readings of a session, a number from `begin`, durably; return how many were new.

        Readings with the same session and time count as the same, so a failed call can be repeated.
        Readings may be late and out of order. Raises InputError for a session of another infant,
        and for numbers that are NaN or infinite.
        """
        infant = self._reached()
        sessions = self._database.rows("sessions", id=session, infant=infant)
        if not sessions:
            raise InputError(f"{self.name}: no session {session}; begin one.")
        rows = sorted((_row(reading) for reading in readings), key=lambda row: row["time"])
        if not rows:
            return 0
        rows = [row | {"infant": infant, "session": session} for row in rows]
        bounds = {
            "started": min(sessions[0]["started"], rows[0]["time"]),
            "ended": max(sessions[0]["ended"], rows[-1]["time"]),
        }
        with self._database.counted(infant, {quarter(row["time"]) for row in rows}) as database:
            database.change("sessions", bounds, id=session)
            return database.add("readings", rows)

    def entries(self, since: float | None = None, until: float | None = None) -> Iterator[Row]:
        """Yield the readings from `since` to before `until` (s since 1970), in order of time.

        They are rows of the table with the session's source; `corrected` is the corrected verdict,
        or None.
        """
        for row in self._database.readings(self._reached(), Span(since, until)):
            yield row | {"infant": self.name}

    def correct(self, start: float, stop: float, verdict: str) -> None:
        """Correct readings from `start` to `stop` (s since 1970).

        A confirmation is a correction to the same verdict. The newest correction of a reading
        applies, even if the reading arrives later. Gaps are never corrected. Raises InputError for
        invalid times, more than a day between them, and for an empty verdict.
        """
        if not 0 <= start <= stop <= min(start + LONGEST_S, _LATEST):
            raise InputError(f"{start:g} to {stop:g}: a correction spans a day at most.")
        if not verdict.strip() or verdict == GAP:
            raise InputError(f"{verdict!r}: readings have no such verdict; name a state.")
        infant = self._reached()
        row: Row = {
            "id": secrets.randbits(48), "infant": infant, "user": self._user, "start": start,
            "stop": stop, "verdict": printable(verdict), "made": self._clock(),
        }  # fmt: skip
        quarters = range(quarter(start), quarter(stop) + 1, QUARTER_S)
        with self._database.counted(infant, quarters) as database:
            database.add("corrections", [row])

    def summary(
        self, by: Literal["hour", "day", "week"], tz: str, since: float | None = None,
        until: float | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Return the number of readings by period and corrected verdict.

        The table has a row for each period with a reading between `since` and `until` (s since
        1970), counted as a whole and indexed by its start, and a column for each verdict. `tz` is a
        time zone such as "Europe/Vienna"; days have 23 to 25 hours. Raises InputError for an
        unknown zone or period.
        """
        import pandas as pd

        if by not in PERIODS:
            raise InputError(f"no period {by!r}.{near_miss(by, PERIODS)}")
        zone(tz)
        first, last = since or 0.0, until or _LATEST
        around = Span(first - _MARGIN_S, last + _MARGIN_S)
        rows = self._database.rows("quarters", infant=self._reached(), quarter=around)
        counts = pd.DataFrame(rows, columns=["quarter", "verdict", "n"])
        counts[by] = _starts(counts.quarter, by, tz)
        chosen = counts[by][(counts.quarter >= first) & (counts.quarter < last)]
        counts = counts[counts[by].isin(chosen)]
        return counts.pivot_table("n", by, "verdict", "sum", fill_value=0).rename_axis(columns=None)

    def purge(self, before: float) -> int:
        """Remove everything logged before a time (s since 1970); return how many readings."""
        infant, edge = self._reached(), quarter(before)
        with self._database.counted(infant, [edge]) as database:
            n = database.remove("readings", infant=infant, time=Span(stop=before))
            database.remove("quarters", infant=infant, quarter=Span(stop=edge))
            database.remove("corrections", infant=infant, stop=Span(stop=before))
            database.remove("sessions", infant=infant, ended=Span(stop=before))
        return n

    def remove(self) -> None:
        """Remove the infant and its whole log."""
        infant = self._reached()
        with self._database.transaction() as database:
            for table in ("readings", "quarters", "corrections", "sessions"):
                database.remove(table, infant=infant)
            database.remove("infants", id=infant)

    def _reached(self) -> int:
        """Return the infant's number. Raises InputError if the infant or the user was removed."""
        if not self._database.rows("infants", id=self.id):
            raise InputError(f"no infant {self.name!r}.")
        if self._user is not None and not self._database.rows("users", name=self._user):
            raise InputError(f"no user {self._user!r}.")
        return self.id


def zone(name: str) -> ZoneInfo:
    """Return a time zone such as "Europe/Vienna". Raises InputError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"{name!r}: no time zone; name one as Europe/Vienna.") from error


def local_zone() -> str:
    """Return the name of this machine's time zone."""
    named = os.environ.get("TZ", "").removeprefix(":")
    return named or Path("/etc/localtime").resolve().as_posix().partition("zoneinfo/")[2] or "UTC"


_PARTS = ("probabilities", "sound", "face")


def _row(reading: Reading) -> Row:
    """Return a reading as a row. Raises InputError for NaN and infinity."""
    if not 0 <= reading.time < _LATEST:
        raise InputError(f"reading at {reading.time}: no time in s since 1970.")
    parts = {name: getattr(reading, name) for name in _PARTS}
    numbers = [reading.cry or 0.0, *chain(*(part.values() for part in parts.values() if part))]
    if not np.isfinite(numbers).all():
        raise InputError(f"reading at {reading.time}: a number in it is none (NaN or infinity).")
    row: Row = {
        "time": float(reading.time), "verdict": printable(reading.verdict), "cry": reading.cry,
        "note": printable(reading.note),
    }  # fmt: skip
    for name, part in parts.items():
        shares = part and {state: float(share) for state, share in part.items()}
        row[name] = None if part is None else json.dumps(shares, separators=(",", ":"))
    return row


def _starts(quarters: pd.Series[int], by: str, tz: str) -> pd.DatetimeIndex:
    """Return the start of the period that contains each quarter, which no time zone splits."""
    import pandas as pd

    times = pd.to_datetime(quarters.to_numpy(np.int64), unit="s", utc=True).tz_convert(tz)
    if by == "hour":  # a local hour occurs twice when clocks are set back
        return times - pd.to_timedelta(times.minute, unit="min")
    periods = times.tz_localize(None).to_period({"day": "D", "week": "W-SUN"}[by])
    first = np.ones(len(times), bool)  # where midnight occurs twice; it may also be missing
    return periods.start_time.tz_localize(tz, ambiguous=first, nonexistent="shift_forward")
