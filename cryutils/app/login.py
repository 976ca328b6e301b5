"""Login with name and password, and a random ticket in a signed cookie. Paper B, Figure 1.

Each request looks the ticket up in the store, so the end of a login takes effect everywhere at
once.
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
from tornado.web import HTTPError

from cryutils.app.connections import Plain, trust
from cryutils.app.kernels import Caregiver
from cryutils.app.store.accounts import LIFETIME_S
from cryutils.app.store.database import StoreUnavailable

__all__ = ["Identity", "Link", "Login", "Logout"]


HASHING = ThreadPoolExecutor(2, thread_name_prefix="hashing")  # a hash takes 64 MiB


@dataclass
class Link:
    """A link that logs a user in once, the only way into a demonstration."""

    user: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def take(self, token: str) -> bool:
        """Return whether `token` is right; it is accepted only once."""
        is_right = bool(self.token) and hmac.compare_digest(token.encode(), self.token.encode())
        if is_right:
            self.token = ""
        return is_right


class Identity(IdentityProvider):
    """Identifies the caregiver of a request by its cookie."""

    def __init__(self, **settings: Any) -> None:
        # Replaces Voilà's own login handler, and disables logins by a token in the address.
        handlers = {"login_handler_class": Login, "logout_handler_class": Logout}
        super().__init__(**settings | handlers | {"token": ""})
        self.cookie_options = {"samesite": "Lax", "expires_days": LIFETIME_S / 86400}

    async def get_user(self, handler: Any) -> Caregiver | None:
        """Return the caregiver with the ticket in the cookie; None without a valid ticket."""
        cookie = handler.get_secure_cookie(self.get_cookie_name(handler))
        if cookie is None:
            return None
        ticket = cookie.decode()
        try:
            name = await asking(handler.settings["store"].logins.user, ticket)
        except HTTPError:
            handler.current_user = None  # needed by the page that shows the error
            raise
        if name is None:
            return None
        trust(handler.request)
        return Caregiver(name, ticket=ticket)

    def user_to_cookie(self, user: Any) -> str:
        return user.ticket


class Login(Plain, LoginFormHandler):
    """The form for name and password."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Show the form; in a demonstration, log in the first client that has its link."""
        link = self.settings["link"]
        if link is None or self.current_user is not None:
            super().get()
        elif link.take(self.get_argument("link", "")):
            _ = self.xsrf_token  # sets the cookie that the form would have set
            await self._enter(link.user, self.base_url)
        else:
            self._refuse(
                403, "", "This is a demonstration. The link in the terminal opens it, once."
            )

    @allow_unauthenticated
    async def post(self) -> None:
        """Log in, or say that name or password is wrong, or how long to wait."""
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
        if not await asking(users.check, attempt, password, threads=HASHING):
            self._refuse(401, name, "Name or password is wrong.")
        else:
            await leave(self)
            await self._enter(name, target)

    async def _enter(self, name: str, target: str) -> None:
        """Log a user in and redirect to `target`."""
        ticket = await asking(self.settings["store"].logins.begin, name)
        self.identity_provider.set_login_cookie(self, Caregiver(name, ticket=ticket))
        self._redirect_safe(target)

    def _redirect_safe(self, url: str, default: str | None = None) -> None:
        """Redirect to `url` if it is a page of this site, otherwise to the first page."""
        # Only printable ASCII, as browsers send it, so that no line break enters a header.
        is_plain = re.fullmatch(r"/[!-~]*", url) is not None
        super()._redirect_safe(url if is_plain else self.base_url, default)

    def _refuse(self, status: int, name: str, why: str) -> None:
        self.set_status(status)
        self._render({"error": why, "name": name})


class Logout(Plain):
    """The form for logging out."""

    def get(self) -> None:
        """Ask for confirmation, since any page could contain a link to this one."""
        self.write(self.render_template("logout.html", user=self.current_user.username))

    async def post(self) -> None:
        """End the login and its pages."""
        await leave(self)
        self.identity_provider.clear_login_cookie(self)
        self.redirect(self.get_login_url())


async def leave(handler: Any) -> None:
    """End the login of a request, if it has one, and the login's pages."""
    if handler.current_user is not None:
        await asking(handler.settings["store"].logins.end, handler.current_user.ticket)
        await handler.kernel_manager.end(handler.current_user.ticket)


async def asking(
    question: Callable[..., Any], *about: Any, threads: ThreadPoolExecutor | None = None
) -> Any:
    """Ask the store in a thread and return its answer. Raises error 503 if it can't be reached."""
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, question, *about)
    except StoreUnavailable as error:
        raise HTTPError(503) from error
