"""A caregiver's live session, through the real server, when server or database are killed."""

from __future__ import annotations

import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, takewhile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websocket
from postgres import Server as Postgres
from postgres import programs
from sizes import large
from trained_run import Trained

from cryutils.app.readings import GAP

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import PASSWORD, Page, Served, Visitor, served, until

SR, BLOCK_S = 16000, 0.25


class Session:
    """A page that is played sound and pictures on and on: what was answered, what it says."""

    def __init__(self, page: Page, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        self.times: list[float] = []  # of readings
        self.notice = ""
        self._page, self._blocks = page, blocks
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._play), threading.Thread(target=self._hear)]

    def __enter__(self) -> Session:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads[0].join()
        self._page.socket.close()
        self._threads[1].join()

    def _play(self) -> None:
        going_on = takewhile(lambda _: not self._stop.is_set(), cycle(self._blocks))
        with suppress(OSError, websocket.WebSocketException):  # the server is gone
            self._page.play(going_on, sr=SR, block_s=BLOCK_S)

    def _hear(self) -> None:
        with suppress(OSError, websocket.WebSocketException):
            for data in self._page.news():
                if data["method"] == "update":
                    self.notice = data["state"].get("notice", self.notice)
                elif data["method"] == "custom" and data["content"]["type"] == "answer":
                    self.times += [reading["time"] for reading in data["content"]["readings"]]


@pytest.fixture(scope="module")
def blocks() -> list[tuple[bytes, bytes]]:
    """Noise and a grey picture: every window of it is read."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).normal(0, 0.1, (8, round(SR * BLOCK_S))).astype("<f4")
    picture = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    return [(part.tobytes(), picture) for part in noise]


def logged(server: Served) -> set[float]:
    """Return the times of all readings in the store."""
    with server.store as store:
        (log,) = store.infants.all(user="ann")
        return {reading.time for reading in log.readings()}


def add_ann(server: Served) -> None:
    with server.store as store:
        store.users.add("ann", PASSWORD)
        store.infants.add("Mia", user="ann")


def test_what_was_answered_outlives_a_killed_server_with_the_first_password_and_its_login(
    tmp_path: Path, trained: Trained, blocks: list[tuple[bytes, bytes]]
) -> None:
    models = {"CRYUTILS_OUTPUTS_DIR": str(trained.outputs)}
    with served(tmp_path, **models) as server:
        password = re.search(r"^Password, shown only now: (\S+)$", server.log, re.MULTILINE)
        assert password
        secret = tmp_path / "data" / "cryutils" / "cookie-secret"
        until(secret.is_file, "the server has made its secret")
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        caregiver = Visitor(server)
        assert caregiver.log_in("caregiver", password[1]).status_code == 302
        add_ann(server)
        with Session(Page.opened(server, "ann"), blocks) as session:
            until(lambda: len(session.times) >= 3, "three readings")
            server.process.kill()
            server.process.wait()
    with served(tmp_path, "--port", str(urlsplit(server.url).port), **models) as server:
        assert "Password" not in server.log
        assert "caregiver" in caregiver.get("/logout").text, "still logged in"
        before = logged(server)
        assert before >= set(session.times)
        with Session(Page.opened(server, "ann"), blocks) as later:
            until(lambda: later.times, "it goes on")
        assert logged(server) >= before | set(later.times)
    assert server.process.returncode == 0


@contextmanager
def on_postgres(folder: Path, trained: Trained) -> Iterator[tuple[Postgres, Served]]:
    """The application with its log in a PostgreSQL database."""
    with Postgres() as database:
        variables = {
            "CRYUTILS_OUTPUTS_DIR": str(trained.outputs), "CRYUTILS_STORE": database.emptied(),
        }  # fmt: skip
        with served(folder, **variables) as server:
            add_ann(server)
            yield database, server


@large
@pytest.mark.skipif(programs() is None, reason="PostgreSQL (initdb, pg_ctl) is not installed")
def test_a_killed_database_is_said_and_loses_no_reading(
    tmp_path: Path, trained: Trained, blocks: list[tuple[bytes, bytes]]
) -> None:
    with (
        on_postgres(tmp_path, trained) as (database, server),
        Session(Page.opened(server, "ann"), blocks) as session,
    ):
        until(lambda: len(session.times) >= 2, "two readings")
        before = set(session.times)
        database.stop("immediate")
        until(lambda: "The log can't be written" in session.notice, session.notice)
        without = len(session.times)
        until(lambda: len(session.times) >= without + 2, "it goes on without the log")
        database.start()
        until(lambda: not session.notice, session.notice)
        answered = set(session.times)
        assert logged(server) >= before
        until(lambda: logged(server) >= answered, "what waited is written")
        assert server.log.count("can't be written: its server can't be reached") == 1
        assert server.log.count("the caregiver log is written again") == 1


@large
@pytest.mark.skipif(programs() is None, reason="PostgreSQL (initdb, pg_ctl) is not installed")
def test_a_frozen_database_is_said_and_becomes_no_gap(
    tmp_path: Path, trained: Trained, blocks: list[tuple[bytes, bytes]]
) -> None:
    with on_postgres(tmp_path, trained) as (database, server):
        with Session(Page.opened(server, "ann"), blocks) as session:
            until(lambda: len(session.times) >= 2, "two readings")
            with database.frozen():
                until(lambda: "it does not answer" in session.notice, session.notice)
                without = len(session.times)
                until(lambda: len(session.times) >= without + 20, "it goes on without the log")
            until(lambda: not session.notice, session.notice)
            answered = set(session.times)
            until(lambda: logged(server) >= answered, "what waited is written")
        assert server.log.count("can't be written: it does not answer") == 1
        with server.store as store:
            (log,) = store.infants.all(user="ann")
            readings = list(log.readings())
    assert GAP not in {reading.verdict for reading in readings}
    times = [reading.time for reading in readings]
    assert len(times) == len(set(times))
