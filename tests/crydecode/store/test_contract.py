"""What every database keeps: SQLite, PostgreSQL and, of the diary, MongoDB's copy."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import mongomock
import pymongo
import pytest
from clock import Clock
from postgres import Server, in_sql

from crydecode import store as stores
from crydecode.diary import CRY, MISSED
from crydecode.store import Log, Store, StoreUnavailable, accounts
from crydecode.store.transfer import export
from cryutils.errors import InputError
from cryutils.inference.readings import Kind, Reading
from cryutils.words import GAP, NO_CRY

pytestmark = pytest.mark.parametrize("kind", ["sqlite", "postgresql"], indirect=True)
T = 1_800_000_000.0
HUNGRY = {"hungry": 0.75}
WRITER = """
import sys
from itertools import count
from crydecode import store
from cryutils.inference.readings import Reading

log = store.open(sys.argv[1]).infant("Mia")
session = log.begin()
for i in count():
    log.append(session, [Reading(1.8e9 + i + k / 4, "hungry") for k in range(4)])
    print(i, flush=True)
"""  # appends until it is killed, and says what was acknowledged


def cry(start: float, stop: float) -> list[Reading]:
    """The readings of a cry and of the calm after it, in s after T."""
    steps = range(1, round(2 * (stop - start)) + 1)
    return [*(Reading(T + start + k / 2, "hungry", HUNGRY) for k in steps), Reading(T + stop + 1, NO_CRY)]


# Readings


def test_a_reading_is_a_row_and_a_repeated_append_adds_nothing(mia: Log, url: str) -> None:
    shares = {"hungry": 0.1 + 0.2, "pain": 1e-17}
    readings = [
        Reading(T + 0.123456, "hungry", shares, shares, {"hungry": 1.0}, 0.97, "by both"),
        Reading(T + 1.5, NO_CRY, {}, None, None, 0.01, kind=Kind.NO_FACE),
        Reading(T + 60.0, GAP, note="the page was hidden"),
    ]
    session = mia.begin("judged")
    assert mia.append(session, readings[:2]) == 2
    assert [mia.append(session, some) for some in (readings, readings, [])] == [1, 0, 0]
    rows = in_sql(url, "SELECT * FROM readings ORDER BY time")
    for row, reading in zip(rows, readings, strict=True):
        parts = (json.loads(part or "null") for part in (row.probabilities, row.sound, row.face))
        assert Reading(row.time, row.verdict, *parts, row.cry, row.note, Kind(row.kind)) == reading
        assert row.run == "judged"


def test_listening_counts_once_for_two_devices_and_gaps_do_not_count(mia: Log) -> None:
    mia.append(mia.begin(), [Reading(T + i / 2, NO_CRY) for i in range(120)])
    mia.append(mia.begin(), [Reading(T + i / 2 + 0.2, "hungry") for i in range(40, 60)])
    mia.append(mia.begin(), [Reading(T + 60 + i, GAP) for i in range(10)])
    assert mia.period(T - 1, T + 100).listened_s == 60
    assert mia.period(T + 70, T + 80).listened_s == 0


# What caregivers say


def test_what_was_said_is_in_the_lines_of_its_time_until_it_is_undone(mia: Log) -> None:
    for start, stop in ((0, 20), (3600, 3620)):
        mia.append(mia.begin(), cry(start, stop))
    mia.say(CRY, T, T + 20, "tired")
    mia.say(CRY, T, T + 20, "pain")
    mia.say(CRY, T + 500, T + 510, "pain")  # nothing was heard then
    mia.say(MISSED, T + 600, T + 600, "tired")
    for _ in range(2):  # a double tap
        mia.say("fed", T + 900, T + 900, number=7)
    lines = mia.lines()
    assert (lines[1].start, lines[1].stop, lines[1].cried_s) == (T + 600, T + 600, 0)
    assert [line.what for line in lines] == [CRY, MISSED, "fed", CRY]
    assert [line.corrected for line in lines] == ["pain", "tired", None, None]
    assert [(line.start - T, line.stop - T) for line in mia.lines(T + 10, T + 15)] == [(10, 14.5)]
    assert [line.what for line in mia.lines(T + 21, T + 900)] == [MISSED]
    for line in lines[:3]:
        mia.undo(line.what, line.start, line.stop)
    assert [(line.what, line.corrected) for line in mia.lines()] == [(CRY, None)] * 2
    mia.say("fed", T + 3630, T + 3630)
    assert mia.purge(T + 3600) == 41
    assert [line.what for line in mia.lines()] == [CRY, "fed"]


# Infants


def test_an_infant_is_found_by_name_or_number_until_it_is_removed(store: Store, mia: Log) -> None:
    assert store.infant("Mia").id == store.infant(str(mia.id)).id == mia.id
    with pytest.raises(InputError, match="exists"):
        store.add_infant(" Mia ")
    mia.append(mia.begin(), cry(0, 1))
    mia.say(CRY, T, T, "pain")
    mia.remove()
    assert store.infants() == []
    assert mia.heard(0) == mia.lines() == []
    for change in (lambda: mia.append(mia.begin(), cry(0, 1)), lambda: mia.say(CRY, T, T)):
        with pytest.raises(InputError, match="removed"):
            change()


# Users and logins


def test_a_name_is_the_same_in_capitals_and_no_password_or_ticket_is_stored(store: Store, url: str) -> None:
    assert store.users.add(" Zoë ", "zoë's password") == "zoë"
    assert store.users.check("ZOË", "zoë's password", "192.0.2.1") == (True, 0)
    ticket = store.logins.begin("zoë")
    stored = str([in_sql(url, f"SELECT * FROM {table}") for table in ("users", "logins")])
    assert "$argon2id$" in stored
    assert "zoë's password" not in stored and ticket not in stored


def test_a_login_lasts_as_long_as_it_is_used_and_ends_with_its_password(store: Store, clock: Clock) -> None:
    ticket = store.logins.begin("demo")
    for _ in range(2):
        clock.now += accounts.LIFETIME_S - 1
        assert store.logins.user(ticket) == "demo"
    clock.now += accounts.LIFETIME_S + 1
    assert store.logins.user(ticket) is None

    ticket = store.logins.begin("demo")
    store.users.add("demo", "another password")
    assert store.logins.user(ticket) is None
    for password, is_right in (("demo's password", False), ("another password", True)):
        assert store.users.check("demo", password, "192.0.2.1")[0] == is_right


def test_a_link_logs_its_user_in_once_and_soon(store: Store, clock: Clock, url: str) -> None:
    def link() -> str:
        return store.logins.link("demo", accounts.LINK_S)

    def follow(token: str) -> str | None:
        return store.logins.follow(token)

    token, granny = link(), store.logins.link("granny", accounts.LINK_S)
    assert token not in str(in_sql(url, "SELECT * FROM logins"))
    for ticket in (token, f"link:{token}"):
        assert store.logins.user(ticket) is None
    assert [follow(token), follow(token)] == ["demo", None]
    earlier, late = link(), link()
    assert follow(earlier) is None
    clock.now += accounts.LINK_S + 1
    assert follow(late) is follow(granny) is None
    token = link()
    store.users.add("demo", "another password")
    assert follow(token) is None


# Opening


def test_a_store_of_another_version_is_refused(store: Store, url: str) -> None:
    in_sql(url, "UPDATE meta SET value = value + 1 WHERE key = 'version'")
    with pytest.raises(InputError, match="another version of cryutils made this store"):
        stores.open(url)


def test_many_may_open_a_new_store_at_once(url: str) -> None:
    def add(i: int) -> str:
        with stores.open(url) as store:
            return store.users.add(f"user{i}", "a password")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(8))) == [f"user{i}" for i in range(8)]


# Killed


def test_a_kill_loses_no_saved_reading(url: str, kind: str, mia: Log, request: pytest.FixtureRequest) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WRITER, url], **pipes) as process:
        first = [process.stdout.readline() for _ in range(10)]
        if kind == "sqlite":
            process.kill()
            n = 4 * len([*first, *process.stdout])
        else:
            postgres: Server = request.getfixturevalue("postgres")
            postgres.stop("immediate")
            try:
                n = 4 * len([*first, *process.stdout])
                assert "StoreUnavailable" in process.stderr.read()
                with pytest.raises(StoreUnavailable) as caught:
                    mia.append(mia.begin(), [Reading(T, "pain")])
                assert caught.value.reason == "its server can't be reached"
            finally:
                postgres.start()
    times = [at for at, *_ in mia.heard(0)]
    assert times[:n] == [T + i / 4 for i in range(n)]
    assert n <= len(times) <= n + 4, "at most what was on its way"
    assert mia.append(mia.begin(), [Reading(T - 1, "pain")]) == 1


# MongoDB, where mongomock stands in for a server


def test_mongodb_shows_users_infants_and_the_newest_diary(
    store: Store, mia: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mongomock.MongoClient()
    monkeypatch.setattr(pymongo, "MongoClient", lambda url, **_: server)
    max_ = store.add_infant("Max")
    for log in (mia, max_):
        log.append(log.begin("judged"), cry(0, 5))
    mia.say(CRY, T, T + 5, "pain")
    mia.say("fed", T + 200, T + 200)
    assert export([mia, max_], "mongodb://h/log", store.users.names()) == 2 + 2 + 3
    mia.say(CRY, T, T + 5, "feed")
    for _ in range(2):
        assert export([mia], "mongodb://h/log") == 1 + 2
    copy = server.get_default_database("cryutils")
    assert set(copy.list_collection_names()) == {"users", "infants", "diary"}
    users = [{name: user[name] for name in user if name != "_id"} for user in copy.users.find()]
    assert users == [{"user": "demo"}, {"user": "granny"}], "no hash, no login"
    assert {(each["infant"], each["number"]) for each in copy.infants.find()} == {
        (log.name, log.id) for log in (mia, max_)
    }
    other, cried, fed = copy.diary.find().sort([("infant", 1), ("start", 1)])
    assert (other["infant"], other["state"], other["probability"]) == ("Max", "hungry", 0.75)
    assert (cried["infant"], cried["helped"], cried["cried_minutes"]) == ("Mia", "feed", 0.08)
    assert fed["what"] == "fed" and fed["start"].replace(tzinfo=UTC).timestamp() == T + 200
