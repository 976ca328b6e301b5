"""The application's server against strangers' connections, names, proxies and broken requests."""

from __future__ import annotations

import http.client
import re
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psutil
import pytest
import websocket
from requests.adapters import HTTPAdapter
from sizes import large

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import HANG_S, PASSWORD, PROTOCOL, Served, Visitor, replies, send, served, until

from cryutils.app.connections import COMPLETE_S, MOST, MOST_OF_ONE

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is this machine's on Linux")
HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
Command = Callable[..., tuple[int, str, str]]
NAMES = ("--name", "baby.local", "--name", "*.home.example", "--name", "192.0.2.9")


def certified(folder: Path, name: str = "it", *, days: int = 1, cipher: str = "") -> list[str]:
    """Make a certificate for `NAMES` and its key; return the options that name them."""
    request = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    lock = ["-passout", cipher] if cipher else ["-nodes"]
    sign = ["openssl", "x509", "-req", "-in", "it.csr", "-extfile", "it.ext", "-days", str(days)]
    key, certificate = str(folder / f"{name}.key"), str(folder / f"{name}.crt")
    (folder / "it.ext").write_text("subjectAltName=DNS:Baby.local,DNS:*.home.example,IP:192.0.2.9")
    for command in (
        [*request, *lock, "-subj", "/CN=it", "-keyout", key, "-out", "it.csr"],
        [*sign, "-signkey", key, *(["-passin", cipher] if cipher else []), "-out", certificate],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return ["--certfile", certificate, "--keyfile", key]


@pytest.fixture(scope="module", params=["http", pytest.param("https", marks=large)])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server with few files to open at its start; its names are options or the certificate's."""
    folder = tmp_path_factory.mktemp(request.param)
    options = [*NAMES, *(certified(folder) if request.param == "https" else ())]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    with ExitStack() as stack:
        try:
            server = stack.enter_context(served(folder, *options))
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
    somebody.verify = somebody.trust_env = False
    somebody.mount("http", From())
    return somebody


UNCHECKED = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}  # of a websocket over HTTPS


def connected(server: Served) -> socket.socket:
    """A connection that is encrypted where the server's are."""
    plain = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=HANG_S)
    if server.url.startswith("http:"):
        return plain
    context = ssl._create_unverified_context()
    return context.wrap_socket(plain)


# What strangers leave open


@LINUX
@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_half_open_connections_keep_nobody_out_and_end(server: Served) -> None:
    ann, process = visitor(server, "127.0.0.2"), psutil.Process(server.process.pid)
    assert ann.log_in("ann").status_code == 302
    page = ann.socket(ann.open_page(), sslopt=UNCHECKED, source_address=("127.0.0.2", 0))
    logged, place = server.log, ("127.0.0.1", urlsplit(server.url).port)
    with ExitStack() as stack:
        for i in range(1500):  # over HTTPS, handshakes that never begin or end
            stranger = stack.enter_context(socket.create_connection(place, timeout=HANG_S))
            stranger.sendall(
                b"" if i % 2 else b"\x16\x03\x01\x02" if "s:" in server.url else b"GET"
            )
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


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost", 200), ("LocalHost:8866", 200), ("[::1]:8866", 200),
        ("baby.local", 200), ("BABY.local:80", 200), ("a.home.example", 200), ("192.0.2.9", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421),
        ("home.example", 421), ("a.b.home.example", 421), ("192.0.2.10", 421), ("x" * 9999, 421),
        ("*.home.example", 421), ("[::2]", 421), ("0.0.0.0", 421),
    ],
)  # fmt: skip
def test_a_browser_must_call_the_server_by_a_name_of_its_own(
    server: Served, host: str, status: int
) -> None:
    for path in ("/login", "/voila/static/voila.js", "/nowhere"):
        answer = visitor(server).get(path, headers={"Host": host})
        assert (answer.status_code == 421) == (status == 421)
        if status == 421:
            assert answer.text.count("\n") == 1
            assert "cryutils serve --name" in answer.text
            assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_a_websocket_is_for_pages_of_the_name_that_it_calls(server: Served) -> None:
    ann, scheme = visitor(server), urlsplit(server.url).scheme
    ann.headers["Host"] = "baby.local"
    ann.log_in("ann")
    kernel = ann.open_page()
    own = f"{scheme}://baby.local"
    ann.socket(kernel, host="baby.local", origin=own, sslopt=UNCHECKED).close()
    for host, origin, status in (
        ("evil.example", f"{scheme}://evil.example", 421),
        ("baby.local", f"{scheme}://evil.example", 403),
        ("baby.local", f"{scheme}://localhost", 403),
    ):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            ann.socket(kernel, host=host, origin=origin, sslopt=UNCHECKED)
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
    _, certificate, *key = certified(apart)
    _, _, *other = certified(apart, "other")
    locked = certified(apart, "locked", cipher="pass:word")
    (apart / "text").write_text("no certificate")
    text = ["--certfile", str(apart / "text")]
    for options in (["--certfile", certificate, *other], [*text, *other], locked):
        code, _, err = command("serve", *options)
        assert (code, err.count("\n")) == (2, 1)
        assert f"{options[1]}: not a certificate for the key in {options[3]}" in err
    code, _, err = command("serve", *key)
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = command("serve", "--certfile", certificate, "--keyfile", "nowhere")
    assert "nowhere: no such file." in err


# Under a path


def test_under_a_path_everything_works_there_and_nothing_is_elsewhere(tmp_path: Path) -> None:
    with served(tmp_path, "--base-url", "cry/baby") as server:
        assert server.url.endswith("/cry/baby")
        server.store.users.add("ann", PASSWORD)
        ann = Visitor(server)
        assert ann.get("/").headers["Location"].startswith("/cry/baby/login?next=%2Fcry%2Fbaby%2F")
        answer = ann.log_in("ann")
        assert answer.headers["Location"] == "/cry/baby/"
        assert {cookie.path for cookie in ann.cookies} == {"/cry/baby/"}
        text = ann.get("/").text
        kernel = re.findall(r'"kernelId": "([\w-]+)"', text)[0]
        links = re.findall(r'(?:href|src)="(/[^"]+)"', text)
        assert links and all(link.startswith("/cry/baby/") for link in links)
        for link in links:
            path = link.removeprefix("/cry/baby")
            assert ann.get(path).status_code == (302 if path == "/login" else 200)
        page = ann.socket(kernel)
        assert list(replies(page, send(page, "kernel_info_request")))
        assert ann.submit("/logout").headers["Location"] == "/cry/baby/login"
        assert ann.get("/").status_code == 302
        server.url = server.url.removesuffix("/cry/baby")
        assert {Visitor(server).get(path).status_code for path in ("/", "/login", "/cry")} == {404}


# Broken requests


def filled(somebody: Visitor, password: str = PASSWORD) -> dict[str, str]:
    """The login form that somebody has got and filled in."""
    token = re.findall(r'name="_xsrf" value="([^"]+)"', somebody.get("/login").text)[0]
    return {"name": "ann", "password": password, "_xsrf": token}


def posted(form: dict[str, str], somebody: Visitor, query: str = "") -> bytes:
    """The bytes of a login form that somebody sends."""
    body = urlencode(form).encode()
    cookies = "; ".join(f"{name}={value}" for name, value in somebody.cookies.items()).encode()
    length = b"Content-Length: %d\r\n" % len(body)
    start = f"POST /login{query} HTTP/1.1\r\n".encode()
    return start + HOST + b"Cookie: " + cookies + b"\r\n" + FORM + length + b"\r\n" + body


def lines_after(server: Served, data: bytes, *, wait: bool = True) -> list[str]:
    """Send bytes, read the answer or close at once; return what the server has written since."""
    logged = server.log
    with connected(server) as connection:
        connection.sendall(data)
        if wait:
            connection.settimeout(0.5)
            try:
                while connection.recv(65536):
                    pass
            except (TimeoutError, ConnectionError):
                pass
    time.sleep(0.05 if wait else 1.0)
    return server.log.removeprefix(logged).splitlines()


METHODS = (b"FROB", b"get", b"TRACE", b"CONNECT", b"PROPFIND", b"__init__", b"G\xc3\x84T", b"")
BODIES = (
    *(b"Content-Length: %s\r\n\r\n" % length for length in (b"-1", b"99999999", b"x")),
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    b"Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\nab",
    FORM + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
    FORM + b"Content-Length: 8\r\n\r\nname=%ff",
)  # fmt: skip
CHANNELS = b"/api/kernels/00000000-0000-0000-0000-000000000000/channels?hush"
BROKEN = [
    *(b"%s %s?q=hush HTTP/1.1\r\n%s\r\n" % (method, path, HOST)
      for method in METHODS for path in (b"/", b"/login", b"/nowhere", CHANNELS[:-5])),
    *(b"POST /login?q=hush HTTP/1.1\r\n" + HOST + body for body in BODIES),
    *(b"GET %s HTTP/1.1\r\n%s\r\n" % (target, HOST) for target in (
        b"/login?next=%ff%00%0d%0a", b"/login?next=hush%ff", b"/%ff?hush", b"http://[::1/?hush",
        b"?hush", b"*", b"//evil.example/?hush", b"/" + b"a" * 60_000)),
    b"\r\n\r\n", b"hush\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /?hush HTTP/1.1\r\n\r\n",
    b"GET /?hush HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /login HTTP/1.1\r\nHost: [::1\r\n\r\n", b"GET /login HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"GET /?hush HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"",
    b"GET /login HTTP/1.1\r\n" + HOST + b"Cookie: _xsrf=\xff\xfe; username=2|1|a\r\n\r\n",
    b"GET %s HTTP/1.1\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99"
    b"\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % (CHANNELS, HOST, PROTOCOL.encode()),
    b"hush" * 20_000,
]  # fmt: skip
NEXT = (
    "/x%0d%0aSet-Cookie:a=hush", "/%0d%0a", "%0a/hush", "/%00hush", "http://[hush", "/%c3%a4hush",
    "%ffhush", "http:hush:/%5d", "hush", "/\\hush", "/" + 3000 * "hush", "http://hush.example",
    "//hush.example", "///hush.example", "\\\\hush.example", "http:///hush.example",
    "https:hush.example", "javascript:hush(1)", "%2f%2fhush.example", "/%09/hush.example",
    "//hush.example\\@127.0.0.1",
)  # fmt: skip


def test_a_broken_request_is_a_line_at_most_and_none_has_a_query(server: Served) -> None:
    time.sleep(0.5)  # the log's last line comes after its answer
    for request in BROKEN:
        lines = lines_after(server, request)
        assert len(lines) <= 1, (request[:80], lines)
        assert all(len(line) < 500 for line in lines)
    assert "hush" not in server.log
    assert "Traceback" not in server.log


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@pytest.mark.parametrize("target", NEXT)
def test_a_right_password_leads_to_this_site_whatever_comes_next(
    server: Served, target: str
) -> None:
    somebody, logged = visitor(server), server.log
    form = filled(somebody)
    with connected(server) as connection:
        connection.sendall(posted(form, somebody, f"?next={target}"))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
    assert answer.status == (400 if "%ff" in target else 302)
    assert answer.getheader("Set-Cookie", "").count("hush") == 0
    if answer.status == 302:
        assert re.fullmatch(r"/(?![/\\])[!-~]*", answer.getheader("Location", ""))
    lines = server.log.removeprefix(logged).splitlines()
    assert len(lines) <= 1
    assert "hush" not in "".join(lines)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_a_client_that_closes_early_is_no_line(server: Served) -> None:
    ann, stranger = visitor(server), visitor(server)
    ann.log_in("ann")
    form = filled(stranger)
    cookies = "; ".join(f"{name}={value}" for name, value in ann.cookies.items()).encode()
    for request in (
        b"", b"GET /lo", b"GET /login HTTP/1.1\r\n" + HOST + b"\r\n", posted(form, stranger),
        b"POST /login HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 99\r\n\r\nname=hush",
        b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + cookies + b"\r\n\r\n",
        posted(form, stranger)[:-9],
    ):  # fmt: skip
        assert lines_after(server, request, wait=False) == []
    assert ann.get("/logout").status_code == 200
