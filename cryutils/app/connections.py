"""Limits on connections that uvicorn does not have: `Connection`, its HTTP protocol.

uvicorn limits requests but waits forever for one to begin or to be completed, so strangers could
keep everyone out with idle connections. Here, a connection without a complete request is closed
after `COMPLETE_S`, and the oldest of an address that has too many at once. A page's WebSocket is
no longer one of these connections, so it is never closed to make room.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from cryutils.app.binding import PROXIES
from cryutils.app.store.accounts import network

__all__ = ["COMPLETE_S", "MOST", "MOST_OF_ONE", "Connection"]

COMPLETE_S = 20.0  # time for a request to arrive
MOST = 256  # connections at once, not counting WebSockets
MOST_OF_ONE = 64  # from one address

_logger = logging.getLogger("cryutils.app")


class Connection(H11Protocol):
    """An HTTP connection that ends if its request does not arrive, or to make room for others."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = network(self.client[0]) if self.client else ""
        self._waiting = self.loop.call_later(COMPLETE_S, self._expire)
        # In order of their age, because dictionaries are.
        _OPEN[self] = None
        same = [other for other in _OPEN if other.address == self.address]
        is_proxy = self.client is not None and self.client[0] in PROXIES
        if len(same) > MOST_OF_ONE and not is_proxy:
            same[0].drop(f"too many connections from {self.address}")
        elif len(_OPEN) > MOST:
            next(iter(_OPEN)).drop("too many connections in total")

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._forget()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        self._waiting.cancel()
        self._waiting = self.loop.call_later(COMPLETE_S, self._expire)
        super().on_response_complete()

    def drop(self, why: str) -> None:
        """Close the connection at once, and log why."""
        _logger.warning("%s", why)
        self._forget()
        self.transport.abort()

    def _expire(self) -> None:
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            self._forget()
            self.transport.abort()

    def _forget(self) -> None:
        self._waiting.cancel()
        _OPEN.pop(self, None)


_OPEN: dict[Connection, None] = {}
