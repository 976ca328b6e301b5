"""Who is logged in: name and password against the store, a random ticket in a signed cookie.

Whose ticket it is, and whether it is still good, the store says at each request. So a login that
has ended is over everywhere at once. Paper B, Figure 1.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import math
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.auth.login import LoginFormHandler
from tornado.web import Finish, HTTPError

from cryutils.app.connections import Plain, trust
from cryutils.app.kernels import Caregiver
from cryutils.app.store.accounts import LIFETIME_S
from cryutils.app.store.database import StoreUnavailable
from cryutils.app.turns import Turns

__all__ = ["Identity", "Link", "Login", "Logout"]

# Two at a time: a hash takes 64 MiB.
PLACES = 2
HASHING = ThreadPoolExecutor(PLACES, thread_name_prefix="hashing")
TURNS = Turns(PLACES)


@dataclass
class Link:
    """The address that logs one user in, once: the only way into a demonstration."""

    user: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def take(self, token: str) -> bool:
        """Return whether `token` is right; from then on none is."""
        is_right = bool(self.token) and hmac.compare_digest(token.encode(), self.token.encode())
        if is_right:
            self.token = ""
        return is_right


class Identity(IdentityProvider):
    """Tell from a request's cookie which caregiver it is from."""

    def __init__(self, **settings: Any) -> None:
        # Voilà passes a handler of its own, and a token in an address would be a login, too.
        handlers = {"login_handler_class": Login, "logout_handler_class": Logout}
        super().__init__(**settings | handlers | {"token": ""})
        self.cookie_options = {"samesite": "Lax", "expires_days": LIFETIME_S / 86400}

    async def get_user(self, handler: Any) -> Caregiver | None:
        """Return the caregiver whose ticket it is; None where it is nobody's."""
        cookie = handler.get_secure_cookie(self.get_cookie_name(handler))
        if cookie is None:
            return None
        ticket = cookie.decode()
        try:
            name = await asking(handler.settings["store"].logins.user, ticket)
        except HTTPError:
            handler.current_user = None  # the page that says so asks for it
            raise
        if name is None:
            return None
        trust(handler.request)
        return Caregiver(name, ticket=ticket)

    def user_to_cookie(self, user: Any) -> str:
        """Return what the cookie holds."""
        return user.ticket


class Login(Plain, LoginFormHandler):
    """The form for name and password."""

    def initialize(self) -> None:
        """Note when the client goes."""
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_connection_close(self) -> None:
        """Hash no password for a client that has disconnected."""
        if not self._gone.done():
            self._gone.set_result(None)

    @allow_unauthenticated
    async def get(self) -> None:
        """Show the form. In a demonstration, log in the first client with its link."""
        link = self.settings["link"]
        if link is None or self.current_user is not None:
            super().get()
        elif link.take(self.get_argument("link", "")):
            _ = self.xsrf_token  # makes the cookie that the form would have made
            await self._enter(link.user, self.base_url)
        else:
            self._refuse(
                403, "", "This is a demonstration. The link in the terminal opens it, once."
            )

    @allow_unauthenticated
    async def post(self) -> None:
        """Log in, or say that name or password are wrong, or how long to wait."""
        users = self.settings["store"].users
        name = self.get_body_argument("name", "")
        password = self.get_body_argument("password", "", strip=False)
        target = self.get_argument("next", self.base_url)
        attempt = await asking(
            functools.partial(users.attempt, address=self.request.remote_ip), name
        )
        if attempt.wait_s > 0:
            minutes = math.ceil(attempt.wait_s / 60)
            self._refuse(429, name, f"Too many attempts. Wait {minutes} min, then try again.")
            return
        address, is_known = attempt.row["address"], attempt.is_known
        async with TURNS.turn(address, is_known=is_known, gone=self._gone) as has_place:
            if not has_place:
                raise Finish
            right = await asking(users.check, attempt, password, threads=HASHING)
        if not right:
            self._refuse(401, name, "Name or password is wrong.")
        else:
            await leave(self)
            await self._enter(name, target)

    async def _enter(self, name: str, target: str) -> None:
        """Log somebody in, and lead to `target`."""
        ticket = await asking(self.settings["store"].logins.begin, name)
        self.identity_provider.set_login_cookie(self, Caregiver(name, ticket=ticket))
        self._redirect_safe(target)

    def _redirect_safe(self, url: str, default: str | None = None) -> None:
        """Lead to a page of this site, or else to the first."""
        # Printable ASCII alone, as a browser sends it: a header takes no line's end.
        is_plain = re.fullmatch(r"/[!-~]*", url) is not None
        super()._redirect_safe(url if is_plain else self.base_url, default)

    def _refuse(self, status: int, name: str, why: str) -> None:
        self.set_status(status)
        self._render({"error": why, "name": name})


class Logout(Plain):
    """The way out."""

    def get(self) -> None:
        """Ask first: a link, which any page could hold, ends nothing."""
        self.write(self.render_template("logout.html", user=self.current_user.username))

    async def post(self) -> None:
        """End the login and whatever it has opened."""
        await leave(self)
        self.identity_provider.clear_login_cookie(self)
        self.redirect(self.get_login_url())


async def leave(handler: Any) -> None:
    """End the login that a request is from, if it is from any, and whatever it has opened."""
    if handler.current_user is not None:
        await asking(handler.settings["store"].logins.end, handler.current_user.ticket)
        await handler.kernel_manager.end(handler.current_user.ticket)


async def asking(
    question: Callable[..., Any], *about: Any, threads: ThreadPoolExecutor | None = None
) -> Any:
    """Return the store's answer, waiting in a thread; a store out of reach is error 503."""
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, question, *about)
    except StoreUnavailable as error:
        raise HTTPError(503) from error
