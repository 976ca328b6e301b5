"""What a caregiver sees of one infant, on a real store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest
from clock import Clock

from cryutils.app import store as stores
from cryutils.app.dashboard import Dashboard
from cryutils.app.readings import GAP, NO_CRY, QUIET, UNSURE, Reading
from cryutils.app.store import Log, Store

STATES = ["hungry", "pain", "tired"]


@pytest.fixture
def clock() -> Clock:
    return Clock()  # Fri 15 Jan 2027, 08:00 UTC


@pytest.fixture
def store(apart: Path, clock: Clock, fast_hashes: object) -> Iterator[Store]:
    with stores.open(f"sqlite:///{apart / 'store.sqlite'}", clock=clock) as store:
        store.users.add("robin", "a long password")
        yield store


@pytest.fixture
def log(store: Store) -> Log:
    store.add_infant("Kim")
    return store.infant("Kim")


def say(log: Log, clock: Clock, *verdicts: str, note: str = "") -> None:
    """Log one reading every half second up to now."""
    session = log.begin("test")
    start = clock.now - len(verdicts) / 2
    log.append(
        session,
        [Reading(start + (k + 1) / 2, verdict, note=note) for k, verdict in enumerate(verdicts)],
    )


def parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """A widget and all that it contains and shows."""
    if widget.layout.display != "none":
        yield widget
        for child in getattr(widget, "children", ()):
            yield from parts(child)


def shown(dashboard: Dashboard) -> str:
    return "".join(part.value for part in parts(dashboard) if isinstance(part, ipywidgets.HTML))


def corrected(log: Log) -> list[str | None]:
    return [row["corrected"] for row in log.entries()]


def buttons(widget: ipywidgets.Widget) -> dict[str, ipywidgets.Button]:
    return {b.description: b for b in parts(widget) if isinstance(b, ipywidgets.Button)}


def taps(dashboard: Dashboard) -> dict[str, ipywidgets.Button]:
    (row,) = (part for part in parts(dashboard) if "cry-question" in part._dom_classes)
    return buttons(row)


def test_the_state_now_stands_above_what_can_be_tried_and_whose_advice_it_is(
    log: Log, clock: Clock
) -> None:
    say(log, clock, *["hungry"] * 4, note="by sound alone: no picture")

    page = shown(Dashboard(log, STATES, clock=clock))
    assert "<p class='cry-now'>hungry</p><p>by sound alone: no picture</p>" in page
    assert "Offer a feed" in page and ">Surviving Crying</a>" in page
    assert "seek medical help" in page and "Never shake a baby" in page, "under every state"


@pytest.mark.parametrize(
    ("verdicts", "words", "answers"),
    [
        (["pain"], "seek medical help now", {"Yes", "No: hungry", "No: tired", "No: no cry"}),
        ([UNSURE, UNSURE], "What was it?", {"hungry", "pain", "tired", "no cry"}),
        ([NO_CRY, GAP], "<p class='cry-now'>Not listening</p>", set()),
    ],
)
def test_the_question_depends_on_what_was_said(
    verdicts: list[str], words: str, answers: set[str], log: Log, clock: Clock
) -> None:
    say(log, clock, *verdicts)
    dashboard = Dashboard(log, STATES, clock=clock)
    assert words in shown(dashboard)
    assert set(taps(dashboard)) == answers


def test_the_days_show_minutes_of_each_state_and_how_long_was_listened(
    log: Log, clock: Clock
) -> None:
    # 2 min hungry, 1 min tired, 7 min without a cry, 3 min quiet, 2 min unsure; a gap is no minute
    # heard.
    spoken = ["hungry"] * 240 + ["tired"] * 120 + [NO_CRY] * 840 + [QUIET] * 360 + [UNSURE] * 240
    spoken += [GAP] * 60
    say(log, clock, *spoken)
    clock.now += 2 * 86_400
    say(log, clock, NO_CRY, NO_CRY)

    rows = shown(Dashboard(log, STATES, clock=clock)).split("<tr")[1:]
    cells = [re.findall(r"<t[hd]>([^<]*)</t[hd]>", row) for row in rows]
    assert cells == [
        ["", "hungry", "pain", "tired", "unsure", "no cry", "quiet", "listened"],
        ["Sun 17 Jan", "0.0", "0", "0.0", "0.0", "0.1", "0.0", "0.1"],
        ["Fri 15 Jan", "2.0", "0", "1.0", "2.0", "7.0", "3.0", "15.0"],
    ]


def test_one_tap_corrects_what_was_last_said_and_another_changes_it(log: Log, clock: Clock) -> None:
    say(log, clock, "tired", NO_CRY, "hungry", "hungry", QUIET, "hungry")
    dashboard = Dashboard(log, STATES, clock=clock)
    assert set(taps(dashboard)) == {"Yes", "No: pain", "No: tired", "No: no cry"}

    taps(dashboard)["No: tired"].click()
    assert corrected(log) == [None, None, "tired", "tired", None, "tired"], "no pause between"
    assert "Noted: tired, " in shown(dashboard)

    clock.now += 1
    taps(dashboard)["Yes"].click()
    assert corrected(log) == [None] * 6


def test_after_a_correction_the_advice_is_that_of_the_corrected_state(
    log: Log, clock: Clock
) -> None:
    session = log.begin("test")

    def hear(verdict: str) -> None:
        clock.now += 0.5
        log.append(session, [Reading(clock.now, verdict)])

    hear("pain")
    dashboard = Dashboard(log, STATES, clock=clock)
    assert "seek medical help now" in shown(dashboard)
    hear("pain")  # while the caregiver answers
    taps(dashboard)["No: hungry"].click()
    for verdict in ("pain", NO_CRY, "pain"):
        hear(verdict)
        dashboard.look()
        page = shown(dashboard)
        assert "seek medical help now" not in page
        assert ("Offer a feed" in page) is (verdict != NO_CRY)
    taps(dashboard)["Yes"].click()
    assert "seek medical help now" in shown(dashboard)
