"""DonateACry: its file names, its registry of checksums, its download, its citation.

The Donate-a-cry campaign (Gabor Veres, 2015) collected cries through two phone apps.
Everything known about a clip stands in its file name. `datasets.load` turns the files
into a corpus; notebook 01_data_and_playback walks both.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryutils._io.paths import cache_dir, data_dir, file_digest, project_dir, room, writing
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = [
    "AGES", "CITATION", "COMMIT", "LICENCE", "REASONS", "FileName",
    "app_instance", "check", "exclusions", "fetch", "find", "parse_name", "registry",
]  # fmt: skip

COMMIT = "6baf5aca0460964ad072653585837f968a87c2af"
_FOLDER = "donateacry_corpus_cleaned_and_updated_data/"
# One request, since GitHub answers 429 to an address that asks for hundreds of files. It packs an
# archive when asked, and promises its files but not its bytes: no hash of the archive would hold,
# so each file's sha256 in the registry is what is trusted. A tar can be unpacked while it comes.
ARCHIVE_URL = f"https://github.com/gveres/donateacry-corpus/archive/{COMMIT}.tar.gz"
ARCHIVE_BYTES = 97_873_920  # unpacked; GitHub sends about 70 MB and doesn't say how many
# For a few files the shorter way, and the way round GitHub: jsDelivr serves each file below 20 MB
# of a commit, however large the repository; its terms ask not to be everybody's file store.
MIRROR_URL = f"https://cdn.jsdelivr.net/gh/gveres/donateacry-corpus@{COMMIT}/{_FOLDER}"
LICENCE = (
    "Open Database License 1.0 (database), Database Contents License 1.0 (individual contents)"
)
CITATION = (
    "Veres, G. (2015). Donate-a-cry corpus [data set]. The Donate-a-cry campaign. "
    f"https://github.com/gveres/donateacry-corpus, commit {COMMIT[:7]}, ODbL 1.0 / DbCL 1.0."
)
TIMEOUT_S = 10.0  # without a word from the host
WAITS_S = (1.0, 3.0)  # before a busy host is asked again, unless it names a time itself
PATIENCE_S = 5.0  # a host that names a longer one isn't asked again
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
Report = Callable[[int, int], None]

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
    """Return the folder with `files` (default: all 457), downloading what isn't there yet.

    Many come in one archive, a few one by one from a mirror; either host stands in for the other.
    A file is kept as soon as its sha256 is right, so a stopped download goes on with the others.
    `report(done, total)` counts bytes; `announce(line)` says which host is asked and what went
    wrong. A host that says nothing for `TIMEOUT_S` is given up.
    Raises InputError for a file that the registry lacks, for a cache that can't be written, and,
    with each host's answer and both ways to get the corpus, where it can't be had.
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
    if causes := _download(root, wanted, report, announce):
        lacking = f"{len(_missing(root, wanted))} of {len(wanted)} files are missing"
        raise InputError(f"DonateACry can't be downloaded ({causes}), {lacking}: {hint}.")
    return root


def _download(root: Path, files: Registry, report: Report, announce: Callable[[str], None]) -> str:
    """Ask both hosts for `files` as long as they send any; return their last answers if some lack.

    Everything in one thread, which Ctrl-C stops at once.
    """
    import requests

    with room(root):  # before 70 MB are sent for nothing
        root.mkdir(parents=True, exist_ok=True)
    hosts = [(ARCHIVE_URL, _from_archive), (MIRROR_URL, _from_mirror)]
    missing, before, causes = _missing(root, files), len(files) + 1, [""]
    with requests.Session() as session:
        while missing and len(missing) < before:
            before, causes = len(missing), []
            for url, contents in hosts if before > _FEW else hosts[::-1]:
                host = urlsplit(url).hostname
                announce(f"Connecting to {host}; given up after {TIMEOUT_S:g} s without an answer.")
                cause = _save(root, contents(session, missing, report), missing)
                missing = _missing(root, files)
                if not missing:
                    return ""
                causes.append(f"{host}: {cause or f'it sent no {next(iter(missing))}'}")
                announce(f"{causes[-1]}.")
    return "; ".join(causes)


def _save(root: Path, contents: Iterable[tuple[str, bytes]], files: Registry) -> str:
    """Write each content whose sha256 is right; return what went wrong, if anything did."""
    from urllib3.exceptions import HTTPError

    wrong = []
    try:
        for name, content in contents:
            if hashlib.sha256(content).hexdigest() != files[name][0]:
                wrong.append(name)
                continue
            with room(root), writing(root / name) as part:
                part.write_bytes(content)
    except (OSError, HTTPError, tarfile.TarError) as error:
        return _cause(error)
    others = f" and {len(wrong) - 1} more" if wrong[1:] else ""
    return f"{wrong[0]}{others} with another sha256, so not kept" if wrong else ""


def _from_archive(session: Session, files: Registry, report: Report) -> Iterator[tuple[str, bytes]]:
    with (
        _answer(session, ARCHIVE_URL) as response,
        tarfile.open(fileobj=response.raw, mode="r|gz") as archive,
    ):
        for member in archive:
            report(member.offset, ARCHIVE_BYTES)
            name = member.name.partition(_FOLDER)[2]
            # Name and size are the registry's: whatever else an archive holds, wherever it wants
            # to be written and however large it gets, is passed over.
            if name in files and member.isfile() and member.size == files[name][1]:
                yield name, archive.extractfile(member).read()  # type: ignore[union-attr]


def _from_mirror(session: Session, files: Registry, report: Report) -> Iterator[tuple[str, bytes]]:
    done, total = 0, sum(size for _, size in files.values())
    for name, (_, size) in files.items():
        with _answer(session, MIRROR_URL + name) as response:
            yield name, response.raw.read(size + 1, decode_content=True)  # one more than is right
        done += size
        report(done, total)


def _answer(session: Session, url: str) -> Response:
    """Return the answer from `url`, its body unread; a busy host is asked again after a while."""
    for wait_s in (*WAITS_S, math.inf):
        response = session.get(url, stream=True, timeout=TIMEOUT_S)
        named_s = response.headers.get("Retry-After", "")
        wait_s = max(wait_s, float(named_s) if named_s.isdecimal() else 0.0)
        busy = response.status_code == 429 or response.status_code >= 500
        if not busy or wait_s > PATIENCE_S:
            break
        response.close()
        time.sleep(wait_s)
    response.raise_for_status()
    return response


def _cause(error: Exception) -> str:
    """Return in words why a host sent nothing, or nothing more."""
    import requests
    from urllib3.exceptions import TimeoutError as Silence

    if isinstance(error, requests.HTTPError) and (answer := error.response) is not None:
        words = f"HTTP {answer.status_code} {answer.reason}"
        if answer.status_code != 429:
            return words
        wait = answer.headers.get("Retry-After", "")
        wait = f"{wait} s" if wait.isdecimal() else "an hour"
        return f"{words}, too much for this network's address; wait {wait} or use another network"
    if isinstance(error, (requests.Timeout, Silence)):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, OSError):
        return f"no connection ({type(error).__name__})"
    return f"what it sent broke off or is no archive ({type(error).__name__})"


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
