"""DonateACry: its file names, its registry of checksums, its download, its citation.

The Donate-a-cry campaign (Gabor Veres, 2015) collected cries through two phone apps.
Everything known about a clip stands in its file name. `datasets.load` turns the files
into a corpus; notebook 01_data_and_playback walks both.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from cryutils.errors import InputError, near_miss

__all__ = [
    "AGES", "CITATION", "COMMIT", "LICENCE", "REASONS", "FileName",
    "app_instance", "check", "exclusions", "fetch", "find", "parse_name", "registry",
]  # fmt: skip

COMMIT = "6baf5aca0460964ad072653585837f968a87c2af"
_FOLDER = "donateacry_corpus_cleaned_and_updated_data/"
# One request, because GitHub answers 429 to an address that asks for hundreds of files. It packs
# the archive on request, so the archive has no fixed hash. The registry has one for each file.
ARCHIVE_URL = f"https://github.com/gveres/donateacry-corpus/archive/{COMMIT}.tar.gz"
ARCHIVE_BYTES = 70_000_000  # about; GitHub doesn't send the size
# Faster for a few files, and used if GitHub fails. jsDelivr serves each file below 20 MB of a
# commit, however large the repository; its terms ask not to be used as a general file store.
MIRROR_URL = f"https://cdn.jsdelivr.net/gh/gveres/donateacry-corpus@{COMMIT}/{_FOLDER}"
LICENCE = (
    "Open Database License 1.0 (database), Database Contents License 1.0 (individual contents)"
)
CITATION = (
    "Veres, G. (2015). Donate-a-cry corpus [data set]. The Donate-a-cry campaign. "
    f"https://github.com/gveres/donateacry-corpus, commit {COMMIT[:7]}, ODbL 1.0 / DbCL 1.0."
)
RETRIES = 1
_FEW = 100  # files, 11 MB: asked for one by one, rather than 70 MB
REASONS = {
    "hu": "hungry", "bu": "burping", "bp": "belly_pain", "dc": "discomfort", "ti": "tired",
    "lo": "lonely", "ch": "cold_hot", "sc": "scared", "dk": "dont_know",
}  # fmt: skip
AGES = {
    "04": "0-4 weeks", "48": "4-8 weeks", "26": "2-6 months",
    "72": "7 months-2 years", "22": "over 2 years",
}  # fmt: skip

Registry = dict[str, tuple[str, int]]  # sha256 and size in bytes, by "<label>/<file>"

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# Two iOS files of 2015 carry a fractional time, a second uuid and a doubled extension.
_NAME = re.compile(
    rf"(?P<infant>{_UUID})-(?P<time>\d{{9,13}}(?:\.\d+)?)-(?P<version>\d+(?:\.\d+)?)"
    rf"(?:-(?:{_UUID}))?-(?P<sex>[a-z])-(?P<age>\d\d)-(?P<reason>[a-z]{{2}})(?:\.\w+)+"
)


@dataclass(frozen=True, slots=True)
class FileName:
    """What a DonateACry file name says: app instance, unix time in s, sex, age band, reason."""

    infant: str
    start_s: float
    sex: str
    age: str
    reason: str


def parse_name(name: str) -> FileName:
    """Return what the file name `name` says; iOS wrote its time in s, Android in ms.

    The uuid names an installed app, which stands in for the infant. Raises InputError
    where the name doesn't have the corpus' form or holds an unknown code.

    >>> parse_name("0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-1430742197-1.0-m-04-hu.caf").reason
    'hungry'
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"{name}: not a DonateACry file name (uuid-time-version-sex-age-reason.wav)."
        )
    for field, allowed in (("sex", ("f", "m")), ("age", AGES), ("reason", REASONS)):
        if match[field] not in allowed:
            raise InputError(
                f"{name}: unknown {field} {match[field]!r}; known are {', '.join(allowed)}."
            )
    time = float(match["time"])
    return FileName(
        infant=match["infant"].lower(),
        start_s=time / 1000 if time > 1e11 else time,
        sex=match["sex"],
        age=AGES[match["age"]],
        reason=REASONS[match["reason"]],
    )


def app_instance(name: str) -> str | None:
    """Return the app instance that a file name begins with, in lower case, or None.

    Corpora made from DonateACry add labels such as `laugh`, whose codes `parse_name` doesn't know.
    """
    match = re.match(rf"({_UUID})-", name)
    return match[1].lower() if match else None


def registry() -> Registry:
    """Return `{"<label>/<file>": (sha256, size in bytes)}` of the 457 cleaned recordings."""
    with (project_dir() / "data" / "registry.csv").open(newline="") as lines:
        return {
            row["file"].removeprefix("donateacry/"): (row["sha256"], int(row["size"]))
            for row in csv.DictReader(lines)
        }


def exclusions() -> dict[str, str]:
    """Return why a recording seems to be no cry, by "<label>/<file>"; it stays in the corpus.

    Judged by `data/exclusions.csv` from spectrograms, not by ear.
    """
    with (project_dir() / "data" / "exclusions.csv").open(newline="", encoding="utf-8") as lines:
        return {row["file"]: row["reason"] for row in csv.DictReader(lines)}


def find(files: Iterable[str] | None = None) -> Path | None:
    """Return the folder that holds `files` (default: all), or None: data folder, then cache."""
    home, cache, checksums = data_dir(), cache_dir(), registry()
    # A folder that the user named is used as it is, and what it lacks is listed later.
    if home and home != cache and (home / "donateacry").is_dir():
        return home / "donateacry"
    wanted = checksums if files is None else {name: checksums[name] for name in files}
    return None if _missing(cache / "donateacry", wanted) else cache / "donateacry"


def _missing(root: Path, files: Registry) -> Registry:
    return {
        name: (sha256, size)
        for name, (sha256, size) in files.items()
        if not (root / name).is_file() or (root / name).stat().st_size != size
    }


def fetch(
    files: Iterable[str] | None = None,
    *,
    report: Report = lambda done, total: None,
    announce: Callable[[str], None] = lambda line: None,
) -> Path:
    """Return the folder with `files` (default: all 457), downloading those that are missing.

    Many come in one archive, a few one by one from a mirror. Each host replaces the other if it
    fails. Only files with the registry's sha256 are kept, and an interrupted download goes on with
    the missing files.

    Parameters
    ----------
    files : iterable of str, optional
        Names of the registry, "<label>/<file>".
    report : function
        Called as `report(done, total)` in bytes while files arrive.
    announce : function
        Called with a line for each host that is asked, and for each that fails.

    Raises
    ------
    InputError
        A file that the registry lacks, a cache that can't be written, and files that can't be
        downloaded, with each host's answer and both remedies.
    """
    checksums = registry()
    names = list(checksums if files is None else files)
    for name in names:
        if name not in checksums:
            raise InputError(f"{name}: not in DonateACry's registry.{near_miss(name, checksums)}")
    if folder := find(names):
        return folder
    hint = (
        "set CRYUTILS_DATA_DIR to a folder that holds donateacry/, "
        "or run `cryutils data fetch donateacry` with network access"
    )
    if os.environ.get("CRYUTILS_OFFLINE"):
        raise InputError(f"DonateACry isn't on this machine and CRYUTILS_OFFLINE is set: {hint}.")
    root, wanted = cache_dir() / "donateacry", {name: checksums[name] for name in names}
    hosts, causes = [(ARCHIVE_URL, _from_archive), (MIRROR_URL, _from_mirror)], []
    missing = _missing(root, wanted)
    for url, take in hosts if len(missing) > _FEW else hosts[::-1]:
        host = urlsplit(url).hostname
        announce(f"Connecting to {host}; given up after {RETRIES + 1} attempts of {TIMEOUT_S:g} s.")
        try:
            with explain_write_errors(root):
                take(root, missing, report)
        except Unavailable as error:
            causes.append(str(error))
            announce(f"{error}.")
        if not (missing := _missing(root, missing)):
            return root
    lacking = f"{len(missing)} of {len(wanted)} files are missing"
    raise InputError(f"DonateACry can't be downloaded ({'; '.join(causes)}), {lacking}: {hint}.")


def _from_archive(root: Path, files: Registry, report: Report) -> None:
    """Download the archive and keep those of its `files` whose sha256 is right."""
    path, host = root / "archive.tar.gz", urlsplit(ARCHIVE_URL).hostname
    try:
        download(
            ARCHIVE_URL, path, retries=RETRIES,
            report=lambda done, _: report(done, max(done, ARCHIVE_BYTES)),
        )  # fmt: skip
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.partition(_FOLDER)[2]
                sha256, size = files.get(name, ("", -1))
                # Name and size are the registry's, so nothing else in the archive is unpacked.
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


def _from_mirror(root: Path, files: Registry, report: Report) -> None:
    """Download `files` one by one, until one fails."""
    done, total = 0, sum(size for _, size in files.values())
    for name, (sha256, size) in files.items():
        download(MIRROR_URL + name, root / name, sha256, retries=RETRIES)
        done += size
        report(done, total)


def check(root: Path, *, report: Report = lambda done, total: None) -> list[tuple[str, str]]:
    """Return `(file, what is wrong)` for each of the 457 files; an empty list means all is well."""
    wrong = []
    checksums = registry()
    for done, (name, (sha256, _)) in enumerate(checksums.items(), start=1):
        path = root / name
        if not path.is_file():
            wrong.append((name, "missing"))
        elif file_digest(path) != sha256:
            wrong.append((name, "the sha256 differs: damaged or changed"))
        report(done, len(checksums))
    return wrong
