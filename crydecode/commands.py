"""The commands `cryutils users` and `cryutils log`, for the owner of the machine.

`cryutils.course.cli` imports this module, so it imports nothing heavy.
"""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from cryutils._io import extras
from cryutils._io.progress import say
from cryutils.errors import printable

if TYPE_CHECKING:
    from crydecode.store import Store


def opened() -> "Store":
    """Return the store that CRYUTILS_STORE names, or the user's own."""
    for package in ("argon2", "sqlalchemy"):
        extras.require(package, "app", "the diary")
    from crydecode import store

    return store.open()


@click.group(epilog="Example: cryutils users add demo")
def users() -> None:
    """Add, list and remove users of the caregiver application."""


@users.command("add", epilog="Example: cryutils users add demo")
@click.argument("name")
def users_add(name: str) -> None:
    """Add a user; the password is typed, or read from standard input."""
    with opened() as store:
        store.users.add(name, _password())
        say(f"{name} may log in ({store.address}).")


@users.command("list", epilog="Example: cryutils users list")
def users_list() -> None:
    """List the users."""
    with opened() as store:
        names = store.users.names()
    for name in names:
        say(name)
    if not names:
        say("No user yet: cryutils users add NAME", err=True)


@users.command("password", epilog="Example: cryutils users password demo")
@click.argument("name")
def users_password(name: str) -> None:
    """Set a user's password and log the user out."""
    with opened() as store:
        name = store.users.require(name)  # before a password is typed
        store.users.set_password(name, _password())
        say(f"{name} has a new password and is logged out everywhere.")


@users.command("remove", epilog="Example: cryutils users remove demo")
@click.argument("name")
def users_remove(name: str) -> None:
    """Remove a user, but keep what the user logged."""
    with opened() as store:
        store.users.remove(name)
        say(f"{name} may no longer log in.")


def _password() -> str:
    """Return a password that is typed twice, or read from standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt="Again"))
    return sys.stdin.readline().rstrip("\r\n")


@click.group(epilog="Example: cryutils log show Mia")
def log() -> None:
    """Show, export and delete logged readings."""


@log.command("show", epilog="Example: cryutils log show Mia")
@click.argument("infant")
def log_show(infant: str) -> None:
    """Show an INFANT's diary: cries, their most likely reason, corrections, feeds and sleep.

    Times are in this machine's time zone.
    """
    with opened() as store:
        lines = store.infant(infant).lines()
    if not lines:
        say("Nothing was logged yet.", err=True)
    for line in lines:
        said = f" (you said: {printable(line.said)})" if line.said else ""
        say(f"{datetime.fromtimestamp(line.start):%F} {line.times}  {line.answer}{said}")


@log.command("export", epilog="Example: cryutils log export log.csv --infant Mia")
@click.argument("target")
@click.option("--infant", metavar="NAME", help="This infant only (default: all).")
@click.option("--readings", is_flag=True, help="Every reading instead of the diary's lines.")
def log_export(target: str, infant: str | None, readings: bool) -> None:
    """Write the diary to a CSV or Parquet file, or to MongoDB: cries, feeds and sleep.

    MongoDB also gets the names of users and infants and every correction, but no password. A second
    export to MongoDB updates the first.
    """
    with opened() as store:
        from crydecode.store import transfer

        logs = store.infants() if infant is None else [store.infant(infant)]
        users = store.users.names() if infant is None else []
        n = transfer.export(logs, target, "readings" if readings else "diary", users)
        what = "readings" if readings else "lines of the diary"
        say(f"{n} {'documents' if target.startswith(transfer.MONGODB) else what} were exported.")


@log.command("purge", epilog="Example: cryutils log purge --before 2026-06-01")
@click.option("--before", required=True, type=click.DateTime(), help="Readings before this time.")
def log_purge(before: datetime) -> None:
    """Delete old readings, corrections and notes of all infants for good."""
    with opened() as store:
        n = sum(log.purge(before.timestamp()) for log in store.infants())
        say(f"{n} readings were deleted.")
