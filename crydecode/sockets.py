"""The pages that listen or watch, `Sockets`: a WebSocket each, for some a `Monitor`, and threads for all.

A message is JSON as text, or as the beginning of a binary message that ends in sound or a picture.
One message of a page is answered before its next one is read. `Protocol` ends a page that sends
more frames or bytes than any page does.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from crydecode.login import is_own
from crydecode.store import Log, Store, StoreUnavailable
from crydecode.store.threads import Writer, ask
from crydecode.watch import Page, Room
from cryutils.errors import InputError
from cryutils.widgets.listener import Listener
from cryutils.widgets.monitor import Models, Monitor

MOST_BYTES, MOST_JSON = 2**21, 2**12  # of a message, and of its JSON; a page sends 50,000 and 100
PAGES, PAGES_IN_ALL = 8, 32  # of a user, and of all
RATE, BURST = 40.0, 200.0  # frames a second, also of 64 KiB; a page sends 8
PIECE = 2**12  # bytes that are parsed at once
THREADS = 2  # each opens its own copy of the models
TICK_S = 0.5  # between two messages to a watching page
LOOK_S = 1.0  # between looks into the store
LOGGED_OUT, REPLACED, REFUSED = 4401, 4409, 4400  # why a WebSocket is closed


class Sockets:
    """All open pages of a server. film: of a demonstration, which plays in place of a microphone."""

    def __init__(self, store: Store, models: Models, film: Path | None) -> None:
        self._store, self._models, self._film = store, models, film
        self._pages: dict[Page, None] = {}  # oldest first
        self._rooms = dict[int, Room]()
        self._threads = ThreadPoolExecutor(THREADS, "listen")

    async def end(self, ticket: str) -> None:
        """Close the pages of a login that has ended."""
        for page in [page for page in self._pages if page.ticket == ticket]:
            await page.close(LOGGED_OUT)

    async def look(self) -> None:
        """Look into the store for logins that ended and for what other programs hear, forever."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(StoreUnavailable):  # try again
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
                await page.socket.send_json(answer | {"others": others, "coming": room.coming})
                if answer["over"]:  # the infant was removed
                    raise InputError(answer["over"])
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
                    await room.obey(content, page.user)


async def _received(socket: WebSocket) -> tuple[dict[str, Any], list[memoryview]]:
    """Return the next message's JSON, and the bytes after it. What is no message becomes {}."""
    message: Mapping[str, Any] = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    data, buffers = message.get("text") or "", []
    if binary := message.get("bytes"):
        stop = 4 + int.from_bytes(binary[:4], "little")
        data, buffers = binary[4:stop], [memoryview(binary)[stop:]]
    with suppress(ValueError, RecursionError):
        content = json.loads(data[:MOST_JSON])
        if isinstance(content, dict):
            return content, buffers
    return {}, []
