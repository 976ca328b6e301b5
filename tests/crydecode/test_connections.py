"""The application's server against idle connections, forged headers, guesses, broken requests."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from refusals import mistake

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from clock import until
from served import HANG_S, Served, Visitor, ask, served

PLACE = b"HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
Command = Callable[..., tuple[int, str, str]]


def connected(server: Served, timeout_s: float) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=timeout_s)


def test_a_thousand_idle_connections_keep_nobody_out(server: Served, ann: Visitor, kim: int) -> None:
    process, page = psutil.Process(server.process.pid), ann.socket(kim)
    files, logged = process.num_fds(), server.log
    with ExitStack() as stack:
        for i in range(1000):
            stack.enter_context(connected(server, HANG_S)).sendall(b"" if i % 2 else b"GET")
        until(lambda: process.num_fds() > files + 980)  # some others end meanwhile
        assert Visitor(server).log_in("ann").status_code == 303
        assert ask(page, "start")["type"] == "answer"
    until(lambda: process.num_fds() < files + 16)
    assert ask(page, "look")["type"] == "answer", "a page stays"
    page.close()
    assert server.log == logged


def test_without_a_proxy_nobody_s_word_on_addresses_and_https_is_believed(tmp_path: Path) -> None:
    answers = []
    with served(tmp_path) as server:
        for i in range(6):
            stranger = Visitor(server, f"198.51.100.{i}")
            stranger.headers["X-Forwarded-Proto"] = "https"
            answers.append(stranger.log_in("ben", "wrong"))
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert "Secure" not in stranger.get("/login").headers["Set-Cookie"]


def test_guesses_at_once_are_counted_before_they_are_checked(server: Served) -> None:
    def guess(i: int) -> int:
        return Visitor(server, "192.0.2.77").log_in("ben", f"guess number {i}").status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(guess, range(16)))
    assert sorted(statuses) == [401] * 5 + [429] * 11


def test_a_certificate_that_does_not_fit_is_named_in_a_line(command: Command, apart: Path) -> None:
    for name in ("it", "other"):
        request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=it"
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run([*request.split(), *files], cwd=apart, check=True, capture_output=True)
    line = mistake(command("serve", "--certfile", "it.crt", "--keyfile", "other.key"))
    assert "it.crt: not a certificate for the key in" in line
    assert "--certfile" in mistake(command("serve", "--keyfile", "it.key"))


BROKEN = [
    b"FROB /login?q=hush " + PLACE + b"\r\n",
    b"POST /login?q=hush " + PLACE + b"Content-Length: 99999999\r\n\r\n",
    b"POST /login?q=hush " + PLACE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /listen?q=hush " + PLACE + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET /%ff?hush " + PLACE + b"\r\n",
    b"hush" * 20_000,
    b"GET /login?hush " + PLACE + b"Cookie: form=\xff\xfe; login=2|1|a\r\n\r\n",
]


def test_a_broken_request_is_a_line_at_most_and_none_has_a_query(server: Served) -> None:
    for request in BROKEN:
        logged = server.log
        with connected(server, 0.5) as connection:
            connection.sendall(request)
            with suppress(TimeoutError, ConnectionError):
                while connection.recv(65536):
                    pass
        time.sleep(0.05)
        lines = server.log.removeprefix(logged).splitlines()
        assert len(lines) <= 1, (request[:80], lines)
    assert "hush" not in server.log and "Traceback" not in server.log
