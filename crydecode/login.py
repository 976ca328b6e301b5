"""Login with name and password, and a random ticket in a cookie. Paper B, Figure 1.

Each request looks the ticket up in the store, so the end of a login takes effect everywhere at
once. `LoginRequired` stands in front of every route, so that none can be forgotten.
"""

import asyncio
import math
import re
from functools import partial
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from crydecode.store.threads import ask

COOKIE_S = 365 * 86_400  # after that long, a device logs in again in any case
HASHES, HASHED_S = asyncio.Semaphore(2), 600.0  # a hash takes 64 MiB, and many may be asked for at once


class LoginRequired:
    """Sets the scope's `user`. Without a login, only the login's form and static files are answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        scope["ticket"] = connection.cookies.get(_cookie(connection), "")
        scope["user"] = None
        is_public = scope["path"] == "/login" or scope["path"].startswith("/static/")
        if scope["ticket"] and not is_public:
            user = connection.app.state.store.logins.user
            scope["user"] = await ask(user, scope["ticket"])
        answer: ASGIApp
        if scope["user"] is not None or is_public:
            answer = self._app
        elif scope["type"] == "websocket":
            answer = WebSocketClose()  # before it is accepted: 403
        elif scope["method"] in ("GET", "HEAD"):
            target = quote(scope["path"] + "?" * bool(connection.url.query) + connection.url.query)
            answer = RedirectResponse(f"/login?next={target}", 302)
        else:
            raise HTTPException(403)
        await answer(scope, receive, send)


async def log_in(request: Request) -> Response:
    """Show the form; log in, or say that name or password is wrong, or how long to wait."""
    state, target = request.app.state, own_path(request.query_params.get("next", "/"))
    if request.method != "POST":
        link = request.query_params.get("link", "")
        if state.film is not None:
            return await _follow(request, link)
        return state.page(request, "login.html", next=target, link=link)
    fields = await form(request)
    if link := fields.get("link", ""):
        return await _follow(request, link)
    name, password = fields.get("name", ""), fields.get("password", "")
    refuse = partial(state.page, request, "login.html", name=name, next=target)
    address = request.client.host if request.client else ""
    # Asked before, so that a store that does not answer does not block the hashing.
    await ask(state.store.infants)
    check = partial(state.store.users.check, name, password, address)
    is_right, wait_s = await ask(check, turns=HASHES, limit_s=HASHED_S)
    if wait_s > 0:
        wait = f"Wait {math.ceil(wait_s / 60)} min, then try again."
        return refuse(status=429, error=f"Too many attempts. {wait}")
    if not is_right:
        return refuse(status=401, error="Name or password is wrong.")
    return await _enter(request, name, target)


async def _follow(request: Request, link: str) -> Response:
    """Log in by a link that does so once, or say why it does not."""
    state = request.app.state
    is_in = await ask(state.store.logins.user, request.scope["ticket"]) is not None
    is_kept = is_in and state.film is not None  # a demonstration's second link is for another browser
    if link and not is_kept and (user := await ask(state.store.logins.follow, link)) is not None:
        return await _enter(request, user, "/")
    if is_in:
        return RedirectResponse("/", 303)
    why = "This code was used, or it is too old. Make a new one, or log in with your name and password."
    if state.film is not None:
        why = "Open a link from the terminal, or from More › Set up another phone. Each works once."
    return state.page(request, "login.html", status=403, error=why, next="/")


async def log_out(request: Request) -> Response:
    """End the login and its pages."""
    await form(request)
    await _leave(request)
    return RedirectResponse("/login", 303)


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form. Raises error 403 for a form of another site."""
    if not is_own(request):
        raise HTTPException(403)
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def is_own(connection: HTTPConnection) -> bool:
    """Return whether a form or a WebSocket comes from a page of this site: browsers send its origin."""
    scheme = connection.scope["scheme"].replace("ws", "http")
    return connection.headers.get("origin") == f"{scheme}://{connection.headers.get('host')}"


async def _enter(request: Request, name: str, target: str) -> Response:
    """Log a user in, and redirect to `target`. The browser's earlier login ends."""
    await _leave(request)
    store, response = request.app.state.store, RedirectResponse(target, 303)
    ticket, is_https = await ask(store.logins.begin, name), request.url.scheme == "https"
    cookie = _cookie(request)
    response.set_cookie(cookie, ticket, COOKIE_S, httponly=True, samesite="lax", secure=is_https)
    return response


async def _leave(request: Request) -> None:
    """End the login of a request, if it has one, and its open pages."""
    if request.scope["ticket"]:
        await ask(request.app.state.store.logins.end, request.scope["ticket"])
        await request.app.state.sockets.end(request.scope["ticket"])


def _cookie(connection: HTTPConnection) -> str:
    """Return the cookie's name; another server on this machine has another one."""
    return f"login-{(connection.scope.get('server') or ('', 0))[1]}"


def own_path(target: str) -> str:
    """Return `target` if it is a page of this site, otherwise the first page."""
    # Only printable ASCII, as browsers send it, so that no line break enters a header.
    return target if re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", target) else "/"
