"""`cryutils users` and `log`: manage logins and logged readings. See `cli`.

They are for the owner of the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from cryutils._io import extras
from cryutils.course.cli_group import HelpGroup, example, say
from cryutils.errors import InputError, printable

if TYPE_CHECKING:
    from crydecode.store import Store

__all__ = ["log", "opened", "users"]


@contextmanager
def opened() -> Iterator[Store]:
    """Open the store that CRYUTILS_STORE names, or the user's own."""
    extras.require("sqlalchemy", "app", "the diary")
    from crydecode import store

    with store.open() as opened_store:
        yield opened_store


@click.group(cls=HelpGroup)
@example("cryutils users add demo")
def users() -> None:
    """Add, list and remove users of the caregiver application."""


@users.command("add")
@click.argument("name")
@example("cryutils users add demo", "cryutils users add demo < password.txt")
def users_add(name: str) -> None:
    """Add a user; the password is typed, or read from standard input."""
    with opened() as store:
        _give_password(store.users.add, name)
        say(f"{name} may log in ({store.address}).")


@users.command("list")
@example("cryutils users list")
def users_list() -> None:
    """List the users."""
    with opened() as store:
        names = store.users.names()
        for name in names:
            say(name)
        if not names:
            say("No user yet: cryutils users add NAME", err=True)


@users.command("password")
@click.argument("name")
@example("cryutils users password demo")
def users_password(name: str) -> None:
    """Set a user's password and log the user out."""
    with opened() as store:
        _give_password(store.users.set_password, store.users.require(name))
        say(f"{name} has a new password and is logged out everywhere.")


@users.command("remove")
@click.argument("name")
@example("cryutils users remove demo")
def users_remove(name: str) -> None:
    """Remove a user, but keep what the user logged."""
    with opened() as store:
        store.users.remove(name)
        say(f"{name} may no longer log in.")


@click.group(cls=HelpGroup)
@example("cryutils log show Mia")
def log() -> None:
    """Show, export and delete logged readings."""


def _seconds(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Return a time in this machine's time zone in s since 1970; None for None."""
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text!r}: no time; write 2026-11-22 or '2026-11-22 18:00'.") from error


_since = click.option(
    "--since", metavar="TIME", callback=_seconds, help="From this time on, such as 2026-11-22."
)
_until = click.option("--until", metavar="TIME", callback=_seconds, help="Before this time.")


@log.command("show")
@click.argument("infant")
@_since
@_until
@example("cryutils log show Mia", "cryutils log show Mia --since 2026-11-22")
def log_show(infant: str, since: float | None, until: float | None) -> None:
    """Show an INFANT's diary: cries, their most likely reason, corrections, feeds and sleep.

    Times are in this machine's time zone.
    """
    from crydecode import diary

    with opened() as store:
        lines = diary.lines(store.infant(infant), since, until)
    if not lines:
        say("Nothing was logged then.", err=True)
    for line in reversed(lines):
        said = f" (you said: {printable(line.said)})" if line.said else ""
        say(f"{datetime.fromtimestamp(line.start):%F} {line.times}  {line.answer}{said}")


@log.command("export")
@click.argument("target")
@click.option("--infant", metavar="NAME", help="This infant only (default: all).")
@click.option("--readings", is_flag=True, help="Every reading instead of the diary's lines.")
@_since
@_until
@example("cryutils log export log.csv --infant Mia", "cryutils log export mongodb://localhost/cryutils")
def log_export(
    target: str, infant: str | None, readings: bool, since: float | None, until: float | None
) -> None:
    """Write the diary to a CSV or Parquet file, or to MongoDB: cries, feeds and sleep.

    A second export to MongoDB updates the first.
    """
    from crydecode.store import transfer

    kind: transfer.Content = "readings" if readings else "diary"
    with opened() as store:
        logs = store.infants() if infant is None else [store.infant(infant)]
        n = transfer.export(logs, target, kind, since, until)
        say(f"{n} {'readings' if readings else 'lines of the diary'} were exported.")


@log.command("purge")
@click.option("--before", required=True, metavar="TIME", callback=_seconds, help="Readings before this time.")
@example("cryutils log purge --before 2026-06-01")
def log_purge(before: float) -> None:
    """Delete old readings, corrections and notes of all infants for good."""
    with opened() as store:
        n = sum(log.purge(before) for log in store.infants())
        say(f"{n} readings were deleted.")


def _give_password(change: Callable[[str, str], object], name: str) -> None:
    """Call `change(name, password)` with a password that is typed, or read from stdin."""
    extras.require("argon2", "app", "the application")  # before a password is typed
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    change(name, password)
