"""`cryutils users` and `log`: what they say and refuse."""

from __future__ import annotations

import io
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from refusals import Command, Outcome, mistake, success

from crydecode import store
from cryutils.inference.readings import Reading

PASSWORD = "correct horse"
NOON = pd.Timestamp("2026-11-22T12:00Z").timestamp()


@pytest.fixture
def call(command: Command, fast_hashes: None, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`call("users", "list", typed="")` returns exit code, out and err, with a new store."""
    monkeypatch.setenv("CRYUTILS_STORE", "sqlite:///store.sqlite")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def run(*arguments: str, typed: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return command(*arguments)

    return run


@pytest.fixture(scope="module")
def with_mia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a user demo and an infant Mia; two days of its readings, an hour apart."""
    path = tmp_path_factory.mktemp("mia") / "store.sqlite"
    with store.open(f"sqlite:///{path}") as opened:
        opened.users.add("demo", PASSWORD)
        log = opened.add_infant("Mia")
        log.append(log.begin("test"), [Reading(NOON + 3600 * i, "hungry") for i in range(48)])
    return path


@pytest.fixture
def mia(with_mia: Path, call: Command, apart: Path) -> None:
    """A copy of that store for one test."""
    shutil.copy(with_mia, apart / "store.sqlite")


# Users


def is_right(password: str) -> bool:
    """Return whether the user demo can log in with `password`."""
    with store.open() as opened:
        return opened.users.check("demo", password, "192.0.2.1")


def test_a_password_is_read_from_standard_input_and_never_printed(call: Command) -> None:
    out = success(call("users", "add", "Demo", typed=f"{PASSWORD}\n"))
    assert out.startswith("Demo may log in (") and PASSWORD not in out
    assert is_right(PASSWORD)


def test_users_are_listed(call: Command, mia: None) -> None:
    assert call("users", "list")[1] == "demo\n"
    assert call("users", "remove", "demo")[0] == 0
    code, out, err = call("users", "list")
    assert (code, out) == (0, "") and "cryutils users add" in err


def test_a_new_password_replaces_the_old(call: Command, mia: None) -> None:
    assert call("users", "password", "demo", typed="another horse\n")[0] == 0
    assert is_right("another horse") and not is_right(PASSWORD)


def test_a_mistake_is_one_line_and_exit_code_2(call: Command, mia: None) -> None:
    for words, typed, line in (
        ("users add demo", PASSWORD, "demo: a user of this name exists"),
        ("users add abel", "", "A password has 8 to 1024 characters"),
        ("users ad", "", "No such command 'ad'. Did you mean 'add'?"),
        ("log show Mai", "", "no infant 'Mai'. Did you mean Mia?"),
        ("log show Mia --since tomorrow-ish", "", "'tomorrow-ish': no time"),
        ("log export log.xlsx", "", "name a file that ends in .csv or .parquet"),
    ):
        assert line in mistake(call(*words.split(), typed=typed))


def test_a_missing_store_is_one_line_without_its_password(
    call: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_STORE", "postgresql://me:secret@127.0.0.1:1/log")
    line = mistake(call("users", "list"))
    assert "127.0.0.1:1/log" in line and "secret" not in line


# Infants' logs


def test_a_log_shows_when_an_infant_cried(call: Command, mia: None) -> None:
    with store.open() as opened:
        log = opened.infant("Mia")
        times = [NOON + 86_400 * -9 + k / 2 for k in range(600)]
        log.append(log.begin("test"), [Reading(at, "tired", {"tired": 0.8}) for at in times])
        log.correct(times[0], times[-1], "pain")
        log.note("fed", times[-1] + 60)
        log.correct(times[-1] + 120, times[-1] + 120, "hungry")
    cry, fed, missed = success(call("log", "show", "Mia", "--until", "2026-11-14")).splitlines()
    assert cry.startswith("2026-11-13 11:59 to 12:04, 5 min") and cry.count("pain") == 1
    assert "probably tired, 80 %" in cry
    assert fed.startswith("2026-11-13 12:05 ") and "Fed" in fed
    assert "12:06" in missed and "hungry" in missed and " to " not in missed and "min" not in missed


def test_a_log_is_exported_and_purged(call: Command, mia: None) -> None:
    words = ("log", "export", "log.csv", "--infant", "Mia", "--since", "2026-11-24")
    assert success(call(*words)) == "12 lines of the diary were exported.\n"
    assert success(call(*words, "--readings")) == "12 readings were exported.\n"
    assert len(pd.read_csv("log.csv")) == 12
    out = success(call("log", "purge", "--before", "2026-11-23"))
    assert out == "12 readings were deleted.\n"
