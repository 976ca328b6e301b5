"""The rule for an alarm, `Alarm`: once an episode of crying, after a delay, and again while it goes on.

The server, a watching page and `cryutils listen` ring by this rule. It says that a baby cries, never
why. `crydecode.alarm` needs no sound and no models.
"""

import math
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from cryutils.inference.episodes import EPISODE_PAUSE_S
from cryutils.inference.readings import HOP_S
from cryutils.words import CALM, GAP

DELAY_S = 10.0  # of crying before an alarm
AGAIN_S = 300.0  # between two alarms of an episode
HOLD_S = EPISODE_PAUSE_S  # of quiet end an episode, as in the diary
LOST_S = 5.0  # after so long without a reading, nobody knows whether it was quiet


class Change(StrEnum):
    """What an `Event` says."""

    CRYING = "crying"  # the alarm of an episode
    AGAIN = "crying again"  # the same episode goes on
    QUIET = "quiet"  # the end of an episode that had an alarm


class Event(NamedTuple):
    """A change to tell people at `time`, in s since 1970.

    what: a `Change`, or another word of the same kind. since: when the crying or the quiet began.
    """

    what: str
    time: float
    since: float

    def text(self, *, is_live: bool = True) -> str:
        """Return a line: the time of day, or since the beginning of a recording, and what it is."""
        now, since = (
            f"{datetime.fromtimestamp(at):%H:%M:%S}" if is_live else str(timedelta(seconds=round(at)))
            for at in (self.time, self.since)
        )
        return f"{now}  {self.what}" + (f" since {since}" if since != now else "")

    def json(self, infant: str) -> dict[str, Any]:
        """Return it for other programs, as JSON types."""
        times = {"time": round(self.time, 1), "since": round(self.since, 1)}
        return {"event": str(self.what), **times, "infant": infant}


class Alarm:
    """Turns readings into alarms: one for each episode of crying.

    An alarm begins once crying was heard for `delay_s` within an episode. Pauses do not count as
    crying and do not end the episode, so eight bursts in a minute are one alarm. It is given again
    each `again_s` while crying goes on. `hold_s` of quiet end the episode. Time without readings is
    not quiet, so it ends nothing. A clock that is set changes no length. All in s.

    since: when the crying of the present alarm began, in s since 1970; None without an alarm.

    >>> alarm = Alarm(delay_s=1.0)
    >>> [alarm.add(100 + k / 2, is_crying=True) is not None for k in range(4)]
    [False, True, False, False]
    """

    since: float | None

    def __init__(self, *, delay_s: float = DELAY_S, again_s: float = AGAIN_S, hold_s: float = HOLD_S) -> None:
        self._delay_s, self._again_s, self._hold_s = delay_s, again_s, hold_s
        self._time, self.since = -math.inf, None
        self._begin = self._cried_s = self._rung_s = 0.0
        self._quiet_s = math.inf  # since crying was heard

    def add(self, time: float, is_crying: bool | None) -> Event | None:
        """Add a reading at `time`, in s since 1970; return what people should be told now.

        is_crying: None if nothing was heard.
        """
        passed = time - self._time
        self._time = time
        self._rung_s += max(0.0, passed)
        if is_crying is None:
            return None
        self._quiet_s += passed if 0 <= passed <= LOST_S else 0.0
        if is_crying:
            return self._crying(time)
        if self.since is None or self._quiet_s < self._hold_s:
            return None
        self.since = None
        return Event(Change.QUIET, time, time - self._quiet_s)

    def end(self) -> None:
        """End the episode at once: crying that is heard from now on belongs to another one."""
        self.since, self._quiet_s = None, math.inf

    def _crying(self, time: float) -> Event | None:
        if self.since is None and self._quiet_s >= self._hold_s:  # another episode
            self._begin, self._cried_s = time - HOP_S, 0.0
        self._cried_s += min(HOP_S, self._quiet_s)
        self._quiet_s = 0.0
        if self.since is None and self._cried_s >= self._delay_s:
            self.since, self._rung_s = self._begin, 0.0
            return Event(Change.CRYING, time, self.since)
        if self.since is not None and self._rung_s >= self._again_s:
            self._rung_s = 0.0
            return Event(Change.AGAIN, time, self.since)
        return None


def is_crying(verdict: str) -> bool | None:
    """Return whether a reading with this verdict is of crying; None if nothing was heard."""
    return None if verdict == GAP else verdict not in CALM
