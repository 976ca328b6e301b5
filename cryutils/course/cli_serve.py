"""`cryutils serve`: run the caregiver application, by default for this machine only."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import click

from cryutils._io import extras
from cryutils._io.paths import scratch_dir
from cryutils.course.cli_group import example, run_option, say
from cryutils.course.cli_store import opened
from cryutils.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from socket import socket

__all__ = ["serve"]


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on; 0.0.0.0 is every address of this machine.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8866,
    show_default=True,
    metavar="NUMBER",
    help="Port to listen on; 0 takes any free port.",
)
@click.option("--certfile", metavar="FILE", help="Certificate for HTTPS, a PEM file.")
@click.option("--keyfile", metavar="FILE", help="Private key of the certificate, a PEM file.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Another name by which browsers reach the server (repeatable).",
)
@run_option
@click.option(
    "--demo",
    is_flag=True,
    help="Show a sample infant with synthetic sound and pictures in your browser, and"
    " delete everything at the end.",
)
@example("cryutils serve --demo", "cryutils serve --host 0.0.0.0 --certfile a.crt --keyfile a.key")
def serve(
    *,
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
    for number in (signal.SIGTERM, signal.SIGHUP):  # until the server sets its own handlers
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
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
        app = application.application(
            store, hosts, run=run, links=links, film=film, prepare=lambda: demo.make_film(film)
        )
        application.run(app, sockets)
