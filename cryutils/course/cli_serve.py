"""`cryutils serve`: run the caregiver application, by default for this machine only."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cryutils._io import extras
from cryutils.course.cli_group import example, run_option, say
from cryutils.course.cli_store import opened
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.app.login import Link
    from cryutils.app.store import Store

__all__ = ["serve"]

NO_MODELS = (
    "No models are trained yet, so the page can't listen: `cryutils run 04_cry2 05_image` trains"
    " them on synthetic infants."
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Address to listen on; 0.0.0.0 is every address of this machine.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8866, show_default=True,
              metavar="NUMBER", help="Port to listen on; 0 takes any free port.")  # fmt: skip
@click.option("--certfile", metavar="FILE", help="Certificate for HTTPS, a PEM file.")
@click.option("--keyfile", metavar="FILE", help="Private key of the certificate, a PEM file.")
@click.option("--name", "names", multiple=True, metavar="NAME",
              help="Another name by which browsers reach the server (repeatable).")  # fmt: skip
@click.option("--proxy", "proxies", multiple=True, metavar="ADDRESS",
              help="Address of a proxy that sends X-Real-IP (repeatable).")  # fmt: skip
@run_option
@click.option("--demo", is_flag=True,
              help="Show a sample infant with synthetic sound and pictures in your browser, and"
              " delete everything at the end.")  # fmt: skip
@example("cryutils serve --demo", "cryutils serve --host 0.0.0.0 --certfile a.crt --keyfile a.key")
def serve(
    *, host: str, port: int, certfile: str | None, keyfile: str | None,
    names: tuple[str, ...], proxies: tuple[str, ...], run: str | None, demo: bool,
) -> None:  # fmt: skip
    """Serve the caregiver application: a page with a login.

    Ctrl+C stops the server. By default, only this machine can open the page. On a phone, a page may
    use camera and microphone over HTTPS only: docs/application.md.
    """
    for package in ("argon2", "voila"):
        extras.require(package, "app", "the application")
    from cryutils.app import serve as application
    from cryutils.papers.trained_models import find_run, runs_with_models

    if run is not None:
        home = find_run("full", run)
        if home not in runs_with_models("full"):
            raise InputError(f"{home}: neither cry2 nor image is here; `cryutils run` trains both.")
        os.environ["CRYUTILS_LIVE_RUN"] = home.name
    tls = application.certificate(certfile, keyfile)
    site = application.site((host, *names), proxies)
    sockets = application.listen(host, port)
    if demo and (tls or not application.is_local(sockets)):
        raise InputError("--demo: a demonstration is for this machine alone and needs no HTTPS.")
    scheme, place = "https" if tls else "http", f"[{host}]" if ":" in host else host
    address = f"{scheme}://{place}:{sockets[0].getsockname()[1]}/"
    with _demonstration(address) if demo else _everyday(address) as (store, link):
        if not tls and not application.is_local(sockets):
            say("Without HTTPS, browsers on other machines refuse camera and microphone, and"
                " anyone on the network can read passwords: --certfile, --keyfile.")  # fmt: skip
        application.server(store, sockets, tls, site, link).start()


@contextmanager
def _everyday(address: str) -> Iterator[tuple[Store, None]]:
    """Open the store; yield it and no link."""
    from cryutils.papers.trained_models import runs_with_models

    with opened() as store:
        if not store.users.names():
            say("Nobody can log in yet: `cryutils users add NAME` adds a user, and"
                " `cryutils infants add INFANT` an infant.")  # fmt: skip
        say(f"Open {address} (Ctrl+C stops).")
        if not runs_with_models("full"):
            say(NO_MODELS)
        yield store, None


@contextmanager
def _demonstration(address: str) -> Iterator[tuple[Store, Link]]:
    """Open a temporary store and its page in a browser; yield the store and the login link."""
    from cryutils.app import demo
    from cryutils.app.login import Link

    run = os.environ.setdefault("CRYUTILS_LIVE_RUN", demo.newest_run())
    for number in (signal.SIGTERM, signal.SIGHUP):  # until the server sets its own handlers
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    demo.use_scratch_folder()
    with opened() as store:
        say(f"A demonstration with synthetic sound and pictures, judged by the run {run}.")
        link = Link(store.users.add("demo", os.urandom(16).hex()))
        demo.make_log(store, now=time.time())
        demo.make_film()
        opening = f"{address}login?link={link.token}"
        say(f"Open {opening} (once; Ctrl+C stops and deletes everything).")
        # In a thread, because some browsers block the call until they are closed.
        threading.Thread(target=webbrowser.open, args=[opening], daemon=True).start()
        yield store, link
