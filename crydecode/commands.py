"""The commands `cryutils users`, `cryutils log` and `cryutils listen`, for the owner of the machine.

`cryutils.course.cli` imports this module, so it imports nothing heavy.
"""

import sys
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.progress import say
from cryutils.errors import InputError

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
    """Add and remove users of the caregiver application."""


@users.command("add", epilog="Example: cryutils users add demo")
@click.argument("name")
def users_add(name: str) -> None:
    """Add a user, or give one a new password, who is then logged out everywhere.

    The password is typed, or read from standard input.
    """
    with opened() as store:
        store.users.add(name, _password())
        say(f"{name} may log in ({store.address}).")


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


@click.group(epilog="Example: cryutils log export log.csv")
def log() -> None:
    """Export the diary, and delete what is old."""


@log.command("export", epilog="Example: cryutils log export log.csv --infant Mia")
@click.argument("target")
@click.option("--infant", metavar="NAME", help="This infant only (default: all).")
def log_export(target: str, infant: str | None) -> None:
    """Write the diary to a CSV file, or to MongoDB: cries, feeds and sleep.

    MongoDB also gets the names of users and infants, but no password. A second export to MongoDB
    updates the first.
    """
    with opened() as store:
        from crydecode.store import transfer

        logs = store.infants() if infant is None else [store.infant(infant)]
        users = store.users.names() if infant is None else []
        what = "documents" if target.startswith(transfer.MONGODB) else "lines of the diary"
        say(f"{transfer.export(logs, target, users)} {what} were exported.")


@log.command("purge", epilog="Example: cryutils log purge --before 2026-06-01")
@click.option("--before", required=True, type=click.DateTime(), help="Readings before this time.")
def log_purge(before: datetime) -> None:
    """Delete old readings, corrections and notes of all infants for good."""
    with opened() as store:
        n = sum(log.purge(before.timestamp()) for log in store.infants())
        say(f"{n} readings were deleted.")


@click.command(epilog="Example: cryutils listen rtsp://camera.local/stream --mqtt localhost --infant Mia")
@click.argument("source", required=False)
@click.option("--device", metavar="N", help="Sound card, by number or name (default: the system's own).")
@click.option("--infant", metavar="NAME", help="Write the diary of this infant.")
@click.option("--mqtt", metavar="HOST", help="Broker for Home Assistant: HOST[:PORT] or mqtts://USER@HOST.")
@click.option("--webhook", metavar="URL", help="Address to which each event is posted as JSON.")
@click.option("--delay", type=click.FloatRange(0, 600), default=10.0, help="Seconds of crying first.")
@click.option("--again", type=click.FloatRange(10), default=300.0, help="Seconds to the next alarm.")
@click.option("--hold", type=click.FloatRange(1, 3600), default=60.0, help="Seconds of quiet at its end.")
@click.option("--windows", type=click.IntRange(1, 4), default=2, help="Of four windows that must pass.")
@click.option("--threshold", type=click.FloatRange(0, 1, min_open=True), help="Least score of a window.")
def listen(source: str | None, device: str | None, infant: str | None, **options: Any) -> None:
    """Tell when crying begins and ends, from a sound card, or from SOURCE: a file or a stream.

    Events are printed: crying, crying again, quiet, not listening, listening. Ctrl+C stops.
    It misses cries and takes other sounds for crying: never rely on it instead of a certified monitor.
    """
    extras.require("av", "listen", "listening")
    from crydecode import listen as listening
    from crydecode.alarm import Alarm
    from crydecode.store.threads import Writer

    if source and device:
        raise InputError(f"--device {device}: SOURCE is given as well; leave one of them out.")
    is_live = source is None or "://" in source
    if infant and source and not is_live:
        raise InputError(f"--infant: {source} is a file, and a diary is of what happens now; leave it out.")
    alarm = Alarm(delay_s=options["delay"], again_s=options["again"], hold_s=options["hold"])
    with ExitStack() as stack:
        heard = listening.readings(source, device, options["windows"], options["threshold"])
        tell: list[listening.Tell] = [lambda event: say(event.text(is_live=is_live))]
        for name, outlet in (("mqtt", listening.Mqtt), ("webhook", listening.Webhook)):
            if address := options[name]:
                told = outlet(address, infant or "")
                stack.callback(told.close)
                tell.append(told.tell)
        writer = None
        if infant:
            log = stack.enter_context(opened()).infant(infant)
            writer = Writer(partial(log.append, log.begin()))
            stack.callback(writer.flush, 5.0)
        listening.listen(heard, alarm, tell, writer)
