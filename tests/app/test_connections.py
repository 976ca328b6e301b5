"""The application's server against strangers' connections, names, proxies and broken requests."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import websocket
from refusals import mistake
from requests.adapters import HTTPAdapter

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import HANG_S, PASSWORD, Served, Visitor, replies, send, served, until

from cryutils.app.connections import COMPLETE_S, MOST, MOST_OF_ONE

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is this machine's on Linux")
HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
Command = Callable[..., tuple[int, str, str]]
NAMES = ("--name", "baby.local", "--name", "192.0.2.9")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with names of its own and few files to open at its start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    with ExitStack() as stack:
        try:
            server = stack.enter_context(served(tmp_path_factory.mktemp("served"), *NAMES))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        server.store.users.add("ann", PASSWORD)
        yield server


def visitor(server: Served, address: str = "127.0.0.1") -> Visitor:
    """Somebody who connects from this address of this machine."""

    class From(HTTPAdapter):
        def init_poolmanager(self, *args: object, **options: object) -> None:
            super().init_poolmanager(*args, source_address=(address, 0), **options)  # type: ignore[arg-type]

    somebody = Visitor(server)
    somebody.trust_env = False
    somebody.mount("http", From())
    return somebody


# What strangers leave open


@LINUX
def test_half_open_connections_keep_nobody_out_and_end(server: Served) -> None:
    ann, process = visitor(server, "127.0.0.2"), psutil.Process(server.process.pid)
    assert ann.log_in("ann").status_code == 302
    page = ann.socket(ann.open_page(), source_address=("127.0.0.2", 0))
    logged, place = server.log, ("127.0.0.1", urlsplit(server.url).port)
    with ExitStack() as stack:
        for i in range(1500):
            stranger = stack.enter_context(socket.create_connection(place, timeout=HANG_S))
            stranger.sendall(b"" if i % 2 else b"GET")
        begun = time.monotonic()
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.1"):
            assert visitor(server, address).log_in("ann").status_code == 302
        assert time.monotonic() - begun < COMPLETE_S / 2
        assert list(replies(page, send(page, "kernel_info_request")))
        assert process.num_fds() < 2 * MOST_OF_ONE
        assert ann.get("/logout").status_code == 200
        until(lambda: process.num_fds() < MOST_OF_ONE, "connections without a request have ended")
        assert time.monotonic() - begun < 2 * COMPLETE_S + 10
    assert list(replies(page, send(page, "kernel_info_request"))), "a page stays"
    lines = server.log.removeprefix(logged).splitlines()
    assert {line.split(" ", 2)[2] for line in lines} == {"too many connections from 127.0.0.1"}


@LINUX
def test_connections_from_many_addresses_keep_no_other_out(tmp_path: Path) -> None:
    with served(tmp_path) as server, ExitStack() as stack:
        server.store.users.add("ann", PASSWORD)
        ann, place = visitor(server, "127.0.0.2"), ("127.0.0.1", urlsplit(server.url).port)
        assert ann.log_in("ann").status_code == 302
        page = ann.socket(ann.open_page(), source_address=("127.0.0.2", 0))
        logged = server.log
        for i in range(MOST + 100):
            source = f"127.0.1.{i % 200}", 0
            stack.enter_context(socket.create_connection(place, HANG_S, source_address=source))
        assert visitor(server, "127.0.0.3").log_in("ann").status_code == 302
        assert list(replies(page, send(page, "kernel_info_request")))
        assert psutil.Process(server.process.pid).num_fds() < MOST + 100
    lines = server.log.removeprefix(logged).splitlines()
    assert {line.split(" ", 2)[2] for line in lines} == {"too many connections in total"}


@LINUX
def test_the_server_asks_for_as_many_files_as_it_may_open(server: Served) -> None:
    soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == 4096 or soft == hard < 4096


# Names and proxies


def test_a_browser_must_call_the_server_by_a_name_of_its_own(server: Served) -> None:
    own = ("127.0.0.1", "LocalHost:8866", "[::1]:8866", "BABY.local:80")
    others = ("evil.example", "localhost.evil.example", "a.baby.local", "0.0.0.0", "x" * 9999)
    for host in (*own, *others):
        answer = visitor(server).get("/login", headers={"Host": host})
        assert answer.status_code == (200 if host in own else 421), host[:50]
    assert "cryutils serve --name" in answer.text


def test_a_websocket_is_for_pages_of_the_name_that_it_calls(server: Served) -> None:
    ann = visitor(server)
    ann.headers["Host"] = "baby.local"
    ann.log_in("ann")
    kernel = ann.open_page()
    own = "http://baby.local"
    ann.socket(kernel, host="baby.local", origin=own).close()
    for host, origin, status in (
        ("evil.example", "http://evil.example", 421),
        ("baby.local", "http://evil.example", 403),
        ("baby.local", "http://localhost", 403),
    ):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            ann.socket(kernel, host=host, origin=origin)
        assert refused.value.status_code == status


def test_a_stranger_s_word_on_addresses_and_https_is_not_believed(tmp_path: Path) -> None:
    with served(tmp_path, "--proxy", "203.0.113.1") as server:
        server.store.users.add("ann", PASSWORD)
        answers = []
        for i in range(6):
            stranger = Visitor(server)
            forged = dict.fromkeys(("X-Real-IP", "X-Forwarded-For"), f"192.0.2.{i}")
            stranger.headers.update(forged | {"X-Forwarded-Proto": "https", "X-Scheme": "https"})
            answers.append(stranger.log_in("ben", "wrong"))
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert "192.0.2." not in server.log
        cookie = stranger.get("/login").headers.get("Set-Cookie", "")
        assert "Secure" not in cookie + stranger.log_in("ann").headers.get("Set-Cookie", "")


def test_a_certificate_that_does_not_fit_is_named_in_a_line(command: Command, apart: Path) -> None:
    for name in ("it", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=it", "-keyout", f"{name}.key", "-out", f"{name}.crt"],
            cwd=apart, check=True, capture_output=True,
        )  # fmt: skip
    line = mistake(command("serve", "--certfile", "it.crt", "--keyfile", "other.key"))
    assert "it.crt: not a certificate for the key in" in line
    assert "--certfile" in mistake(command("serve", "--keyfile", "it.key"))


# Broken requests


PLACE = b"HTTP/1.1\r\n" + HOST
BROKEN = [
    b"FROB /login?q=hush " + PLACE + b"\r\n", b"get /?hush " + PLACE + b"\r\n",
    b"POST /login?q=hush " + PLACE + b"Content-Length: -1\r\n\r\n",
    b"POST /login?q=hush " + PLACE + b"Content-Length: 99999999\r\n\r\n",
    b"POST /login?q=hush " + PLACE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /login?q=hush " + PLACE + FORM + b"Content-Length: 8\r\n\r\nname=%ff",
    b"GET /login?next=hush%ff " + PLACE + b"\r\n", b"GET /%ff?hush " + PLACE + b"\r\n",
    b"GET /?hush HTTP/1.1\r\n\r\n", b"hush\r\n\r\n", b"hush" * 20_000, b"\x16\x03\x01\x02\x00",
    b"GET /login " + PLACE + b"Cookie: _xsrf=\xff\xfe; username=2|1|a\r\n\r\n",
]  # fmt: skip


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


def test_a_right_password_leads_to_this_site_whatever_comes_next(server: Served) -> None:
    for target in ("/x%0d%0aSet-Cookie:a=hush", "http://hush.example", "//hush.example",
                   "/\\hush.example", "javascript:hush(1)", "/%09/hush.example"):  # fmt: skip
        somebody, logged = visitor(server), server.log
        token = re.findall(r'name="_xsrf" value="([^"]+)"', somebody.get("/login").text)[0]
        form = {"name": "ann", "password": PASSWORD, "_xsrf": token}
        answer = somebody.post(f"/login?next={target}", data=form)
        assert answer.status_code == 302
        assert re.fullmatch(r"/(?![/\\])[!-~]*", answer.headers["Location"])
        assert "hush" not in answer.headers.get("Set-Cookie", "")
        assert "hush" not in server.log.removeprefix(logged)
