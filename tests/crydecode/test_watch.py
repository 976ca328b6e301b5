"""Pages that watch: what other devices hear reaches them, they ring together, and nobody is shut out."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clock import Clock, until
from served import HANG_S, PASSWORD, Served, Visitor, ask, pcm, send
from trained_run import Trained
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from crydecode import sockets
from crydecode.alarm import LOST_S
from crydecode.sockets import LOGGED_OUT, PAGES, PAGES_IN_ALL, PAUSE_S, REPLACED, Room
from cryutils import audio
from cryutils.inference.readings import HOP_S, Reading
from cryutils.words import NO_CRY

SR = 16_000


def seen(page: ClientConnection, k: int = 0, **expected: Any) -> dict[str, Any]:
    """Wait until a watching page is told such a state of its infant `k`; return the state."""
    while True:
        state: dict[str, Any] = json.loads(page.recv(HANG_S))[k]
        if {name: state.get(name) for name in expected} == expected:
            return state


def watch(visitor: Visitor, *infants: int, delay_s: int = 0) -> ClientConnection:
    *others, last = infants
    more = "".join(f"&infant={infant}" for infant in others)
    return visitor.socket(last, f"/watch?again=60&delay={delay_s}{more}")


def play(page: ClientConnection, sound: np.ndarray) -> None:
    """Send sound as a page does, from 0 s on, faster than it would be heard."""
    for k in range(0, len(sound) - SR // 4, SR // 4):
        ask(page, "sound", pcm(sound[k : k + SR // 4]), at=k / SR + 0.25, sr=SR, level=-20)


def test_an_alarm_that_nobody_answers_is_seen_longer_than_it_is_heard(server: Served) -> None:
    log = server.store.add_infant("Lea")
    room = Room(log)
    page, patient = (room.ring(delay_s, 60.0) for delay_s in (0.0, 600.0))
    room.add(time.time(), "hungry")
    states = [room.state(each, "") for each in (page, patient)]
    assert [(state["rings"], state["loud"]) for state in states] == [(True, True), (False, False)]
    page.loud_until = 0.0  # half a minute later
    state = room.state(page, "")
    assert state["rings"] and not state["loud"]
    log.remove()


def test_an_answer_covers_only_the_alarm_that_it_answers(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(sockets, "time", SimpleNamespace(time=clock, monotonic=clock))
    log = server.store.add_infant("Eva")
    room = Room(log)
    page = room.ring(0.0, 600.0)

    def hear(verdict: str, seconds: float) -> dict[str, Any]:
        for _ in range(round(seconds / HOP_S)):
            clock.now += HOP_S
            room.add(clock(), verdict)
        return room.state(page, "")

    def told(state: dict[str, Any]) -> tuple[str, str, bool]:
        return state["kind"], state["coming"], state["rings"]

    def come(alarm: str, what: str = "coming", user: str = "ben", ticket: str = "") -> dict[str, Any]:
        order = room.obey({"type": what, "alarm": alarm}, user, ticket)
        with ThreadPoolExecutor() as pool:  # after a browser test, a loop runs in this thread
            pool.submit(asyncio.run, order).result()
        return room.state(page, "")

    hear(NO_CRY, 60)
    assert told(hear("hungry", 40)) == ("crying", "", True)
    assert told(come("crying")) == told(hear("hungry", 5)) == ("crying", "ben", False)
    for user, ticket in (("ann", ""), ("ben", "of another phone")):
        assert told(come("crying", "stay", user, ticket)) == ("crying", "ben", False), "only who comes"
        assert room.state(page, ticket)["mine"] == (ticket == "")
    assert [line.corrected for line in log.lines() if line.what == "coming"] == ["ben"]
    hear("hungry", 35)  # the ring would be over
    come("crying")  # as after the ring's second begin
    assert told(state := come("crying", "stay")) == ("crying", "", True) and state["loud"]
    assert [line.what for line in log.lines() if line.what == "coming"] == []
    come("crying")
    state = hear(NO_CRY, PAUSE_S - 1)
    assert told(state) == ("crying", "ben", False) and state["paused_s"] == PAUSE_S - 1
    assert abs(state["for_s"] - 80) <= HOP_S, "as long as it was heard"
    assert told(hear(NO_CRY, 2)) == ("quiet", "", False)
    state = hear("hungry", 3)
    assert told(state) == ("crying", "", True) and state["loud"] and state["for_s"] <= 3, "another cry"
    come("crying")
    clock.now += LOST_S + 1  # nothing is heard
    assert told(room.state(page, ""))[:2] == ("lost", "")
    assert told(come("crying"))[:2] == ("lost", ""), "a tap that comes late"
    assert told(come("lost"))[:2] == ("lost", "ben")
    state = hear("hungry", 3)
    assert told(state) == ("crying", "", True) and state["loud"] and state["for_s"] <= 3
    log.remove()


def test_a_cry_on_one_device_rings_on_the_others_until_somebody_comes(
    server: Served, ann: Visitor, trained: Trained
) -> None:
    log, other = server.store.add_infant("Ida"), server.store.add_infant("Jan")
    ben = Visitor(server).enter("ben")
    cry = np.tile(audio.read(trained.corpus[0].path, sr=SR), 3)
    with ann.socket(log.id) as nursery, watch(ann, log.id) as first, watch(ben, other.id, log.id) as second:
        with watch(ben, log.id, delay_s=600) as patient:
            assert seen(first)["kind"] == "lost"
            ask(nursery, "start")
            play(nursery, cry)
            state = seen(first, kind="crying", rings=True)
            assert state["devices"] == [["ann", True]] and set(state["levels"]) == {-20}
            assert seen(second, 1, kind="crying", rings=True)["devices"] == [["ann", False]]
            assert not seen(patient, kind="crying")["rings"], "its delay has not passed"
            state = seen(second)
            assert state["kind"] == "lost" and not state["rings"], "another baby"
        with watch(ben, log.id) as again:
            assert seen(again)["rings"], "it lost its connection meanwhile"
        send(second, "coming", infant=other.id, alarm="lost")
        assert seen(second, coming="ben") and seen(first)["rings"], "to another baby"
        send(second, "coming", infant=log.id, alarm="lost")
        assert seen(first, kind="crying", coming="")["rings"], "an answer to another alarm"
        send(second, "coming", infant=log.id, alarm="crying")
        for page, k in ((first, 0), (second, 1)):
            assert seen(page, k, kind="crying", rings=False)["coming"] == "ben"
        with watch(ann, log.id) as again:
            assert not seen(again)["rings"]
        until(lambda: [line.corrected for line in log.lines() if line.what == "coming"] == ["ben"])
        with ben.socket(log.id) as spare:
            ask(spare, "start")
            play(spare, cry)
            answer = ask(spare, "look")
            assert (answer["others"], answer["coming"]) == (["ann"], "ben"), "who else listens, and who comes"
            ask(nursery, "stop")
            assert seen(second, 1, devices=[["ben", True]])["kind"] == "crying", "one device is enough"
            ask(spare, "stop")
        for state in (seen(first, kind="lost"), *(seen(first) for _ in range(3))):
            assert (state["kind"], state["why"], state["coming"]) == ("lost", "ben stopped it", "")
    for each in (log, other):
        each.remove()


def test_what_another_program_hears_is_shown_and_its_end_is_noticed(server: Served, ann: Visitor) -> None:
    log = server.store.add_infant("Ole")
    with watch(ann, log.id) as page:
        assert seen(page)["for_s"] is None
        now = time.time()
        log.append(log.begin(), [Reading(now - 600 + k * HOP_S, NO_CRY) for k in range(1200)])
        state = seen(page, kind="quiet")
        assert 590 < state["for_s"] < 700 and state["devices"] == []
        assert seen(page, kind="lost")["age_s"] > LOST_S
        log.remove()


def test_it_says_why_a_device_listens_no_longer(server: Served, kim: int) -> None:
    reasons = {
        "is logged out": "its login has ended",
        "is left": "its page was left",
        "is killed": "the connection is lost",
    }
    server.store.users.add("pat", PASSWORD)
    for what, why in reasons.items():
        pat = Visitor(server).enter("pat")
        with pat.socket(kim) as page, watch(Visitor(server).enter("ben"), kim) as parent:
            ask(page, "start")
            play(page, np.random.default_rng(0).normal(0, 0.01, 2 * SR))
            seen(parent, kind="quiet")
            if what == "is logged out":
                pat.submit("/more", "/logout")
            elif what == "is left":
                send(page, "sound", pcm(np.zeros(2 * SR)), at=5.0, sr=SR)  # not answered before it is left
                page.close(1001)
            else:
                page.socket.shutdown(socket.SHUT_RDWR)
            assert seen(parent, kind="lost")["why"] == why, what
    server.store.users.remove("pat")


def test_watching_pages_are_shared_between_users_and_end_with_the_login(server: Served, kim: int) -> None:
    def open_by(name: str) -> ClientConnection:
        page = watch(Visitor(server).enter(name), kim)
        seen(page)
        return page

    names = [f"user{k}" for k in range(PAGES_IN_ALL // PAGES + 2)]
    for name in names:
        server.store.users.add(name, PASSWORD)
    first = open_by(names[0])
    pages = [open_by(names[1 + k // PAGES]) for k in range(PAGES_IN_ALL - 1)]
    late = open_by(names[-1])
    assert "kind" in seen(first), "the only page of a user"
    try:
        while True:
            pages[0].recv(HANG_S)
    except ConnectionClosed:
        assert pages[0].close_code == REPLACED
    seen(late)
    for name in names:
        server.store.users.remove(name)
    try:
        while True:
            first.recv(HANG_S)
    except ConnectionClosed:
        assert first.close_code == LOGGED_OUT
