"""Every test here runs on SQLite, and on PostgreSQL where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from postgres import Server, programs

from crydecode import store as stores
from crydecode.store import Log, Store, accounts


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    if programs() is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed here")
    # What a killed server wrote is in the system's hands; only a machine's end asks for fsync.
    with Server("fsync=off") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(kind: str, apart: Path, fast_hashes: object, request: pytest.FixtureRequest) -> str:
    """Where an empty store may be made, in each database."""
    if kind == "sqlite":
        return f"sqlite:///{apart / 'store.sqlite'}"
    return request.getfixturevalue("postgres").emptied()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of logins and waits, which a test sets forward."""
    clock = Clock()
    for name in ("time", "monotonic"):
        monkeypatch.setattr(accounts, name, clock)
    return clock


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """An empty store with two users, demo and granny."""
    with stores.open(url) as opened:
        for name in ("demo", "granny"):
            opened.users.add(name, f"{name}'s password")
        yield opened


@pytest.fixture
def mia(store: Store) -> Log:
    """The log of an infant."""
    return store.add_infant("Mia")
