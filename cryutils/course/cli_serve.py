"""`cryutils serve`, `users` and `log`: the caregiver application, its logins and its diary."""

from __future__ import annotations

import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from cryutils._io import extras
from cryutils._io.paths import scratch_dir
from cryutils._io.progress import say
from cryutils.course.cli_predict import run_option
from cryutils.errors import InputError, printable

if TYPE_CHECKING:
    from pathlib import Path
    from socket import socket

    from crydecode.store import Store

__all__ = ["log", "serve", "users"]


@click.command(epilog="Example: cryutils serve --demo")
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is every address.")
@click.option("--port", type=click.IntRange(0, 65535), default=8866, help="0 takes any free port.")
@click.option("--certfile", metavar="FILE", help="Certificate for HTTPS, a PEM file.")
@click.option("--keyfile", metavar="FILE", help="Private key of the certificate, a PEM file.")
@click.option("--name", "names", multiple=True, help="Another name of the server (repeatable).")
@run_option
@click.option("--demo", is_flag=True, help="Show a synthetic infant; everything is deleted at the end.")
def serve(
    host: str,
    port: int,
    certfile: str | None,
    keyfile: str | None,
    names: tuple[str, ...],
    run: str | None,
    demo: bool,
) -> None:
    """Serve the caregiver application: a page with a login.

    Ctrl+C stops the server. By default, only this machine can open the page. On a phone, a page may
    use camera and microphone over HTTPS only: docs/application.md.
    """
    for package in ("argon2", "multipart", "starlette", "uvicorn"):
        extras.require(package, "app", "the application")
    from crydecode import binding

    tls, place = binding.certificate(certfile, keyfile), binding.reachable(host)
    hosts, sockets = binding.hosts(place, names), binding.listen(host, port)
    if demo and (tls or not binding.is_local(sockets)):
        raise InputError("--demo: a demonstration is for this machine alone and needs no HTTPS.")
    from cryutils.inference.trained_models import find_run, runs_with_models

    runs = [path.name for path in runs_with_models("full")]
    if demo and run is None and "quick" in runs:
        run = "quick"  # trained on infants of the program that makes the film
    folder = None
    try:
        folder = find_run("full", run) if demo or run is not None or runs else None
    except InputError as error:  # the page detects crying without them
        if demo or run is not None:
            raise
        say(f"Models are left out: {error}")
    address = f"{'https' if tls else 'http'}://{place}:{sockets[0].getsockname()[1]}/"
    if demo:
        _demonstrate(address, hosts, sockets, folder)
        return
    # Loading the application takes seconds; connections wait until then.
    with opened() as store:
        if not store.users.names():
            say("Nobody can log in yet: `cryutils users add NAME` adds a user.")
        say(f"Open {address} (Ctrl+C stops).")
        if not tls and not binding.is_local(sockets):
            say(
                "Without HTTPS, browsers on other machines refuse camera and microphone, and"
                " anyone on the network can read passwords: --certfile, --keyfile."
            )
        from crydecode import serve as application

        app = application.application(store, hosts, run=folder)
        if not app.state.models:
            say(
                "No model has learned from real infants, so the page detects crying and names no"
                " reason: `cryutils run 04_cry2 --profile real` trains one."
            )
        application.run(app, sockets, **tls)


def _demonstrate(address: str, hosts: list[str], sockets: list[socket], run: Path | None) -> None:
    """Serve a temporary household, and open its page in a browser."""
    token = secrets.token_urlsafe(32)
    opening = f"{address}login?link={token}"
    say("A demonstration with synthetic sound and pictures.")
    say(f"Open {opening} (once; Ctrl+C stops and deletes everything).")
    from crydecode import demo
    from crydecode import serve as application
    from crydecode import store as stores

    folder = scratch_dir()  # removed when the process ends
    film = folder / "film.mp4"
    with stores.open(f"sqlite:///{folder}/store.sqlite") as store:
        links = {token: store.users.add("demo", secrets.token_hex())}
        store.add_infant("Demo infant")
        # In a thread, because some browsers block the call until they are closed.
        threading.Thread(target=webbrowser.open, args=[opening], daemon=True).start()
        demo.make_film(film)
        application.run(application.application(store, hosts, run=run, links=links, film=film), sockets)


# Logins and the diary, for the owner of the machine


def opened() -> Store:
    """Return the store that CRYUTILS_STORE names, or the user's own."""
    extras.require("sqlalchemy", "app", "the diary")
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
        _give_password(store.users.add, name)
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
        _give_password(store.users.set_password, store.users.require(name))
        say(f"{name} has a new password and is logged out everywhere.")


@users.command("remove", epilog="Example: cryutils users remove demo")
@click.argument("name")
def users_remove(name: str) -> None:
    """Remove a user, but keep what the user logged."""
    with opened() as store:
        store.users.remove(name)
        say(f"{name} may no longer log in.")


@click.group(epilog="Example: cryutils log show Mia")
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


@log.command("show", epilog="Example: cryutils log show Mia")
@click.argument("infant")
@_since
@_until
def log_show(infant: str, since: float | None, until: float | None) -> None:
    """Show an INFANT's diary: cries, their most likely reason, corrections, feeds and sleep.

    Times are in this machine's time zone.
    """
    with opened() as store:
        lines = store.infant(infant).lines(since, until)
    if not lines:
        say("Nothing was logged then.", err=True)
    for line in lines:
        said = f" (you said: {printable(line.said)})" if line.said else ""
        say(f"{datetime.fromtimestamp(line.start):%F} {line.times}  {line.answer}{said}")


@log.command("export", epilog="Example: cryutils log export log.csv --infant Mia")
@click.argument("target")
@click.option("--infant", metavar="NAME", help="This infant only (default: all).")
@click.option("--readings", is_flag=True, help="Every reading instead of the diary's lines.")
@_since
@_until
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


@log.command("purge", epilog="Example: cryutils log purge --before 2026-06-01")
@click.option("--before", required=True, metavar="TIME", callback=_seconds, help="Readings before this time.")
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
