"""Users and their logins: passwords, throttled guessing, tickets; in every database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from clock import Clock

from crydecode import store as stores
from crydecode.store import Store, accounts
from cryutils.errors import InputError

HOME, AWAY = "192.0.2.1", "198.51.100.7"
RIGHT = "demo's password"
# What both databases see alike is tried in one.
in_one = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


def stored(url: str) -> str:
    """Everything that the users' and logins' tables hold, as text."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        queries = (sa.text(f"SELECT * FROM {name}") for name in ("users", "logins"))
        return str([connection.execute(query).all() for query in queries])


def tried(
    store: Store, name: str, password: str, *, address: str = HOME, mark: str = ""
) -> tuple[bool, float]:
    """Try to log in; return whether the password was right, and how long to wait in s."""
    wait_s = store.users.wait_s(name, address, mark)
    return wait_s == 0 and store.users.check(name, password, address, mark), wait_s


def waits(store: Store, *passwords: str, address: str = HOME) -> list[float]:
    """Try these passwords of demo; return the waits."""
    return [tried(store, "demo", password, address=address)[1] for password in passwords]


# Users


def test_a_name_is_the_same_in_capitals_and_with_spaces_around(store: Store) -> None:
    assert store.users.add(" Zoë ", "zoë's password") == "zoë"
    assert tried(store, "ZOË", "zoë's password") == (True, 0)
    with pytest.raises(InputError, match="exists"):
        store.users.add("zOë", "another password")


def test_the_store_holds_no_password_and_no_ticket(store: Store, url: str) -> None:
    ticket = store.logins.begin("demo")
    text = stored(url)
    assert "$argon2id$" in text
    assert RIGHT not in text and ticket not in text


def test_a_new_password_ends_the_logins_and_the_old_password(store: Store) -> None:
    ticket = store.logins.begin("demo")
    store.users.set_password("demo", "another password")
    assert store.logins.user(ticket) is None
    assert tried(store, "demo", RIGHT) == (False, 0)
    assert tried(store, "demo", "another password") == (True, 0)


@in_one
@pytest.mark.parametrize("password", ["12345678", "Password1", "granny-of-mia", "short"])
def test_a_password_that_many_would_guess_is_refused(store: Store, password: str) -> None:
    with pytest.raises(InputError, match="choose another"):
        store.users.add("Granny-of-Mia", password)
    with pytest.raises(InputError, match="choose another"):
        store.users.set_password("demo", password if len(password) < 12 else "demo")


# Guessing


@in_one
def test_a_wrong_password_and_an_unknown_user_get_one_answer_for_one_work(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = []

    class Watched(PasswordHasher):
        def verify(self, hash: Any, password: Any) -> Any:
            work.append(hash.rpartition("$")[0].rpartition("$")[0])  # all but salt and digest
            return super().verify(hash, password)

    watched = Watched(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(accounts, "hasher", lambda: watched)
    assert [tried(store, name, "wrong") for name in ("demo", "nobody")] == [(False, 0)] * 2
    assert work[0] == work[1] and len(work) == 2


@in_one
def test_the_sixth_wrong_attempt_waits_and_each_next_one_twice_as_long(store: Store, clock: Clock) -> None:
    assert waits(store, *["wrong"] * 5) == [0] * 5
    longer = []
    for _ in range(8):
        right, wait_s = tried(store, "demo", RIGHT)
        assert not right, "a right one isn't looked at either"
        assert waits(store, "wrong", "wrong") == [wait_s] * 2, "nor does it make anyone wait longer"
        longer.append(wait_s)
        clock.now += wait_s
        assert waits(store, "wrong") == [0]
    assert longer == [15, 30, 60, 120, 240, 480, 900, 900]
    clock.now += 900
    assert tried(store, "demo", RIGHT) == (True, 0)
    assert waits(store, "wrong") == [0]


@in_one
def test_nobody_else_s_guesses_lock_out_a_device_that_has_logged_in(store: Store, url: str) -> None:
    mark = store.users.mark("demo")
    with stores.open(url) as restarted:
        waits(restarted, *["wrong"] * 9)
        for i in range(201):
            waits(restarted, "wrong", address=f"198.51.100.{i}")
        for address in (HOME, "203.0.113.9"):
            assert waits(restarted, RIGHT, address=address)[0] > 0
            assert tried(restarted, "Demo", RIGHT, address=address, mark=mark)[0]
        for forged in (store.users.mark("granny"), f"{mark}0", f"0{mark}", ".", "é.é"):
            assert tried(restarted, "demo", RIGHT, mark=forged)[1] > 0


@in_one
def test_a_stolen_device_guesses_no_faster_and_ends_with_the_password(store: Store) -> None:
    mark = store.users.mark("demo")
    tries = [tried(store, "demo", "wrong", address=f"192.0.2.{i}", mark=mark)[1] for i in range(6)]
    assert tries == [0] * 5 + [15]
    assert tried(store, "demo", RIGHT)[0], "elsewhere"
    store.users.set_password("demo", "another password")
    waits(store, *["wrong"] * 5)
    assert tried(store, "demo", "another password", mark=mark)[1] > 0


@in_one
def test_a_clock_that_is_set_back_makes_nobody_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    waits(store, *["wrong"] * 5)
    clock.now += 15
    monkeypatch.setattr(accounts, "time", lambda: clock.now - 3 * 86_400)
    assert waits(store, RIGHT) == [0]


@in_one
def test_an_address_that_tries_many_names_waits(store: Store) -> None:
    tries = [tried(store, f"user{i}", "wrong", address=AWAY) for i in range(21)]
    assert [wait_s for _, wait_s in tries] == [0] * 20 + [15]
    assert tried(store, "demo", RIGHT)[0]


# Logins


@in_one
def test_a_ticket_expires(store: Store, clock: Clock) -> None:
    ticket = store.logins.begin("demo")
    clock.now += accounts.LIFETIME_S - 1
    assert store.logins.user(ticket) == "demo", "and used, it lasts for as long again"
    clock.now += accounts.LIFETIME_S - 1
    assert store.logins.user(ticket) == "demo"
    clock.now += accounts.LIFETIME_S + 1
    assert store.logins.user(ticket) is None
