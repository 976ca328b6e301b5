"""The caregiver's page by itself: a real store, no server and no browser."""

from __future__ import annotations

import re
import shutil
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
from trained_run import Trained, change_card

from cryutils.app import store as stores
from cryutils.app.live import LiveAnalysis
from cryutils.app.page import TITLES, Page
from cryutils.app.readings import GAP, Reading
from cryutils.app.store import Store
from cryutils.errors import InputError

PASSWORD = "four words nobody guesses"


@pytest.fixture
def home(apart: Path, fast_hashes: object) -> Iterator[Store]:
    """A store in which Ann cares for Mia and Ben for Tom, a state logged of each."""
    with stores.open(f"sqlite:///{apart / 'store.db'}") as home:
        for name, infant in (("ann", "Mia"), ("ben", "Tom")):
            home.users.add(name, PASSWORD)
            log = home.infants.add(infant, user=name)
            log.append(log.begin("test"), [Reading(time.time(), "hungry <b>", {"hungry <b>": 1.0})])
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


def press(page: Page, words: str, **fields: str) -> None:
    for part in every(page, ipywidgets.Text):
        part.value = fields.get(part.description, part.value)
    button = next(part for part in every(page, ipywidgets.Button) if part.description == words)
    button.click()


def look_at(page: Page, title: str) -> None:
    every(page, ipywidgets.Tab)[0].selected_index = TITLES.index(title)


def choice(page: Page) -> ipywidgets.Dropdown:
    return every(page, ipywidgets.Dropdown)[0]


def matches(home: Store, name: str, password: str) -> bool:
    return home.users.check(home.users.attempt(name, address="192.0.2.1"), password)


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
    press(page, "Look again")
    look_at(page, "Infants")
    assert "Your login has ended; log in again." in text(page)
    assert "hungry" not in text(page)
    with pytest.raises(InputError, match="log in again"):
        Page(home, ticket)


def test_a_page_has_no_way_to_another_s_infant(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))
    other = home.infants.infant("Tom", user="ben")
    assert [name for name, _ in choice(page).options] == ["Mia"]

    look_at(page, "Days")
    choice(page).options = [("Tom", other.id)]
    choice(page).value = other.id
    assert "no infant" in text(page) and "hungry" not in text(page)
    press(page, "Share the infant above with", Caregiver="ann")
    assert other.caregivers() == ["ben"]


def test_infants_are_added_and_shared_on_the_page(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))

    press(page, "Add an infant", Name="Zoe <i>")
    assert choice(page).label == "Zoe <i>"
    assert "Zoe &lt;i&gt;: ann" in text(page)
    press(page, "Share the infant above with", Caregiver="ben")
    assert "If ben has an account here, they will be asked." in text(page)
    assert [log.name for log in home.infants.all(user="ben")] == ["Tom"]
    press(page, "Add an infant", Name="Mia")
    assert "choose another" in text(page)


def test_sharing_with_nobody_says_the_same(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))
    for button in ("Share the infant above with", "Stop sharing the infant above with"):
        answers = []
        for name in ("ben", "grampa"):
            press(page, button, Caregiver=name)
            answers.append(text(page).replace(name, "NAME"))
        assert answers[0] == answers[1]


def test_an_infant_from_another_is_accepted_first_and_never_chosen_by_itself(home: Store) -> None:
    home.users.add("eve", PASSWORD)
    decoys = [home.infants.add(name, user="eve") for name in ("Mia", "Міа", "MIA", "A", "M<i>")]
    for log in decoys:
        home.infants.share(log.id, "ann", user="eve")
    mia = home.infants.infant("Mia", user="ann")
    page = Page(home, home.logins.begin("ann"))
    assert choice(page).options == (("Mia", mia.id),)
    look_at(page, "Infants")
    assert "eve wants to share Міа with you." in text(page)
    assert "eve wants to share M&lt;i&gt; with you." in text(page)
    press(page, "Decline M<i> from eve")
    assert "wants to share M&lt;i&gt;" not in text(page) and "is not shared with you." in text(page)
    for name in ("Mia", "Міа", "MIA", "A"):
        press(page, f"Accept {name} from eve")
    assert "wants to share" not in text(page) and "A is in your list now." in text(page)
    labels = [f"from eve: {name}" for name in ("A", "MIA", "Mia", "Міа")]
    for again in (page, Page(home, home.logins.begin("ann"))):
        assert [label for label, _ in choice(again).options] == ["Mia", *labels]
        assert choice(again).value == mia.id
    page = Page(home, home.logins.begin("eve"))
    labels = [label for label, _ in choice(page).options]
    assert labels[:2] == ["M<i>", "A (with ann)"], "who gave it has it as their own"


def test_who_has_infants_from_others_alone_chooses_each_time(home: Store, models: Trained) -> None:
    home.users.add("granny", PASSWORD)
    mia = home.infants.infant("Mia", user="ann")
    home.infants.share(mia.id, "granny", user="ann")
    home.infants.accept(mia.id, user="granny")
    page = Page(home, home.logins.begin("granny"))
    assert [*choice(page).options] == [("Choose an infant", None), ("from ann: Mia", mia.id)]
    assert choice(page).value is None
    look_at(page, "Days")
    assert "No infant is chosen: choose one above" in text(page)
    live = Live(page)
    live.listen(True)
    live.miss(1)
    live.listen(False)
    assert "no infant is chosen: choose or add one" in live.widget.notice
    home.infants.unshare(mia.id, "ann", user="ann")
    page = Page(home, home.logins.begin("granny"))
    assert choice(page).label == "Mia", "whose infant nobody else reaches"


def test_a_share_is_ended_on_the_page(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))
    mia = home.infants.infant("Mia", user="ann")

    press(page, "Stop sharing the infant above with", Caregiver="ann")
    assert "ann alone cares for this infant" in text(page)
    home.infants.share(mia.id, "ben", user=None)
    press(page, "Stop sharing the infant above with", Caregiver="ben")
    assert "Mia is not shared with ben any more." in text(page) and "Mia: ann</li>" in text(page)
    assert mia.caregivers() == ["ann"]

    home.infants.share(mia.id, "ben", user=None)
    press(page, "Stop sharing the infant above with", Caregiver="ann")
    assert choice(page).options == (), "whoever ends their own share reaches it no more"
    assert mia.id in {log.id for log in home.infants.all(user="ben")}


def test_an_infant_is_removed_by_a_second_tap_that_was_told_what_is_lost(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))
    press(page, "Add an infant", Name="Zoe")
    choice(page).label = "Mia"

    def names() -> list[str]:
        return [log.name for log in home.infants.all(user="ann")]

    press(page, "Remove the infant above")
    assert "Tap again to remove Mia for good, with 1 reading and all corrections." in text(page)
    choice(page).label = "Zoe"
    choice(page).label = "Mia"
    press(page, "Remove the infant above")
    press(page, "Share the infant above with", Caregiver="nobody")
    press(page, "Remove the infant above")
    assert names() == ["Mia", "Zoe"], "a tap on something else between two is no yes"
    press(page, "Remove the infant above")
    assert "Mia has been removed, with everything in the log." in text(page)
    assert names() == ["Zoe"] and choice(page).label == "Zoe"


def test_nobody_removes_or_unshares_an_infant_that_is_not_theirs_alone(
    home: Store, models: Trained
) -> None:
    page = Page(home, home.logins.begin("ann"))
    mia, tom = home.infants.infant("Mia", user="ann"), home.infants.infant("Tom", user="ben")

    home.infants.share(mia.id, "ben", user=None)
    press(page, "Remove the infant above")
    press(page, "Remove the infant above")
    assert "Mia is shared with ben; stop sharing first." in text(page)
    home.infants.unshare(mia.id, "ben", user="ann")
    live = Live(page)
    live.listen(True)
    press(page, "Remove the infant above")
    press(page, "Remove the infant above")
    assert "The live analysis of Mia is running; stop it first." in text(page)
    live.listen(False)

    choice(page).options = [("Tom", tom.id)]  # as a page that was tampered with
    choice(page).value = tom.id
    press(page, "Remove the infant above")
    press(page, "Remove the infant above")
    press(page, "Stop sharing the infant above with", Caregiver="ben")
    assert "no infant" in text(page)
    assert (mia.caregivers(), tom.caregivers()) == (["ann"], ["ben"])


def test_a_password_is_set_by_whoever_knows_the_old_one(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))

    def set_to(new: str, *, again: str = "", old: str = PASSWORD) -> str:
        fields = {"Old password": old, "New password": new, "New password again": again or new}
        press(page, "Set my password", **fields)
        return text(page)

    assert "The new passwords differ" in set_to("another horse", again="another hose")
    assert "A password has 8 to 1024 characters" in set_to("short")
    assert "The old password is wrong" in set_to("another horse", old="a wrong password")
    assert matches(home, "ann", PASSWORD)

    assert "Your password is changed." in set_to("another horse")
    assert [field.value for field in every(page, ipywidgets.Password)] == ["", "", ""]
    assert matches(home, "ann", "another horse")
    assert matches(home, "ben", PASSWORD)
    look_at(page, "Days")
    assert "Your login has ended; log in again." in text(page)


def test_guesses_at_a_password_are_slowed_down_on_the_page(home: Store) -> None:
    page = Page(home, home.logins.begin("ann"))
    fields = {"New password": "another horse", "New password again": "another horse"}
    for k in range(6):
        press(page, "Set my password", **{"Old password": f"guess number {k}"}, **fields)
    assert "Too many attempts. Wait 1 min" in text(page)
    press(page, "Set my password", **{"Old password": PASSWORD}, **fields)
    assert "Too many attempts." in text(page)


def test_a_new_caregiver_is_told_what_to_do_and_what_the_page_cannot_do(home: Store) -> None:
    name = "<img src=x onerror=alert(1)>"
    home.users.add(name, PASSWORD)
    page = Page(home, home.logins.begin(name))
    assert "Logged in as &lt;img" in text(page)
    assert "The live analysis can't start yet" in text(page), "there are no models"
    assert "not a medical device" in text(page)
    assert "(balanced accuracy; guessing gives 25 %)" in text(page)
    look_at(page, "Days")
    assert "add one under Infants" in text(page)


@pytest.fixture
def two_runs(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outputs of the run "quick", with both models, and of "real", with the sound model alone."""
    outputs = apart / "outputs"
    shutil.copytree(trained.run, outputs / "quick")
    models = outputs / "real" / "models"
    shutil.copytree(trained.run / "models", models, ignore=shutil.ignore_patterns("image.*"))
    change_card(models, "cry2", data="donateacry", note="real infants")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    return outputs


def source(page: Page) -> str:
    return str(every(page, LiveAnalysis)[0]._about["source"])


def test_a_page_asks_the_run_that_the_server_names(
    home: Store, trained: Trained, two_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = home.logins.begin("ann")
    words = source(Page(home, ticket))
    assert words.startswith("real infants; ")
    assert ". The camera is not used: these models only listen." in words

    monkeypatch.setenv("CRYUTILS_LIVE_RUN", "quick")
    assert source(Page(home, ticket)).startswith(trained.corpus.note)
    assert "camera" not in source(Page(home, ticket)), "it is used"


BANNED = re.compile(r"/|\brun\b(?!s this server)|\.keras|tflite|sqlite|[a-z]_[a-z]", re.IGNORECASE)


@pytest.mark.parametrize("models", [True, False])
def test_a_page_speaks_of_no_runs_files_and_paths(
    models: bool, home: Store, two_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not models:
        monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(two_runs / "none"))
    page = Page(home, home.logins.begin("ann"))
    for title in ("Days", "Infants", "Limits", "Live"):
        look_at(page, title)
    plain = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text(page))
    labels = [getattr(part, "description", "") for part in widgets(page)]
    sources = [source(page)] if models else []
    assert [words for words in (plain, *labels, *sources) if BANNED.search(words)] == []


def test_a_page_that_listens_waits_briefly_for_a_log_that_a_caregiver_looks_at(
    home: Store, models: Trained, apart: Path
) -> None:
    page = Page(home, home.logins.begin("ann"))
    look_at(page, "Days")
    live = Live(page)
    live.listen(True)

    def prompt(act: Callable[..., object], *arguments: Any, **options: str) -> None:
        begun = time.monotonic()
        act(page, *arguments, **options)
        assert time.monotonic() - begun < 2, "the page takes 3 s for a lost connection"

    with closing(sqlite3.connect(apart / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        prompt(press, "Yes")
        assert "The log does not answer yet. This is done as soon as it does." in text(page)
        prompt(press, "No: hungry")
        prompt(press, "Add an infant", Name="Zoe")
        assert "<p>The log does not answer yet. Nothing was done" in text(page)
        prompt(look_at, "Infants")
        other.execute("ROLLBACK")
    log = home.infants.infant("Mia", user="ann")
    until(lambda: [row["verdict"] for row in log.corrections()] == ["hungry <b>"])
    until(lambda: press(page, "Add an infant", Name="Zoe") or "Zoe: ann" in text(page))
    live.listen(False)


def test_what_is_heard_is_in_the_chosen_infant_s_log(home: Store, models: Trained) -> None:
    page = Page(home, home.logins.begin("ann"))
    live = Live(page)
    live.listen(True)
    assert choice(page).disabled, "a session is of one infant"
    for k in range(8):
        live.hear((k + 1) / 4)
    live.miss(2.3)
    press(page, "Add an infant", Name="Zoe")
    assert choice(page).label == "Mia", "whom it is listening to"
    live.listen(False)
    choice(page).label = "Zoe"
    live.listen(True)
    live.listen(False)

    assert live.widget.notice == ""
    log = home.infants.infant("Mia", user="ann")
    assert [row["source"] for row in log.sessions()] == ["test", "camera and microphone"]
    verdicts = [reading.verdict for reading in log.readings()][1:]
    assert verdicts[-1] == GAP and set(verdicts[:-1]) <= {"no cry", "unsure", *live.widget.states}
    assert len(verdicts) >= 3
    assert not choice(page).disabled
