"""What is heard of each infant, for pages on other devices that show it and ring: `Watch`.

A `Room` joins the readings of all devices that listen to an infant: pages of this server at once,
and others, such as `cryutils listen`, from the store. It is asked for a state by watching pages,
each of which rings by its own `Alarm`. All of this runs in the server's event loop. Paper B §3.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from crydecode.alarm import LOST_S, Alarm, Change, is_crying
from crydecode.asking import ask
from crydecode.store import Log, Store
from cryutils.errors import InputError
from cryutils.widgets.listener import ADRIFT_S

TICK_S = 1.0  # between two messages to a watching page
LOOK_S = 1.0  # between two looks into the store for what other programs heard
RING_S = 30.0  # of tone and shaking; the flash lasts as long as the baby cries and nobody answers
HUSH_S = 600.0  # without a ring, after a tap on "Ring off"
PAUSE_S = 20.0  # of quiet end a cry: the page says "Quiet", and nobody is coming to it any longer
SHORT_S = 2.0  # a pause in a cry that the page does not mention
HISTORY_S = 6 * 3600.0  # of readings that are looked up after a start of the server
KEPT = 1800  # readings that a new page's alarm begins with: 15 minutes
TRACE, LEAST_DB = 40, -90  # levels of a quarter of a second each, and the lowest
DELAYS_S, AGAINS_S = (0.0, 600.0), (60.0, 3600.0)  # what a page may ask of its alarm


class Device(Protocol):
    """A page that listens."""

    user: str
    ticket: str


@dataclass(eq=False)
class Watcher:
    """A page that watches an infant. changed: of all that it watches. loud_until: monotonic, in s."""

    ticket: str
    alarm: Alarm
    changed: asyncio.Event
    loud_until: float = 0.0

    def add(self, at: float, crying: bool | None, age_s: float, answered: bool) -> None:
        """Add a reading that is `age_s` old to the page's alarm. answered: somebody came in this episode."""
        if event := self.alarm.add(at, crying):
            is_over = event.what is Change.QUIET or (event.what is Change.CRYING and answered)
            self.loud_until = 0.0 if is_over else time.monotonic() + RING_S - age_s
            self.changed.set()


class Room:
    """What is known of one infant. newest: the time of the newest reading, in s since 1970."""

    def __init__(self, log: Log) -> None:
        self.log, self.devices, self.watchers = log, list[Device](), set[Watcher]()
        self.newest = -math.inf
        self._cry = Alarm(delay_s=0.0, hold_s=PAUSE_S)
        self._readings: deque[tuple[float, bool | None]] = deque(maxlen=KEPT)
        self._levels: deque[int] = deque(maxlen=TRACE)
        self._began = self._cried = self._heard = -math.inf  # times of readings
        self._heard_at = -math.inf  # when the newest reading of sound came; monotonic
        self._why, self._hushed_by, self._hushed_until = "", "", 0.0
        self._answer = ("", "")  # the kind of the alarm that somebody answered, and who

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
    def coming(self) -> str:
        """Who answered the present alarm, or ""."""
        answered, user = self._answer
        return user if answered == self.kind else ""

    def hear(self, device: Device, answer: Mapping[str, Any], level: object) -> None:
        """Add what a device was just answered. level: of its sound, in dB re full scale."""
        if device not in self.devices:
            self.devices.append(device)
            self._tell()
        if isinstance(level, int | float) and device is self.devices[0]:
            self._levels.append(round(level) if LEAST_DB <= level <= 0 else LEAST_DB)
        for reading in answer["readings"]:
            self.add(reading["time"], reading["verdict"], reading["note"])

    def leave(self, device: Device, why: str, *, at_once: bool = False) -> None:
        """Note that a device listens no longer, and why. at_once: it will not come back by itself."""
        if device in self.devices:
            self.devices.remove(device)
            self._why = why
            self._heard_at -= LOST_S if at_once and not self.devices else 0.0
            self.newest = max(self.newest, time.time())  # what the device heard is no sign of it any more
            self._tell()

    def add(self, at: float, verdict: str, note: str = "", age_s: float = 0.0) -> None:
        """Add a reading that is `age_s` old."""
        crying, before = is_crying(verdict), self.kind
        is_missed = before == "lost" if age_s <= LOST_S else at - self._heard > LOST_S
        if is_missed and crying is not None:
            self._end(afresh=True)
        self.newest = max(self.newest, at)
        self._readings.append((at, crying))
        if crying is None:
            self._why = note
        else:
            self._began = self._began if abs(at - self._heard) <= LOST_S else at
            self._heard, self._why = at, ""
            self._heard_at = max(self._heard_at, time.monotonic() - age_s)
            self._cried = at if crying else self._cried
        event = self._cry.add(at, crying)
        if event and event.what is Change.QUIET:
            self._end(afresh=self._answer[0] == "crying")
        for watcher in self.watchers:
            watcher.add(at, crying, age_s, bool(self.coming))
        if self.kind != before:
            self._tell()

    def _end(self, *, afresh: bool) -> None:
        """End the cry, and the answer to it. afresh: the next one alarms as if it were the first."""
        self._cry.end()
        self._answer = ("", "")
        for watcher in self.watchers:
            watcher.loud_until = 0.0
            if afresh:
                watcher.alarm.end()
        if afresh:
            self._readings.clear()

    def enter(self, ticket: str, delay_s: float, again_s: float, changed: asyncio.Event) -> Watcher:
        """Return a new page that watches. Its alarm knows the last minutes, as before a lost connection."""
        watcher = Watcher(ticket, Alarm(delay_s=delay_s, again_s=again_s), changed)
        for at, crying in self._readings:
            watcher.add(at, crying, time.time() - at, bool(self.coming))
        self.watchers.add(watcher)
        return watcher

    async def obey(self, content: Mapping[str, Any], user: str) -> None:
        """Do what a watching page asks: "coming" answers an alarm, "hush" allows no ring for a while.

        An answer names the kind of its alarm, "crying" or "lost", and covers no later one.
        """
        order = content.get("type")
        if order in ("hush", "ring"):
            self._hushed_by = user
            self._hushed_until = time.monotonic() + (HUSH_S if order == "hush" else 0.0)
        answers = order == "coming" and content.get("alarm") == self.kind
        is_new = answers and self.kind == "crying" and self.coming != user
        if answers:
            self._answer = (self.kind, user)
            for watcher in self.watchers:
                watcher.loud_until = 0.0
        self._tell()
        if is_new:
            with suppress(HTTPException, InputError):  # the ring has stopped in any case
                await ask(self.log.say, "coming", time.time(), time.time(), user)

    def state(self, watcher: Watcher) -> dict[str, Any]:
        """Return what a watching page has to know now, as JSON types; lengths of time are in s."""
        kind, now, has_heard = self.kind, time.monotonic(), math.isfinite(self._heard)
        began = {"crying": self._cry.since, "lost": self._heard}.get(kind, max(self._began, self._cried))
        paused_s = self._heard - self._cried if kind == "crying" else 0.0
        paused_s = paused_s if paused_s > SHORT_S else 0.0
        until = self._cried if paused_s else time.time()
        hushed_s = max(0.0, self._hushed_until - now)
        is_loud = now < watcher.loud_until
        waits = kind == "crying" and watcher.alarm.since is not None and not self.coming
        return {
            "kind": kind,
            "for_s": until - (began or 0.0) if has_heard else None,
            "paused_s": paused_s,
            "age_s": self.silent_s if has_heard else None,
            "why": self._why,
            "rings": not hushed_s and (is_loud or waits),
            "loud": not hushed_s and is_loud,
            "coming": self.coming,
            "hushed_s": hushed_s,
            "hushed_by": self._hushed_by,
            "devices": [[each.user, each.ticket == watcher.ticket] for each in self.devices],
            "levels": list(self._levels),
        }

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher.changed.set()


class Watch:
    """The rooms of the infants in a store."""

    def __init__(self, store: Store) -> None:
        self._store, self._rooms = store, dict[int, Room]()

    async def room(self, infant: str) -> Room:
        """Return the room of the infant with this number. Raises InputError for another."""
        log = await ask(self._store.infant, infant)
        if (room := self._rooms.get(log.id)) is None:
            room = self._rooms[log.id] = Room(log)
            await _catch_up(room)
        return room

    async def look(self) -> None:
        """Look into the store for what other programs hear, as long as somebody watches, forever."""
        while True:
            await asyncio.sleep(LOOK_S)
            for room in [room for room in self._rooms.values() if room.watchers and room.silent_s > LOOK_S]:
                await _catch_up(room)


async def _catch_up(room: Room) -> None:
    """Add the readings in the store that the room does not know."""
    if room.newest > time.time() + ADRIFT_S:  # the clock was set back
        room.newest = time.time()
    readings: Sequence[tuple[float, str, str]] = ()
    with suppress(HTTPException, InputError):  # the store can't be reached: later
        readings = await ask(room.log.heard, max(room.newest, time.time() - HISTORY_S))
    for at, verdict, note in readings:
        if at > room.newest:
            room.add(at, verdict, note, max(0.0, time.time() - at))


async def tell(watchers: Mapping[Room, Watcher], changed: asyncio.Event, socket: WebSocket) -> None:
    """Send a page the states of its infants whenever one changes, and each `TICK_S`, until it is gone."""
    with suppress(WebSocketDisconnect):  # the page is gone
        while True:
            changed.clear()
            await socket.send_json([room.state(watcher) for room, watcher in watchers.items()])
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), TICK_S)
