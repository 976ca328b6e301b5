"""The pages that listen or watch, `Sockets`: a WebSocket each, and a `Room` for each infant.

A page that listens has a `Monitor`; threads are for all. A room joins the readings of all devices that
listen to an infant: pages of this server at once, and others, such as `cryutils listen`, from the
store. Watching pages ask for its state, and ring by the alarm with the times that they ask for. Rooms
are used in the server's event loop alone. Paper B §3.

A message is JSON as text, or as the beginning of a binary message that ends in sound or a picture.
One message of a page is answered before its next one is read.
"""

import asyncio
import json
import math
import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from crydecode.alarm import LOST_S, Alarm, Change, is_crying
from crydecode.login import is_own
from crydecode.store import Log, Store, StoreUnavailable
from crydecode.store.threads import Writer, ask
from cryutils.errors import InputError
from cryutils.widgets.listener import ADRIFT_S, Listener
from cryutils.widgets.monitor import Models, Monitor

MOST_BYTES, MOST_JSON = 2**21, 2**12  # of a message, and of its JSON; a page sends 50,000 and 100
PAGES, PAGES_IN_ALL = 8, 32  # of a user, and of all
RATE, BURST = 40.0, 200.0  # frames a second, also of 64 KiB; a page sends 8, and 20 of a file
PIECE = 2**12  # bytes that are parsed at once
THREADS = 2  # each opens its own copy of the models
TICK_S = 0.5  # between two messages to a watching page
LOOK_S = 1.0  # between looks into the store
LOGGED_OUT, REPLACED, REFUSED = 4401, 4409, 4400  # why a WebSocket is closed
GONE = {1001: "its page was left", LOGGED_OUT: "its login has ended"}  # why a device listens no longer

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


class Ring(Alarm):
    """The alarm of all pages that ask for the same times. loud_until: monotonic, in s."""

    loud_until = 0.0


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
        self._answer: tuple[object, str, str, float] = (None, "", "", 0.0)  # alarm, user, ticket, time

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
        alarm, user, *_ = self._answer
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
                ring.end()
        for ring in self._rings.values():
            change = ring.add(at, crying)
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
        return self._rings.setdefault((delay_s, again_s), Ring(delay_s=delay_s, again_s=again_s))

    async def obey(self, content: Mapping[str, Any], user: str, ticket: str) -> None:
        """Do what a watching page asks: "coming" answers an alarm, "hush" allows no ring for a while.

        An answer names the kind of its alarm, "crying" or "lost", and covers no later one. "stay", with
        the same login, takes it back, and the alarm rings again.
        """
        now, at, is_again = time.time(), self._answer[3], self.coming == user
        with suppress(StoreUnavailable, InputError):  # of a note; the ring has changed in any case
            match content.get("type"):
                case "hush" | "ring" as order:
                    self._hushed_by = user
                    self._hushed_until = time.monotonic() + (HUSH_S if order == "hush" else 0.0)
                case "coming" if content.get("alarm") == self.kind:
                    self._answer = (self._present, user, ticket, at if is_again else now)
                    for ring in self._rings.values():
                        ring.loud_until = 0.0
                    if self.kind == "crying" and not is_again:
                        await ask(self.log.say, "coming", now, now, user, limit_s=NOTE_S)
                case "stay" if is_again and ticket == self._answer[2]:
                    self._answer = (None, "", "", 0.0)
                    for ring in self._rings.values():
                        ring.loud_until = time.monotonic() + RING_S
                    await ask(self.log.undo, "coming", at, at, limit_s=NOTE_S)

    def state(self, ring: Ring, ticket: str) -> dict[str, Any]:
        """Return what a page with this alarm and login has to know now, as JSON types; lengths are in s."""
        kind, now, since = self.kind, time.time(), self._cry.since
        age_s = self.silent_s if math.isfinite(self._heard_at) else None
        paused_s = now - self._cried if kind == "crying" and now - self._cried > SHORT_S else 0.0
        began = max(self._began, self._cried) if since is None else since
        hushed_s = max(0.0, self._hushed_until - time.monotonic())
        rings = kind == "crying" and ring.since is not None and not hushed_s
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
            "mine": self._answer[2] == ticket,
            "hushed_s": hushed_s,
            "hushed_by": self._hushed_by,
            "devices": [[each.user, each.ticket == ticket] for each in self.devices],
            "levels": list(self._levels),
        }


class Sockets:
    """All open pages of a server. film: of a demonstration, which plays in place of a microphone."""

    def __init__(self, store: Store, models: Models, film: Path | None) -> None:
        self._store, self._models, self._film = store, models, film
        self._pages: dict[Page, None] = {}  # oldest first
        self._rooms = dict[int, Room]()
        self._threads = ThreadPoolExecutor(THREADS, "listen")

    async def end(self, ticket: str) -> None:
        """Close the pages of a login that has ended, all at once, as one of them may read nothing."""
        closed = [page for page in self._pages if page.ticket == ticket]
        self._pages = dict.fromkeys(page for page in self._pages if page not in closed)
        if closing := [asyncio.create_task(page.close(LOGGED_OUT)) for page in closed]:
            await asyncio.wait(closing, timeout=NOTE_S)

    async def look(self) -> None:
        """Look into the store for logins that ended and for what other programs hear, forever."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(StoreUnavailable, RuntimeError):  # or no new thread; try again
                for ticket in {page.ticket for page in self._pages}:
                    if await ask(self._store.logins.user, ticket) is None:
                        await self.end(ticket)
                for room in [room for room in self._rooms.values() if room.silent_s > LOOK_S]:
                    await room.catch_up()

    async def serve(self, socket: WebSocket) -> None:
        """Serve the WebSocket of a page that listens or watches until it is closed."""
        if not is_own(socket):
            await socket.close()
            return
        page = Page(socket, socket.scope["ticket"], socket.scope["user"])
        await socket.accept()
        try:
            await self._admit(page)
            names = dict.fromkeys(socket.query_params.getlist("infant")) or [""]
            logs = [await ask(self._store.infant, name) for name in names]
            rooms = [self._rooms.setdefault(log.id, Room(log)) for log in logs]
            if socket.url.path == "/listen":
                await self._listening(page, rooms[0])
            else:
                await _watching(page, rooms)
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed meanwhile
            pass
        except (InputError, StoreUnavailable) as error:
            await page.close(REFUSED, error.advice if isinstance(error, StoreUnavailable) else str(error))
        finally:
            self._pages.pop(page, None)

    async def _listening(self, page: Page, room: Room) -> None:
        """Answer the messages of a page, and show the room what it heard."""
        loop = asyncio.get_running_loop()
        listener = await loop.run_in_executor(self._threads, self._listener, room.log)
        try:
            about = listener.about(film="/film.mp4" if self._film else "")
            await page.socket.send_json({"type": "about", "about": about})
            while True:
                content, buffers = await _received(page.socket)
                answer = await loop.run_in_executor(self._threads, listener.receive, content, buffers)
                page.listens = listener.listening
                if page.listens and not listener.from_file:
                    room.hear(page, answer, content.get("level"))
                else:
                    room.leave(page, f"{page.user} stopped it", at_once=True)
                others = [device.user for device in room.devices if device is not page]
                with suppress(WebSocketDisconnect, RuntimeError):  # closed: the next message says why
                    await page.socket.send_json(answer | {"others": others, "coming": room.coming})
                if answer["over"]:  # the infant was removed
                    raise InputError(answer["over"])
        except WebSocketDisconnect as gone:
            room.leave(page, GONE.get(gone.code, "the connection is lost"))
            raise
        finally:
            room.leave(page, "the connection is lost")
            await run_in_threadpool(listener.close)

    def _listener(self, log: Log) -> Listener:
        """Return the listener of a new page, which logs for an infant."""
        monitor = Monitor(models=self._models)
        monitor.restart(synthetic=self._film is not None)
        run = monitor.run.name if monitor.run and monitor.classes else ""
        writer = Writer(partial(log.append, log.begin(run)))
        return Listener(monitor, writer=writer, film=self._film is not None)

    async def _admit(self, page: Page) -> None:
        """Add a new page. If the user or the server has too many, close the oldest that does not listen.

        In a full server, it is one of the user who has most of these. Raises InputError if all listen.
        """
        mine = [other for other in self._pages if other.user == page.user]
        if len(mine) >= PAGES or len(self._pages) >= PAGES_IN_ALL:
            crowd = mine if len(mine) >= PAGES else self._pages
            idle = [each for each in crowd if not each.listens]
            if not idle:
                raise InputError("Too many pages are listening. Stop one, then open this again.")
            shares = Counter(each.user for each in idle)
            closed = max(idle, key=lambda each: shares[each.user])  # the first of several
            self._pages[page] = self._pages.pop(closed)
            await closed.close(REPLACED)
        self._pages[page] = None


class Protocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, ended at once if more arrives than a page sends.

    Frames are counted before they are put together: empty parts of a message and pings never
    become a message, yet each takes the time of all pages.
    """

    _left, _counted = BURST, 0.0

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._left = min(BURST, self._left + RATE * (now - self._counted))
        self._counted = now
        for start in range(0, len(data), PIECE):
            if self._left >= 0:
                super().data_received(data[start : start + PIECE])

    def handle_events(self) -> None:
        self._left -= len(self.conn.events) + PIECE / 2**16
        if self._left >= 0:
            super().handle_events()
        else:
            self.transport.abort()


async def _watching(page: Page, rooms: list[Room]) -> None:
    """Tell a page the states of its infants each `TICK_S`, and do what it asks."""
    times = [float(page.socket.query_params.get(name, 0)) for name in ("delay", "again")]
    rings = {room: room.ring(*times) for room in rooms}
    while True:
        await page.socket.send_json([room.state(ring, page.ticket) for room, ring in rings.items()])
        with suppress(TimeoutError):
            content, _ = await asyncio.wait_for(_received(page.socket), TICK_S)
            for room in rooms:
                if room.log.id == content.get("infant"):
                    await room.obey(content, page.user, page.ticket)


async def _received(socket: WebSocket) -> tuple[dict[str, Any], list[memoryview]]:
    """Return the next message's JSON, and the bytes after it. What is no message becomes {}."""
    message: Mapping[str, Any] = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    data, buffers = message.get("text") or "", []
    if binary := message.get("bytes"):
        stop = 4 + int.from_bytes(binary[:4], "little")
        data, buffers = binary[4:stop], [memoryview(binary)[stop:]]
    with suppress(ValueError, RecursionError):
        content = json.loads(data[:MOST_JSON])
        if isinstance(content, dict):
            return content, buffers
    return {}, []
