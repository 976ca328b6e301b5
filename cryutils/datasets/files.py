"""Find, download and check the files of a published corpus: `Files`.

`data/registry.csv` lists each file as `<corpus>/<label>/<file>` with its sha256 and size. No
notebook uses this module.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryutils._io.download import TIMEOUT_S, Report, Unavailable, download
from cryutils._io.paths import (
    cache_dir,
    data_dir,
    explain_write_errors,
    file_digest,
    project_dir,
    writing,
)
from cryutils.datasets.corpus import Problem
from cryutils.errors import InputError

__all__ = ["RETRIES", "Files", "Registry"]

RETRIES = 1
_FEW = 100  # up to this many files are requested one by one, more as an archive

Registry = dict[str, tuple[str, int]]  # sha256 and size in bytes, by "<label>/<file>"


@dataclass
class Files:
    """The files of a corpus, and the hosts that serve them.

    name: folder of the files in the data folder or the cache, and their prefix in the registry.
    title: name of the corpus in messages. base_url: URL of single files, up to "<label>/<file>".
    archive_url: a .tar.gz with all files below `archive_folder`, or ""; without a checksum, because
    hosts pack it on request. download_bytes: its size. folders: other names of folders there.
    """

    name: str
    title: str
    base_url: str
    download_bytes: int
    archive_url: str = ""
    archive_folder: str = ""
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

    def fetch(
        self,
        *,
        report: Report = lambda done, total: None,
        announce: Callable[[str], None] = lambda line: None,
    ) -> Path:
        """Return the folder with the files, downloading missing ones.

        Many files are downloaded as an archive, a few one by one. If one host fails, the other is
        tried. Only files with the right sha256 are kept.

        report: called as `report(done, total)` in bytes while files arrive. announce: called with a
        line for each host that is tried, and for each that fails. Raises InputError if the cache
        can't be written or files can't be downloaded, with each host's answer and the remedies.
        """
        if folder := self.find():
            return folder
        hint = (
            f"set CRYUTILS_DATA_DIR to a folder that holds {self.name}/, "
            f"or run `cryutils data fetch {self.name}` with network access"
        )
        if os.environ.get("CRYUTILS_OFFLINE"):
            raise InputError(
                f"{self.title} isn't on this machine and CRYUTILS_OFFLINE is set: {hint}."
            )
        root, causes = cache_dir() / self.name, []
        missing = _missing(root, registry := self.registry())
        hosts = [(self.archive_url, self._from_archive), (self.base_url, self._from_base)]
        for url, take in hosts[:: -1 if len(missing) <= _FEW else 1]:
            if not (host := urlsplit(url).hostname):
                continue
            announce(
                f"Connecting to {host}; given up after {RETRIES + 1} attempts of {TIMEOUT_S:g} s."
            )
            try:
                with explain_write_errors(root):
                    take(root, missing, report)
            except Unavailable as error:
                causes.append(str(error))
                announce(f"{error}.")
            if not (missing := _missing(root, missing)):
                return root
        raise InputError(
            f"{self.title} can't be downloaded ({'; '.join(causes)}), {len(missing)} of"
            f" {len(registry)} files are missing: {hint}."
        )

    def check(
        self, root: Path, *, report: Report = lambda done, total: None
    ) -> list[tuple[str, str]]:
        """Return `(file, what is wrong)` for each file that is missing, damaged or changed."""
        wrong, registry = [], self.registry()
        for done, (name, (sha256, _)) in enumerate(registry.items(), start=1):
            if not (root / name).is_file():
                wrong.append((name, "missing"))
            elif file_digest(root / name) != sha256:
                wrong.append((name, "the sha256 differs: damaged or changed"))
            report(done, len(registry))
        return wrong

    def compare(self, root: Path) -> tuple[list[str], list[Problem]]:
        """Return the files in `root` that are in the registry, and a problem for each other file.

        Only sizes are compared, which is fast; `check` compares checksums.
        """
        registry = self.registry()
        missing = _missing(root, registry)
        lost = ("in the registry, but not in the folder", "its size differs from the registry's")
        why = {name: lost[(root / name).is_file()] for name in missing}
        present = {path.relative_to(root).as_posix() for path in root.glob("*/[!.]*")}
        why |= dict.fromkeys(sorted(present - {*registry}), "not in the registry")
        problems = [Problem("left out", name, what) for name, what in why.items()]
        return [name for name in registry if name not in missing], problems

    def _from_archive(self, root: Path, files: Registry, report: Report) -> None:
        """Download the archive and keep those of `files` that have the right sha256."""
        path, host = root / "archive.tar.gz", urlsplit(self.archive_url).hostname
        names = {self._remote(name): name for name in files}
        try:
            download(
                self.archive_url, path, retries=RETRIES,
                report=lambda done, _: report(done, max(done, self.download_bytes)),
            )  # fmt: skip
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

    def _from_base(self, root: Path, files: Registry, report: Report) -> None:
        """Download `files` one by one, until one fails."""
        done, total = 0, sum(size for _, size in files.values())
        for name, (sha256, size) in files.items():
            download(self.base_url + self._remote(name), root / name, sha256, retries=RETRIES)
            done += size
            report(done, total)

    def _remote(self, name: str) -> str:
        folder, _, file = name.partition("/")
        return f"{self.folders.get(folder, folder)}/{file}"


def _missing(root: Path, files: Registry) -> Registry:
    """Return those of `files` that are missing in `root` or have another size there."""
    return {
        name: (sha256, size)
        for name, (sha256, size) in files.items()
        if not (root / name).is_file() or (root / name).stat().st_size != size
    }
