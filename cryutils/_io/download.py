"""Downloads with pooch: checksums, retries and progress. No file is left incomplete.

`datasets.archives` uses it and adds the remedy to the cause in `Unavailable`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from cryutils._io.paths import explain_write_errors, writing

__all__ = ["TIMEOUT_S", "Report", "Unavailable", "download"]

TIMEOUT_S = 10.0  # for a response and for each part of a file
_CONNECT_S = 3.0  # for each address of a host; a firewall may block a dozen of them

Report = Callable[[int, int], None]  # done and total, in bytes; total is 0 if it is unknown


class Unavailable(Exception):
    """A file can't be downloaded; the message names the host and the cause in a few words."""


def download(
    url: str,
    path: Path,
    checksum: str | None = None,
    *,
    retries: int = 0,
    report: Report = lambda done, total: None,
) -> None:
    """Download `url` to `path`, which is created when it is complete and its checksum is right.

    `checksum` is a SHA-256, or "md5:" and an MD5; None accepts any content. Raises Unavailable
    without a connection, for an HTTP error and for a wrong checksum, and InputError if `path` can't
    be written, for example because the disk is full.
    """
    if os.environ.get("CRYUTILS_OFFLINE"):
        raise Unavailable("CRYUTILS_OFFLINE is set")
    import pooch
    import requests

    def get(url: str, file: str, store: object) -> None:
        bar = _Bar(report)
        pooch.HTTPDownloader(bar, 2**16, timeout=(_CONNECT_S, TIMEOUT_S))(url, file, store)

    pooch.get_logger().setLevel("WARNING")
    host = urlsplit(url).hostname
    with explain_write_errors(path.parent), writing(path) as part:
        name = part.name
        store = pooch.create(
            part.parent, "", registry={name: checksum}, urls={name: url}, retry_if_failed=retries
        )
        try:
            store.fetch(name, downloader=get)
        except requests.RequestException as error:
            raise Unavailable(f"{host}: {_cause(error)}") from error
        except ValueError as error:
            raise Unavailable(f"{host}: {name} is damaged, its checksum is wrong") from error
        part.chmod(0o644)  # pooch makes files that only their owner can read


class _Bar:
    """A progress bar as pooch expects it, which calls `report`."""

    def __init__(self, report: Report) -> None:
        self.report, self.done, self.total = report, 0, 0

    def update(self, size: int) -> None:
        self.done += size
        self.report(min(self.done, self.total or self.done), self.total)

    def reset(self) -> None:
        """Do nothing: pooch would fill the bar again, with a total that may be 0."""

    close = reset


def _cause(error: Exception) -> str:
    """Return in words why a download failed."""
    if (answer := getattr(error, "response", None)) is not None:
        busy = ", too many requests from this network; wait an hour or use another network"
        return f"HTTP {answer.status_code} {answer.reason}{busy * (answer.status_code == 429)}"
    if "timed out" in str(error):
        return f"no answer within {TIMEOUT_S:g} s"
    return f"the connection failed ({type(error).__name__})"
