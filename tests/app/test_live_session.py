"""A caregiver's live session, through the real server, which is killed."""

from __future__ import annotations

import re
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle, takewhile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websocket
from trained_run import Trained

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import PASSWORD, Page, Served, Visitor, served, until

SR, BLOCK_S = 16000, 0.25


class Session:
    """A page that is played sound and pictures on and on, and what was answered."""

    def __init__(self, page: Page, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        self.times: list[float] = []  # of readings
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
                if data["method"] == "custom" and data["content"]["type"] == "answer":
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
        until(lambda: logged(server) >= before | set(later.times), "all is written")
    assert server.process.returncode == 0
