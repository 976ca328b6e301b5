"""Where the application's server is reached: its sockets, names and proxies.

This module imports nothing that is slow, so `cryutils serve` can print its address at once.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any

from cryutils.errors import InputError, printable

# uvicorn's settings for servers that write no line about a request.
SILENT: dict[str, Any] = {"http": "h11", "log_config": None, "access_log": False, "server_header": False}


def hosts(place: str, names: Iterable[str]) -> list[str]:
    """Return the names by which browsers may call a server at `place`. Raises InputError for others."""
    for name in names:
        if not re.fullmatch(r"[\w.-]+|\[[\da-f:]+\]", name):
            raise InputError(f"--name {printable(name)}: give a name alone, such as baby.local.")
    return ["localhost", "127.0.0.1", "[::1]", place, *names]


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets at `host` and `port` (0: any free one). Raises InputError if that fails."""
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
    """Return `host` as it is written in an address, or for 0.0.0.0 this machine's own address."""
    if host != "0.0.0.0":
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, but chooses an own address
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
