"""Where the weights of a pretrained backbone come from: this machine, or a download.

Walked by notebooks 05_image and 07_frames_resnet50 through `backbones`. Keras publishes a
file without the classifier for each of its applications, and its name, address and hash are
asked of Keras itself, so this works for all of them. Looked for in `CRYUTILS_WEIGHTS_DIR`,
then in Keras' own cache, then among earlier downloads in `CRYUTILS_CACHE_DIR`, then on the
network. A file that somebody downloaded must have the published hash; one that the user
named or put into a folder of their own is trusted, if it fits the model, and is called
ImageNet's only if its hash says so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryutils._io.paths import cache_dir, resolve, weights_dir
from cryutils.errors import InputError

__all__ = [
    "Found", "NotHad", "Published", "downloaded", "fetch", "given", "present", "stamp",
    "supplying",
]  # fmt: skip

_CONNECT_S = 5.0
_LOCK = threading.Lock()
_SUFFIXES = (".h5", ".keras")


@dataclass(frozen=True, slots=True)
class Published:
    """A weights file as Keras publishes it; `hash` is md5 or sha256 in hex, "" where none is."""

    file: str
    url: str
    hash: str


@dataclass(frozen=True, slots=True)
class Found:
    """A weights file on this machine, in words, and whether it is the published one."""

    path: Path
    words: str
    imagenet: bool


class NotHad(Exception):
    """The published weights can't be had here; the message is the cause, in a few words."""


def present() -> list[str]:
    """Return a text for each weights file that `fetch` may find on this machine, sorted.

    It names path, size in bytes and time of change in ns, so the list changes when a file comes,
    goes or is exchanged. Raises InputError where `CRYUTILS_WEIGHTS_DIR` is no folder.
    """
    folder = weights_dir()
    own = [] if folder is None else _stamps(folder)
    return sorted({*own, *_stamps(_keras_cache()), *downloaded()})


def downloaded() -> list[str]:
    """Return the same for those alone that were downloaded into `CRYUTILS_CACHE_DIR`."""
    return _stamps(_downloads())


def stamp(path: Path) -> str:
    """Return path, size and time of change of a file as a text, or "" where there is none."""
    if not path.is_file():
        return ""
    told = path.stat()
    return f"{path}:{told.st_size}:{told.st_mtime_ns}"


def _stamps(folder: Path) -> list[str]:
    paths = sorted(folder.glob("*")) if folder.is_dir() else []
    return [text for path in paths if path.suffix in _SUFFIXES and (text := stamp(path))]


@contextmanager
def supplying(choose: Callable[[Published], Path]) -> Iterator[None]:
    """While this is open, `choose` gives Keras' applications their weights file.

    An application tells the name, address and hash of its file only to `get_file` of Keras,
    and some (EfficientNet) build another model for `weights="imagenet"` than for the same
    file given by its path; so the question is answered rather than asked a second time.
    """
    from keras.src.utils import file_utils

    def get_file(fname: str, origin: str, *, file_hash: str | None = None, **_: Any) -> str:
        return str(choose(Published(fname, origin, file_hash or "")))

    with _LOCK:
        kept = file_utils.get_file
        file_utils.get_file = get_file
        try:
            yield
        finally:
            file_utils.get_file = kept


def given(path: str | os.PathLike[str], published: Published) -> Found:
    """Return the file at `path`, named by the user, in place of the published one."""
    there = resolve(path)
    return _trusted(there, published, there.name)


def fetch(published: Published, *, progress: bool = False) -> Found:
    """Return the published file, from this machine or downloaded into `CRYUTILS_CACHE_DIR`.

    Raises NotHad where it can't be had, and InputError where what is here is damaged.
    """
    folder = weights_dir()
    if folder is not None and (folder / published.file).is_file():
        words = f"{published.file} in CRYUTILS_WEIGHTS_DIR"
        return _trusted(folder / published.file, published, words)
    for home in (_keras_cache(), _downloads()):
        if (home / published.file).is_file():
            return _downloaded(home / published.file, published)
    return Found(_download(published, progress=progress), "ImageNet", True)


def _trusted(path: Path, published: Published, words: str) -> Found:
    # Where Keras publishes no hash, the name in the user's own folder is all there is.
    if not published.hash:
        return Found(path, f"{words} (Keras publishes no hash to check it by)", True)
    if _hash(path, published.hash) == published.hash:
        return Found(path, "ImageNet", True)
    return Found(path, f"{words} (not the file that Keras publishes)", False)


def _downloaded(path: Path, published: Published) -> Found:
    if published.hash and _hash(path, published.hash) != published.hash:
        raise InputError(f"{path}: damaged, its hash isn't the published one; delete that file.")
    return Found(path, "ImageNet", True)


def _hash(path: Path, like: str) -> str:
    import pooch

    return str(pooch.file_hash(str(path), alg=_algorithm(like)))


def _algorithm(digest: str) -> str:
    return "sha256" if len(digest) == 64 else "md5"


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def _downloads() -> Path:
    return cache_dir() / "weights"


def _download(published: Published, *, progress: bool) -> Path:
    import pooch
    import requests

    from cryutils._io.progress import counting

    if os.environ.get("CRYUTILS_OFFLINE"):
        raise NotHad("CRYUTILS_OFFLINE is set")
    host = urlsplit(published.url).netloc
    if not _answers(published.url):
        raise NotHad(f"{host} can't be reached")
    pooch.get_logger().setLevel("WARNING")
    known = f"{_algorithm(published.hash)}:{published.hash}" if published.hash else None
    folder = _downloads()
    try:
        with counting(published.file, "MB") as report:
            bar = _Bar(report) if progress else False
            downloader = pooch.HTTPDownloader(progressbar=bar, timeout=(_CONNECT_S, 30))
            return Path(
                pooch.retrieve(
                    published.url, known, fname=published.file, path=folder, downloader=downloader
                )
            )
    except requests.RequestException as error:
        raise NotHad(f"{host}: {type(error).__name__}") from error
    except ValueError as error:  # pooch's word for a hash that differs; nothing is kept
        raise NotHad(f"what {host} sent has another hash than Keras publishes") from error
    except OSError as error:
        raise InputError(
            f"{folder}: weights can't be written there ({error.strerror}); "
            "set CRYUTILS_CACHE_DIR to a folder with room."
        ) from error


def _answers(url: str) -> bool:
    """Return whether the host answers within seconds, whatever number of addresses it has.

    A time-out of requests counts for each address in turn, and where a firewall swallows
    packets a host with many would cost minutes. The thread is left behind then.
    """
    import requests

    answered = threading.Event()

    def ask() -> None:
        try:
            requests.head(url, timeout=_CONNECT_S, allow_redirects=True)
        except requests.RequestException:
            return
        answered.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_CONNECT_S)
    return answered.is_set()


class _Bar:
    """What pooch asks of a progress bar, over `report(done, total)` in MB."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.total = 0
        self._done = 0
        self._report = report

    def update(self, count: int) -> None:
        self._done += count
        self._report(self._done // 2**20, self.total // 2**20)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """The bar goes away with the context that it was made in."""
