"""The gate: a caregiver reaches the infants that are shared with them, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from cryutils.app.readings import Reading
from cryutils.app.store import Log, Store
from cryutils.errors import InputError

# What both databases see alike is tried in one.
pytestmark = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
READING = Reading(1_800_000_000.0, "hungry", {"hungry": 1.0})


def test_an_infant_is_reached_by_who_added_it_by_whom_it_is_shared_with_and_by_the_owner(
    store: Store, mia: Log
) -> None:
    max_ = store.infants.add("Max", user=None)  # by the owner of the machine
    assert max_.append(max_.begin("camera"), [READING]) == 1
    assert max_.caregivers() == []
    assert [log.id for log in store.infants.all(user="demo")] == [mia.id]
    assert store.infants.all(user="granny") == []
    assert store.infants.infant("Mia", user=None).id == mia.id
    assert store.infants.infant(mia.id, user="demo").name == "Mia"
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


# Invitations


def test_what_a_caregiver_shares_is_reached_once_it_is_accepted(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "Granny ", user="demo")
    store.infants.share("Mia", "granny", user="demo")
    assert mia.caregivers() == ["demo"] and store.infants.all(user="granny") == []
    ((log, sender),) = store.infants.invitations(user="granny")
    assert (log.id, log.name, sender) == (mia.id, "Mia", "demo")
    with pytest.raises(InputError, match="no infant 'Mia'"):
        list(log.readings())
    assert store.infants.invitations(user="demo") == []

    store.infants.accept(mia.id, user="granny")
    assert mia.caregivers() == ["demo", "granny"]
    assert store.infants.senders(user="granny") == {mia.id: "demo"}
    assert store.infants.senders(user="demo") == {}
    assert store.infants.invitations(user="granny") == []
    store.infants.share("Mia", "granny", user="demo")
    assert store.infants.invitations(user="granny") == [], "it is shared already"


def test_an_invitation_that_was_declined_or_withdrawn_is_gone(store: Store, mia: Log) -> None:
    def refused() -> None:
        with pytest.raises(InputError, match="no longer there"):
            store.infants.accept(mia.id, user="granny")
        assert mia.caregivers() == ["demo"]

    refused()
    store.infants.share("Mia", "granny", user="demo")
    store.infants.decline(mia.id, user="granny")
    refused()
    store.infants.share("Mia", "granny", user="demo")
    store.infants.unshare("Mia", "granny", user="demo")
    refused()
    with pytest.raises(InputError, match="no longer there"):
        store.infants.accept(mia.id, user="demo")


def test_who_reaches_an_infant_no_longer_invites_to_it_no_longer(store: Store, mia: Log) -> None:
    store.users.add("eve", "eve's password")
    store.infants.share("Mia", "eve", user=None)
    store.infants.share("Mia", "granny", user="eve")
    store.infants.unshare("Mia", "eve", user="demo")
    assert store.infants.invitations(user="granny") == []
    store.infants.share("Mia", "granny", user="demo")
    store.infants.accept(mia.id, user="granny")
    store.users.remove("demo")
    assert store.infants.senders(user="granny") == {mia.id: None}, "it is still from another"
    store.users.remove("granny")
    mia = store.infants.infant("Mia", user=None)
    mia.remove()


def test_the_owner_of_the_machine_shares_without_asking(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "granny", user="demo")
    store.infants.share("Mia", "granny", user=None)
    assert mia.caregivers() == ["demo", "granny"]
    assert store.infants.invitations(user="granny") == []
    assert store.infants.senders(user="granny") == {}
    for change in (store.infants.share, store.infants.unshare):
        with pytest.raises(InputError, match="no user 'grampa'"):
            change("Mia", "grampa", user=None)


def test_sharing_says_nothing_of_who_is_there(store: Store, mia: Log) -> None:
    for name in ("granny", "grampa", "no name \0", "x" * 1000):
        store.infants.share("Mia", name, user="demo")
        store.infants.unshare("Mia", name, user="demo")
        store.infants.share("Mia", name, user="demo")
    store.users.add("grampa", "grampa's password")
    assert store.infants.invitations(user="grampa") == [], "an earlier one was not kept"
    assert len(store.infants.invitations(user="granny")) == 1


def test_sharing_asks_the_same_of_the_database_whoever_is_there(store: Store, mia: Log) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        store.infants.share("Mia", "granny", user="demo")
        expected, statements = statements, []
        store.infants.share("Mia", "grampa", user="demo")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert expected == statements != []


def test_invitations_that_nobody_answers_are_bounded(store: Store, mia: Log) -> None:
    for sender in (f"sender{k}" for k in range(6)):
        store.users.add(sender, "a password")
        for k in range(6):
            log = store.infants.add(f"Mia {k}", user=sender)
            store.infants.share(log.id, "granny", user=sender)
    senders = Counter(sender for _, sender in store.infants.invitations(user="granny"))
    assert senders == {f"sender{k}": 5 for k in range(4)}
    for log, _ in store.infants.invitations(user="granny"):
        store.infants.accept(log.id, user="granny")
    store.infants.share("Mia", "granny", user="demo")
    assert len(store.infants.invitations(user="granny")) == 1


CALLS: dict[str, Callable[[Log, int], object]] = {
    "begin": lambda log, _: log.begin("camera"),
    "append": lambda log, session: log.append(session, [READING]),
    "readings": lambda log, _: list(log.readings()),
    "entries": lambda log, _: list(log.entries()),
    "correct": lambda log, _: log.correct(0, 1, "pain"),
    "undo": lambda log, _: log.undo(0),
    "corrections": lambda log, _: log.corrections(),
    "sessions": lambda log, _: log.sessions(),
    "summary": lambda log, _: log.summary("day", "UTC"),
    "caregivers": lambda log, _: log.caregivers(),
    "purge": lambda log, _: log.purge(2e9),
    "remove": lambda log, _: log.remove(),
}


def test_a_log_that_was_open_when_sharing_ended_is_shut(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "granny", user=None)
    log = store.infants.infant("Mia", user="granny")
    session = log.begin("camera")
    log.append(session, [READING])
    store.infants.unshare("Mia", "granny", user="demo")
    for call in CALLS.values():
        with pytest.raises(InputError, match="no infant 'Mia'"):
            call(log, session)
    assert [reading.verdict for reading in mia.readings()] == ["hungry"]


def test_a_caregiver_appends_to_no_session_of_another(store: Store, mia: Log) -> None:
    store.infants.share("Mia", "granny", user=None)
    log, session = store.infants.infant("Mia", user="granny"), mia.begin("camera")
    with pytest.raises(InputError, match=f"no session {session}"):
        log.append(session, [READING])
    other = store.infants.add("Max", user="demo")
    with pytest.raises(InputError, match=f"no session {session}"):
        other.append(session, [READING])
    assert list(mia.readings()) == list(other.readings()) == []


def test_nobody_shares_what_is_not_theirs_or_leaves_an_infant_alone(store: Store, mia: Log) -> None:
    with pytest.raises(InputError, match="no infant 'Mia'"):
        store.infants.share("Mia", "granny", user="granny")
    with pytest.raises(InputError, match="demo alone cares"):
        store.infants.unshare("Mia", "demo", user="demo")
    assert mia.caregivers() == ["demo"] and store.infants.invitations(user="granny") == []


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
    store.infants.share("Mia", "granny", user="demo")
    mia.remove()
    assert store.infants.invitations(user="granny") == []
    assert store.infants.all(user=None) == []
    with pytest.raises(InputError, match="no infant"):
        list(mia.readings())
