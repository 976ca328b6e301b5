"""The application's server against idle connections, names, proxies and broken requests."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from refusals import mistake

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from clock import until
from served import HANG_S, PASSWORD, Served, Visitor, ask, served
from trained_run import Trained
from websockets.exceptions import InvalidStatus

HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
Command = Callable[..., tuple[int, str, str]]
NAMES = ("--name", "baby.local", "--name", "192.0.2.9")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Iterator[Served]:
    """A server with its own host names."""
    folder = tmp_path_factory.mktemp("served")
    with served(folder, *NAMES, CRYUTILS_OUTPUTS_DIR=str(trained.outputs)) as server:
        server.store.users.add("ann", PASSWORD)
        server.store.add_infant("Mia")
        yield server


# What strangers leave open


def test_a_thousand_idle_connections_keep_nobody_out(server: Served) -> None:
    ann, process = Visitor(server), psutil.Process(server.process.pid)
    assert ann.log_in("ann").status_code == 303
    page = ann.socket(server.store.infant("Mia").id)
    files, logged = process.num_fds(), server.log
    with ExitStack() as stack:
        for i in range(1000):
            place = "127.0.0.1", urlsplit(server.url).port
            stranger = stack.enter_context(socket.create_connection(place, timeout=HANG_S))
            stranger.sendall(b"" if i % 2 else b"GET")
        until(lambda: process.num_fds() >= files + 1000)
        assert Visitor(server).log_in("ann").status_code == 303
        assert ask(page, "start")["type"] == "answer"
    until(lambda: process.num_fds() < files + 16)
    assert ask(page, "look")["type"] == "answer", "a page stays"
    page.close()
    assert server.log == logged


# Names and proxies


def test_a_browser_must_call_the_server_by_a_name_of_its_own(server: Served) -> None:
    own = ("127.0.0.1", "LocalHost:8866", "[::1]:8866", "BABY.local:80")
    others = ("evil.example", "localhost.evil.example", "a.baby.local", "x" * 9999)
    for host in (*own, *others):
        answer = Visitor(server).get("/login", headers={"Host": host})
        assert answer.status_code == (200 if host in own else 400), host[:50]
    ann, mia = Visitor(server), server.store.infant("Mia").id
    ann.headers["Host"] = "baby.local"
    assert ann.log_in("ann").status_code == 303
    ann.socket(mia).close()
    ann.headers["Host"] = "evil.example"
    with pytest.raises(InvalidStatus) as refused:
        ann.socket(mia)
    assert refused.value.response.status_code == 400


def test_a_stranger_s_word_on_addresses_and_https_is_not_believed(server: Served) -> None:
    answers = []
    for i in range(6):
        stranger = Visitor(server)
        forged = dict.fromkeys(("X-Real-IP", "X-Forwarded-For"), f"198.51.100.{i}")
        stranger.headers.update(forged | {"X-Forwarded-Proto": "https", "X-Scheme": "https"})
        answers.append(stranger.log_in("ben", "wrong"))
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert "198.51.100." not in server.log
    cookie = stranger.get("/login").headers.get("Set-Cookie", "")
    assert "Secure" not in cookie + stranger.log_in("ann").headers.get("Set-Cookie", "")


def test_a_certificate_that_does_not_fit_is_named_in_a_line(command: Command, apart: Path) -> None:
    for name in ("it", "other"):
        request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=it"
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run([*request.split(), *files], cwd=apart, check=True, capture_output=True)
    line = mistake(command("serve", "--certfile", "it.crt", "--keyfile", "other.key"))
    assert "it.crt: not a certificate for the key in" in line
    assert "No such file" in mistake(command("serve", "--certfile", "no", "--keyfile", "it.key"))
    assert "--certfile" in mistake(command("serve", "--keyfile", "it.key"))


# Broken requests


PLACE = b"HTTP/1.1\r\n" + HOST
BROKEN = [
    b"FROB /login?q=hush " + PLACE + b"\r\n",
    b"get /?hush " + PLACE + b"\r\n",
    b"POST /login?q=hush " + PLACE + b"Content-Length: -1\r\n\r\n",
    b"POST /login?q=hush " + PLACE + b"Content-Length: 99999999\r\n\r\n",
    b"POST /login?q=hush " + PLACE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /login?q=hush " + PLACE + FORM + b"Content-Length: 8\r\n\r\nname=%ff",
    b"GET /listen?q=hush " + PLACE + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET /login?next=hush%ff " + PLACE + b"\r\n",
    b"GET /%ff?hush " + PLACE + b"\r\n",
    b"GET /?hush HTTP/1.1\r\n\r\n",
    b"hush\r\n\r\n",
    b"hush" * 20_000,
    b"\x16\x03\x01\x02\x00",
    b"GET /login " + PLACE + b"Cookie: form=\xff\xfe; login=2|1|a\r\n\r\n",
]


def test_a_broken_request_is_a_line_at_most_and_none_has_a_query(server: Served) -> None:
    time.sleep(0.5)  # the log's last line comes after its answer
    for request in BROKEN:
        logged = server.log
        place = "127.0.0.1", urlsplit(server.url).port
        with socket.create_connection(place, timeout=0.5) as connection:
            connection.sendall(request)
            with suppress(TimeoutError, ConnectionError):
                while connection.recv(65536):
                    pass
        time.sleep(0.05)
        lines = server.log.removeprefix(logged).splitlines()
        assert len(lines) <= 1, (request[:80], lines)
    assert "hush" not in server.log
    assert "Traceback" not in server.log
