"""Where things are read from and written to, and how a file is written whole.

Three environment variables move everything: `CRYUTILS_DATA_DIR` (recordings, only
ever read), `CRYUTILS_CACHE_DIR` (downloads, synthetic voices, features) and
`CRYUTILS_OUTPUTS_DIR` (what runs write). Relative paths in them are resolved
against `CRYUTILS_START_DIR`, the folder where the command was started, because
notebooks run in a folder of their own.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_dir", "data_dir", "outputs_dir", "project_dir", "resolve", "writing"]


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return `path` as an absolute path, `~` expanded, relative to where the command started."""
    start = os.environ.get("CRYUTILS_START_DIR") or Path.cwd()
    return Path(start, Path(path).expanduser()).resolve()


def project_dir() -> Path:
    """Return the folder that holds `notebooks/` and `data/`: the clone this package runs from."""
    return Path(__file__).resolve().parent.parent


def data_dir() -> Path | None:
    """Return the folder named by `CRYUTILS_DATA_DIR`, or None. Nothing is ever written there."""
    value = os.environ.get("CRYUTILS_DATA_DIR")
    return resolve(value) if value else None


def cache_dir() -> Path:
    """Return the folder for downloads, synthetic corpora and features (`CRYUTILS_CACHE_DIR`)."""
    value = os.environ.get("CRYUTILS_CACHE_DIR")
    if value:
        return resolve(value)
    import pooch

    return Path(pooch.os_cache("cryutils"))


def outputs_dir() -> Path:
    """Return the folder under which each run has its own (`CRYUTILS_OUTPUTS_DIR`)."""
    value = os.environ.get("CRYUTILS_OUTPUTS_DIR")
    return resolve(value) if value else project_dir() / "outputs"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path`, else it is removed.

    A reader sees the old file or the whole new one, never a part, whatever kills the writer.
    The suffix is kept, since many writers choose their format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; a result is as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
