"""The pages that listen, `Sockets`: a `Monitor` and a WebSocket each, and threads for all.

A message is JSON as text, or as the beginning of a binary message that ends in sound or a picture.
One message of a page is answered before its next one is read, so a page that sends too fast slows
down itself alone. While answers take long, pages judge fewer windows of a cry and say so.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from cryutils.app.listener import Listener
from cryutils.app.login import ask, is_own
from cryutils.app.readings import Reading
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.app.monitor import Models
    from cryutils.app.store import Log, Store

__all__ = ["MOST_BYTES", "PAGES", "Sockets"]

MOST_BYTES = 2**21  # of a message; the page sends 50,000
PAGES, PAGES_IN_ALL = 4, 32  # of a login, of which one more closes the oldest; and of all
RATE, BURST = 40.0, 400.0  # messages a second; a page sends 8
SLOW_S, FAST_S = 0.15, 0.05  # mean time of an answer, from which fewer and more windows are judged
THREADS = 4  # at most; each opens its own copy of the models
EVERY = 4  # windows, of which at least one is judged
LOOK_S = 5.0  # between searches for logins that ended without a request
LOGGED_OUT, REPLACED, REFUSED, FLOODED = 4401, 4409, 4400, 1008  # why a WebSocket is closed


@dataclass(eq=False)
class _Page:
    """An open page, and its allowance of messages."""

    socket: WebSocket
    ticket: str
    credit: float = BURST
    at: float = field(default_factory=time.monotonic)
    mean_s: float = 0.0

    def may_send(self) -> bool:
        """Count a message; return whether the page has sent as many as it may at most."""
        now = time.monotonic()
        self.credit = min(BURST, self.credit + RATE * (now - self.at)) - 1
        self.at = now
        return self.credit >= 0

    async def close(self, code: int) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):  # closed in the meantime
            await self.socket.close(code)


class Sockets:
    """All open pages of a server.

    models: opens the models, which takes a second; it raises InputError if there are none. film:
    the demonstration's film, which pages play instead of using a microphone.
    """

    def __init__(self, store: Store, models: Callable[[], Models], film: Path | None) -> None:
        self._store, self._models, self._film = store, models, film
        self._pages: dict[_Page, None] = {}  # oldest first
        threads = min(THREADS, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="listen")

    async def end(self, ticket: str) -> None:
        """Close the pages of a login that has ended."""
        for page in [page for page in self._pages if page.ticket == ticket]:
            await page.close(LOGGED_OUT)

    async def end_lost(self) -> None:
        """Close the pages of logins that expire or whose users are removed, forever."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(HTTPException):  # the store can't be reached: try again
                for ticket in {page.ticket for page in self._pages}:
                    if await ask(self._store.logins.user, ticket) is None:
                        await self.end(ticket)

    async def listen(self, socket: WebSocket) -> None:
        """Serve a page's WebSocket until it is closed."""
        if not is_own(socket) or "origin" not in socket.headers:
            await socket.close()
            return
        page = _Page(socket, socket.scope["ticket"])
        await socket.accept()
        same = [other for other in self._pages if other.ticket == page.ticket]
        if len(same) >= PAGES or len(self._pages) >= PAGES_IN_ALL:
            oldest = same[0] if same else page
            await oldest.close(REPLACED)
            if oldest is page:
                return
            self._pages.pop(oldest, None)
        self._pages[page] = None
        listener = None
        try:
            listener = await self._opened(socket)
            about = listener.about(film="/film.mp4" if self._film else "")
            await socket.send_json({"type": "about", "about": about})
            while True:
                await self._answer(page, listener)
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed meanwhile
            pass
        except (InputError, HTTPException) as error:
            why = str(error) if isinstance(error, InputError) else "The diary can't be reached."
            with suppress(WebSocketDisconnect, RuntimeError):
                await socket.send_json({"type": "refused", "why": why})
            await page.close(REFUSED)
        finally:
            self._pages.pop(page, None)
            if listener is not None:
                await run_in_threadpool(listener.close)

    async def _opened(self, socket: WebSocket) -> Listener:
        """Return the listener of a new page, which logs for the infant that the page names."""
        log = await ask(self._store.infant, socket.query_params.get("infant", ""))

        def make() -> Listener:
            from cryutils.app.monitor import Monitor

            source = "synthetic film" if self._film else "live page"
            monitor = Monitor(models=self._models())
            return Listener(monitor, log=_session(log, source), film=self._film is not None)

        return await asyncio.get_running_loop().run_in_executor(self._threads, make)

    async def _answer(self, page: _Page, listener: Listener) -> None:
        """Answer the next message of a page."""
        message = await page.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if not page.may_send():
            await page.close(FLOODED)
            raise WebSocketDisconnect
        content, buffers = _parsed(message)
        begun, loop = time.monotonic(), asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, listener.receive, content, buffers)
        if answer["readings"]:
            page.mean_s += 0.2 * (time.monotonic() - begun - page.mean_s)
            _pace(page, listener)
        await page.socket.send_json(answer)


def _pace(page: _Page, listener: Listener) -> None:
    """Judge fewer windows while answers are slow, and more when they are fast again."""
    every = listener.monitor.every
    if page.mean_s > SLOW_S and every < EVERY:
        listener.monitor.every, page.mean_s = 2 * every, 0.0
    elif page.mean_s < FAST_S / 4 and every > 1:
        listener.monitor.every, page.mean_s = every // 2, FAST_S


def _parsed(message: Mapping[str, Any]) -> tuple[dict[str, Any], list[memoryview]]:
    """Return a message's JSON, and the bytes after it. What is no message becomes {}."""
    data, buffers = message.get("text"), []
    if (binary := message.get("bytes")) is not None:
        size = int.from_bytes(binary[:4], "little")
        data, buffers = binary[4 : 4 + size], [memoryview(binary)[4 + size :]]
    with suppress(ValueError, RecursionError):
        content = json.loads(data or "")
        if isinstance(content, dict):
            return content, buffers
    return {}, []


def _session(log: Log, source: str) -> Callable[[list[Reading]], None]:
    """Return a function that logs readings of a new session, for the `Writer`'s thread."""
    number: int | None = None

    def write(readings: list[Reading]) -> None:
        nonlocal number
        number = number or log.begin(source)
        log.append(number, readings)

    return write
