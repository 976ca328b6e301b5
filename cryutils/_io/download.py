"""Downloads with pooch and a progress bar. No file is left incomplete.

`datasets.archives` uses it and adds the remedy to the cause in `Unavailable`.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from cryutils._io.paths import explain_write_errors, writing

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

    get = pooch.HTTPDownloader(progressbar=True, timeout=(_CONNECT_S, _TIMEOUT_S))
    with explain_write_errors(path.parent), writing(path) as part:
        try:
            get(url, part, None)
        except requests.RequestException as error:
            answer = error.response
            cause = f"HTTP {answer.status_code} {answer.reason}" if answer is not None else ""
            cause = cause or f"the connection failed ({type(error).__name__})"
            raise Unavailable(f"{urlsplit(url).hostname}: {cause}") from error
