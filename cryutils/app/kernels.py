"""The pages' kernels: each belongs to the login that opened it and accepts only widget messages.

The server records a kernel's owner when the kernel starts and never trusts a client's claim about
it. Since only widget messages reach a kernel, caregivers can use its page but can't run code.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jupyter_server import CallContext
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.identity import User
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.log import access_log
from tornado.web import HTTPError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from cryutils.app.connections import Plain
from cryutils.app.store.database import StoreUnavailable

__all__ = ["Access", "Caregiver", "Kernels", "Socket", "WidgetMessages"]

PAGES = 4  # per caregiver; one more closes the oldest, so that reloading always works
# The environment variables that a kernel inherits from the server. CRYUTILS_STORE may contain a
# database password; it is included because the page's process opens the store itself.
VARIABLES = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH",
    "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "IPYTHONDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME",
    "CRYUTILS_CACHE_DIR", "CRYUTILS_DEMO_FILM", "CRYUTILS_LIVE_RUN",
    "CRYUTILS_OUTPUTS_DIR", "CRYUTILS_PROJECT_DIR", "CRYUTILS_START_DIR", "CRYUTILS_STORE",
)  # fmt: skip
PROTOCOL = "v1.kernel.websocket.jupyter.org"
MESSAGES = ["comm_close", "comm_info_request", "comm_msg", "comm_open", "kernel_info_request"]
# The only comm that a page may open, to request its widgets' states; it can't create widgets.
CONTROL = "jupyter.widget.control"


@dataclass
class Caregiver(User):
    """A logged-in user, with the ticket of the login."""

    ticket: str = field(default="", repr=False)


class Kernels(AsyncMappingKernelManager):
    """The pages' kernels with their owners; `parent` is the server."""

    parent: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.allowed_message_types = MESSAGES
        self.owners: dict[str, Caregiver] = {}
        self.sockets: defaultdict[str, set[Socket]] = defaultdict(set)

    async def start_kernel(  # type: ignore[override]
        self, *, path: Any = None, **_ignored: Any
    ) -> str:
        """Start a kernel for the caregiver of the current request, and return its id.

        The caller's environment is not used: it contains the server's secrets and the client's
        query.
        """
        caregiver = CallContext.get(CallContext.JUPYTER_HANDLER).current_user
        pages = [id for id, owner in self.owners.items() if owner.username == caregiver.username]
        for oldest in pages[: max(0, len(pages) - PAGES + 1)]:
            await self.close(oldest)
        kernel_id = str(uuid.uuid4())
        self.owners[kernel_id] = caregiver
        environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        environment["CRYUTILS_TICKET"] = caregiver.ticket
        await super().start_kernel(
            kernel_id=kernel_id, kernel_name="python3", path=path, env=environment
        )
        if kernel_id not in self.owners:  # the login ended meanwhile
            await self.shutdown_kernel(kernel_id)
            raise HTTPError(403)
        return kernel_id

    def is_owner(self, kernel_id: str, caregiver: Caregiver) -> bool:
        """Return whether the kernel exists and was opened by this login."""
        owner = self.owners.get(kernel_id)
        return owner is not None and owner.ticket == caregiver.ticket

    async def close(self, kernel_id: str) -> None:
        """Disconnect a kernel from its page at once, then end it."""
        self._forget(kernel_id)
        if kernel_id in self:
            await self.shutdown_kernel(kernel_id)

    async def end(self, ticket: str) -> None:
        """Close all kernels of a login that has ended."""
        for kernel_id in [id for id, owner in self.owners.items() if owner.ticket == ticket]:
            await self.close(kernel_id)

    async def end_lost(self) -> None:
        """Close the kernels of logins that have expired or whose users were removed."""
        with suppress(StoreUnavailable):  # try again at the next call
            for ticket in {owner.ticket for owner in self.owners.values()}:
                if await asyncio.to_thread(self.parent.store.logins.user, ticket) is None:
                    await self.end(ticket)

    def remove_kernel(self, kernel_id: str) -> Any:
        """Forget a kernel that has ended for any reason, and close its websockets."""
        self._forget(kernel_id)
        return super().remove_kernel(kernel_id)

    def _forget(self, kernel_id: str) -> None:
        self.owners.pop(kernel_id, None)
        for socket in self.sockets.pop(kernel_id, ()):
            socket.close()


class Access(Authorizer):
    """Deny everything except the use of one's own kernel."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return (
            resource == "kernels"
            and action in ("read", "execute")
            and handler.kernel_manager.is_owner(handler.path_kwargs.get("kernel_id"), user)
        )


class Socket(Plain, VoilaKernelWebsocketHandler):
    """A page's websocket, which is closed with its kernel."""

    async def pre_get(self) -> None:
        """Refuse protocols other than the page's, since their messages would not be checked."""
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in [name.strip() for name in offered.split(",")]:
            raise HTTPError(403)
        await super().pre_get()

    async def open(self, kernel_id: str) -> None:
        if not self.kernel_manager.is_owner(kernel_id, self.current_user):  # the kernel has ended
            self.close()
            return
        self.kernel_manager.sockets[kernel_id].add(self)
        await super().open(kernel_id)

    def on_close(self) -> None:
        self.kernel_manager.sockets.get(self.kernel_id, set()).discard(self)
        super().on_close()


class WidgetMessages(ZMQChannelsWebsocketConnection):
    """The filter between a page and its kernel: only messages of the kernel's widgets pass."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass a message to the kernel or drop it; an invalid message ends the connection."""
        try:
            # An impossible number of parts would keep the server busy forever.
            if int.from_bytes(incoming_msg[:8], "little") > len(incoming_msg) // 8:
                raise ValueError
            channel, parts = deserialize_msg_from_ws_v1(incoming_msg)
            kind = self.session.unpack(parts[0])["msg_type"]
            target = self.session.unpack(parts[3]).get("target_name")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            access_log.warning("closed a websocket that sent what is no message")
            self.websocket_handler.close()
            return
        is_new_widget = kind == "comm_open" and target != CONTROL
        if channel != "shell" or kind not in MESSAGES or is_new_widget:
            access_log.warning("dropped a message that no page sends: %r on %r", kind, channel)
            return
        super().handle_incoming_message(incoming_msg)
