"""The gate: a caregiver reaches the infants that are shared with them, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryutils.app.readings import Reading
from cryutils.app.store import Log, Store
from cryutils.errors import InputError

READING = Reading(1_800_000_000.0, "hungry", {"hungry": 1.0})


def test_an_infant_is_reached_by_who_added_it_and_by_the_owner_of_the_machine(
    store: Store, mia: Log
) -> None:
    assert [log.id for log in store.infants.all(user="demo")] == [mia.id]
    assert store.infants.all(user="granny") == []
    assert store.infants.infant("Mia", user=None).id == mia.id
    assert store.infants.infant(mia.id, user="demo").name == "Mia"


def test_an_infant_added_by_the_owner_is_reached_by_a_caregiver_only_when_shared(
    store: Store, mia: Log
) -> None:
    max_ = store.infants.add("Max", user=None)
    assert max_.append(max_.begin("camera"), [READING]) == 1
    assert max_.caregivers() == []
    assert [log.id for log in store.infants.all(user="demo")] == [mia.id]
    store.infants.share("Max", "granny", user=None)
    assert list(store.infants.infant("Max", user="granny").readings()) == [READING]


def test_a_caregiver_without_the_infant_hears_the_same_whether_it_is_there(
    store: Store, mia: Log
) -> None:
    lines = []
    for name in ("Mia", "Max", str(mia.id)):
        with pytest.raises(InputError) as caught:
            store.infants.infant(name, user="granny")
        lines.append(str(caught.value).replace(name, "NAME"))
    assert set(lines) == {"no infant 'NAME'."}


def test_a_near_miss_names_own_infants_alone(store: Store, mia: Log) -> None:
    store.infants.add("Mika", user="granny")
    with pytest.raises(InputError, match=r"^no infant 'Mi'\. Did you mean Mika\?$"):
        store.infants.infant("Mi", user="granny")


def test_a_shared_infant_is_reached_until_it_is_no_longer_shared(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "Granny", user="demo")
    assert mia.caregivers() == ["demo", "granny"]
    log = store.infants.infant("Mia", user="granny")
    log.append(log.begin("camera"), [READING])
    store.infants.unshare("Mia", "granny", user="demo")
    assert mia.caregivers() == ["demo"]
    with pytest.raises(InputError):
        store.infants.infant("Mia", user="granny")


CALLS: dict[str, Callable[[Log, int], object]] = {
    "begin": lambda log, _: log.begin("camera"),
    "append": lambda log, session: log.append(session, [READING]),
    "readings": lambda log, _: list(log.readings()),
    "entries": lambda log, _: list(log.entries()),
    "correct": lambda log, _: log.correct(0, 1, "pain"),
    "corrections": lambda log, _: log.corrections(),
    "sessions": lambda log, _: log.sessions(),
    "summary": lambda log, _: log.summary("day", "UTC"),
    "caregivers": lambda log, _: log.caregivers(),
    "purge": lambda log, _: log.purge(2e9),
    "retain": lambda log, _: log.retain(),
    "remove": lambda log, _: log.remove(),
}


def test_every_call_of_a_log_is_listed_here() -> None:
    assert set(CALLS) == {name for name in vars(Log) if not name.startswith("_")}


def test_a_log_that_was_open_when_sharing_ended_is_shut(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "granny", user="demo")
    log = store.infants.infant("Mia", user="granny")
    session = log.begin("camera")
    log.append(session, [READING])
    store.infants.unshare("Mia", "granny", user="demo")
    for call in CALLS.values():
        with pytest.raises(InputError, match="no infant 'Mia'"):
            call(log, session)
    assert [reading.verdict for reading in mia.readings()] == ["hungry"]


def test_a_caregiver_appends_to_no_session_of_another(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "granny", user="demo")
    log, session = store.infants.infant("Mia", user="granny"), mia.begin("camera")
    with pytest.raises(InputError, match=f"no session {session}"):
        log.append(session, [READING])
    other = store.infants.add("Max", user="demo")
    with pytest.raises(InputError, match=f"no session {session}"):
        other.append(session, [READING])
    assert list(mia.readings()) == list(other.readings()) == []


def test_the_last_who_reaches_an_infant_stays(store: Store, mia: Log) -> None:
    with pytest.raises(InputError, match="demo alone cares"):
        store.infants.unshare("Mia", "demo", user="demo")


def test_nobody_shares_with_who_is_not_there_or_what_is_not_theirs(store: Store, mia: Log) -> None:
    with pytest.raises(InputError, match="no user 'grampa'"):
        store.infants.share("Mia", "grampa", user="demo")
    with pytest.raises(InputError, match="no infant 'Mia'"):
        store.infants.share("Mia", "granny", user="granny")
    assert mia.caregivers() == ["demo"]


def test_two_families_may_give_a_name_and_one_family_not_twice(store: Store, mia: Log) -> None:
    other = store.infants.add("Mia", user="granny")
    with pytest.raises(InputError, match="several infants") as caught:
        store.infants.infant("Mia", user=None)
    assert str(mia.id) in str(caught.value) and str(other.id) in str(caught.value)
    assert store.infants.infant(other.id, user=None).caregivers() == ["granny"]
    with pytest.raises(InputError, match="there already"):
        store.infants.add("Mia", user="demo")


def test_sql_and_html_in_an_infants_name_are_a_name(store: Store) -> None:
    name = "Robert'); DROP TABLE infants;--<img src=x onerror=alert(1)>"
    log = store.infants.add(name, user="demo")
    log.append(log.begin(name), [Reading(1.8e9, name, {}, note=name)])
    (reading,) = store.infants.infant(name, user="demo").readings()
    assert (reading.verdict, reading.note) == (name, name)


def test_a_removed_infant_leaves_nothing(store: Store, mia: Log) -> None:
    mia.append(mia.begin("camera"), [READING])
    mia.correct(READING.time, READING.time, "pain")
    mia.remove()
    assert store.infants.all(user=None) == []
    with pytest.raises(InputError, match="no infant"):
        list(mia.readings())
