"""Find, download and check the files of a published corpus: `Dataset`, `Files`.

`data/registry.csv` lists each file as `<corpus>/<label>/<file>` with its sha256 and size. No
notebook uses this module.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryutils._io.download import Unavailable, download
from cryutils._io.paths import cache_dir, data_dir, explain_write_errors, file_digest, project_dir, writing
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError

__all__ = ["Dataset", "Files", "Registry"]

Registry = dict[str, tuple[str, int]]  # sha256 and size in bytes, by "<label>/<file>"


@dataclass
class Files:
    """The files of a corpus, and the host that serves them.

    name: folder of the files in the data folder or the cache, and their prefix in the registry.
    archive_url: a .tar.gz with all files below `archive_folder`. folders: other names of folders
    there.
    """

    name: str
    archive_url: str
    archive_folder: str
    folders: Mapping[str, str] = field(default_factory=dict)

    def registry(self) -> Registry:
        """Return the sha256 and the size in bytes of each file, by "<label>/<file>"."""
        prefix = f"{self.name}/"
        with (project_dir() / "data" / "registry.csv").open(newline="", encoding="utf-8") as table:
            return {
                row["file"].removeprefix(prefix): (row["sha256"], int(row["size"]))
                for row in csv.DictReader(table)
                if row["file"].startswith(prefix)
            }

    def find(self) -> Path | None:
        """Return the folder with the files, or None if some are missing.

        The user's folder (`CRYUTILS_DATA_DIR`) has priority over the cache and is not checked.
        """
        home, cache = data_dir(), cache_dir()
        if home and home != cache and (home / self.name).is_dir():
            return home / self.name
        return None if _missing(cache / self.name, self.registry()) else cache / self.name

    def fetch(self) -> Path:
        """Return the folder with the files, downloading missing ones as an archive.

        Only files with the right sha256 are kept. Raises InputError if the cache can't be written
        or files can't be downloaded, with the host's answer and the remedies.
        """
        if folder := self.find():
            return folder
        hint = (
            f"set CRYUTILS_DATA_DIR to a folder that holds {self.name}/, "
            f"or run `cryutils data fetch {self.name}` with network access"
        )
        root, registry = cache_dir() / self.name, self.registry()
        try:
            with explain_write_errors(root):
                self._unpack(root, _missing(root, registry))
        except Unavailable as error:
            raise InputError(
                f"{self.name} can't be downloaded ({error}), {len(_missing(root, registry))} of"
                f" {len(registry)} files are missing: {hint}."
            ) from error
        return root

    def check(self, root: Path) -> dict[str, str]:
        """Return what is wrong with each file that is missing, damaged or changed, by its name."""
        wrong = {}
        for name, (sha256, _) in self.registry().items():
            if not (root / name).is_file():
                wrong[name] = "missing"
            elif file_digest(root / name) != sha256:
                wrong[name] = "the sha256 differs: damaged or changed"
        return wrong

    def _unpack(self, root: Path, files: Registry) -> None:
        """Download the archive and keep those of `files` that have the right sha256."""
        path, host = root / "archive.tar.gz", urlsplit(self.archive_url).hostname
        names = {}  # of the files, by their names in the archive
        for name in files:
            folder, _, file = name.partition("/")
            names[f"{self.folders.get(folder, folder)}/{file}"] = name
        try:
            download(self.archive_url, path)
            with tarfile.open(path) as archive:
                for member in archive:
                    name = names.get(member.name.partition(self.archive_folder)[2], "")
                    sha256, size = files.get(name, ("", -1))
                    # Unpack only files whose name and size are in the registry.
                    if member.isfile() and member.size == size:
                        content = archive.extractfile(member).read()  # type: ignore[union-attr]
                        if hashlib.sha256(content).hexdigest() == sha256:
                            with writing(root / name) as part:
                                part.write_bytes(content)
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Unavailable(f"{host}: what it sent is no intact archive") from error
        finally:
            path.unlink(missing_ok=True)
        if missing := _missing(root, files):
            raise Unavailable(f"{host}: it sent no intact {min(missing)}")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A corpus that can be loaded by name.

    title: its name in a sentence. contents: a few words for a list. load: returns the `Corpus`; its
    parameters are the options of `datasets.load`. None: `files` are loaded as a folder. files: the
    files of a downloaded corpus. None: it is generated, so no evidence about real infants.
    fields: what a file's name says about its clip, as fields of `Clip`: its infant, its label or a
    reason, and perhaps more. It raises InputError for a name of another form. inside: the folder
    of such files, if their names alone could be another corpus'.
    """

    title: str
    contents: str
    licence: str
    citation: str
    load: Callable[..., Corpus] | None = None
    files: Files | None = None
    fields: Callable[[str], dict[str, Any]] | None = None
    inside: str | None = None


def _missing(root: Path, files: Registry) -> Registry:
    """Return those of `files` that are missing in `root` or have another size there."""
    return {
        name: (sha256, size)
        for name, (sha256, size) in files.items()
        if not (root / name).is_file() or (root / name).stat().st_size != size
    }
