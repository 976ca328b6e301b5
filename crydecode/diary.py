"""The diary of an infant in words: cries with their answers, what caregivers said, and notes.

Paper B §3 and Figure 6. A day goes from noon to noon, so that a night is in one piece.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cryutils import words
from cryutils.inference.readings import NO_CRY

if TYPE_CHECKING:
    from crydecode.store import Log
    from crydecode.store.database import Row
    from cryutils.inference.episodes import Episode

__all__ = ["NOTES", "ONE_DAY", "Day", "Line", "day", "latest", "lines", "missed"]

RECENT_S = 2 * 3600.0  # the lines on the live page
NOTES = {"fed": "Fed", "asleep": "Fell asleep", "awake": "Woke up"}
ONE_DAY = timedelta(days=1)


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
    """The lines from noon of `start` to the next, newest first.

    listened_s, cried_s: of what was heard. is_now: whether the day has not ended.
    """

    start: date
    lines: list[Line]
    listened_s: float
    cried_s: float
    is_now: bool


def day(log: Log, when: date | None = None) -> Day:
    """Return the diary of a day in this machine's time zone; by default the newest."""
    when = when or (datetime.now() - timedelta(hours=12)).date()
    noon, end = (datetime(on.year, on.month, on.day, 12).timestamp() for on in (when, when + ONE_DAY))
    cries = log.episodes(noon, end)
    cried_s = log.listened_s(noon, end, crying=True) - sum(
        log.listened_s(max(each.start, noon), min(each.stop, end), crying=True)
        for each in cries
        if each.said == NO_CRY
    )
    lines = _lines(cries, log.notes(noon, end))
    return Day(when, lines, log.listened_s(noon, end), cried_s, noon <= time.time() < end)


def latest(log: Log, seconds: float = RECENT_S) -> list[Line]:
    """Return the lines of the last two hours or another time, newest first."""
    return lines(log, time.time() - seconds)


def missed(log: Log, verdict: str, ago_s: float) -> None:
    """Log a cry that the models did not hear, `ago_s` before now."""
    at = time.time() - ago_s
    log.correct(at, at, verdict)


def lines(log: Log, since: float | None = None, until: float | None = None) -> list[Line]:
    """Return the lines of the time from `since` to before `until` (s since 1970), newest first."""
    return _lines(log.episodes(since, until), log.notes(since, until))


def _lines(cries: list[Episode], notes: list[Row]) -> list[Line]:
    lines = [
        Line(
            each.start,
            each.stop,
            _times(each),
            each.state or "",
            words.answer(each.state, each.probability, by_model=each.run != "")
            if each.state
            else "a cry that was missed",
            words.said(each.said, each.state),
        )
        for each in cries
    ]
    for note in notes:
        at, what = note["time"], note["what"]
        lines.append(Line(at, at, _clock(at), "", str(NOTES.get(what, what)), note=note["id"]))
    return sorted(lines, key=lambda line: line.start, reverse=True)


def _times(cry: Episode) -> str:
    """Return when an infant cried and how long, or about when, if only a caregiver heard it."""
    first, last = _clock(cry.start), _clock(cry.stop)
    if cry.state is None:
        return f"about {last}"
    between = first if first == last else f"{first} to {last}"
    return f"{between}, {words.spent(cry.cried_s)} of crying"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%H:%M}"
