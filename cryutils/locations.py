"""Where things are read from and written to, and how a file is written whole.

Three environment variables move everything: `CRYUTILS_DATA_DIR` (recordings, only
ever read), `CRYUTILS_CACHE_DIR` (downloads, synthetic voices, features) and
`CRYUTILS_OUTPUTS_DIR` (what runs write). Relative paths in them are resolved
against `CRYUTILS_START_DIR`, the folder where the command was started, because
notebooks run in a folder of their own. `CRYUTILS_PROJECT_DIR` names another folder
with `notebooks/` and `data/`, such as a lecturer's edition of the course.
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
    """Return the folder with `notebooks/` and `data/`: the clone, or `CRYUTILS_PROJECT_DIR`."""
    value = os.environ.get("CRYUTILS_PROJECT_DIR")
    return resolve(value) if value else Path(__file__).resolve().parent.parent


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
    """Give a temporary path to write to; on success it becomes `path`, else it is removed.

    A reader sees the old file or the whole new one, never a part, whatever kills the writer.
    The name is kept, since many writers choose their format by its suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In a hidden folder, so that `*.json` never finds what a killed writer left behind.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
        temporary = Path(folder, path.name)
        yield temporary
        temporary.replace(path)
