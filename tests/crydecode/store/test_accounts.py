"""Passwords and throttled guessing, which no database does."""

from typing import Any

import pytest
from argon2 import PasswordHasher
from clock import Clock

from crydecode.store import Store, accounts
from cryutils.errors import InputError

HOME = "192.0.2.1"
RIGHT = "demo's password"


def waits(store: Store, *passwords: str, address: str = HOME) -> list[float]:
    """Try these passwords of demo; return the waits."""
    return [store.users.check("demo", password, address)[1] for password in passwords]


@pytest.mark.parametrize("password", ["12345678", "Password1", "granny-of-mia", "short"])
def test_a_password_that_many_would_guess_is_refused(store: Store, password: str) -> None:
    with pytest.raises(InputError, match="choose another"):
        store.users.add("Granny-of-Mia", password)
    with pytest.raises(InputError, match="choose another"):
        store.users.add("demo", password if len(password) < 12 else "demo")


def test_a_wrong_password_and_unknown_user_are_alike(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    work = []

    class Watched(PasswordHasher):
        def verify(self, hash: Any, password: Any) -> Any:
            work.append(hash.rpartition("$")[0].rpartition("$")[0])  # all but salt and digest
            return super().verify(hash, password)

    monkeypatch.setattr(accounts, "HASHER", Watched(time_cost=1, memory_cost=64, parallelism=1))
    answers = [store.users.check(name, "wrong", HOME) for name in ("demo", "nobody")]
    assert answers == [(False, 0)] * 2
    assert work[0] == work[1] and len(work) == 2


def test_the_sixth_wrong_attempt_waits_and_each_next_one_twice_as_long(store: Store, clock: Clock) -> None:
    assert waits(store, *["wrong"] * 5) == [0] * 5
    longer = []
    for _ in range(8):
        is_right, wait_s = store.users.check("demo", RIGHT, HOME)
        assert not is_right, "a right one isn't looked at either"
        assert waits(store, "wrong", "wrong") == [wait_s] * 2, "nor does it make anyone wait longer"
        longer.append(wait_s)
        clock.now += wait_s
        assert waits(store, "wrong") == [0]
    assert longer == [15, 30, 60, 120, 240, 480, 900, 900]
    clock.now += 900
    assert store.users.check("demo", RIGHT, HOME) == (True, 0)
    assert waits(store, "wrong") == [0]


def test_guesses_from_many_addresses_wait_and_end_no_login(store: Store) -> None:
    ticket = store.logins.begin("demo")
    tries = [waits(store, "wrong", address=f"198.51.100.{i}")[0] for i in range(201)]
    assert tries == [0] * 200 + [15]
    assert waits(store, RIGHT) == [15], "from home as well"
    assert store.users.check("granny", "granny's password", HOME) == (True, 0)
    assert store.logins.user(ticket) == "demo"


def test_a_clock_set_back_delays_nobody(store: Store, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    waits(store, *["wrong"] * 5)
    clock.now += 15
    monkeypatch.setattr(accounts, "time", lambda: clock.now - 3 * 86_400)
    assert waits(store, RIGHT) == [0]


def test_an_address_that_tries_many_names_waits(store: Store) -> None:
    tries = [store.users.check(f"user{i}", "wrong", "198.51.100.7")[1] for i in range(21)]
    assert tries == [0] * 20 + [15]
    assert store.users.check("demo", RIGHT, HOME)[0]
