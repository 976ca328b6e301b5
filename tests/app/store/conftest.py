"""Every test here runs against every database: real ones, and a stand-in for MongoDB.

PostgreSQL is started by the tests, where it is installed; MongoDB is the server that
CRYUTILS_TEST_MONGODB_URL names. What can't run is reported as skipped, with the reason.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pymongo
import pytest
from clock import Clock
from postgres import Server, programs

from cryutils.app import store as stores
from cryutils.app.store import Log, Store

MONGODB = os.environ.get("CRYUTILS_TEST_MONGODB_URL")
REAL = ("sqlite", "postgresql", "mongodb")
# Python's own rendering of MongoDB: what it can do, and not how it does it.
STAND_IN = "mongomock, a stand-in for mongodb"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    if programs() is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed here")
    # What a killed server wrote is in the system's hands; only a machine's end asks for fsync.
    with Server("fsync=off") as server:
        yield server


@pytest.fixture(params=[*REAL, STAND_IN])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(
    kind: str, apart: Path, fast_hashes: object, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:  # fmt: skip
    """Where an empty store may be made, in each database."""
    name = f"cryutils_test_{uuid.uuid4().hex}"
    if kind == "sqlite":
        yield f"sqlite:///{apart / 'store.sqlite'}"
    elif kind == "postgresql":
        yield request.getfixturevalue("postgres").emptied()
    elif kind == "mongodb":
        if MONGODB is None:
            pytest.skip("CRYUTILS_TEST_MONGODB_URL names no MongoDB server")
        yield urlsplit(MONGODB)._replace(path=f"/{name}").geturl()
        pymongo.MongoClient(MONGODB).drop_database(name)
    else:
        import mongomock
        from mongomock.store import ServerStore

        stand_in = functools.partial(mongomock.MongoClient, _store=ServerStore())
        monkeypatch.setattr(pymongo, "MongoClient", stand_in)
        yield f"mongodb://stand-in/{name}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """An empty store with two users, demo and granny."""
    with stores.open(url, clock=clock) as opened:
        for name in ("demo", "granny"):
            opened.users.add(name, f"{name}'s password")
        yield opened


@pytest.fixture
def mia(store: Store) -> Log:
    """The log of an infant that demo alone reaches."""
    return store.infants.add("Mia", user="demo")
