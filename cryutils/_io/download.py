"""Downloads with pooch and a progress bar. No file is left incomplete.

`datasets.archives` uses it and adds the remedy to the cause in `Unavailable`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from cryutils._io.paths import explain_write_errors, writing
from cryutils._io.progress import counting

__all__ = ["Unavailable", "download"]

_CONNECT_S = 3.0  # for each address of a host; a firewall may block a dozen of them
_TIMEOUT_S = 10.0  # for a response and for each part of a file


class Unavailable(Exception):
    """A file can't be downloaded; the message names the host and the cause in a few words."""


def download(url: str, path: Path) -> None:
    """Download `url` to `path`, which is created when it is complete.

    Raises Unavailable without a connection and for an HTTP error, and InputError if `path` can't be
    written, for example because the disk is full.
    """
    if os.environ.get("CRYUTILS_OFFLINE"):
        raise Unavailable("CRYUTILS_OFFLINE is set")
    import pooch
    import requests

    with explain_write_errors(path.parent), writing(path) as part, counting("Downloading", "MB") as report:
        get = pooch.HTTPDownloader(_Bar(report), 2**16, timeout=(_CONNECT_S, _TIMEOUT_S))
        try:
            get(url, part, None)
        except requests.RequestException as error:
            answer = error.response
            cause = f"HTTP {answer.status_code} {answer.reason}" if answer is not None else ""
            cause = cause or f"the connection failed ({type(error).__name__})"
            raise Unavailable(f"{urlsplit(url).hostname}: {cause}") from error


class _Bar:
    """A progress bar as pooch expects it. `total` is 0 if the host doesn't send the size."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report, self.done, self.total = report, 0, 0

    def update(self, size: int) -> None:
        self.done += size
        self.report(self.done // 10**6, self.total // 10**6)

    def reset(self) -> None:
        """Do nothing: pooch would fill the bar again, with a total that may be 0."""

    close = reset
