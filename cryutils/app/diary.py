"""The diary of an infant in words: cries with their answers, what caregivers said, and notes.

Paper B §3 and Figure 6. A day goes from noon to noon, so that a night is in one piece.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cryutils.app import words
from cryutils.app.readings import GAP, NO_CRY, QUIET
from cryutils.app.store.log import zone

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.app.store import Log

__all__ = ["NOTES", "Day", "Line", "day", "days", "latest", "missed"]

RECENT_S = 2 * 3600.0  # the lines on the live page
NOTES = {"fed": "Fed", "asleep": "Fell asleep", "awake": "Woke up"}
MISSED_S = 120.0  # of a cry that a caregiver reports


@dataclass(frozen=True)
class Line:
    """A cry, or a note of a caregiver.

    start, stop: in s since 1970. times: in words. state: the models' verdict, or "". answer: in
    words. said: what a caregiver said, or "". note: the number of a note, or None.
    """

    start: float
    stop: float
    times: str
    state: str
    answer: str
    said: str = ""
    note: int | None = None


@dataclass(frozen=True)
class Day:
    """The lines from noon of `date` to the next, newest first; minutes listened and cried."""

    date: date
    lines: list[Line]
    listened: int
    cried: int


def day(log: Log, tz: str, when: date | None = None) -> Day:
    """Return the diary of a day; by default the newest."""
    here = zone(tz)
    when = when or (datetime.now(here) - timedelta(hours=12)).date()
    noon, end = (
        datetime(on.year, on.month, on.day, 12, tzinfo=here).timestamp()
        for on in (when, when + timedelta(days=1))
    )
    (listened, cried), *_ = *_minutes(log.summary("hour", tz, noon, end)), (0, 0)
    return Day(when, _lines(log, tz, noon, end), listened, cried)


def latest(log: Log, tz: str, seconds: float = RECENT_S) -> list[Line]:
    """Return the lines of the last two hours or another time, newest first."""
    return _lines(log, tz, time.time() - seconds, None)


def days(log: Log, tz: str) -> list[tuple[date, int, int]]:
    """Return the days of the log, newest first: date, minutes listened, minutes cried."""
    table = log.summary("day", tz)
    rows = [(start.date(), *_minutes(table.loc[[start]])[0]) for start in table.index]
    return rows[::-1]


def missed(log: Log, verdict: str, ago_s: float) -> None:
    """Log a cry of `MISSED_S` that the models did not hear; it ended `ago_s` before now."""
    stop = time.time() - ago_s
    log.correct(stop - MISSED_S, stop, verdict)


def _minutes(table: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the minutes listened and cried in a summary; [] for an empty one."""
    if table.empty:
        return []
    sums = table.sum()
    listened = sums.drop(GAP, errors="ignore").sum()
    return [(round(listened), round(listened - sums.get(NO_CRY, 0) - sums.get(QUIET, 0)))]


def _lines(log: Log, tz: str, since: float, until: float | None) -> list[Line]:
    """Return the lines of a period, newest first."""
    lines = [
        Line(
            each.start, each.stop, _times(each.start, each.stop, tz), each.state or "",
            words.answer(each.state, each.probability) if each.state else "a cry that was missed",
            words.said(each.said, each.state),
        )
        for each in log.episodes(since, until)
    ]  # fmt: skip
    for note in log.notes(since, until):
        at, what = note["time"], note["what"]
        lines.append(
            Line(at, at, _times(at, at, tz), "", str(NOTES.get(what, what)), note=note["id"])
        )
    return sorted(lines, key=lambda line: line.start, reverse=True)


def _times(start: float, stop: float, tz: str) -> str:
    first, last = (f"{datetime.fromtimestamp(at, zone(tz)):%H:%M}" for at in (start, stop))
    return first if first == last else f"{first} to {last}"
