"""Stores, on SQLite unless a test asks for another database, and one server for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from postgres import Server, programs
from served import PASSWORD, Served, Visitor, served
from trained_run import Trained

from crydecode import store as stores
from crydecode.store import Log, Store, accounts


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    if programs() is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed here")
    with Server() as server:
        yield server


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


@pytest.fixture
def url(kind: str, apart: Path, fast_hashes: object, request: pytest.FixtureRequest) -> str:
    """Where an empty store may be made."""
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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Iterator[Served]:
    """A server behind a proxy on this machine, with two caregivers, ann and ben, and an infant, Kim."""
    variables = {"FORWARDED_ALLOW_IPS": "127.0.0.1", "DATABASE_PASSWORD": "what nobody may know"}
    variables["CRYUTILS_OUTPUTS_DIR"] = str(trained.outputs)
    with served(tmp_path_factory.mktemp("served"), **variables) as server:
        for name in ("ann", "ben"):
            server.store.users.add(name, PASSWORD)
        server.store.add_infant("Kim")
        yield server


@pytest.fixture
def ann(server: Served) -> Visitor:
    """A caregiver who is logged in on the server."""
    return Visitor(server).enter("ann")


@pytest.fixture
def kim(server: Served) -> int:
    """The number of the infant on the server."""
    return server.store.infant("Kim").id
