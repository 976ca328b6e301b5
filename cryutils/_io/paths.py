"""The folders for input and output, and atomic writing of files.

Environment variables set the folders. Relative paths start at `CRYUTILS_START_DIR`, where the
command was started, because notebooks run in their own folder. `CRYUTILS_PROJECT_DIR` names another
folder with `notebooks/` and `data/`, such as a lecturer's edition of the course.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

from cryutils.errors import InputError

_OTHER_KINDS = {  # by their first bytes
    rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!": "a packed archive or an Office document; unpack it",
    rb"PAR1": "a Parquet table; write the sounds in it to files, as docs/data.md shows",
    rb"\x02?#!SILK": "a voice message of WeChat or QQ (SILK); convert it to WAV, for example with pilk",
    rb"bplist": "not downloaded from iCloud; open its folder in Finder and download it",
    rb"<!DOCTYPE|<html": "a web page instead of the file; download the file again",
}
_PACKAGED = Path(__file__).resolve().parents[1] / "_course"  # in a wheel only


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return `path` as an absolute path, `~` expanded, relative to where the command started.

    Links to files are not followed: DataLad keeps a file's content under another name.
    """
    start = os.environ.get("CRYUTILS_START_DIR") or Path.cwd()
    # Not Path.expanduser, which raises for the home of an unknown user.
    full = Path(start, os.path.expanduser(path))  # noqa: PTH111
    return full.resolve() if os.path.isdir(full) else full.parent.resolve() / full.name  # noqa: PTH112


def _named(variable: str) -> Path | None:
    """Return the folder that an environment variable names, None if it is not set."""
    value = os.environ.get(variable)
    return resolve(value) if value else None


def project_dir() -> Path:
    """Return the folder with `notebooks/` and `data/`: `CRYUTILS_PROJECT_DIR`, the clone or the wheel's."""
    usual = _PACKAGED if _PACKAGED.is_dir() else _PACKAGED.parents[1]
    return _named("CRYUTILS_PROJECT_DIR") or usual


def data_dir() -> Path | None:
    """Return the folder named by `CRYUTILS_DATA_DIR`, or None. It is never written to."""
    return _named("CRYUTILS_DATA_DIR")


def cache_dir() -> Path:
    """Return the folder for downloads, synthetic corpora and features (`CRYUTILS_CACHE_DIR`)."""
    if folder := _named("CRYUTILS_CACHE_DIR"):
        return folder
    import pooch

    with explain_no_home("CRYUTILS_CACHE_DIR to a folder"):
        return Path(pooch.os_cache("cryutils"))


def outputs_dir() -> Path:
    """Return the folder that contains one folder per run (`CRYUTILS_OUTPUTS_DIR`).

    By default it is `outputs` in the project, or with a wheel where the command was started.
    """
    project = project_dir()
    usual = resolve("outputs") if project == _PACKAGED else project / "outputs"
    return _named("CRYUTILS_OUTPUTS_DIR") or usual


def writable(folder: Path) -> bool:
    """Return whether `folder` can be written to or created; nothing is left there."""
    try:
        place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with tempfile.TemporaryDirectory(prefix=".cryutils-", dir=place):  # /proc looks writable
            return True
    except OSError:  # a file, another user's home, a read-only disk
        return False


def check_file(path: Path) -> None:
    """Raise InputError if `path` is not a readable regular file, is empty, or an `other_kind`.

    No pipe is opened: that would wait until something is written to it.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise InputError(f"{path}: no such file.") from error
    except OSError as error:
        raise InputError(f"{path}: it can't be opened ({error.strerror}).") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: no such file; it is a folder.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: it can't be opened; you may not read it.")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: no regular file; save the recording in one.")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty; copy or record it again.")
    if what := other_kind(path):
        raise InputError(f"{path}: {what}.")


def other_kind(path: Path) -> str:
    """Return what a file is that can't be read, such as a zip, with the remedy; "" if unknown."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(20)
            for first, kind in _OTHER_KINDS.items():
                if re.match(first, head):
                    return f"it is {kind}"
    return ""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path of the same name; on success it replaces `path`, else it is removed.

    A reader sees the old file or the complete new one, even if the writer is killed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a hidden folder, so that `*.json` never matches an incomplete file.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            temporary = Path(folder, path.name)
            yield temporary
            temporary.replace(path)
    except OSError as error:  # that of a full disk names no file
        if error.filename:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def explain_write_errors(
    folder: Path, remedy: str = "set CRYUTILS_CACHE_DIR to a folder that you can write to and that has room"
) -> Iterator[None]:
    """Turn an OSError into an InputError: `folder`, by default in the cache, can't be written to."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror or error}): {remedy}.") from error


@contextmanager
def explain_no_home(remedy: str) -> Iterator[None]:
    """Turn platformdirs' RuntimeError into an InputError: this user has no home folder."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"you have no home folder here: set {remedy}.") from error


@cache
def scratch_dir() -> Path:
    """Return a temporary folder of this process, which is removed when the process ends."""
    usual = tempfile.gettempdir()  # too long for the path of a socket, it is replaced
    folder = Path(tempfile.mkdtemp(prefix="cryutils-", dir=usual if len(usual) < 60 else "/var/tmp"))
    # Runs after multiprocessing has removed its own folder from there, and only in this process.
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=-200)
    return folder


def keras_home() -> Path:
    """Return a folder for KERAS_HOME with the user's downloaded weights, without settings."""
    folder = scratch_dir() / "keras"
    weights = resolve(os.environ.get("KERAS_HOME") or "~/.keras") / "models"
    if not folder.exists():
        folder.mkdir()
        with suppress(OSError):  # this user has no home folder
            weights.mkdir(parents=True, exist_ok=True)
            (folder / "models").symlink_to(weights)
    return folder


def weights_dir() -> Path | None:
    """Return the folder named by `CRYUTILS_WEIGHTS_DIR`, or None. It is never written to.

    Raises InputError if it is not a folder.
    """
    folder = _named("CRYUTILS_WEIGHTS_DIR")
    if folder is not None and not folder.is_dir():
        raise InputError(f"CRYUTILS_WEIGHTS_DIR: {folder} is no folder; correct or unset it.")
    return folder
