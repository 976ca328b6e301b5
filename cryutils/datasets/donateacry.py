"""DonateACry: its file names, its registry of checksums, its download, its citation.

The Donate-a-cry campaign (Gabor Veres, 2015) collected cries through two phone apps.
Everything known about a clip stands in its file name. `datasets.load` turns the files
into a corpus; notebook 01_data_and_playback walks both.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryutils._io.paths import cache_dir, data_dir, project_dir
from cryutils.errors import InputError, near_miss

__all__ = [
    "AGES", "CITATION", "COMMIT", "LICENCE", "REASONS", "FileName",
    "check", "fetch", "find", "parse_name", "registry",
]  # fmt: skip

COMMIT = "6baf5aca0460964ad072653585837f968a87c2af"
BASE_URL = (
    f"https://raw.githubusercontent.com/gveres/donateacry-corpus/{COMMIT}"
    "/donateacry_corpus_cleaned_and_updated_data/"
)
LICENCE = (
    "Open Database License 1.0 (database), Database Contents License 1.0 (individual contents)"
)
CITATION = (
    "Veres, G. (2015). Donate-a-cry corpus [data set]. The Donate-a-cry campaign. "
    f"https://github.com/gveres/donateacry-corpus, commit {COMMIT[:7]}, ODbL 1.0 / DbCL 1.0."
)
TIMEOUT_S = 10.0  # without a word from the host
REASONS = {
    "hu": "hungry", "bu": "burping", "bp": "belly_pain", "dc": "discomfort", "ti": "tired",
    "lo": "lonely", "ch": "cold_hot", "sc": "scared", "dk": "dont_know",
}  # fmt: skip
AGES = {
    "04": "0-4 weeks", "48": "4-8 weeks", "26": "2-6 months",
    "72": "7 months-2 years", "22": "over 2 years",
}  # fmt: skip

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
    for field, known in (("sex", ("f", "m")), ("age", AGES), ("reason", REASONS)):
        if match[field] not in known:
            raise InputError(
                f"{name}: unknown {field} {match[field]!r}; known are {', '.join(known)}."
            )
    time = float(match["time"])
    return FileName(
        infant=match["infant"].lower(),
        start_s=time / 1000 if time > 1e11 else time,
        sex=match["sex"],
        age=AGES[match["age"]],
        reason=REASONS[match["reason"]],
    )


def registry() -> dict[str, tuple[str, int]]:
    """Return `{"<label>/<file>": (sha256, size in bytes)}` of the 457 cleaned recordings."""
    with (project_dir() / "data" / "registry.csv").open(newline="") as lines:
        return {
            row["file"].removeprefix("donateacry/"): (row["sha256"], int(row["size"]))
            for row in csv.DictReader(lines)
        }


def find(files: Iterable[str] | None = None) -> Path | None:
    """Return the folder that holds `files` (default: all), or None: data folder, then cache."""
    wanted = list(registry() if files is None else files)
    homes = [folder for folder in (data_dir(), cache_dir()) if folder is not None]
    for root in (home / "donateacry" for home in homes):
        # A folder that the user named is used as it is, and what it lacks is listed later.
        if root.is_dir() and (root != cache_dir() / "donateacry" or _complete(root, wanted)):
            return root
    return None


def _complete(root: Path, files: Iterable[str]) -> bool:
    known = registry()
    return all(
        (root / name).is_file() and (root / name).stat().st_size == known[name][1] for name in files
    )


def fetch(
    files: Iterable[str] | None = None,
    *,
    report: Callable[[int, int], None] | None = None,
    announce: Callable[[str], None] | None = None,
    base_url: str | None = None,
) -> Path:
    """Return the folder with `files` (default: all 457), downloading what isn't there yet.

    Each file is checked against its sha256, so a broken download is never kept and a
    stopped one goes on where it was. `report(done, total)` is called after each file,
    `announce(line)` before the first is asked for; `base_url`: None for `BASE_URL`. A host that
    says nothing for `TIMEOUT_S` is given up.
    Raises InputError for a file that the registry lacks, and one that names both ways to
    get the corpus when it can't be had.
    """
    known = registry()
    wanted = list(known if files is None else files)
    for name in wanted:
        if name not in known:
            raise InputError(f"{name}: not in DonateACry's registry.{near_miss(name, known)}")
    found = find(wanted)
    if found is not None:
        return found
    root = cache_dir() / "donateacry"
    hint = (
        "set CRYUTILS_DATA_DIR to a folder that holds donateacry/, "
        "or run `cryutils data fetch donateacry` with network access"
    )
    if os.environ.get("CRYUTILS_OFFLINE"):
        raise InputError(f"DonateACry isn't on this machine and CRYUTILS_OFFLINE is set: {hint}.")
    missing = [name for name in wanted if not _complete(root, [name])]
    if missing:
        url = base_url or BASE_URL
        if announce:
            host = urlsplit(url).hostname
            announce(f"Connecting to {host}; given up after {TIMEOUT_S:g} s without an answer.")
        order = {name: known[name][0] for name in (*missing, *wanted)}
        _download(root, order, url, report, hint)
    return root


def _download(
    root: Path,
    hashes: dict[str, str],
    base_url: str,
    report: Callable[[int, int], None] | None,
    hint: str,
) -> None:
    from concurrent.futures import ThreadPoolExecutor, as_completed

    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    source = pooch.create(
        path=root, base_url=base_url, registry={k: f"sha256:{v}" for k, v in hashes.items()}
    )
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT_S)
    pool = ThreadPoolExecutor(8)
    name, *others = hashes
    try:
        # Made here, since pooch's threads would collide in making the same one.
        for folder in {(root / name).parent for name in hashes}:
            folder.mkdir(parents=True, exist_ok=True)
        # The first alone and without a thread, which Ctrl-C couldn't stop: where the host says
        # nothing, nothing else is asked for.
        source.fetch(name, downloader=downloader)
        pending = {pool.submit(source.fetch, name, downloader=downloader): name for name in others}
        if report:
            report(1, len(hashes))
        for done, future in enumerate(as_completed(pending), start=2):
            name = pending[future]
            future.result()
            if report:
                report(done, len(hashes))
    except requests.RequestException as error:
        silent = isinstance(error, requests.Timeout)
        cause = f"no answer within {TIMEOUT_S:g} s" if silent else type(error).__name__
        cause = f"{base_url}: {cause}"
        raise InputError(f"DonateACry can't be downloaded ({cause}): {hint}.") from error
    except ValueError as error:  # pooch's word for a sha256 that differs
        raise InputError(
            f"{name}: what {base_url} sent has another sha256, so it was not kept; {hint}."
        ) from error
    except OSError as error:
        raise InputError(
            f"{root}: DonateACry can't be written there ({error.strerror}); "
            "set CRYUTILS_CACHE_DIR to a folder with room."
        ) from error
    finally:
        # Whoever stops the download, by Ctrl-C too, need not wait for hundreds of files.
        pool.shutdown(cancel_futures=True)


def check(root: Path, *, report: Callable[[int, int], None] | None = None) -> list[tuple[str, str]]:
    """Return `(file, what is wrong)` for each of the 457 files; an empty list means all is well."""
    import pooch

    wrong = []
    known = registry()
    for done, (name, (sha256, _)) in enumerate(known.items(), start=1):
        path = root / name
        if not path.is_file():
            wrong.append((name, "missing"))
        elif pooch.file_hash(str(path)) != sha256:
            wrong.append((name, "the sha256 differs: damaged or changed"))
        if report:
            report(done, len(known))
    return wrong
