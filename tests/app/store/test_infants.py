"""The gate: a caregiver reaches the infants that are shared with them, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryutils.app.readings import Reading
from cryutils.app.store import Log, Store
from cryutils.errors import InputError

# What both databases see alike is tried in one.
pytestmark = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
READING = Reading(1_800_000_000.0, "hungry", {"hungry": 1.0})


def test_an_infant_is_reached_by_whom_it_is_shared_with_until_the_share_ends(
    store: Store, mia: Log
) -> None:
    assert [log.id for log in store.infants.all(user="demo")] == [mia.id]
    assert store.infants.all(user="granny") == []
    assert store.infants.infant(mia.id, user=None).name == "Mia"
    store.infants.share("Mia", "Granny")
    assert mia.caregivers() == ["demo", "granny"]
    log = store.infants.infant("Mia", user="granny")
    assert log.append(log.begin("camera"), [READING]) == 1
    store.infants.unshare("Mia", "granny")
    assert mia.caregivers() == ["demo"]
    with pytest.raises(InputError, match="no infant"):
        store.infants.infant("Mia", user="granny")
    with pytest.raises(InputError, match="demo alone cares"):
        store.infants.unshare("Mia", "demo")
    for change in (store.infants.share, store.infants.unshare):
        with pytest.raises(InputError, match="no user 'grampa'"):
            change("Mia", "grampa")


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
    "remove": lambda log, _: log.remove(),
}


def test_a_log_that_was_open_when_sharing_ended_is_shut(store: Store, mia: Log) -> None:
    assert set(CALLS) == {name for name in vars(Log) if not name.startswith("_")}
    store.infants.share("Mia", "granny")
    log = store.infants.infant("Mia", user="granny")
    session = log.begin("camera")
    log.append(session, [READING])
    store.infants.unshare("Mia", "granny")
    for call in CALLS.values():
        with pytest.raises(InputError, match="no infant 'Mia'"):
            call(log, session)
    assert [reading.verdict for reading in mia.readings()] == ["hungry"]


def test_two_families_may_give_a_name_and_one_family_not_twice(store: Store, mia: Log) -> None:
    other = store.infants.add("Mia", user="granny")
    with pytest.raises(InputError, match="several infants") as caught:
        store.infants.infant("Mia", user=None)
    assert str(mia.id) in str(caught.value) and str(other.id) in str(caught.value)
    assert store.infants.infant(other.id, user=None).caregivers() == ["granny"]
    with pytest.raises(InputError, match="exists"):
        store.infants.add("Mia", user="demo")


def test_a_removed_infant_leaves_nothing(store: Store, mia: Log) -> None:
    mia.append(mia.begin("camera"), [READING])
    mia.correct(READING.time, READING.time, "pain")
    mia.remove()
    assert store.infants.all(user=None) == []
    with pytest.raises(InputError, match="no infant"):
        list(mia.readings())
