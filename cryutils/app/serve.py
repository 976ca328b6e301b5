"""The caregiver application's server, `Server`: Voilà with one page behind a login, optionally TLS.

Standalone Voilà has no login, no TLS and more routes than one page needs. `Server` lists all
routes, each behind the login. `login` identifies users, and `kernels` controls access to pages.
Internals of Voilà and Jupyter Server are used, so their minor versions are pinned.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import secrets
import signal
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import platformdirs
import traitlets
from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.utils import url_path_join
from jupyterlab_server.themes_handler import ThemesHandler
from tornado import ioloop, netutil, web
from tornado.log import app_log, gen_log
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from cryutils._io import paths
from cryutils.app.connections import Connections, Plain, Site, by_name, log_refusal
from cryutils.app.kernels import Access, Kernels, Socket, WidgetMessages
from cryutils.app.login import Identity, Link
from cryutils.app.store import Store
from cryutils.errors import InputError, printable

__all__ = ["Server", "certificate", "cookie_secret", "is_local", "listen", "server", "site"]

HERE = Path(__file__).parent
LOST_S = 600  # the kernel of a lost page is ended after this time
LOOK_S = 5  # between searches for logins that ended without a request
EXTENSIONS = [
    "anywidget", "@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager7",
    "@voila-dashboards/widgets-manager8",
]  # fmt: skip
KERNEL = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"
# A page can't contact any other site, so no sound or picture can be sent to one.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "same-origin",
}


class _LoginRequired(Plain):
    """Refuse every method without a login."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if self.current_user is None and not self._finished:
            raise web.HTTPError(403)


def _behind_login(handler: type) -> type:
    return type(handler.__name__, (_LoginRequired, handler), {})


class _Shutdown(_LoginRequired, VoilaShutdownKernelHandler):
    """End the kernel of a closed page, if it is the caregiver's own."""

    async def post(self, kernel_id: str) -> None:
        if not self.settings["kernel_manager"].is_owner(kernel_id, self.current_user):
            raise web.HTTPError(403)
        await super().post(kernel_id)  # type: ignore[misc]


class Server(Voila):
    """Voilà with a login: one page, its assets, its kernel's websocket, and no other route."""

    store = traitlets.Any()
    site: Any = traitlets.Instance(Site)
    link = traitlets.Any()
    sockets: Any = traitlets.List()
    tls = traitlets.Any()

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths.insert(0, str(HERE / "templates"))

    def init_settings(self) -> dict[str, object]:
        templates = jinja2.FileSystemLoader(HERE / "templates")
        return super().init_settings() | {
            "headers": HEADERS,
            "jinja2_env": jinja2.Environment(loader=templates, autoescape=True),
            "log_function": log_refusal,
            "link": self.link,
            "store": self.store,
            # If both were equal, a page would be closed at the first ping, before it could answer.
            "ws_ping_interval": 10_000,
            "ws_ping_timeout": 30_000,
            "xsrf_cookie_kwargs": {"samesite": "Strict", "path": self.base_url},
        }

    def init_handlers(self) -> list[tuple]:
        """Return all routes. Without a login, only /login is available."""
        extensions = {"path": self.labextensions_path, "no_cache_paths": ["/"]}
        themes = {
            "themes_url": url_path_join(self.base_url, "voila/api/themes"),
            "path": self.themes_dir,
            "labextensions_path": self.labextensions_path,
        }
        page = {
            "notebook_path": os.path.relpath(self.notebook_path, self.root_dir),
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        static = {"paths": self.static_paths}
        routes = [
            *self.identity_provider.get_handlers(),
            (r"/", _behind_login(TornadoVoilaHandler), page),
            (rf"/api/kernels/{KERNEL}", _behind_login(KernelHandler)),
            (rf"/api/kernels/{KERNEL}/channels", Socket),
            (rf"/voila/api/shutdown/{KERNEL}", _Shutdown),
            (r"/voila/api/themes/(.*)", _behind_login(ThemesHandler), themes),
            (r"/voila/labextensions/(.*)", _behind_login(FileFindHandler), extensions),
            (r"/voila/static/(.*)", _behind_login(MultiStaticFileHandler), static),
            (r"/voila/templates/(.*)", _behind_login(TemplateStaticFileHandler)),
        ]
        return [(url_path_join(self.base_url, path), *rest) for path, *rest in routes]

    def listen(self) -> None:
        """Serve until a signal stops the server."""
        logging.basicConfig(format="%(asctime)s %(message)s")
        for log in (app_log, gen_log):  # their warnings about refusals quote queries
            log.setLevel(logging.ERROR)
        server = Connections(by_name(self.app, self.site.names), self.tls, self.site.proxies)
        server.add_sockets(self.sockets)
        look = ioloop.PeriodicCallback(self.kernel_manager.end_lost, 1000 * LOOK_S)
        look.start()
        signal.signal(signal.SIGINT, self._handle_signal_stop)
        try:
            self.ioloop.start()
        finally:
            self.stop()


def server(
    store: Store, sockets: list[socket.socket], tls: ssl.SSLContext | None, site: Site,
    link: Link | None = None,
) -> Server:  # fmt: skip
    """Return the application's server for the users in `store`.

    link: the login of a demonstration.
    """
    folder = Path(platformdirs.user_data_path("cryutils"))
    config = Config(
        KernelRestarter={"restart_limit": 0},  # a restarted kernel would lack its widgets
        Kernels={
            "cull_idle_timeout": LOST_S, "cull_interval": LOST_S // 10,
            "transport_encryption": "auto",
        },
        # No notebooks are signed, so create no files for signing in the user's folder.
        NotebookNotary={"db_file": ":memory:", "secret": secrets.token_bytes(32)},
        Voila={
            "authorizer_class": Access,
            # For the keys of the pages' kernels.
            "connection_dir_root": str(paths.scratch_dir()),
            # A demonstration leaves nothing in the user's folder.
            "cookie_secret": secrets.token_bytes(32) if link else cookie_secret(folder),
            "identity_provider_class": Identity,
            "kernel_websocket_connection_class": WidgetMessages,
            "log_level": "ERROR",
            "notebook_path": str(HERE / "pages" / "live.ipynb"),
        },
        VoilaConfiguration={
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "extension_allowlist": EXTENSIONS,
            "multi_kernel_manager_class": Kernels,
        },
    )  # fmt: skip
    voila = Server(
        config=config, store=store, sockets=sockets, tls=tls, site=site, link=link,
        config_file_paths=[],  # no settings from the folder in which the server is started
    )  # fmt: skip
    voila.ioloop = ioloop.IOLoop.current()  # a signal may stop it before it starts
    voila.initialize([])
    return voila


def certificate(certfile: str | None, keyfile: str | None) -> ssl.SSLContext | None:
    """Return the TLS context of a certificate; None without one.

    Raises InputError if certificate and key do not match.
    """
    if not certfile and not keyfile:
        return None
    if not certfile or not keyfile:
        raise InputError("HTTPS needs both --certfile and --keyfile; give the other one as well.")
    chain, key = paths.resolve(certfile), paths.resolve(keyfile)
    for path in (chain, key):
        paths.check_file(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(chain, key, password="")
    except ssl.SSLError as error:
        raise InputError(
            f"{chain}: not a certificate for the key in {key}; give both as PEM files, "
            "the key without a password."
        ) from error
    return context


def site(names: Sequence[str], proxies: Sequence[str]) -> Site:
    """Return a `Site` from command-line values. Raises InputError for invalid ones."""
    for name in names:
        if not _address(name) and not re.fullmatch(r"[\w.-]+", name):
            raise InputError(f"--name {printable(name)}: give a name alone, such as baby.local.")
    for proxy in proxies:
        if not _address(proxy):
            raise InputError(f"--proxy {printable(proxy)}: give an address such as 127.0.0.1.")
    return Site(
        names=frozenset(_address(name) or name.lower() for name in names),
        proxies=frozenset(map(_address, proxies)),
    )


def _address(text: str) -> str:
    """Return an IP address in its shortest form; "" for anything else."""
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at `host` and `port` (0: any free port).

    Raises InputError if that is impossible.
    """
    try:
        return netutil.bind_sockets(port, host)
    except (OSError, ValueError) as error:  # ValueError for an invalid host name
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{host}, port {port}: {why}; choose another --host or --port.") from error


def is_local(sockets: list[socket.socket]) -> bool:
    """Return whether only this machine can connect."""
    return all(ipaddress.ip_address(end.getsockname()[0]).is_loopback for end in sockets)


def cookie_secret(folder: Path) -> bytes:
    """Return the key that signs cookies, from a file that only its owner can read."""
    path = folder / "cookie-secret"
    if not path.exists():
        with paths.writing(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()
