"""Where a store is, by URL, by variable, by default; and what is no store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import sqlalchemy as sa

from crydecode import store as stores
from crydecode.store import Log, Store, StoreUnavailable
from cryutils.errors import InputError
from cryutils.inference.readings import Reading

SECRET = "pa55:w0rd"


def refusal(url: str | None = None) -> str:
    with pytest.raises((InputError, StoreUnavailable)) as caught, stores.open(url) as store:
        store.infant("Mia").lines()
    message = str(caught.value)
    assert "\n" not in message and "pa55" not in message and "w0rd" not in message
    return message


def test_by_default_it_is_a_file_in_the_users_data_folder_for_its_owner_alone(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRYUTILS_STORE", raising=False)
    folder = apart / "home" / "data"
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: folder / name)
    with stores.open() as store:
        assert store.address == str(folder / "cryutils" / "store.sqlite")
    assert (folder / "cryutils" / "store.sqlite").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("url", "begin"),
    [
        ("log.sqlite", "CRYUTILS_STORE: "),
        ("sqlite:///:memory:", "sqlite:///:memory:: name a file"),
        (f"postgresql:{SECRET}", "CRYUTILS_STORE: "),
        (f"postgresql://u:{SECRET}@h:port/d", "postgresql://...: "),
        ("postgresql://u:pa55@w0rd@h/d", "postgresql://h/d: "),
        ("postgresql://u:pa55w0rd@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d: "),
        ("postgresql://u@127.0.0.1:1/d?password=pa55w0rd", "postgresql://127.0.0.1:1/d: "),
    ],
)
def test_what_is_no_store_is_named_in_one_line_without_a_password(url: str, begin: str) -> None:
    assert refusal(url).startswith(begin)


@pytest.mark.parametrize(
    ("mark", "value"),
    [
        (b'{"hungry":0.9}', b'{"hungry":9.9}'),
        (b"hungry", b"hu\xe7gry"),
        (b"SQLite", b"SQLiti"),
        (b"SQLite format 3\0", b"not a database.."),
    ],
    ids=["share", "text", "header", "another file"],
)
def test_a_damaged_file_is_named_with_the_remedy(
    store: Store, mia: Log, url: str, mark: bytes, value: bytes
) -> None:
    mia.append(mia.begin(), [Reading(time.time() - 60, "hungry", {"hungry": 0.9})])
    store.close()
    file = Path(url.removeprefix("sqlite:///"))
    content = file.read_bytes()
    assert mark in content
    file.write_bytes(content.replace(mark, value))
    message = refusal(url)
    assert str(file) in message and "restore a copy" in message


def test_a_file_of_0_bytes_is_no_new_store(apart: Path, url: str) -> None:
    (apart / "store.sqlite").touch()
    assert "0 bytes" in refusal(url)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_pooler_in_front_of_the_server_is_asked_for_nothing_that_it_refuses(url: str) -> None:
    """PgBouncer refuses start-up options, and its clients share sessions."""
    made: list[Any] = []

    def note(connection: Any, _: object) -> None:
        made.append(connection)

    sa.event.listen(sa.pool.Pool, "connect", note)
    with stores.open(url) as store:
        sa.event.remove(sa.pool.Pool, "connect", note)
        for i in range(12):  # psycopg would prepare the sixth
            store.add_infant(f"infant {i}")
        (connection,) = made
        assert connection.info.options == ""
        assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
