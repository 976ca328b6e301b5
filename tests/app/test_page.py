"""The caregiver's page by itself: a real store, no server and no browser."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
from clock import until
from trained_run import Trained

from cryutils.app import store as stores
from cryutils.app.live import LiveAnalysis
from cryutils.app.page import SOURCE, TITLES, Page
from cryutils.app.readings import GAP, Reading
from cryutils.app.store import Store
from cryutils.errors import InputError

PASSWORD = "four words nobody guesses"


@pytest.fixture
def home(apart: Path, fast_hashes: object) -> Iterator[Store]:
    """A household with Ann, Mia and Tom, a state logged of each infant."""
    with stores.open(f"sqlite:///{apart / 'store.db'}") as home:
        home.users.add("ann", PASSWORD)
        for infant, verdict in (("Mia", "hungry <b>"), ("Tom", "pain")):
            log = home.add_infant(infant)
            log.append(log.begin("test"), [Reading(time.time(), verdict)])
        yield home


@pytest.fixture
def models(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A run with models that pages can use."""
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(trained.outputs))
    return trained


def widgets(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from widgets(child)


def every(page: Page, kind: type[Any]) -> list[Any]:
    return [part for part in widgets(page) if isinstance(part, kind)]


def text(page: Page) -> str:
    return "".join(part.value for part in every(page, ipywidgets.HTML))


def press(page: Page, words: str) -> None:
    button = next(part for part in every(page, ipywidgets.Button) if part.description == words)
    button.click()


def look_at(page: Page, title: str) -> None:
    every(page, ipywidgets.Tab)[0].selected_index = TITLES.index(title)


def choice(page: Page) -> ipywidgets.Dropdown:
    return every(page, ipywidgets.Dropdown)[0]


class Live:
    """The live analysis of a page, with the messages of a browser."""

    def __init__(self, page: Page) -> None:
        (self.widget,) = every(page, LiveAnalysis)
        self.widget.send = lambda *_: None
        noise = np.random.default_rng(0).normal(0, 0.1, 12_000)
        self._noise = noise.astype("<f4").tobytes()

    def listen(self, is_on: bool) -> None:
        self.widget.listening = is_on

    def hear(self, at: float) -> None:
        """Send the quarter of a second of noise that ends at `at`."""
        content = {"type": "sound", "number": 0, "at": at, "sr": 48_000}
        self.widget._handle_custom_msg(content, [memoryview(self._noise)])

    def miss(self, at: float) -> None:
        """Report a gap."""
        content = {"type": "gap", "number": 0, "at": at, "reason": "hidden"}
        self.widget._handle_custom_msg(content, [])


def test_a_page_asks_at_each_look_whose_ticket_it_is(home: Store) -> None:
    ticket = home.logins.begin("ann")
    page = Page(home, ticket)
    assert "hungry" not in text(page), "days are read when they are looked at"
    look_at(page, "Days")
    assert "hungry &lt;b&gt;" in text(page)

    home.logins.end(ticket)
    look_at(page, "Limits")
    look_at(page, "Days")
    assert "Your login has ended; log in again." in text(page)
    assert "hungry" not in text(page)
    with pytest.raises(InputError, match="log in again"):
        Page(home, ticket)


def test_every_user_sees_all_infants_each_in_a_log_of_its_own(home: Store) -> None:
    home.users.add("ben", PASSWORD)
    page = Page(home, home.logins.begin("ben"))
    assert [name for name, _ in choice(page).options] == ["Mia", "Tom"]

    look_at(page, "Days")
    assert "hungry" in text(page)
    choice(page).label = "Tom"
    assert "pain" in text(page) and "hungry" not in text(page)
    home.infant("Tom").remove()
    look_at(page, "Limits")
    look_at(page, "Days")
    assert "no infant" in text(page) and "pain" not in text(page)


def test_a_page_that_listens_waits_briefly_for_a_log_that_a_caregiver_looks_at(
    home: Store, models: Trained, apart: Path
) -> None:
    page = Page(home, home.logins.begin("ann"))
    look_at(page, "Days")
    live = Live(page)
    live.listen(True)

    def prompt(act: Callable[..., object], *arguments: Any) -> None:
        begun = time.monotonic()
        act(page, *arguments)
        assert time.monotonic() - begun < 2, "the page takes 3 s for a lost connection"

    with closing(sqlite3.connect(apart / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        prompt(press, "Yes")
        assert "The log does not answer yet. This is done as soon as it does." in text(page)
        prompt(press, "Look again")
        assert "The log does not answer yet. Nothing was done" in text(page)
        other.execute("ROLLBACK")
    until(lambda: "Noted: hungry" in text(page))
    live.listen(False)


def test_what_is_heard_is_in_the_chosen_infant_s_log(home: Store, models: Trained) -> None:
    page = Page(home, home.logins.begin("ann"))
    live = Live(page)
    live.listen(True)
    assert choice(page).disabled, "a session is of one infant"
    for k in range(8):
        live.hear((k + 1) / 4)
    live.miss(2.3)
    live.listen(False)

    assert live.widget.notice == ""
    log = home.infant("Mia")
    verdicts = [row["verdict"] for row in log.entries() if row["source"] == SOURCE]
    assert verdicts[-1] == GAP and set(verdicts[:-1]) <= {
        "no cry",
        "quiet",
        "unsure",
        *live.widget.states,
    }
    assert len(verdicts) >= 3
    assert not choice(page).disabled
