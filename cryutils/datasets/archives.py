"""Find, download and check the files of a published corpus: `Dataset`, `Files`.

`data/registry.csv` lists each file as `<corpus>/<label>/<file>` with its sha256. No notebook uses
this module.
"""

import csv
import gzip
import hashlib
import os
import sys
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from cryutils._io.media import probe
from cryutils._io.paths import cache_dir, data_dir, explain_write_errors, file_digest, project_dir, writing
from cryutils.datasets.corpus import Clip, Corpus, Problem, number_sessions
from cryutils.errors import InputError, Unavailable

_CONNECT_S = 3.0  # for each address of a host; a firewall may block a dozen of them
_TIMEOUT_S = 10.0  # for a response and for each part of the archive


@dataclass
class Files:
    """The files of a corpus, and the host that serves them.

    name: folder of the files in the data folder or the cache, and their prefix in the registry.
    archive_url: a .tar.gz with all files below `archive_folder`. folders: the labels of folders
    there that have another name.
    """

    name: str
    archive_url: str
    archive_folder: str
    folders: Mapping[str, str] = field(default_factory=dict)

    def registry(self) -> dict[str, str]:
        """Return the sha256 of each file, by "<label>/<file>"."""
        prefix = f"{self.name}/"
        with (project_dir() / "data" / "registry.csv").open(newline="", encoding="utf-8") as table:
            rows = [row for row in csv.DictReader(table) if row["file"].startswith(prefix)]
        return {row["file"].removeprefix(prefix): row["sha256"] for row in rows}

    def find(self) -> Path | None:
        """Return the folder with the files, or None if some are missing.

        The user's folder (`CRYUTILS_DATA_DIR`) has priority over the cache and is not checked.
        """
        home, cache = data_dir(), cache_dir()
        if home and home != cache and (home / self.name).is_dir():
            return home / self.name
        return None if self._missing() else cache / self.name

    def fetch(self) -> Path:
        """Return the folder with the files, downloading missing ones as an archive.

        Raises InputError if the cache can't be written or files can't be downloaded.
        """
        if folder := self.find():
            return folder
        if sys.platform == "emscripten":
            raise InputError(f"A browser does not download the recordings of {self.name}.")
        root = cache_dir() / self.name
        try:
            with explain_write_errors(root):
                self._unpack(root)
        except Unavailable as error:
            missing = f"{len(self._missing())} of {len(self.registry())} files are missing"
            remedy = f"set CRYUTILS_DATA_DIR to a folder that holds {self.name}/, or run `cryutils data fetch"
            what = f"{self.name} can't be downloaded ({error}), {missing}"
            raise InputError(f"{what}: {remedy} {self.name}` with network access.") from error
        return root

    def check(self, root: Path) -> dict[str, str]:
        """Return what is wrong with each file that is missing, damaged or changed, by its name."""
        wrong = {}
        for name, sha256 in self.registry().items():
            if not (root / name).is_file():
                wrong[name] = "missing"
            elif file_digest(root / name) != sha256:
                wrong[name] = "the sha256 differs: damaged or changed"
        return wrong

    def _missing(self) -> dict[str, str]:
        """Return the part of the registry that the cache lacks; no file there is incomplete."""
        root = cache_dir() / self.name
        return {name: sha256 for name, sha256 in self.registry().items() if not (root / name).is_file()}

    def _unpack(self, root: Path) -> None:
        """Download the archive and keep what is missing. Raises Unavailable if a file is still missing."""
        import requests
        from tqdm import tqdm
        from urllib3.exceptions import HTTPError

        if os.environ.get("CRYUTILS_OFFLINE"):
            raise Unavailable("CRYUTILS_OFFLINE is set")
        host = urlsplit(self.archive_url).hostname
        root.mkdir(parents=True, exist_ok=True)
        try:
            with requests.get(self.archive_url, stream=True, timeout=(_CONNECT_S, _TIMEOUT_S)) as answer:
                answer.raise_for_status()
                with tqdm.wrapattr(answer.raw, "read", desc=self.name) as stream:
                    self._keep(stream, root)
        except (requests.RequestException, HTTPError) as error:
            refusal = getattr(error, "response", None)
            cause = f"the connection failed ({type(error).__name__})"
            cause = cause if refusal is None else f"HTTP {refusal.status_code} {refusal.reason}"
            raise Unavailable(f"{host}: {cause}") from error
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Unavailable(f"{host}: what it sent is no intact archive") from error
        if missing := self._missing():
            raise Unavailable(f"{host}: it sent no intact {min(missing)}")

    def _keep(self, stream: IO[bytes], root: Path) -> None:
        """Read an archive up to the last missing file, and write those that have the right sha256."""
        missing = self._missing()
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:
            for member in archive:
                folder, _, file = member.name.partition(self.archive_folder)[2].partition("/")
                name = f"{self.folders.get(folder, folder)}/{file}"
                if member.isfile() and name in missing:
                    content = archive.extractfile(member).read()  # type: ignore[union-attr]
                    if hashlib.sha256(content).hexdigest() == missing.pop(name):
                        with writing(root / name) as part:
                            part.write_bytes(content)
                if not missing:
                    break


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A corpus that can be loaded by name.

    title: its name in a sentence. contents: a few words for a list. load: returns the `Corpus`.
    None: `files` are loaded as a folder. files: the files of a downloaded corpus. None: it is
    generated, so no evidence about real infants. fields: what a file's name says about its clip, as
    fields of `Clip`; it raises InputError for a name of another form.
    """

    title: str
    contents: str
    licence: str
    citation: str
    load: Callable[..., Corpus] | None = None
    files: Files | None = None
    fields: Callable[[str], dict[str, Any]] | None = None

    def checked(self, fields: Callable[[str], dict[str, Any]]) -> Corpus:
        """Return the sounds that have the right sha256, downloading missing files.

        fields: of `Clip`, from a file's name "<label>/<file>"; not those read from the file itself.
        Raises InputError if files can't be downloaded, or if none is in the folder.
        """
        assert self.files is not None
        root = self.files.fetch()
        wrong, clips = self.files.check(root), []
        about: dict[str, Any] = {"session": "", "has_audio": True, "has_video": False}
        for name in sorted(self.files.registry().keys() - wrong.keys()):
            length_s = round(probe(root / name).duration_s, 3)
            clips.append(Clip(id=name, path=root / name, duration_s=length_s, **about, **fields(name)))
        if not clips:
            raise InputError(f"{root}: none of the files of {self.title} is in this folder.")
        return Corpus(
            number_sessions(clips),
            name=self.files.name,
            note=f"{self.title} (real recordings)",
            problem_list=[Problem("left out", name, what) for name, what in wrong.items()],
            citation=self.citation,
            licence=self.licence,
        )
