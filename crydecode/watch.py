"""What is heard of each infant, for pages on other devices that show it and ring: `Room`.

A room joins the readings of all devices that listen to an infant: pages of this server at once,
and others, such as `cryutils listen`, from the store. Watching pages ask for its state, and ring by
an `Alarm` with the times that they ask for. All of this runs in the server's event loop. Paper B §3.
"""

import math
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from crydecode.alarm import LOST_S, Alarm, Change, is_crying
from crydecode.store import Log, StoreUnavailable
from crydecode.store.threads import ask
from cryutils.errors import InputError
from cryutils.widgets.listener import ADRIFT_S

RING_S = 30.0  # of tone and shaking; the flash lasts as long as the baby cries and nobody answers
HUSH_S = 600.0  # without a ring, after a tap on "Ring off"
PAUSE_S = 20.0  # of quiet end a cry: the page says "Quiet", and nobody is coming to it any longer
SHORT_S = 3.0  # a pause in a cry that the page does not mention
HISTORY_S = 6 * 3600.0  # of readings that are looked up after a start of the server
NOTE_S = 2.0  # a store that is slower holds up no page that somebody tapped on
TRACE, LEAST_DB = 40, -90  # levels of a quarter of a second each, and the lowest


@dataclass(eq=False)
class Page:
    """An open page of a logged-in user, which listens or watches. ticket: of its login."""

    socket: WebSocket
    ticket: str
    user: str
    listens: bool = False

    async def close(self, code: int, why: str = "") -> None:
        """Close the page, which first shows why."""
        with suppress(RuntimeError, WebSocketDisconnect):  # closed in the meantime
            if why:
                await self.socket.send_json({"type": "refused", "why": why})
            await self.socket.close(code)


@dataclass
class Ring:
    """The alarm of all pages that ask for the same times. loud_until: monotonic, in s."""

    alarm: Alarm
    loud_until: float = 0.0


class Room:
    """What is known of one infant. newest: the time of the newest reading, in s since 1970."""

    def __init__(self, log: Log) -> None:
        self.log, self.devices = log, list[Page]()
        self.newest = -math.inf
        self._cry = Alarm(delay_s=0.0, hold_s=PAUSE_S)
        self._rings = dict[tuple[float, float], Ring]()
        self._levels: deque[int] = deque(maxlen=TRACE)
        self._began = self._cried = -math.inf  # when listening began, and the newest reading of crying
        self._heard_at = -math.inf  # when the newest reading of sound came; monotonic
        self._why, self._hushed_by, self._hushed_until = "", "", 0.0
        self._answer: tuple[object, str] = (None, "")  # which alarm somebody answered, and who

    @property
    def silent_s(self) -> float:
        """The time without a reading of sound, in s."""
        return time.monotonic() - self._heard_at

    @property
    def kind(self) -> str:
        """The state: "quiet", "crying" or "lost", which means that nothing listens."""
        if self.silent_s > LOST_S:
            return "lost"
        return "quiet" if self._cry.since is None else "crying"

    @property
    def _present(self) -> object:
        """What tells the present alarm from all others."""
        return self.kind, self._began, self._cry.since

    @property
    def coming(self) -> str:
        """Who answered the present alarm, or ""."""
        alarm, user = self._answer
        return user if alarm == self._present else ""

    def hear(self, device: Page, answer: Mapping[str, Any], level: object) -> None:
        """Add what a device was just answered. level: of its sound, in dB re full scale."""
        if device not in self.devices:
            self.devices.append(device)
        if isinstance(level, int | float) and device is self.devices[0]:
            self._levels.append(round(level) if LEAST_DB <= level <= 0 else LEAST_DB)
        for reading in answer["readings"]:
            self.add(reading["time"], reading["verdict"], reading["note"])

    def leave(self, device: Page, why: str, *, at_once: bool = False) -> None:
        """Note that a device listens no longer, and why. at_once: it will not come back by itself."""
        if device in self.devices:
            self.devices.remove(device)
            self._why = why
            self._heard_at -= LOST_S if at_once and not self.devices else 0.0
            self.newest = max(self.newest, time.time())  # what the device heard is no sign of it any more

    def add(self, at: float, verdict: str, note: str = "", age_s: float = 0.0) -> None:
        """Add a reading that is `age_s` old."""
        crying, coming, came = is_crying(verdict), self.coming, time.monotonic() - age_s
        self.newest = max(self.newest, at)
        is_resumed = crying is not None and came - self._heard_at > LOST_S
        if is_resumed:
            self._cry.end()
            self._began = at
        if crying is None:
            self._why = note
        else:
            self._heard_at, self._why = max(self._heard_at, came), ""
            self._cried = at if crying else self._cried
        event = self._cry.add(at, crying)
        if is_resumed or (coming and event and event.what is Change.QUIET):  # so the next cry rings again
            for ring in self._rings.values():
                ring.alarm.end()
        for ring in self._rings.values():
            change = ring.alarm.add(at, crying)
            if change and not (change.what is Change.CRYING and self.coming):
                ring.loud_until = time.monotonic() + RING_S - age_s

    async def catch_up(self) -> None:
        """Add the readings in the store that are newer than those known."""
        now = time.time()
        if self.newest > now + ADRIFT_S:  # the clock was set back
            self.newest = now
        for at, verdict, note in await ask(self.log.heard, max(self.newest, now - HISTORY_S)):
            self.add(at, verdict, note, max(0.0, time.time() - at))

    def ring(self, delay_s: float, again_s: float) -> Ring:
        """Return the alarm with these times (`Alarm`). It goes on while a page has lost its connection."""
        return self._rings.setdefault((delay_s, again_s), Ring(Alarm(delay_s=delay_s, again_s=again_s)))

    async def obey(self, content: Mapping[str, Any], user: str) -> None:
        """Do what a watching page asks: "coming" answers an alarm, "hush" allows no ring for a while.

        An answer names the kind of its alarm, "crying" or "lost", and covers no later one.
        """
        match content.get("type"):
            case "hush" | "ring" as order:
                self._hushed_by = user
                self._hushed_until = time.monotonic() + (HUSH_S if order == "hush" else 0.0)
            case "coming" if content.get("alarm") == self.kind:
                is_noted = self.kind == "crying" and self.coming != user
                self._answer = (self._present, user)
                for ring in self._rings.values():
                    ring.loud_until = 0.0
                if is_noted:
                    with suppress(StoreUnavailable, InputError):  # the ring has stopped in any case
                        await ask(self.log.say, "coming", time.time(), time.time(), user, limit_s=NOTE_S)

    def state(self, ring: Ring, ticket: str) -> dict[str, Any]:
        """Return what a page with this alarm and login has to know now, as JSON types; lengths are in s."""
        kind, now, since = self.kind, time.time(), self._cry.since
        age_s = self.silent_s if math.isfinite(self._heard_at) else None
        paused_s = now - self._cried if kind == "crying" and now - self._cried > SHORT_S else 0.0
        began = max(self._began, self._cried) if since is None else since
        hushed_s = max(0.0, self._hushed_until - time.monotonic())
        rings = kind == "crying" and ring.alarm.since is not None and not hushed_s
        is_loud = rings and time.monotonic() < ring.loud_until
        return {
            "kind": kind,
            "for_s": age_s if kind == "lost" else now - paused_s - began,
            "paused_s": paused_s,
            "age_s": age_s,
            "why": self._why,
            "rings": is_loud or (rings and not self.coming),
            "loud": is_loud,
            "coming": self.coming,
            "hushed_s": hushed_s,
            "hushed_by": self._hushed_by,
            "devices": [[each.user, each.ticket == ticket] for each in self.devices],
            "levels": list(self._levels),
        }
