"""One infant's log: live sessions, their readings, what caregivers corrected, and how days went.

Paper B §3, step 3. A reading that was acknowledged is on the disk. A gap is logged as one, and a
period without readings is a row of zeros: nobody listened, which is no silence.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cryutils.app.readings import GAP, Reading
from cryutils.app.store.database import QUARTER_S, Database, Row, Span, corrected, quarter
from cryutils.errors import InputError, near_miss, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PERIODS", "Log", "local_zone", "zone"]

PERIODS = ("hour", "day", "week")
_DAY_S = 86400
_LATEST = 2.0**36  # s since 1970: the year 4147, beyond which no clock is right


class Log:
    """What the store knows of one infant, for one user (None: whoever owns the machine).

    Every method raises InputError where the infant is no longer there, or not shared any more.
    """

    def __init__(
        self, database: Database, number: int, name: str, user: str | None,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        """Open the log of the infant `number`; `Infants.infant` does it for those who may."""
        self._database, self.id, self.name, self._user = database, number, name, user
        self._clock = clock

    def caregivers(self) -> list[str]:
        """Return the users with whom the infant is shared, in order."""
        return sorted(row["user"] for row in self._database.rows("shares", infant=self._reached()))

    def begin(self, source: str) -> int:
        """Return the number of a new session, such as of `source` "camera and microphone"."""
        self.retain()
        row: Row = {
            "id": secrets.randbits(48), "infant": self._reached(), "user": self._user,
            "source": printable(source), "started": self._clock(), "ended": self._clock(),
        }  # fmt: skip
        self._database.add("sessions", [row])
        return row["id"]

    def append(self, session: int, readings: Sequence[Reading]) -> int:
        """Log readings of a session; return how many were new. When it returns, they are durable.

        A reading of the same session and time is the same reading: whoever got no answer repeats
        the call. Late and out-of-order readings are welcome.

        Parameters
        ----------
        session : int
            Of `begin`.
        readings : sequence of Reading

        Raises
        ------
        InputError
            A session of another infant or user, or numbers that are none.
        """
        infant = self._reached()
        whose = {} if self._user is None else {"user": self._user}
        sessions = self._database.rows("sessions", id=session, infant=infant, **whose)
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

    def readings(self, since: float | None = None, until: float | None = None) -> Iterator[Reading]:
        """Yield the readings by time.

        Parameters
        ----------
        since, until : float, optional
            From the first on and before the second, in s since 1970.
        """
        for row in self._database.readings(self._reached(), Span(since, until)):
            parts = {name: json.loads(row[name] or "null") for name in _PARTS}
            plain = {name: row[name] for name in ("time", "verdict", "cry", "note")}
            yield Reading(**plain, **parts)

    def entries(self, since: float | None = None, until: float | None = None) -> Iterator[Row]:
        """Yield the same as rows of a table, each with what it was `corrected` to, or None."""
        corrections: dict[int, list[Row]] = {}
        for correction in self.corrections():
            for start in _quarters(correction["start"], correction["stop"]):
                corrections.setdefault(start, []).append(correction)
        sources = {row["id"]: row["source"] for row in self.sessions()}
        for row in self._database.readings(self._reached(), Span(since, until)):
            about = corrections.get(quarter(row["time"]), [])
            verdict = corrected(row, about) if about else row["verdict"]
            changed = verdict if verdict != row["verdict"] else None
            source = sources.get(row["session"])
            yield row | {"infant": self.name, "source": source, "corrected": changed}

    def correct(self, start: float, stop: float, verdict: str) -> int:
        """Say what the readings from `start` to `stop` should have said; return its number.

        "It was right" is a correction to the verdict itself. Where several speak of a reading, the
        newest holds, for readings that come late, too; of a gap none does.

        Parameters
        ----------
        start, stop : float
            s since 1970.
        verdict : str

        Raises
        ------
        InputError
            Times that are none, or lie more than a day apart, or an empty verdict.
        """
        if not 0 <= start <= stop <= min(start + _DAY_S, _LATEST):
            raise InputError(f"{start:g} to {stop:g}: a correction is of a day at most.")
        if not verdict.strip() or verdict == GAP:
            raise InputError(f"{verdict!r}: nothing that a reading could have said; name a state.")
        infant, number = self._reached(), secrets.randbits(48)
        row: Row = {
            "id": number, "infant": infant, "user": self._user, "start": start,
            "stop": stop, "verdict": printable(verdict), "made": self._clock(),
        }  # fmt: skip
        with self._database.counted(infant, _quarters(start, stop)) as database:
            database.add("corrections", [row])
        return number

    def undo(self, correction: int) -> None:
        """Remove a correction, so that what was said before holds. It may be removed already."""
        infant = self._reached()
        for row in self._database.rows("corrections", id=correction, infant=infant):
            with self._database.counted(infant, _quarters(row["start"], row["stop"])) as database:
                database.remove("corrections", id=correction)

    def corrections(self) -> list[Row]:
        """Return the corrections, oldest first: start, stop, verdict, user and when it was made."""
        rows = self._database.rows("corrections", infant=self._reached())
        return sorted(rows, key=lambda row: (row["made"], row["id"]))

    def sessions(self) -> list[Row]:
        """Return the sessions by time: id, user, source, when started and when last heard of."""
        rows = self._database.rows("sessions", infant=self._reached())
        return sorted(rows, key=lambda row: row["started"])

    def summary(
        self, by: Literal["hour", "day", "week"], tz: str, since: float | None = None,
        until: float | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Return how many readings said what, corrections heeded, a row a period of zone `tz`.

        Parameters
        ----------
        by : {"hour", "day", "week"}
            Days have 23 to 25 hours.
        tz : str
            Such as "Europe/Vienna".
        since, until : float, optional
            In s since 1970.

        Returns
        -------
        pandas.DataFrame
            Rows are all periods from the first reading to the last that touch `since` to `until`,
            by when they begin there; columns the verdicts.

        Raises
        ------
        InputError
            An unknown zone or period.
        """
        import pandas as pd

        if by not in PERIODS:
            raise InputError(f"no period {by!r}.{near_miss(by, PERIODS)}")
        zone(tz)
        quarters = self._database.quarters(self._reached(), Span(since, until))
        if not quarters:
            return pd.DataFrame(index=pd.DatetimeIndex([], tz=tz, name=by))
        edges = _edges(quarters[0], quarters[-1], by, tz)
        sums = self._database.sums(self.id, edges)
        table = pd.DataFrame(sums, columns=[by, "verdict", "n"]).pivot(
            index=by, columns="verdict", values="n"
        )
        table = table.reindex(edges[:-1]).fillna(0).astype(int).rename_axis(columns=None)
        return table.set_index(pd.to_datetime(edges[:-1], unit="s", utc=True).tz_convert(tz))

    def purge(self, before: float) -> int:
        """Remove what was logged before a time (s since 1970); return how many readings it was."""
        infant, edge = self._reached(), quarter(before)
        with self._database.counted(infant, [edge]) as database:
            n = database.remove("readings", infant=infant, time=Span(stop=before))
            database.remove("quarters", infant=infant, quarter=Span(stop=edge))
            database.remove("corrections", infant=infant, stop=Span(stop=before))
            database.remove("sessions", infant=infant, ended=Span(stop=before))
        return n

    def retain(self) -> int:
        """Purge what is older than `Store.keep` said; return how many readings it was."""
        self._reached()
        rows = self._database.rows("meta", key="keep_days")
        return sum(self.purge(self._clock() - row["value"] * _DAY_S) for row in rows)

    def remove(self) -> None:
        """Remove the infant and all that was logged of it."""
        infant = self._reached()
        with self._database.transaction() as database:
            for table in (
                "readings",
                "quarters",
                "corrections",
                "sessions",
                "shares",
                "invitations",
            ):
                database.remove(table, infant=infant)
            database.remove("infants", id=infant)

    def _reached(self) -> int:
        """Return the infant's number, if this user reaches it."""
        if self._user is None:
            rows = self._database.rows("infants", id=self.id)
        else:
            rows = self._database.rows("shares", infant=self.id, user=self._user)
        if not rows:
            raise InputError(f"no infant {self.name!r}.")
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
    """Return a reading as a row. Raises InputError for a number that is none."""
    row: Row = {
        "time": float(reading.time), "verdict": printable(reading.verdict), "cry": reading.cry,
        "note": printable(reading.note),
    }  # fmt: skip
    try:
        for name in _PARTS:
            part = getattr(reading, name)
            row[name] = None if part is None else _json(part)
        if reading.cry is not None and not math.isfinite(reading.cry):
            raise ValueError(reading.cry)
    except ValueError as error:
        raise InputError(f"reading at {reading.time}: it holds a number that is none.") from error
    if not 0 <= reading.time < _LATEST:
        raise InputError(f"reading at {reading.time}: no time in seconds since 1970.")
    return row


def _json(shares: dict[str, float]) -> str:
    numbers = {name: float(share) for name, share in shares.items()}
    return json.dumps(numbers, allow_nan=False, separators=(",", ":"))


def _quarters(start: float, stop: float) -> range:
    """Return the quarters that `start` to `stop` touch."""
    return range(quarter(start), quarter(stop) + 1, QUARTER_S)


def _edges(first: int, last: int, by: str, tz: str) -> list[int]:
    """Return when the periods begin that hold the quarters `first` to `last`, and their end.

    Every zone's clock is set by quarters of an hour, so a quarter is in one of its periods.
    """
    import pandas as pd

    starts = range(first - 8 * _DAY_S, last + 8 * _DAY_S, QUARTER_S)
    local = pd.to_datetime(list(starts), unit="s", utc=True).tz_convert(tz).tz_localize(None)
    if by == "hour":  # which a clock that is set back shows twice
        begins = (local.minute == 0).tolist()
    else:
        # Weeks end with their Sundays.
        periods = local.to_period({"day": "D", "week": "W-SUN"}[by]).asi8
        begins = [False, *(periods[1:] != periods[:-1])]
    edges = [start for start, begun in zip(starts, begins, strict=True) if begun]
    lowest = max(edge for edge in edges if edge <= first)
    highest = min(edge for edge in edges if edge > last)
    return [edge for edge in edges if lowest <= edge <= highest]
