"""A server of the application and a browser-like client.

It needs Voilà.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
import websocket
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from processes import end

from cryutils.app import store

HANG_S = 600  # longer than any machine takes: after this, a wait is given up
PASSWORD = "four words nobody guesses"
CONTROL = "jupyter.widget.control"
PROTOCOL = "v1.kernel.websocket.jupyter.org"


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

    @property
    def store(self) -> store.Store:
        return store.open(self.store_url)

    def kernels(self) -> dict[str, psutil.Process]:
        """Return the processes of the server's kernels by kernel id."""
        running = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if match := re.search(r"kernel-([\w-]+)\.json", " ".join(process.cmdline())):
                    running[match[1]] = process
        return running


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[Served]:
    """Start `cryutils serve` with its files in `folder`, and stop it at the end."""
    environment = {name: value for name, value in os.environ.items() if "CRYUTILS" not in name}
    environment |= {
        "CRYUTILS_STORE": f"sqlite:///{folder / 'store.db'}", "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "CRYUTILS_OUTPUTS_DIR": str(folder / "outputs"),
    } | variables  # fmt: skip
    # Like the installed command, it does not look for modules in the working directory (-P).
    command = [sys.executable, "-P", "-m", "cryutils.course.cli", "serve", "--port", "0", *options]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        server = Served("", folder, environment["CRYUTILS_STORE"], process)
        while not (line := re.search(r"^Open (\S+)/(?:login\S*)? ", server.log, re.M)):
            assert process.poll() is None, server.log
            time.sleep(0.05)
        server.url = line[1]
        yield server
    finally:
        end(process)


def until(true: Callable[[], object], what: str) -> None:
    """Wait until `true()` is true; fail after HANG_S."""
    deadline = time.monotonic() + HANG_S
    while not true():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


class Visitor(requests.Session):
    """A browser without a screen: cookies, forms and their tokens, a page and its websocket.

    address: the client's address, as a proxy reports it to the server.
    """

    def __init__(self, server: Served, address: str | None = None) -> None:
        super().__init__()
        self.server, self.kernel = server, ""
        self.headers["X-Real-IP"] = address

    def request(self, method: str, path: str, **options: object) -> requests.Response:  # type: ignore[override]
        """Send a request to the server without following redirects."""
        options |= {"allow_redirects": False, "timeout": HANG_S}
        return super().request(method, self.server.url + path, **options)  # type: ignore[arg-type]

    def submit(self, form: str, path: str | None = None, **fields: str) -> requests.Response:
        """Fill in and send the form on the page `form`."""
        token = re.search(r'name="_xsrf" value="([^"]+)"', self.get(form).text)
        return self.post(path or form, data=fields | {"_xsrf": token[1] if token else ""})

    def log_in(self, name: str, password: str = PASSWORD) -> requests.Response:
        return self.submit("/login", name=name, password=password)

    def open_page(self, path: str = "/") -> str:
        """Open the page and return its kernel's id."""
        settings = re.search(r'"kernelId": "([\w-]+)"', self.get(path).text)
        assert settings, self.server.log
        return settings[1]

    def socket(self, kernel: str, **options: object) -> websocket.WebSocket:
        """Connect to a kernel as the page does."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        options = {"subprotocols": [PROTOCOL], "timeout": HANG_S, "cookie": cookie} | options
        url = self.server.url.replace("http", "ws", 1)
        return websocket.create_connection(f"{url}/api/kernels/{kernel}/channels", **options)


def send(
    socket: websocket.WebSocket, kind: str, *, channel: str = "shell",
    buffers: Sequence[bytes] = (), **content: object,
) -> str:  # fmt: skip
    """Send a message of this kind to a kernel, and return its id."""
    # Version of the widgets' messages; the kernel checks its first number.
    version = "1.0.0" if content.get("target_name") == CONTROL else "2.1.0"
    session = Session()
    message = session.msg(kind, content, metadata={"version": version})
    names = ("header", "parent_header", "metadata", "content")
    parts = [*(session.pack(message[name]) for name in names), *buffers]
    socket.send_binary(serialize_msg_to_ws_v1(parts, channel))
    return message["header"]["msg_id"]


def messages(socket: websocket.WebSocket) -> Iterator[tuple[dict, dict, dict]]:
    """Yield header, parent header and content of each message until the server closes the socket.

    Fails if no message comes for HANG_S.
    """
    deadline = time.monotonic() + HANG_S
    with suppress(websocket.WebSocketConnectionClosedException):
        while (frame := socket.recv_data_frame(True)[1]).opcode != websocket.ABNF.OPCODE_CLOSE:
            assert time.monotonic() < deadline  # the pings never stop
            if frame.opcode == websocket.ABNF.OPCODE_BINARY:
                deadline = time.monotonic() + HANG_S
                _, (header, parent, _, content, *_) = deserialize_msg_from_ws_v1(frame.data)
                yield json.loads(header), json.loads(parent), json.loads(content)


def replies(socket: websocket.WebSocket, until: str) -> Iterator[tuple[str, str, dict]]:
    """Yield (kind, parent id, content) of messages, until the message `until` has its reply.

    It also waits for the kernel to be idle, because what a kernel publishes comes another way.
    """
    waited = {"kernel_info_reply", "comm_info_reply"}, {"idle"}
    for header, parent, content in messages(socket):
        yield header["msg_type"], parent.get("msg_id", ""), content
        if parent.get("msg_id") == until:
            signs = {header["msg_type"], content.get("execution_state")}
            waited = tuple(left for left in waited if not left & signs)
        if not waited:
            return
    raise AssertionError("the server closed the websocket")


def widgets(socket: websocket.WebSocket) -> dict[str, dict]:
    """Return the state of each widget of a page by id, requested as the page does."""
    comm = "0123456789abcdef"
    send(socket, "comm_open", comm_id=comm, target_name=CONTROL, data={})
    send(socket, "comm_msg", comm_id=comm, data={"method": "request_states"})
    states = {}
    for kind, _, content in replies(socket, send(socket, "kernel_info_request")):
        if kind == "comm_msg" and content["data"].get("method") == "update_states":
            states = {name: held["state"] for name, held in content["data"]["states"].items()}
    return states
