"""Where a store is: by URL, by variable, by default; and which versions of it are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
import pytest
import sqlalchemy as sa

from crydecode import store as stores
from crydecode.store import Log, Store
from cryutils.errors import InputError
from cryutils.inference.readings import Reading

SECRET = "pa55:w0rd"


def refusal(url: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        stores.open(url)
    message = str(caught.value)
    assert "\n" not in message
    for secret in ("pa55", "w0rd"):
        assert secret not in message
    return message


# Where


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
    "url",
    [
        "log.sqlite",
        "sqlite:///:memory:",
        f"mysql://u:{SECRET}@h/d",
        f"postgresql:{SECRET}",
        f"postgresql://u:{SECRET}@h:port/d",
        "postgresql://u:pa55@w0rd@h/d",
    ],
)
def test_what_is_no_address_is_refused_in_one_line_without_a_password(url: str) -> None:
    refusal(url)


@pytest.mark.parametrize(
    "url", ["postgresql://u:pa55w0rd@127.0.0.1:1/d", "postgresql://u@127.0.0.1:1/d?password=pa55w0rd"]
)
def test_a_postgresql_server_that_is_not_there_is_named_without_a_password(url: str) -> None:
    assert refusal(url).startswith(f"{url.partition('u')[0]}{url.rpartition('@')[2].split('?')[0]}")


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", [b"not a database", b"\xff" * 8192], ids=["text", "pages"])
def test_a_damaged_file_is_named_with_the_remedy(
    damage: bytes, store: Store, mia: Log, apart: Path, url: str
) -> None:
    store.close()
    file = apart / "store.sqlite"
    content = file.read_bytes()
    start = 0 if damage.startswith(b"not") else 4096  # a header and the first page, or the rest
    file.write_bytes(content[:start] + damage + content[start + len(damage) :])
    message = refusal(url)
    assert message.startswith(f"{file}: ") and "restore a copy" in message


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


# Versions


def changed(url: str, *commands: str) -> None:
    """Run these SQL commands on a store."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for command in commands:
            connection.execute(sa.text(command))
    engine.dispose()


def test_a_store_of_another_version_is_refused(store: Store, url: str) -> None:
    changed(url, "UPDATE meta SET value = value + 1 WHERE key = 'version'")
    assert "another version of cryutils made this store" in refusal(url)


def test_many_may_open_a_new_store_at_once(url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def add(i: int) -> Any:
        with stores.open(url) as store:
            return store.users.add(f"user{i}", "a password")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(8))) == [f"user{i}" for i in range(8)]


# Infants


def test_an_infant_is_found_by_name_or_number_and_a_name_is_given_once(store: Store, mia: Log) -> None:
    assert store.infant("Mia").id == store.infant(str(mia.id)).id == mia.id
    with pytest.raises(InputError, match="Did you mean Mia"):
        store.infant("Mai")
    with pytest.raises(InputError, match="exists"):
        store.add_infant(" Mia ")
    store.add_infant("Tom ")
    assert [log.name for log in store.infants()] == ["Mia", "Tom"]


def test_a_removed_infant_leaves_nothing(store: Store, mia: Log) -> None:
    mia.append(mia.begin("camera"), [Reading(1.8e9, "hungry")])
    mia.correct(1.8e9, 1.8e9, "pain")
    mia.remove()
    assert store.infants() == []
    with pytest.raises(InputError, match="no infant"):
        list(mia.entries())


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_file_of_0_bytes_is_no_new_store(apart: Path, url: str) -> None:
    (apart / "store.sqlite").touch()
    assert "0 bytes" in refusal(url)
