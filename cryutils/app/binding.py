"""Where the application's server is reached: its sockets, names, proxies and certificate.

This module imports nothing that is slow, so `cryutils serve` can print its address at once.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryutils._io import paths
from cryutils.errors import InputError, printable

__all__ = ["LOCAL", "Site", "certificate", "is_local", "listen", "reachable", "site"]

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Site:
    """How browsers reach the server.

    names: names and addresses that browsers may use, in lower case, in addition to `LOCAL` and the
    address at which a connection arrives. proxies: addresses of proxies that are trusted to state a
    client's address and scheme.
    """

    names: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()


def certificate(certfile: str | None, keyfile: str | None) -> dict[str, Path]:
    """Return uvicorn's settings for HTTPS with a certificate; {} without one.

    Raises InputError if certificate and key do not match.
    """
    if not certfile and not keyfile:
        return {}
    if not certfile or not keyfile:
        raise InputError("HTTPS needs both --certfile and --keyfile; give the other one as well.")
    chain, key = paths.resolve(certfile), paths.resolve(keyfile)
    for path in (chain, key):
        paths.check_file(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(chain, key, password="")
    except ssl.SSLError as error:
        raise InputError(
            f"{chain}: not a certificate for the key in {key}; give both as PEM files, "
            "the key without a password."
        ) from error
    return {"ssl_certfile": chain, "ssl_keyfile": key}


def site(names: Sequence[str], proxies: Sequence[str]) -> Site:
    """Return a `Site` from command-line values. Raises InputError for invalid ones."""
    for name in names:
        if not _address(name) and not re.fullmatch(r"[\w.-]+", name):
            raise InputError(f"--name {printable(name)}: give a name alone, such as baby.local.")
    for proxy in proxies:
        if not _address(proxy):
            raise InputError(f"--proxy {printable(proxy)}: give an address such as 127.0.0.1.")
    return Site(
        names=frozenset(_address(name) or name.lower() for name in names),
        proxies=frozenset(map(_address, proxies)),
    )


def _address(text: str) -> str:
    """Return an IP address in its shortest form; "" for anything else."""
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at `host` and `port` (0: any free port).

    Raises InputError if that is impossible.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return [socket.create_server(place[:2], family=family, backlog=1024)]
    except (OSError, ValueError) as error:  # ValueError for an invalid host name
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{host}, port {port}: {why}; choose another --host or --port.") from error


def is_local(sockets: list[socket.socket]) -> bool:
    """Return whether only this machine can connect."""
    return all(ipaddress.ip_address(end.getsockname()[0]).is_loopback for end in sockets)


def reachable(host: str) -> str:
    """Return an address that another device can open, for a host that stands for all addresses."""
    if host != "0.0.0.0":
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, but chooses an own address
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
