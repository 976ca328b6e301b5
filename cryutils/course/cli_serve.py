"""`cryutils serve`: the caregiver application, on this machine unless it's asked for elsewhere."""

from __future__ import annotations

import os
import secrets
import sys
from typing import TYPE_CHECKING

import click

from cryutils.course.cli_group import say
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.app.store import Store

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Where to listen; 0.0.0.0 is every address of this machine.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8866, show_default=True,
              help="0: any that is free.")  # fmt: skip
@click.option("--certfile", metavar="FILE", help="A certificate (PEM), for HTTPS.")
@click.option("--keyfile", metavar="FILE", help="Its private key (PEM).")
@click.option("--store", "url", metavar="URL", help="Where the log is (default: CRYUTILS_STORE).")
def serve(host: str, port: int, certfile: str | None, keyfile: str | None, url: str | None) -> None:
    """Serve the caregiver application: a page behind a login. Ctrl+C stops it.

    It listens on this machine alone. Telephones allow a page camera and microphone over HTTPS only,
    so there it takes a certificate, or a proxy that has one: docs/serving.md.

    \b
    Examples:
      cryutils serve
      cryutils serve --host 0.0.0.0 --certfile baby.crt --keyfile baby.key
    """
    try:
        from cryutils.app import serve as application
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install 'cryutils[voila]'.") from error
    from cryutils.app import store

    if url:
        os.environ["CRYUTILS_STORE"] = url  # the pages open it, too
    tls = application.certificate(certfile, keyfile)
    sockets = application.listen(host, port)
    with store.open() as home:
        if not home.users.names():
            _first_user(home)
        scheme = "https" if tls else "http"
        say(f"Open {scheme}://{host}:{sockets[0].getsockname()[1]}/")
        if not tls and not application.is_local(sockets):
            say("Without HTTPS, browsers elsewhere refuse camera and microphone, and everybody on "
                "the network can read passwords; give --certfile and --keyfile.")  # fmt: skip
        application.run(home, sockets, tls)


def _first_user(home: Store) -> None:
    """Add the first caregiver: by questions on a terminal, else with a password printed once."""
    if sys.stdin.isatty():
        name = click.prompt("Nobody can log in yet. Name of the first caregiver")
        home.users.add(name, click.prompt("Password", hide_input=True, confirmation_prompt=True))
        return
    password = secrets.token_urlsafe(12)
    name = home.users.add("caregiver", password)
    say(f"Nobody could log in yet, so there is a caregiver now. Name: {name}  Password: {password}")
