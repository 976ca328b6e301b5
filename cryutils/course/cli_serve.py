"""`cryutils serve`: the caregiver application, on this machine unless it's asked for elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from cryutils._io import extras
from cryutils._io.paths import resolve, writable
from cryutils.course.cli_group import say
from cryutils.course.cli_store import opened, users_add
from cryutils.errors import InputError

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True,
              metavar="ADDRESS",
              help="Address to listen on; 0.0.0.0 is every address of this machine.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8866, show_default=True,
              metavar="NUMBER",
              help="Port to listen on; 0 takes any free port.")  # fmt: skip
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
@click.option("--run", metavar="NAME",
              help="Run that trained the models (default: the newest on real infants, otherwise on"
              " synthetic infants).")  # fmt: skip
@click.option("--clips", metavar="DIR",
              help="Folder for the sound of corrected answers, if caregivers may save it"
              " (default: they may not).")  # fmt: skip
@click.option("--store", "url", metavar="URL",
              help="Database of the log (default: CRYUTILS_STORE, else your own).")  # fmt: skip
@click.pass_context
def serve(
    context: click.Context,
    *,
    run: str | None,
    clips: str | None,
    url: str | None,
    **web: Any,
) -> None:
    """Serve the caregiver application: a page with a login.

    Ctrl+C stops the server. By default, only this machine can open the page. On a phone, a page may
    use camera and microphone over HTTPS only, which needs a certificate, or a proxy that has one:
    docs/application.md.

    \b
    Examples:
      cryutils serve
      cryutils serve --host 0.0.0.0 --certfile baby.crt --keyfile baby.key
      cryutils serve --run quick --clips our-cries
    """
    for package in ("argon2", "voila"):
        extras.require(package, "app", "the application")
    from cryutils.app import serve as application

    if run is not None:
        os.environ["CRYUTILS_LIVE_RUN"] = _checked(run)
    if clips:
        folder = resolve(clips)
        if not writable(folder):
            raise InputError(f"--clips {folder}: it can't be written to; choose another folder.")
        os.environ["CRYUTILS_CLIPS_DIR"] = str(folder)
    if url:
        os.environ["CRYUTILS_STORE"] = url  # the pages open it, too
    host, certfile = web["host"], web["certfile"]
    tls = application.certificate(certfile, web["keyfile"])
    names = (host, *web["names"], *application.subjects(tls, certfile))
    site = application.site(names, web["proxies"], web["base"])
    sockets = application.listen(host, web["port"])
    with opened() as store:
        if not store.users.names():
            name = "caregiver"
            if sys.stdin is not None and sys.stdin.isatty():
                name = click.prompt("Nobody can log in yet. Name of the first user")
            context.invoke(users_add, name=name)
        scheme, place = "https" if tls else "http", f"[{host}]" if ":" in host else host
        say(f"Open {scheme}://{place}:{sockets[0].getsockname()[1]}{site.base} (Ctrl+C stops).")
        if not tls and not application.is_local(sockets):
            say("Without HTTPS, browsers elsewhere refuse camera and microphone, and everybody on "
                "the network can read passwords; give --certfile and --keyfile.")  # fmt: skip
        application.run(store, sockets, tls, site)


def _checked(run: str) -> str:
    """Return the name of a run that has a model for the page. Raises InputError for any other."""
    from cryutils.papers.predict import find_run, runs_with_models

    home = find_run("full", run)
    if home not in runs_with_models("full"):
        raise InputError(f"{home}: neither cry2 nor image is here; `cryutils run` trains both.")
    return home.name
