"""The application's server while its store is frozen, moved, damaged, or changed by a command."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from clock import until
from postgres import Server, programs
from served import HANG_S, PASSWORD, Served, Visitor, ask, noise, send, served
from sizes import large
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from crydecode.store import Log
from cryutils.errors import InputError
from cryutils.inference.readings import Reading


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


def test_a_page_goes_on_after_a_purge_and_ends_when_its_infant_is_removed(
    server: Served, ann: Visitor, mia: Log
) -> None:
    with ann.socket(mia.id) as page:
        ask(page, "start")
        n = hear(page, 1)
        until(lambda: len(list(mia.entries())) == n)
        assert mia.purge(time.time() + 60) == n
        n = hear(page, 13)
        until(lambda: len(list(mia.entries())) == n)

        mia.remove()
        again = server.store.add_infant("Mia")
        send(page, "gap", at=7)
        with suppress(ConnectionClosed):
            while True:
                send(page, "look")
                time.sleep(0.1)
        while (answer := json.loads(page.recv(HANG_S)))["type"] != "refused":
            pass
        assert "Mia" in answer["why"]
    assert list(again.entries()) == []
    again.remove()


def test_a_store_that_is_moved_is_named_and_its_readings_wait_until_it_is_back(
    server: Served, ann: Visitor, mia: Log
) -> None:
    file, away = server.folder / "store.db", server.folder / "away.db"
    with ann.socket(mia.id) as page:
        ask(page, "start")
        n = hear(page, 1)
        until(lambda: len(list(mia.entries())) == n)
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
    assert len(list(mia.entries())) == n


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
