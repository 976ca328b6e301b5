"""The caregiver application's server: one process that serves all pages. Paper B §3.

`application` is a Starlette application with all routes behind a login. `run` serves it with
uvicorn, whose limits keep one visitor from keeping out the others.
"""

import asyncio
import logging
import os
import random
import resource
import secrets
import signal
import socket
import threading
import time
import traceback
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uvicorn
from h11 import LocalProtocolError
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from crydecode import pages
from crydecode import store as stores
from crydecode.binding import SILENT
from crydecode.diary import CRY, HELPED
from crydecode.login import LoginRequired
from crydecode.sockets import HISTORY_S, MOST_BYTES, Protocol, Sockets
from crydecode.store import Log, Store, StoreUnavailable
from crydecode.store.accounts import LIFETIME_S
from cryutils._io.paths import scratch_dir
from cryutils._io.progress import say
from cryutils.errors import InputError
from cryutils.inference.readings import HOP_S, Reading
from cryutils.widgets.monitor import Models
from cryutils.words import NO_CRY, UNSURE

if TYPE_CHECKING:
    from crydecode.phone import Phones

MOST_FORM_BYTES = 2**16
FILES = 4096  # open files, among them idle connections, which uvicorn does not end
# A page can't contact any other site, so no sound or picture can be sent to one.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'self' blob:; img-src 'self' data:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "same-origin",
    "Service-Worker-Allowed": "/",
    "X-Content-Type-Options": "nosniff",
}
STRICT = {"Strict-Transport-Security": "max-age=2592000"}  # 30 days, as long as a mistake may last
# What is raised where a client is gone.
_GONE = (ClientDisconnect, ClientDisconnected, ConnectionError, LocalProtocolError, WebSocketDisconnect)


def application(
    store: Store,
    hosts: Sequence[str],
    *,
    run: Path | None,
    phones: "Phones | None" = None,
    film: Path | None = None,
) -> Starlette:
    """Return the application for the users in `store`.

    hosts: names by which browsers may call it; otherwise another site whose name resolves to this
    machine could use it from a caregiver's browser (DNS rebinding). run: the folder of the run whose
    models answer, None for the cry gate alone. phones: how phones reach the pages. film: what
    the pages of a demonstration play.
    """
    models = Models(run)
    sockets = Sockets(store, models, film)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(sockets.look())
        yield
        task.cancel()

    routes = [*pages.ROUTES, *(WebSocketRoute(path, sockets.serve) for path in ("/listen", "/watch"))]
    routes += [Route("/film.mp4", pages.film)] if film else []
    handlers: dict[Any, Any] = dict.fromkeys((HTTPException, InputError, StoreUnavailable), pages.refuse)
    guard = [Middleware(LoginRequired)]
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app = Starlette(
        routes=[Mount("/", routes=routes, middleware=guard, max_body_size=MOST_FORM_BYTES)],
        middleware=[Middleware(_with_headers_and_log), trusted],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    app.state.store, app.state.phones, app.state.film = store, phones, film
    app.state.sockets, app.state.page = sockets, pages.page
    app.state.models = models.answering(synthetic=film is not None).parts
    return app


def run(app: Starlette, sockets: list[socket.socket], **tls: Any) -> None:
    """Serve until a signal stops the server. tls: `ssl_certfile` and `ssl_keyfile`, for HTTPS."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FILES:  # no limit is -1
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard < 0 else min(FILES, hard), hard))
    config = uvicorn.Config(
        app,
        **SILENT,
        loop="asyncio",
        ws=Protocol,
        # It is uvicorn's own; without it, uvicorn would trust every program on this machine.
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
        ws_max_size=MOST_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
        **tls,
    )
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # its lines quote queries
    for number in (signal.SIGINT, signal.SIGTERM):  # which uvicorn raises again after it stopped
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets)


def demonstrate(address: str, hosts: list[str], sockets: list[socket.socket], models: Path | None) -> None:
    """Serve a temporary household whose pages play a film, and open its page in a browser. models: a run."""
    say("A demonstration with synthetic sound and pictures. It is ready in some seconds.")
    folder = scratch_dir()  # removed when the process ends
    film = folder / "film.mp4"
    from cryutils.datasets.synthetic.film import make_film

    make_film(film)
    with stores.open(f"sqlite:///{folder}/store.sqlite") as household:
        make_up_week(household.add_infant("Demo infant"))
        app = application(household, hosts, run=models, film=film)
        users = [household.users.add(name, secrets.token_hex()) for name in ("nursery", "parent")]
        links = [f"{address}login?link={household.logins.link(user, LIFETIME_S)}" for user in users]
        say(f"Open {links[0]} (once; Ctrl+C stops and deletes everything).")
        say(f"For the parent's phone, open {links[1]} in another browser or a private window (once).")
        # In a thread, because some browsers block the call until they are closed.
        threading.Thread(target=webbrowser.open, args=[links[0]], daemon=True).start()
        run(app, sockets)


def make_up_week(log: Log) -> None:
    """Fill a log with a week that ends some hours ago, so that it says nothing about now."""
    draw, end, session = random.Random(0), time.time() - HISTORY_S, log.begin()
    for hours in range(3, 7 * 24, 3):  # the baby wakes, is fed and sleeps
        start, cried_s = end - 3600 * (hours - draw.random()), draw.choice((30, 90, 240, 600))
        for what, after_s in (("awake", -60), ("fed", 900), ("nappy", 1800), ("asleep", 2700)):
            log.say(what, start + after_s, start + after_s)
        if not 9 <= datetime.fromtimestamp(start).hour < 17:  # when nobody listened
            log.say(CRY, start, start + cried_s, draw.choice((*HELPED, "feed")))
            heard = [Reading(start + s, UNSURE) for s in np.arange(0, cried_s, HOP_S)]
            heard += [Reading(start + s, NO_CRY) for s in range(cried_s, 7200, 60)]
            log.append(session, heard)


def _with_headers_and_log(app: ASGIApp) -> ASGIApp:
    """Add `HEADERS` to every answer, and `STRICT` to one over HTTPS, be it a proxy's or its own.

    A fault is logged in one line, without the request's query, which may be secret.
    """

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_https = scope["scheme"] == "https"
                MutableHeaders(scope=message).update(HEADERS | (STRICT if is_https else {}))
            await send(message)

        try:
            await app(scope, receive, answer)
        except _GONE:
            pass
        except Exception as error:  # its message may quote the request
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            logging.getLogger("crydecode").error("%s in %s", type(error).__name__, where)
            raise

    return answering
