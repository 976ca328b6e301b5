"""`cryutils users`, `infants` and `log`: manage logins, infants and logged readings. See `cli`.

They are for the owner of the machine, who has access to every infant.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import TYPE_CHECKING, Literal

import click

from cryutils._io import extras
from cryutils.course.cli_group import SuggestingGroup, say
from cryutils.errors import InputError, printable

if TYPE_CHECKING:
    from cryutils.app.store import Log, Store

__all__ = ["infants", "log", "opened", "users"]


@contextmanager
def opened(*, to_read: bool = False) -> Iterator[Store]:
    """Open the store that CRYUTILS_STORE names, or the user's own; `to_read` as in `store.open`."""
    from cryutils.app import store

    with store.open(to_read=to_read) as opened_store:
        yield opened_store


@click.group(cls=SuggestingGroup)
def users() -> None:
    """Add, list and remove users of the caregiver application.

    A password is typed at a prompt, or read from standard input as one line.

    \b
    Example:
      cryutils users add demo
    """


@users.command("add")
@click.argument("name")
def users_add(name: str) -> None:
    """Add a user.

    If the password is empty, a new one is generated and printed once.

    \b
    Examples:
      cryutils users add demo
      pass show baby | cryutils users add demo
    """
    with opened() as store:
        _give_password(store.users.add, name)
        say(f"{name} may log in ({store.address}).")


@users.command("list")
def users_list() -> None:
    """List the users and the infants that each user has access to.

    \b
    Example:
      cryutils users list
    """
    with opened(to_read=True) as store:
        for name in store.users.names():
            reached = ", ".join(log.name for log in store.infants.all(user=name))
            say(f"{name}  {reached}".rstrip())
        if not store.users.names():
            say("No user yet: cryutils users add NAME", err=True)


@users.command("password")
@click.argument("name")
def users_password(name: str) -> None:
    """Set a user's password and log the user out everywhere.

    \b
    Example:
      cryutils users password demo
    """
    with opened() as store:
        _give_password(store.users.set_password, store.users.require(name))
        say(f"{name} has a new password and is logged out everywhere.")


@users.command("remove")
@click.argument("name")
def users_remove(name: str) -> None:
    """Remove a user and log the user out everywhere.

    The readings that the user logged are kept. To delete them as well, first run
    `cryutils log purge --user NAME`.

    \b
    Example:
      cryutils users remove demo
    """
    with opened() as store:
        store.users.remove(name)
        say(f"{name} may no longer log in.")


@click.group(cls=SuggestingGroup)
def infants() -> None:
    """Add, list and share infants.

    Caregivers have access only to the infants that are shared with them.

    \b
    Example:
      cryutils infants add Mia --user demo
    """


@infants.command("add")
@click.argument("name")
@click.option("--user", required=True, metavar="NAME",
              help="Caregiver who gets access to the infant.")  # fmt: skip
def infants_add(name: str, user: str) -> None:
    """Add an infant and give a caregiver access.

    \b
    Example:
      cryutils infants add Mia --user demo
    """
    with opened() as store:
        infant = store.infants.add(name, user=user)
        say(f"{infant.name} is in the care of {user}.")


@infants.command("list")
def infants_list() -> None:
    """List the infants with their numbers and caregivers.

    \b
    Example:
      cryutils infants list
    """
    with opened(to_read=True) as store:
        for infant in store.infants.all(user=None):
            say(f"{infant.id}  {infant.name}  {', '.join(infant.caregivers())}".rstrip())


@infants.command("share")
@click.argument("infant")
@click.argument("user")
@click.option("--end", is_flag=True, help="End the user's access.")
def infants_share(infant: str, user: str, end: bool) -> None:
    """Give a USER access to an INFANT, by name or number.

    The user has access at once. What caregivers share on the page must be accepted first.

    \b
    Examples:
      cryutils infants share Mia granny
      cryutils infants share Mia granny --end
    """
    with opened() as store:
        change = store.infants.unshare if end else store.infants.share
        change(infant, user, user=None)
        say(f"{infant}: {', '.join(store.infants.infant(infant, user=None).caregivers())}")


@click.group(cls=SuggestingGroup)
def log() -> None:
    """Show, export and delete logged readings.

    Readings come from the caregiver application and from `cryutils predict --log`.

    \b
    Example:
      cryutils log show Mia
    """


_zone = click.option("--tz", metavar="ZONE", help="Time zone (default: that of this machine).")


def _period(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options --since, --until and --tz to a command."""
    since = "Only from this time on: 2026-11-22 or '2026-11-22 18:00'."
    for option in (
        _zone,
        click.option("--until", metavar="TIME", help="Only before this time."),
        click.option("--since", metavar="TIME", help=since),
    ):
        command = option(command)
    return command


@log.command("show")
@click.argument("infant")
@click.option("--by", default="day", show_default=True, metavar="UNIT",
              help="Unit of time: hour, day or week.")  # fmt: skip
@_period
def log_show(infant: str, by: Literal["hour", "day", "week"], **period: str | None) -> None:
    """Count an INFANT's readings by hour, day or week.

    Corrections by caregivers are applied. The column gap counts readings without sound or picture.
    A row of zeros means that nothing was monitored.

    \b
    Example:
      cryutils log show Mia --by hour --since 2026-11-22
    """
    since, until, place = _limits(**period)
    with opened(to_read=True) as store:
        table = store.infants.infant(infant, user=None).summary(by, place, since, until)
    if table.empty:
        say("Nothing was logged then.", err=True)
        return
    form = "%F %H:%M %Z" if by == "hour" else "%F"
    table.index = table.index.map(lambda begins: begins.strftime(form)).rename(f"{by}, {place}")
    for line in table.rename(columns=printable).to_string().splitlines():
        say(line)


@log.command("export")
@click.argument("file")
@click.option(
    "--infant", metavar="NAME", help="Readings of this infant only (default: all infants)."
)
@_period
def log_export(file: str, infant: str | None, **period: str | None) -> None:
    """Write readings to a CSV or Parquet FILE, one per row.

    The suffix of FILE sets the format.

    \b
    Examples:
      cryutils log export log.csv --infant Mia
      cryutils log export log.parquet --since 2026-11-01
    """
    from cryutils._io.paths import resolve
    from cryutils.app.store.export import export

    since, until, _ = _limits(**period)
    path = resolve(file)
    with opened(to_read=True) as store:
        n = export(_chosen(store, infant), path, since, until)
    say(f"{n} readings: {path}")


@log.command("purge")
@click.option("--before", metavar="TIME", help="Readings before this time.")
@click.option(
    "--infant", metavar="NAME", help="Readings of this infant; without --before, also the infant."
)
@click.option("--user", metavar="NAME", help="Everything that this user logged and corrected.")
@_zone
def log_purge(before: str | None, infant: str | None, user: str | None, tz: str | None) -> None:
    """Delete readings for good.

    \b
    Examples:
      cryutils log purge --before 2026-06-01
      cryutils log purge --infant Mia
      cryutils log purge --user demo
    """
    if (user is None) == (before is None and infant is None):
        raise InputError("say what to purge: --before and/or --infant, or --user.")
    with opened() as store:
        if user is not None:
            say(f"{store.purge_user(user)} readings of {user} were deleted.")
        elif before is not None:
            _, limit, _ = _limits(until=before, tz=tz)
            assert limit is not None
            n = sum(chosen.purge(limit) for chosen in _chosen(store, infant))
            say(f"{n} readings were deleted.")
        else:
            for chosen in _chosen(store, infant):
                chosen.remove()
            say(f"{infant} and all readings of {infant} were deleted.")


@log.command("keep")
@click.argument("days")
def log_keep(days: str) -> None:
    """Set how many DAYS readings are kept.

    Older readings are deleted now, and again whenever a session begins. With "all", readings are
    kept without limit.

    \b
    Examples:
      cryutils log keep 90
      cryutils log keep all
    """
    if not (days.isdecimal() or days == "all"):
        raise InputError(f"{days!r}: give a number of days, or all.")
    with opened() as store:
        n = store.keep(None if days == "all" else int(days))
        kept = "all readings" if days == "all" else f"readings of the last {days} days"
        say(f"{n} readings were deleted. From now on, {kept} are kept.")


def _chosen(store: Store, infant: str | None) -> list[Log]:
    """Return the log of `infant`, or the logs of all infants."""
    if infant is None:
        return store.infants.all(user=None)
    return [store.infants.infant(infant, user=None)]


def _give_password(change: Callable[[str, str], object], name: str) -> None:
    """Call `change(name, password)` with a password that is typed, read from stdin or generated."""
    extras.require("argon2", "app", "the application")  # before a password is typed
    if sys.stdin is not None and sys.stdin.isatty():
        words = "Password (Enter generates one)"
        password = click.prompt(words, hide_input=True, default="", show_default=False)
        if password and password != click.prompt("Again", hide_input=True):
            raise InputError("the passwords differ; nothing was changed.")
    else:
        password = sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    new = "" if password else secrets.token_urlsafe(12)
    change(name, password or new)
    if new:
        say(f"Password, shown only now: {new}")


def _limits(
    since: str | None = None, until: str | None = None, tz: str | None = None
) -> tuple[float | None, float | None, str]:
    """Return `since` and `until` in s since 1970, None if unset, and the time zone's name."""
    from cryutils.app.store.log import local_zone, zone

    name = tz or local_zone()
    place = zone(name)
    first, last = (None if text is None else _time(text, place) for text in (since, until))
    return first, last, name


def _time(text: str, place: tzinfo) -> float:
    """Return the time `text` in s since 1970; `place` is the time zone if it names none."""
    import pandas as pd

    try:
        time = pd.Timestamp(text)
        if time.tzinfo is None:
            # When clocks change, a time such as midnight may not exist or occur twice.
            time = time.tz_localize(place, nonexistent="shift_forward", ambiguous=True)
        return time.timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text!r}: no time; write 2026-11-22 or '2026-11-22 18:00'.") from error
