"""Users and their logins: passwords, throttled guessing, tickets; in every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pymongo
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from clock import Clock

from cryutils.app.store import Store, accounts
from cryutils.errors import InputError

HOME, AWAY = "192.0.2.1", "198.51.100.7"
RIGHT = "demo's password"
# What no database sees, or each sees alike, is tried in one.
in_one = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


def stored(url: str) -> str:
    """Everything that the users' and logins' tables hold, as text."""
    if url.startswith("mongodb"):
        tables = pymongo.MongoClient(url).get_default_database()
        return str([list(tables[name].find()) for name in ("users", "logins")])
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        queries = (sa.text(f"SELECT * FROM {name}") for name in ("users", "logins"))
        return str([connection.execute(query).all() for query in queries])


# Users


def test_a_name_is_the_same_in_capitals_and_with_spaces_around(store: Store) -> None:
    assert store.users.add(" Zoë ", "zoë's password") == "zoë"
    assert store.users.verify("ZOË", "zoë's password", address=HOME).right
    with pytest.raises(InputError, match="there already"):
        store.users.add("zOë", "another password")


@in_one
@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 65])
def test_a_name_that_is_none_is_refused(name: str, store: Store) -> None:
    with pytest.raises(InputError, match="no name"):
        store.users.add(name, RIGHT)


@in_one
@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
def test_a_password_that_is_short_or_endless_is_refused(password: str, store: Store) -> None:
    with pytest.raises(InputError, match="8 to 1024 characters"):
        store.users.add("abel", password)
    assert "abel" not in store.users.names()


def test_sql_and_html_in_a_name_are_a_name(store: Store) -> None:
    name = "'; drop table users; --<script>alert(1)</script>"
    store.users.add(name, RIGHT)
    assert store.users.names() == [name, "demo", "granny"]
    assert not store.users.verify("' or '1'='1", "' or '1'='1", address=HOME).right


def test_the_store_holds_no_password_and_no_ticket(store: Store, url: str) -> None:
    ticket = store.logins.begin("demo")
    text = stored(url)
    assert "$argon2id$" in text
    assert RIGHT not in text and ticket not in text


def test_a_new_password_ends_the_logins_the_old_password_and_the_waiting(store: Store) -> None:
    ticket = store.logins.begin("demo")
    for _ in range(6):
        check = store.users.verify("demo", "wrong", address=HOME)
    assert check.wait_s > 0
    store.users.set_password("demo", "another password")
    assert store.logins.user(ticket) is None
    assert not store.users.verify("demo", RIGHT, address=HOME).right
    assert store.users.verify("demo", "another password", address=HOME).right


def test_a_removed_user_is_logged_out_and_reaches_no_infant(store: Store) -> None:
    ticket, mia = store.logins.begin("demo"), store.infants.add("Mia", user="demo")
    store.users.remove("Demo")
    assert store.users.names() == ["granny"]
    assert store.logins.user(ticket) is None
    with pytest.raises(InputError, match="no infant 'Mia'"):
        mia.summary("day", "UTC")
    store.users.add("demo", RIGHT)  # somebody else, later
    assert store.infants.all(user="demo") == []


def test_what_a_removed_user_logged_stays_without_the_name(store: Store) -> None:
    mia = store.infants.add("Mia", user="demo")
    mia.begin("camera")
    mia.correct(0.0, 1.0, "hungry")
    store.users.remove("demo")
    mia = store.infants.infant("Mia", user=None)
    assert [row["user"] for row in mia.sessions() + mia.corrections()] == [None, None]


def test_an_unknown_user_is_named_and_no_other_is(store: Store) -> None:
    for call in (store.users.remove, store.users.require):
        with pytest.raises(InputError, match="no user 'demi'") as caught:
            call("demi")
        assert "demo" not in str(caught.value)


# Guessing


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
    answers = [store.users.verify(name, "wrong", address=HOME) for name in ("demo", "nobody")]
    assert answers == [accounts.Check(right=False)] * 2
    assert work[0] == work[1] and len(work) == 2


def test_the_sixth_wrong_attempt_waits_and_each_next_one_twice_as_long(
    store: Store, clock: Clock
) -> None:
    for _ in range(5):
        assert store.users.verify("demo", "wrong", address=HOME) == accounts.Check(False)
    waits = []
    for _ in range(8):
        check = store.users.verify("demo", RIGHT, address=HOME)
        assert not check.right, "a right one isn't looked at either"
        waits.append(check.wait_s)
        clock.now += check.wait_s
        assert store.users.verify("demo", "wrong", address=HOME) == accounts.Check(False)
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900]
    clock.now += 900
    assert store.users.verify("demo", RIGHT, address=HOME).right
    assert store.users.verify("demo", "wrong", address=HOME).wait_s == 0


def test_what_is_refused_unread_makes_nobody_wait_longer(store: Store, clock: Clock) -> None:
    for _ in range(50):
        check = store.users.verify("demo", "wrong", address=HOME)
    assert check.wait_s == 15


@in_one
def test_a_stranger_elsewhere_locks_no_caregiver_out(store: Store) -> None:
    assert store.users.verify("demo", RIGHT, address=HOME).right
    for i in range(201):
        store.users.verify("demo", "wrong", address=f"198.51.100.{i}")
    assert store.users.verify("demo", RIGHT, address="203.0.113.9").wait_s > 0
    assert store.users.verify("demo", RIGHT, address=HOME).right


def test_a_stranger_with_one_address_locks_no_caregiver_out_anywhere(store: Store) -> None:
    for _ in range(50):
        store.users.verify("demo", "wrong", address=AWAY)
    assert store.users.verify("demo", RIGHT, address=HOME).right


def test_an_address_that_tries_many_names_waits(store: Store) -> None:
    checks = [store.users.verify(f"user{i}", "wrong", address=AWAY) for i in range(21)]
    assert [check.wait_s for check in checks] == [0] * 20 + [15]
    assert store.users.verify("demo", RIGHT, address=HOME).right


def test_one_network_of_ipv6_is_one_address(store: Store) -> None:
    for i in range(5):
        store.users.verify("demo", "wrong", address=f"2001:db8::{i}")
    assert store.users.verify("demo", RIGHT, address="2001:db8::99").wait_s == 15
    assert store.users.verify("demo", RIGHT, address="2001:db8:0:1::1").right


def test_failures_are_forgotten_after_a_day(store: Store, clock: Clock) -> None:
    for _ in range(6):
        store.users.verify("demo", "wrong", address=HOME)
    clock.now += 86401
    assert [store.users.verify("demo", "wrong", address=HOME).wait_s for _ in range(6)][:5] == [
        0
    ] * 5


def at_once(n: int, call: Callable[[int], Any]) -> list[Any]:
    """What `call(0)` to `call(n - 1)` return, all begun at the same moment in threads."""
    barrier = Barrier(n)

    def wait_and_call(i: int) -> Any:
        barrier.wait()
        return call(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(wait_and_call, range(n)))


def test_sixteen_attempts_at_once_let_no_more_through_than_five(store: Store) -> None:
    checks = at_once(16, lambda i: store.users.verify("demo", "wrong", address=HOME))
    assert sum(check.wait_s == 0 for check in checks) <= 5
    assert not any(check.right for check in checks)


def test_a_hash_with_older_parameters_is_renewed_at_the_next_login(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = PasswordHasher(time_cost=2, memory_cost=128, parallelism=1)
    monkeypatch.setattr(accounts, "hasher", lambda: newer)
    assert "t=2" not in stored(url)
    store.users.verify("demo", "wrong", address=HOME)
    assert "t=2" not in stored(url)
    assert store.users.verify("demo", RIGHT, address=HOME).right
    assert stored(url).count("m=128,t=2,p=1") == 1
    assert store.users.verify("demo", RIGHT, address=HOME).right


# Logins


def test_a_ticket_names_its_user_until_it_is_ended(store: Store) -> None:
    tickets = [store.logins.begin("demo"), store.logins.begin("demo"), store.logins.begin("granny")]
    store.logins.end(tickets[0])
    assert [store.logins.user(ticket) for ticket in tickets] == [None, "demo", "granny"]


def test_a_ticket_expires(store: Store, clock: Clock) -> None:
    ticket = store.logins.begin("demo")
    clock.now += accounts.LIFETIME_S - 1
    assert store.logins.user(ticket) == "demo"
    clock.now += 1.5
    assert store.logins.user(ticket) is None


def test_a_made_up_ticket_is_nobodys(store: Store) -> None:
    store.logins.begin("demo")
    tickets = ["", "x", "\0", "\ud800", "' or 1=1 --"]
    assert [store.logins.user(ticket) for ticket in tickets] == [None] * 5
