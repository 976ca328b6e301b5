"""A server of the application and a browser-like client."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import requests
from processes import end
from websockets.sync.client import ClientConnection, connect

from crydecode import store

HANG_S = 600  # longer than any machine takes: after this, a wait is given up
PASSWORD = "four words nobody guesses"


@dataclass
class Served:
    """A running server: its URL, folder of files and log, URL of its store, and process."""

    url: str
    folder: Path
    store_url: str
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    @cached_property
    def store(self) -> store.Store:
        return store.open(self.store_url)


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[Served]:
    """Start `cryutils serve` with its files in `folder`, and stop it at the end."""
    environment = {name: value for name, value in os.environ.items() if "CRYUTILS" not in name}
    environment |= {
        "CRYUTILS_STORE": f"sqlite:///{folder / 'store.db'}",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "CRYUTILS_OUTPUTS_DIR": str(folder / "outputs"),
    } | variables
    # Like the installed command, it does not look for modules in the working directory (-P).
    command = [sys.executable, "-P", "-m", "cryutils.course.cli", "serve", "--port", "0", *options]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        server = Served("", folder, environment["CRYUTILS_STORE"], process)
        while not (line := re.search(r"^Open (\S+)/(?:login\S*)? ", server.log, re.M)):
            assert process.poll() is None, server.log
            time.sleep(0.05)
        server.url = line[1]
        # It has loaded what it needs. (Its certificate is of a test.)
        Visitor(server).get("/login", verify=False)
        yield server
    finally:
        end(process)


class Visitor(requests.Session):
    """A browser without a screen: cookies, forms, and a page's WebSocket.

    address: the client's address, as a proxy reports it to the server.
    """

    def __init__(self, server: Served, address: str | None = None) -> None:
        super().__init__()
        self.server = server
        self.headers["X-Forwarded-For"] = address
        self.scheme = urlsplit(server.url).scheme  # or what a proxy says

    def request(self, method: str, path: str, **options: object) -> requests.Response:  # type: ignore[override]
        """Send a request to the server without following redirects."""
        options |= {"allow_redirects": False, "timeout": HANG_S}
        return super().request(method, self.server.url + path, **options)  # type: ignore[arg-type]

    def submit(self, form: str, path: str | None = None, **fields: str) -> requests.Response:
        """Send a form of the page `form`, as the page itself does."""
        return self.post(path or form, data=fields, headers={"Origin": self.origin})

    def log_in(self, name: str, password: str = PASSWORD) -> requests.Response:
        return self.submit("/login", name=name, password=password)

    def enter(self, name: str) -> Self:
        """Log in without a form, which saves the time of hashing a password."""
        port = self.server.url.rpartition(":")[2]
        self.cookies.set(f"login-{port}", self.server.store.logins.begin(name))
        return self

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.headers.get('Host') or urlsplit(self.server.url).netloc}"

    def socket(self, infant: int, path: str = "/listen", **options: Any) -> ClientConnection:
        """Connect as the page of an infant does that listens, or that watches."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        place = urlsplit(self.server.url)
        query = f"{'&' if '?' in path else '?'}infant={infant}"
        url = f"ws://{self.headers.get('Host') or place.netloc}{path}{query}"
        options = {
            "origin": self.origin,
            "open_timeout": HANG_S,
            "compression": None,
            "proxy": None,
            "sock": socket.create_connection((place.hostname, place.port or 0), HANG_S),
            "additional_headers": {"Cookie": cookie, "X-Forwarded-Proto": self.scheme},
        } | options
        return connect(url, **options)


def ask(page: ClientConnection, kind: str, buffer: bytes = b"", **content: Any) -> dict[str, Any]:
    """Send a message of the page, and return its answer."""
    send(page, kind, buffer, **content)
    while True:
        answer: dict[str, Any] = json.loads(page.recv(HANG_S))
        if answer["type"] != "about":
            return answer


def send(page: ClientConnection, kind: str, buffer: bytes = b"", **content: Any) -> None:
    text = json.dumps({"type": kind, "number": 0, **content}).encode()
    page.send(len(text).to_bytes(4, "little") + text + buffer if buffer else text.decode())


def noise(seconds: float = 0.25, sr: int = 48_000) -> bytes:
    """Return a block of noise as the page sends it."""
    return pcm(np.random.default_rng(0).normal(0, 0.1, round(seconds * sr)))


def pcm(x: np.ndarray) -> bytes:
    """Return sound in [-1, 1] as the page sends it."""
    return (32767 * np.clip(x, -1, 1)).astype("<i2").tobytes()
