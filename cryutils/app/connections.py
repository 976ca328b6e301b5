"""Limits on the application's connections, and its host names.

Anyone can open connections without a login. The server closes the oldest connections of an address
that has too many, but never one that a logged-in browser has used.
"""

from __future__ import annotations

import resource
import ssl
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

__all__ = ["LOCAL", "Connections", "Plain", "Site", "by_name", "log_refusal", "trust"]

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_BYTES = 2**16  # per request; pages upload through their websockets only
COMPLETE_S = 20.0  # time for a request's head, and again for its body
MOST = 512  # connections; a page has one permanently, and up to six while it loads
MOST_OF_ONE = 128  # connections from one address
FILES = 4096  # open files of the server; a page's process takes about 20
MOST_LETTERS = 200  # characters of a path or name in a log line

# The connections that a logged-in caregiver has used.
_TRUSTED: WeakSet[iostream.IOStream] = WeakSet()


@dataclass(frozen=True)
class Site:
    """How browsers reach the server.

    names: names and addresses that browsers may use, in lower case, in addition to `LOCAL` and the
    address at which a connection arrives. proxies: addresses of proxies that are trusted to state a
    client's address and scheme.
    """

    names: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()


class Connections(httpserver.HTTPServer):
    """A web server that can't be exhausted by connections without a login."""

    def initialize(  # type: ignore[override]
        self, router: routing.Router, tls: ssl.SSLContext | None, proxies: frozenset[str]
    ) -> None:
        """Serve requests through `router`, over HTTPS if `tls` is given."""
        super().initialize(
            router, ssl_options=tls, max_body_size=MOST_BYTES, max_header_size=MOST_BYTES,
            idle_connection_timeout=COMPLETE_S, body_timeout=COMPLETE_S,
            trusted_downstream=list(proxies),
        )  # fmt: skip
        self._proxies = proxies
        self._most = min(MOST, _open_files() // 2)
        self._open: list[tuple[str, iostream.IOStream]] = []  # with their addresses, oldest first

    def handle_stream(self, stream: iostream.IOStream, address: tuple) -> None:
        """Serve a new connection if there is room for it."""
        self._open = [(owner, other) for owner, other in self._open if not other.closed()]
        owner = network(address[0])
        if self._make_room(owner):
            self._open.append((owner, stream))
            super().handle_stream(stream, address)
        else:
            stream.close()

    def _make_room(self, owner: str) -> bool:
        """Close one connection if there are too many; return whether there is room for another."""
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
        """Start reading a request; only a known proxy may state the client's address."""
        address = request_conn.context.address  # type: ignore[attr-defined]
        self.xheaders = address[0] in self._proxies
        return super().start_request(server_conn, request_conn)


def trust(request: httputil.HTTPServerRequest) -> None:
    """Exempt the connection of this request from being closed to make room."""
    _TRUSTED.add(request.connection.stream)  # type: ignore[union-attr]


def by_name(app: web.Application, names: frozenset[str]) -> routing.Router:
    """Return a router that passes requests with one of the server's names to `app`.

    Otherwise another site whose name resolves to this machine could use the server from a
    caregiver's browser (DNS rebinding).
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
        return {} if name == arrived or name in self._names else None


class _Misdirected(web.RequestHandler):
    """Refuse requests for a host name that is not the server's."""

    def prepare(self) -> None:
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        name = _short(self.request.host_name)
        self.finish(
            f"This server is not known as {name}. "
            f"If it should be, start it with: cryutils serve --name {name}\n"
        )


class Plain(JupyterHandler):
    """A handler whose errors are logged in one line, without the query."""

    @property
    def kernel_manager(self) -> Any:
        """The pages' kernels."""
        return self.settings["kernel_manager"]

    def get_current_user(self) -> Any:
        """Return None: a request refused before its cookie is read has no user."""

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log the kind and place of an error; its message may quote the request."""
        if not isinstance(value, web.HTTPError):
            place = traceback.extract_tb(tb)[-1]
            app_log.error(
                "%s in %s, line %d", typ.__name__, Path(place.filename).name, place.lineno
            )


def log_refusal(handler: web.RequestHandler) -> None:
    """Log a refused or failed request without its query, which may contain secrets."""
    request, status = handler.request, handler.get_status()
    if status >= 400:
        method, path = _short(request.method), _short(request.path)
        name = f" as {_short(request.host_name)}" if status == 421 else ""
        access_log.warning("%d %s %s%s (%s)", status, method, path, name, request.remote_ip)


def _short(text: str | None) -> str:
    return printable(text or "")[:MOST_LETTERS]


def _open_files() -> int:
    """Raise the limit on open files to `FILES` if possible; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES:
        soft = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return FILES if soft == resource.RLIM_INFINITY else soft
