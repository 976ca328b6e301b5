"""`cryutils serve`: run the caregiver application, by default for this machine only."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cryutils._io import extras
from cryutils._io.paths import resolve, writable
from cryutils.course.cli_group import run_option, say
from cryutils.course.cli_store import opened, users_add
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.app.login import Link
    from cryutils.app.store import Store

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Address to listen on; 0.0.0.0 is every address of this machine.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8866, show_default=True,
              metavar="NUMBER", help="Port to listen on; 0 takes any free port.")  # fmt: skip
@click.option("--certfile", metavar="FILE", help="Certificate for HTTPS, a PEM file.")
@click.option("--keyfile", metavar="FILE", help="Private key of the certificate, a PEM file.")
@click.option("--name", "names", multiple=True, metavar="NAME",
              help="Name or address by which browsers reach the server, if not localhost, its own"
              " address or a name of the certificate. Repeat it for several.")  # fmt: skip
@click.option("--proxy", "proxies", multiple=True, metavar="ADDRESS",
              help="Address of a proxy that names each client's address in X-Real-IP. Repeat it for"
              " several.")  # fmt: skip
@click.option("--base-url", "base", default="/", show_default=True, metavar="PATH",
              help="Path of the page, such as /cry/ behind a proxy.")  # fmt: skip
@run_option
@click.option("--clips", metavar="DIR",
              help="Folder for the sound of corrected answers, if caregivers may save it"
              " (default: they may not).")  # fmt: skip
@click.option("--store", "url", metavar="URL",
              help="Database of the log (default: CRYUTILS_STORE, else your own).")  # fmt: skip
@click.option("--demo", is_flag=True,
              help="Show a sample infant with synthetic sound and pictures in your browser, and"
              " delete everything at the end.")  # fmt: skip
@click.pass_context
def serve(
    context: click.Context,
    *,
    run: str | None,
    clips: str | None,
    url: str | None,
    demo: bool,
    **web: Any,
) -> None:
    """Serve the caregiver application: a page with a login.

    Ctrl+C stops the server. By default, only this machine can open the page. On a phone, a page may
    use camera and microphone over HTTPS only, which needs a certificate, or a proxy that has one:
    docs/application.md.

    \b
    Examples:
      cryutils serve --demo
      cryutils serve
      cryutils serve --host 0.0.0.0 --certfile baby.crt --keyfile baby.key
      cryutils serve --run quick --clips our-cries
    """
    for package in ("argon2", "voila"):
        extras.require(package, "app", "the application")
    from cryutils.app import serve as application

    others = {"--store": url, "--clips": clips, "--certfile": web["certfile"],
              "--keyfile": web["keyfile"]}  # fmt: skip
    for name, value in others.items():
        if demo and value is not None:
            raise InputError(
                f"--demo, {name} {value}: a demonstration is for this machine and keeps nothing;"
                " give one of them."
            )
    if run is not None:
        os.environ["CRYUTILS_LIVE_RUN"] = _checked(run)
    if clips:
        folder = resolve(clips)
        if not writable(folder):
            raise InputError(f"--clips {folder}: it can't be written to; choose another folder.")
        os.environ["CRYUTILS_CLIPS_DIR"] = str(folder)
    if url:
        os.environ["CRYUTILS_STORE"] = url  # the pages open the same store
    host = web["host"]
    tls, own_names = application.certificate(web["certfile"], web["keyfile"])
    site = application.site((host, *web["names"], *own_names), web["proxies"], web["base"])
    sockets = application.listen(host, web["port"])
    if demo and not application.is_local(sockets):
        raise InputError(f"--demo, --host {host}: a demonstration is for this machine alone.")
    scheme, place = "https" if tls else "http", f"[{host}]" if ":" in host else host
    address = f"{scheme}://{place}:{sockets[0].getsockname()[1]}{site.base}"
    with _demonstration(run, address) if demo else _everyday(context, address) as (store, link):
        if not tls and not application.is_local(sockets):
            say("Without HTTPS, browsers on other machines refuse camera and microphone, and"
                " anyone on the network can read passwords: --certfile, --keyfile.")  # fmt: skip
        application.server(store, sockets, tls, site, link).start()


@contextmanager
def _everyday(context: click.Context, address: str) -> Iterator[tuple[Store, None]]:
    """Open the store, and add a user if there is none; yield the store and no link."""
    with opened() as store:
        if not store.users.names():
            name = "caregiver"
            if sys.stdin is not None and sys.stdin.isatty():
                name = click.prompt("Nobody can log in yet. Name of the first user")
            context.invoke(users_add, name=name)
        say(f"Open {address} (Ctrl+C stops).")
        if hint := _models_hint():
            say(hint)
        yield store, None


def _models_hint() -> str:
    """Return how to get the models that the page lacks; "" if it has all."""
    from cryutils.papers.trained_models import runs_with_models

    chosen = os.environ.get("CRYUTILS_LIVE_RUN")
    runs, seeing = runs_with_models("full"), runs_with_models("image")
    if not runs:
        return (
            "No models are trained yet, so the page can't listen: `cryutils run 04_cry2 05_image`"
            " trains them on synthetic infants."
        )
    both = [run.name for run in runs_with_models("cry2") if run in seeing]
    if chosen or runs[0] in seeing or not both:
        return ""
    return (
        f"The run {runs[0].name} has no model for faces, so the camera is not used;"
        f" `cryutils serve --run {both[0]}` uses it."
    )


@contextmanager
def _demonstration(run: str | None, address: str) -> Iterator[tuple[Store, Link]]:
    """Open a temporary store and its page in a browser; yield the store and the login link."""
    from cryutils.app import demo
    from cryutils.app.login import Link

    os.environ["CRYUTILS_LIVE_RUN"] = run = run or demo.newest_run()
    for number in (signal.SIGTERM, signal.SIGHUP):  # until the server sets its own handlers
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    demo.use_scratch_folder()
    with opened() as store:
        say(f"A demonstration with synthetic sound and pictures, judged by the run {run}.")
        link = Link(store.users.add("demo", os.urandom(16).hex()))
        with ThreadPoolExecutor() as pool:
            film = pool.submit(demo.make_film)
            demo.make_log(store, link.user, now=time.time())
            film.result()
        opening = f"{address}login?link={link.token}"
        say(f"Open {opening} (once; Ctrl+C stops and deletes everything).")
        # In a thread, because some browsers block the call until they are closed.
        threading.Thread(target=webbrowser.open, args=[opening], daemon=True).start()
        yield store, link


def _checked(run: str) -> str:
    """Return the name of `run`. Raises InputError if it has no model for the page."""
    from cryutils.papers.trained_models import find_run, runs_with_models

    home = find_run("full", run)
    if home not in runs_with_models("full"):
        raise InputError(f"{home}: neither cry2 nor image is here; `cryutils run` trains both.")
    return home.name
