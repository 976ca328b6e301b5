"""The application's server: connections, WebSockets, what it shows and logs, and its store in trouble."""

import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from clock import until
from postgres import Server, programs
from served import HANG_S, PASSWORD, Served, Visitor, ask, noise, pcm, send, served
from sizes import large
from trained_run import Trained
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection

from crydecode.sockets import BURST, LOGGED_OUT, PAGES, REPLACED
from crydecode.store import Log
from cryutils import audio
from cryutils.errors import InputError
from cryutils.inference.readings import Reading

# Connections

PLACE = b"HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"


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
        assert "Strict-Transport-Security" not in stranger.get("/login").headers


def test_guesses_at_once_are_counted_before_they_are_checked(server: Served) -> None:
    def guess(i: int) -> int:
        return Visitor(server, "192.0.2.77").log_in("ben", f"guess number {i}").status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(guess, range(16)))
    assert sorted(statuses) == [401] * 5 + [429] * 11


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


# A page's WebSocket


def refused(somebody: Visitor, infant: int, **options: object) -> int:
    """Connect in vain; return the answer's status."""
    with pytest.raises(InvalidStatus) as caught:
        somebody.socket(infant, **options)
    return caught.value.response.status_code


def closed(connection: ClientConnection) -> int | None:
    """Wait until the server closes a WebSocket; return why."""
    with suppress(ConnectionClosed):
        while True:
            connection.recv(HANG_S)
    return connection.close_code


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_websocket_is_for_pages_of_this_site(server: Served, kim: int, scheme: str) -> None:
    somebody = Visitor(server).enter("ann")
    somebody.scheme = scheme  # as a proxy says
    with somebody.socket(kim) as page:
        assert ask(page, "look")["type"] == "answer"
    other = "http" if scheme == "https" else "https"
    for origin in ("null", None, f"{somebody.origin}.evil", somebody.origin.replace(scheme, other)):
        assert refused(somebody, kim, origin=origin) == 403
    assert refused(Visitor(server), kim) == 403


@pytest.mark.parametrize(
    "message",
    [
        b"\x06\0\0\0" + bytes(99),
        "[" * 100_000,
        json.dumps({"type": "gap", "at": 1e308}),
        json.dumps({"type": "sound", "at": 1, "sr": 10**399}),
    ],
    ids=["zeros", "nested", "time", "rate"],
)
def test_what_is_no_message_breaks_nothing(ann: Visitor, kim: int, message: bytes | str) -> None:
    logged = len(ann.server.log)
    with ann.socket(kim) as page:
        page.recv(HANG_S)
        page.send(message)
        notice = json.loads(page.recv(HANG_S))["notice"]
        assert 0 < len(notice) < 200 and "\n" not in notice
        assert ask(page, "start")["notice"] == ""
    assert "Traceback" not in ann.server.log[logged:]


EMPTY = b"\x80\0\0\0\0"  # a frame's mask and no bytes


@pytest.mark.parametrize(
    "first, rest",
    [(b"", b"\x81\x82\0\0\0\0{}"), (b"\x01" + EMPTY, b"\0" + EMPTY), (b"", b"\x89" + EMPTY)],
    ids=["messages", "empty parts of a message", "pings"],
)
def test_a_flood_ends_its_page(server: Served, ann: Visitor, kim: int, first: bytes, rest: bytes) -> None:
    process = psutil.Process(server.process.pid)
    with ann.socket(kim) as other, Visitor(server).enter("ben").socket(kim) as page:
        ask(other, "start")
        ask(page, "start")
        before = sum(process.cpu_times()[:2])
        with suppress(OSError):
            page.socket.sendall(first + 500_000 * rest)
        answers = 0
        with suppress(ConnectionClosed):
            while True:
                page.recv(HANG_S)
                answers += 1
        assert page.close_code == CloseCode.ABNORMAL_CLOSURE and answers <= BURST
        assert ask(other, "look")["type"] == "answer"
        assert sum(process.cpu_times()[:2]) - before < 2, "it would be more than 4 s"


def test_a_frame_of_50_mb_ends_its_page_and_takes_no_memory(ann: Visitor, kim: int) -> None:
    process = psutil.Process(ann.server.process.pid)
    before = process.memory_info().rss
    with ann.socket(kim) as page:
        page.recv(HANG_S)
        with suppress(ConnectionClosed):
            page.send(bytes(50_000_000))
        assert closed(page) in (1009, 1006), "at once, perhaps without a word"
    assert process.memory_info().rss - before < 30e6
    assert ann.get("/more").status_code == 200


def test_a_page_that_listens_is_closed_for_no_other(server: Served, ann: Visitor, kim: int) -> None:
    server.store.users.add("eve", PASSWORD)
    browsers = [Visitor(server).enter("eve") for _ in range(2)]
    pages = [browsers[i % 2].socket(kim) for i in range(PAGES)]
    for page in pages[1:]:
        ask(page, "start")
    pages.append(browsers[1].socket(kim))
    assert closed(pages.pop(0)) == REPLACED, "the one that did not listen"
    ask(pages[-1], "start")
    with browsers[0].socket(kim) as late:
        assert "listening" in json.loads(late.recv(HANG_S))["why"]
    assert {ask(page, "look")["type"] for page in pages} == {"answer"}
    with ann.socket(kim) as page:  # limits are by user
        assert ask(page, "start")["type"] == "answer"
    server.store.users.remove("eve")
    assert {closed(page) for page in pages} == {LOGGED_OUT}


# Start and end


def test_the_log_of_the_server_holds_no_secret(server: Served, ann: Visitor, kim: int) -> None:
    somebody = Visitor(server)
    somebody.log_in("ann", "a wrong password")
    somebody.log_in("ann")
    somebody.get(f"/nowhere?password={PASSWORD}&ticket=in-a-query")
    log = server.store.add_infant("Quirin")
    with ann.socket(log.id) as page:
        ask(page, "start")
        log.remove()
        with pytest.raises(ConnectionClosed):  # once it is noticed
            for _ in range(1000):
                ask(page, "sound", noise(), at=time.monotonic(), sr=48_000)
                time.sleep(0.05)
    cookies = {value for each in (ann, somebody) for value in each.cookies.values() if len(value) > 20}
    somebody.submit("/more", "/logout")
    texts = {"Quirin", PASSWORD, "a wrong password", "in-a-query", "$argon2", "what nobody may know"}
    assert [secret for secret in cookies | texts if secret in server.log] == []


def test_without_models_of_real_infants_no_reason_is_named(tmp_path: Path, trained: Trained) -> None:
    cry = np.concatenate([audio.read(clip.path, sr=16_000) for clip in trained.corpus[:2]])
    with served(tmp_path, "--run", "quick", CRYUTILS_OUTPUTS_DIR=str(trained.outputs)) as server:
        assert "`cryutils run 04_cry2 --profile real` trains" in server.log
        server.store.users.add("ann", PASSWORD)
        infant = server.store.add_infant("Mia").id
        ann = Visitor(server).enter("ann")
        for path in ("/live", "/study"):
            text = ann.get(path).text
            assert "names no reason" in text and 'class="figure"' not in text
        with ann.socket(infant) as page:
            about = json.loads(page.recv(HANG_S))["about"]
            assert (about["states"], about["camera"]) == ({}, False)
            ask(page, "start", file=False)
            blocks = [pcm(cry[k : k + 4000]) for k in range(0, len(cry), 4000)]
            answers = [ask(page, "sound", x, at=k / 4, sr=16_000) for k, x in enumerate(blocks, 1)]
            readings = [reading for answer in answers for reading in answer["readings"]]
            assert {reading["words"] for reading in readings[2:]} == {"Crying"}
            assert not any(reading["probabilities"] for reading in readings)
            ended = ask(page, "stop")["ended"]
        (line,) = server.store.infant("Mia").lines()
        assert line.answer == ended, "the page and the diary agree"


def test_a_demonstration_before_any_run_opens_in_two_browsers_and_shows_a_week(tmp_path: Path) -> None:
    fresh = {"CRYUTILS_OUTPUTS_DIR": str(tmp_path / "none"), "BROWSER": "true"}
    with served(tmp_path, "--demo", **fresh) as server:
        until(lambda: server.log.count("/login?link=") == 2)
        links = re.findall(r"/login\?link=\S+", server.log)
        nursery, *strangers = (Visitor(server) for _ in range(5))
        assert [nursery.get(link).status_code for link in links] == [303, 303], "in the same browser"
        link = re.findall(r'href="\S+(/login\S+)"', nursery.submit("/phone").text)[0]  # for another phone
        for path, status in ((links[0], 403), (links[1], 303), (link, 303), (link, 403)):
            assert strangers.pop().get(path).status_code == status
        diary, sheet = (nursery.get(path).text for path in ("/diary", "/sheet?days=7"))
        assert diary.count("<details><summary class") == 7 and sheet.count("<section") == 7
        assert "You said: " in diary and "its week" in diary and "its week" in sheet


# A store that is frozen, moved, damaged, or changed by a command


@pytest.fixture
def mia(server: Served) -> Iterator[Log]:
    yield (log := server.store.add_infant("Mia"))
    with suppress(InputError):
        log.remove()


def hear(page: ClientConnection, since: int) -> int:
    """Send three seconds of sound from a quarter of a second on; return how many readings."""
    blocks = range(since, since + 12)
    answers = [ask(page, "sound", noise(), at=i / 4, sr=48_000) for i in blocks]
    return sum(len(answer.get("readings", [])) for answer in answers)


def test_a_page_survives_a_purge_and_ends_with_its_infant(server: Served, ann: Visitor, mia: Log) -> None:
    with ann.socket(mia.id) as page:
        ask(page, "start")
        n = hear(page, 1)
        until(lambda: len(mia.heard(0)) == n)
        assert mia.purge(time.time() + 60) == n
        n = hear(page, 13)
        until(lambda: len(mia.heard(0)) == n)

        mia.remove()
        again = server.store.add_infant("Mia")
        send(page, "gap", at=7)
        with suppress(ConnectionClosed):
            while True:
                send(page, "look")
                time.sleep(0.1)
        while (answer := json.loads(page.recv(HANG_S)))["type"] != "refused":
            pass
        assert "removed" in answer["why"]
    assert again.heard(0) == []
    again.remove()


def test_readings_wait_until_a_moved_store_is_back(server: Served, ann: Visitor, mia: Log) -> None:
    file, away = server.folder / "store.db", server.folder / "away.db"
    with ann.socket(mia.id) as page:
        ask(page, "start")
        n = hear(page, 1)
        until(lambda: len(mia.heard(0)) == n)
        file.rename(away)
        n += hear(page, 13)
        until(lambda: "moved" in ask(page, "look")["notice"])
        answers = [ann.get("/diary") for _ in range(3)]
        assert {answer.status_code for answer in answers} == {503}
        assert all("stop the server" in answer.text for answer in answers)
        assert not file.exists(), "no new one is made in its place"
        assert server.log.count("was moved") == 1
        away.rename(file)
        until(lambda: not ask(page, "stop")["waiting"])
    assert len(mia.heard(0)) == n


def test_a_damaged_store_is_not_called_safe_and_is_named_once_in_the_log(tmp_path: Path) -> None:
    with served(tmp_path) as server, (tmp_path / "store.db").open("r+b") as file:
        server.store.users.add("ann", PASSWORD)
        log = server.store.add_infant("Mia")
        now, ann = time.time(), Visitor(server).enter("ann")
        log.append(log.begin(), [Reading(now - i, "hungry") for i in range(1000)])
        with closing(sqlite3.connect(tmp_path / "store.db")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = file.seek(0, 2)
        file.seek(size // 2)
        file.write(b"\xff" * (size // 2))
        file.flush()
        for answer in (ann.get("/diary"), ann.get("/diary")):
            assert answer.status_code == 503 and "restore a copy" in answer.text
            assert "safe" not in answer.text
        assert server.log.count("it is damaged") == 1, server.log


@large
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
def test_a_frozen_database_holds_up_no_other_request_and_not_the_end(tmp_path: Path) -> None:
    def timed(path: str) -> tuple[int, float]:
        begun = time.monotonic()
        return visitors.pop().get(path).status_code, time.monotonic() - begun

    with Server() as postgres, served(tmp_path, CRYUTILS_STORE=postgres.emptied()) as it:
        it.store.users.add("ann", PASSWORD)
        it.store.add_infant("Mia")
        visitors = [Visitor(it).enter("ann") for _ in range(60)]
        assert timed("/diary")[0] == 200
        with postgres.frozen(), ThreadPoolExecutor(45) as threads:
            pages = [threads.submit(timed, "/diary") for _ in range(45)]
            time.sleep(1)
            for path in ("/static/site.css", "/static/page.js", "/login"):
                status, seconds = timed(path)
                assert status == 200 and seconds < 2, path
            answers = [page.result() for page in pages]
            assert {status for status, _ in answers} == {503}
            assert max(seconds for _, seconds in answers) < 20
            assert it.log.count("does not answer") == 1
        until(lambda: Visitor(it).enter("ann").get("/diary").status_code == 200)
        visitors = [Visitor(it).enter("ann")]
        with postgres.frozen(), ThreadPoolExecutor(1) as threads:
            threads.submit(timed, "/diary")
            time.sleep(0.5)
            it.process.send_signal(signal.SIGTERM)
            it.process.wait(HANG_S / 20)
