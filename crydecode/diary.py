"""The diary of an infant by days. Paper B §3 and Figure 6.

A day goes from noon to noon, so that a night is in one piece.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cryutils.words import NO_CRY

if TYPE_CHECKING:
    from crydecode.lines import Line
    from crydecode.store import Log

RECENT_S = 2 * 3600.0  # the lines on the live page
ONE_DAY = timedelta(days=1)


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
    lines = log.lines(noon, end)
    cried_s = log.listened_s(noon, end, crying=True) - sum(
        log.listened_s(max(line.start, noon), min(line.stop, end), crying=True)
        for line in lines
        if line.corrected == NO_CRY
    )
    return Day(when, lines[::-1], log.listened_s(noon, end), cried_s, noon <= time.time() < end)


def latest(log: Log, seconds: float = RECENT_S) -> list[Line]:
    """Return the lines of the last two hours or another time, newest first."""
    return log.lines(time.time() - seconds)[::-1]
