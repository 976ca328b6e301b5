"""A real server of the caregiver application in a process of its own, and what a browser does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import websocket
from jupyter_client.session import Session

from cryutils.app import store

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

HANG_S = 120  # no machine is that slow: whatever takes longer never comes
PASSWORD = "four words nobody guesses"
CONTROL = "jupyter.widget.control"
PROTOCOL = "v1.kernel.websocket.jupyter.org"


@dataclass
class Served:
    """A running server, the folder of its user's files and what it printed."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    @property
    def store(self) -> store.Store:
        return store.open(f"sqlite:///{self.folder / 'store.db'}")


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[Served]:
    """Start `cryutils serve` with its files in `folder`, and stop it in the end."""
    environment = {name: value for name, value in os.environ.items() if "CRYUTILS" not in name}
    environment |= {
        "CRYUTILS_STORE": f"sqlite:///{folder / 'store.db'}", "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "CRYUTILS_OUTPUTS_DIR": str(folder / "outputs"),
    }  # fmt: skip
    # As the installed command does, it doesn't look for modules in the folder of the start (-P).
    command = [sys.executable, "-P", "-m", "cryutils.course.cli", "serve", "--port", "0", *options]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | variables, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        server = Served("", folder, process)
        while not (line := re.search(r"^Open (\S+)/ ", server.log, re.MULTILINE)):
            assert process.poll() is None, server.log
            time.sleep(0.05)
        server.url = line[1]
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Visitor(requests.Session):
    """A browser without a screen: cookies, forms and their tokens, a page and its websocket."""

    def __init__(self, server: Served) -> None:
        super().__init__()
        self.server, self.kernel = server, ""

    def request(self, method: str, path: str, **options: object) -> requests.Response:  # type: ignore[override]
        """Ask the server; a redirect is an answer."""
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
        """Connect with a kernel as the page does."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        options = {"subprotocols": [PROTOCOL], "timeout": HANG_S, "cookie": cookie} | options
        url = self.server.url.replace("http", "ws", 1)
        return websocket.create_connection(f"{url}/api/kernels/{kernel}/channels", **options)


def send(
    socket: websocket.WebSocket, kind: str, *, channel: str = "shell", **content: object
) -> str:
    """Send a message of this kind to a kernel, and return its id."""
    # Of widgets' messages; the kernel looks at its first number.
    version = "1.0.0" if content.get("target_name") == CONTROL else "2.1.0"
    message = Session().msg(kind, content, metadata={"version": version})
    socket.send_binary(serialize_msg_to_ws_v1(message, channel, Session().pack))
    return message["header"]["msg_id"]


def messages(socket: websocket.WebSocket) -> Iterator[bytes]:
    """Yield what comes until the server closes the websocket; fail where nothing happens."""
    deadline = time.monotonic() + HANG_S
    with suppress(websocket.WebSocketConnectionClosedException):
        while (frame := socket.recv_data_frame(True)[1]).opcode != websocket.ABNF.OPCODE_CLOSE:
            assert time.monotonic() < deadline  # its pings come for ever
            if frame.opcode == websocket.ABNF.OPCODE_BINARY:
                yield frame.data


def replies(socket: websocket.WebSocket, until: str) -> Iterator[tuple[str, str, dict]]:
    """Yield (kind, id of what it answers, content) of messages, until `until` has its reply.

    And until the kernel has said that it is idle again: what it publishes comes another way.
    """
    waited = {"kernel_info_reply", "comm_info_reply"}, {"idle"}
    for data in messages(socket):
        _, parts = deserialize_msg_from_ws_v1(data)
        header, parent, _, content = (json.loads(part) for part in parts[:4])
        yield header["msg_type"], parent.get("msg_id", ""), content
        if parent.get("msg_id") == until:
            signs = {header["msg_type"], content.get("execution_state")}
            waited = tuple(left for left in waited if not left & signs)
        if not waited:
            return
    pytest.fail("the server closed the websocket")
