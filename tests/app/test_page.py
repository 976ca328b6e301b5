"""The caregiver's page by itself: a real store, no server and no browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
from trained_run import Trained

from cryutils.app import store as stores
from cryutils.app.live import LiveAnalysis
from cryutils.app.page import TITLES, Page
from cryutils.app.readings import GAP, Reading
from cryutils.app.store import Store
from cryutils.errors import InputError

PASSWORD = "four words nobody guesses"


@pytest.fixture
def home(apart: Path) -> Iterator[Store]:
    """A store in which Ann cares for Mia and Ben for Tom, a state logged of each."""
    with stores.open(f"sqlite:///{apart / 'store.db'}") as home:
        for name, infant in (("ann", "Mia"), ("ben", "Tom")):
            home.users.add(name, PASSWORD)
            log = home.infants.add(infant, user=name)
            log.append(log.begin("test"), [Reading(time.time(), "hungry <b>", {"hungry <b>": 1.0})])
        yield home


def widgets(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from widgets(child)


def text(page: Page) -> str:
    return "".join(part.value for part in widgets(page) if isinstance(part, ipywidgets.HTML))


def press(page: Page, words: str, **fields: str) -> None:
    for part in widgets(page):
        if isinstance(part, ipywidgets.Text) and part.description in fields:
            part.value = fields[part.description]
    for part in list(widgets(page)):
        if isinstance(part, ipywidgets.Button) and part.description == words:
            part.click()
            return
    pytest.fail(f"no button {words!r}")


def look_at(page: Page, title: str) -> None:
    tabs = next(part for part in widgets(page) if isinstance(part, ipywidgets.Tab))
    tabs.selected_index = TITLES.index(title)


def choice(page: Page) -> ipywidgets.Dropdown:
    return next(part for part in widgets(page) if isinstance(part, ipywidgets.Dropdown))


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
    assert "now shared with ann, ben" in text(page)
    assert [log.name for log in home.infants.all(user="ben")] == ["Tom", "Zoe <i>"]
    press(page, "Add an infant", Name="Mia")
    assert "choose another" in text(page)


def test_a_caregiver_without_infants_is_told_the_next_step(home: Store) -> None:
    home.users.add("eve", PASSWORD)

    page = Page(home, home.logins.begin("eve"))
    look_at(page, "Days")
    assert "add one under Infants" in text(page)


def test_a_page_says_what_it_cannot_do_with_what_was_measured(home: Store) -> None:
    page = text(Page(home, home.logins.begin("ann")))
    assert "no medical device" in page
    assert "(balanced accuracy; guessing comes to 25 %)" in page


def test_without_models_the_page_says_what_to_run(home: Store) -> None:
    assert "Nothing can listen yet" in text(Page(home, home.logins.begin("ann")))


def switch(page: Page) -> list[ipywidgets.Checkbox]:
    return [part for part in widgets(page) if isinstance(part, ipywidgets.Checkbox)]


def test_sound_is_kept_where_both_say_so_and_of_the_infant_that_was_heard(
    home: Store, trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(trained.outputs))
    home.infants.add("Zoe", user="ann")
    assert switch(Page(home, home.logins.begin("ann"))) == [], "the owner offers it, or nobody can"
    monkeypatch.setenv("CRYUTILS_CLIPS_DIR", str(apart / "ours"))
    page = Page(home, home.logins.begin("ann"))
    live = next(part for part in widgets(page) if isinstance(part, LiveAnalysis))
    live.send = lambda *_: None
    choice(page).label = "Mia"
    look_at(page, "Days")
    log = home.infants.infant("Mia", user="ann")

    begun = time.time() - 1  # of the page's clock, which says 1 at its first block

    def cry_and_correct(at: float) -> list[str]:
        for k in range(12):
            content = {"type": "sound", "number": k, "at": at + k / 4, "sr": 48_000}
            live._handle_custom_msg(content, [memoryview(np.full(12_000, 0.1, "<f4").tobytes())])
        log.append(log.begin("test"), [Reading(begun + at + 2, "hungry")])
        press(page, "Look again")
        press(page, "Yes")
        return [path.parent.name for path in (apart / "ours").rglob("*.wav")]

    live.listening = True
    assert cry_and_correct(1) == [], "off until a caregiver wants it"
    switch(page)[0].value = True
    assert cry_and_correct(4) == [f"infant-{log.id}"]
    assert "Its sound is kept." in text(page)
    live.listening = False
    choice(page).label = "Zoe"
    zoe = home.infants.infant("Zoe", user="ann")
    zoe.append(zoe.begin("test"), [Reading(time.time() + 6, "hungry")])
    press(page, "Look again")
    press(page, "Yes")
    assert "Noted: hungry" in text(page) and "is kept." not in text(page)
    assert len(list((apart / "ours").rglob("*.wav"))) == 1


def test_what_is_heard_is_in_the_chosen_infant_s_log(
    home: Store, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(trained.outputs))
    page = Page(home, home.logins.begin("ann"))
    live = next(part for part in widgets(page) if isinstance(part, LiveAnalysis))
    live.send = lambda *_: None
    live.listening = True
    assert choice(page).disabled, "a session is of one infant"
    noise = np.random.default_rng(0).normal(0, 0.1, 12_000).astype("<f4")
    for k in range(8):
        content = {"type": "sound", "number": k, "at": (k + 1) / 4, "sr": 48_000}
        live._handle_custom_msg(content, [memoryview(noise.tobytes())])
    live._handle_custom_msg({"type": "gap", "number": 9, "at": 2.3, "reason": "hidden"}, [])
    press(page, "Add an infant", Name="Zoe")
    assert choice(page).label == "Mia", "whom it is listening to"
    live.listening = False
    choice(page).label = "Zoe"
    live.listening = True
    live.listening = False

    assert live.notice == ""
    log = home.infants.infant("Mia", user="ann")
    assert [row["source"] for row in log.sessions()] == ["test", "camera and microphone"]
    verdicts = [reading.verdict for reading in log.readings()][1:]
    assert verdicts[-1] == GAP and set(verdicts[:-1]) <= {"no cry", "unsure", *live.states}
    assert len(verdicts) >= 3
    assert not choice(page).disabled
