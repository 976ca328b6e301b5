"""The application's connections: how many there may be, under which names, through which proxies.

A stranger needs no login to open connections and to send requests that never end. So the server
closes the oldest connections of an address that has too many, and never one that a login has
used.
"""

from __future__ import annotations

import logging
import resource
import ssl
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

from jupyter_server.base.handlers import JupyterHandler
from tornado import httpserver, httputil, iostream, routing, web
from tornado.log import access_log, app_log

from cryutils.app.store.accounts import network
from cryutils.errors import printable

__all__ = [
    "LOCAL", "Connections", "FewLines", "Plain", "Site", "by_name", "log_refusal", "trust",
]  # fmt: skip

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_BYTES = 2**16  # of a request: nobody uploads here but through a page's websocket
COMPLETE_S = 20.0  # a request's head, and then its body, must be complete by then
MOST = 512  # connections; a page has one for good and up to six while it loads
MOST_OF_ONE = 128  # from one address
FILES = 4096  # that the server wants to have open; a page's process takes some 20 of them
MOST_LINES = 600  # that the log gets in a minute
MOST_LETTERS = 200  # of a path, or a name, in a line of it

# The connections on which a caregiver who is logged in has asked for something.
_TRUSTED: WeakSet[iostream.IOStream] = WeakSet()


@dataclass(frozen=True)
class Site:
    """How browsers reach the server.

    Attributes
    ----------
    names : frozenset of str
        Names and addresses, in small letters, that a browser may call it by, besides `LOCAL` and
        the address at which a connection arrives. `*.` at the beginning is any one label.
    proxies : frozenset of str
        Addresses whose word on a client's address and scheme is believed.
    base : str
        Path under which the page is served; it begins and ends with a slash.
    """

    names: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()
    base: str = "/"


class Connections(httpserver.HTTPServer):
    """A web server that connections without a login cannot exhaust."""

    def initialize(  # type: ignore[override]
        self, router: routing.Router, tls: ssl.SSLContext | None, proxies: frozenset[str]
    ) -> None:
        """Serve what `router` finds; with `tls`, over HTTPS."""
        super().initialize(
            router, ssl_options=tls, max_body_size=MOST_BYTES, max_header_size=MOST_BYTES,
            idle_connection_timeout=COMPLETE_S, body_timeout=COMPLETE_S,
            trusted_downstream=list(proxies),
        )  # fmt: skip
        self._proxies = proxies
        self._most = min(MOST, _open_files() // 2)
        self._open: list[tuple[str, iostream.IOStream]] = []  # by address, the oldest first

    def handle_stream(self, stream: iostream.IOStream, address: tuple) -> None:
        """Serve a new connection, if there is room for it."""
        self._open = [(owner, other) for owner, other in self._open if not other.closed()]
        owner = network(address[0])
        if self._make_room(owner):
            self._open.append((owner, stream))
            super().handle_stream(stream, address)
        else:
            stream.close()

    def _make_room(self, owner: str) -> bool:
        """Close one connection where there are too many; return whether there is room for one."""
        strangers = [(who, stream) for who, stream in self._open if stream not in _TRUSTED]
        count = sum(who == owner for who, _ in self._open)
        if owner not in self._proxies and count >= min(MOST_OF_ONE, self._most // 2):
            access_log.warning("too many connections from %s", owner)
        elif len(self._open) >= self._most:
            access_log.warning("too many connections in total")
            owner = Counter(who for who, _ in strangers).most_common(1)[0][0] if strangers else ""
        else:
            return True
        oldest = next((stream for who, stream in strangers if who == owner), None)
        if oldest is not None:
            oldest.close()
        return oldest is not None

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        """Begin to read a request. A proxy that the owner named says who it is from."""
        address = request_conn.context.address  # type: ignore[attr-defined]
        self.xheaders = address[0] in self._proxies
        return super().start_request(server_conn, request_conn)


def trust(request: httputil.HTTPServerRequest) -> None:
    """Never close the connection of this request to make room for others."""
    _TRUSTED.add(request.connection.stream)  # type: ignore[union-attr]


def by_name(app: web.Application, names: frozenset[str]) -> routing.Router:
    """Return what hands requests to `app` where they call this server by one of its names.

    A page of another site, whose name leads to this machine, could else use the server from a
    browser that trusts it (DNS rebinding).
    """
    others = web.Application(default_handler_class=_Misdirected, log_function=log_refusal)
    return routing.RuleRouter([(_Named(names | LOCAL), app), (routing.AnyMatches(), others)])


class _Named(routing.Matcher):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        name = request.host_name.lower().strip("[]")
        socket = request.connection.stream.socket  # type: ignore[union-attr]
        arrived = "" if socket is None else socket.getsockname()[0]
        parent = "*." + name.partition(".")[2]
        is_ours = name == arrived or ("*" not in name and {name, parent} & self._names)
        return {} if is_ours else None


class _Misdirected(web.RequestHandler):
    """Refuse a name that is none of this server's."""

    def prepare(self) -> None:
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        name = printable(self.request.host_name)[:MOST_LETTERS]
        self.finish(
            f"This server is not known as {name}. "
            f"If it should be, start it with: cryutils serve --name {name}\n"
        )


class Plain(JupyterHandler):
    """A handler whose errors are one line of the log, without the query."""

    @property
    def kernel_manager(self) -> Any:
        """Return the pages' kernels."""
        return self.settings["kernel_manager"]

    def get_current_user(self) -> Any:
        """Return nobody: no login is known where a request is refused before its cookie is read."""
        return None

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Name the error and where it happened, not its words, which may quote the request."""
        if not isinstance(value, web.HTTPError):
            place = traceback.extract_tb(tb)[-1]
            app_log.error(
                "%s in %s, line %d", typ.__name__, Path(place.filename).name, place.lineno
            )


def log_refusal(handler: web.RequestHandler) -> None:
    """Note what was refused or failed, and never a query, which may hold anything."""
    request, status = handler.request, handler.get_status()
    if status >= 400:
        method = printable(request.method)[:MOST_LETTERS]
        path = printable(request.path)[:MOST_LETTERS]
        name = f" as {printable(request.host_name)[:MOST_LETTERS]}" if status == 421 else ""
        access_log.warning("%d %s %s%s (%s)", status, method, path, name, request.remote_ip)


class FewLines(logging.Filter):
    """Let a line through once a minute, and in a minute no more than `MOST_LINES`."""

    def __init__(self) -> None:
        super().__init__()
        self._minute, self._lines = 0.0, set[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        minute = time.monotonic() // 60
        if minute != self._minute:
            self._minute, self._lines = minute, set()
        line = record.getMessage()
        if line in self._lines or len(self._lines) > MOST_LINES:
            return False
        self._lines.add(line)
        if len(self._lines) > MOST_LINES:
            record.msg, record.args, record.exc_info = (
                "more lines in this minute left out",
                (),
                None,
            )
        return True


def _open_files() -> int:
    """Return how many files this process may have open, after asking for `FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES:
        soft = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return FILES if soft == resource.RLIM_INFINITY else soft
