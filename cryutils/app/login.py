"""Who is logged in: name and password against the store, a random session in a signed cookie.

The cookie holds the session's token alone; whose it is, and whether it is still good, the store
says at each request. So a session that has ended is over everywhere at once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.auth.login import LoginFormHandler
from jupyter_server.base.handlers import JupyterHandler

from cryutils.app.kernels import Caregiver

__all__ = ["Login", "Logout", "Sessions"]

# Two at a time: a hash takes 64 MiB, and whoever guesses in parallel waits for nobody but himself.
HASHING = ThreadPoolExecutor(2, thread_name_prefix="hashing")


class Sessions(IdentityProvider):
    """Tell from a request's cookie which caregiver it is from."""

    def __init__(self, **kwargs: Any) -> None:
        # Voilà passes a handler of its own and would take a token in the address for a login.
        handlers = {"login_handler_class": Login, "logout_handler_class": Logout}
        super().__init__(**kwargs | handlers | {"token": ""})
        self.cookie_options = {"samesite": "Lax"}

    async def get_user(self, handler: Any) -> Caregiver | None:
        """Return the caregiver whose session it is, None where it's over or there is none."""
        token = handler.get_secure_cookie(self.get_cookie_name(handler))
        if token is None:
            return None
        name = await asyncio.to_thread(self.parent.store.session_user, token.decode())
        return name and Caregiver(name, session=token.decode())

    def user_to_cookie(self, user: Any) -> str:
        """Return what the cookie holds."""
        return user.session


class Login(LoginFormHandler):
    """The form for name and password."""

    @allow_unauthenticated
    async def post(self) -> None:
        """Begin a session, or say that name or password are wrong, or how long to wait."""
        name, password = self.get_body_argument("name", ""), self.get_body_argument("password", "")
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(
            HASHING, self.settings["store"].login, name, password, self.request.remote_ip
        )
        if session is None:
            self.set_status(401)
            self._render({"error": "Name or password is wrong."})
            return
        self.identity_provider.set_login_cookie(self, Caregiver(name, session=session))
        self._redirect_safe(self.get_argument("next", self.base_url))


class Logout(JupyterHandler):
    """The way out."""

    def get(self) -> None:
        """Ask: a link alone, which any page could hold, ends nothing."""
        self.write(self.render_template("logout.html", user=self.current_user.username))

    async def post(self) -> None:
        """End the session and everything that it has opened."""
        await asyncio.to_thread(self.settings["store"].end_session, self.current_user.session)
        await self.kernel_manager.end(self.current_user.session)
        self.identity_provider.clear_login_cookie(self)
        self.redirect(self.get_login_url())
