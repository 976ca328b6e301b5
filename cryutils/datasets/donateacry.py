"""The DonateACry corpus: its files, the information in their names, and loading it.

The Donate-a-cry campaign (Gabor Veres, 2015) collected cries through two phone apps. Everything
known about a clip is in its file name; an infant is an app instance. Used in notebooks 01, 03, 09
and 10. The 457 cleaned clips are a selection of the 1,128 original uploads, which have more reasons
and infants, among them Paper A's three states: *tired* (sleepy), *hungry* and *lonely* (hug).
"""

import csv
import re
from dataclasses import replace
from typing import Any

from cryutils._io.paths import project_dir
from cryutils.datasets import folder
from cryutils.datasets.archives import Dataset, Files
from cryutils.datasets.corpus import Corpus, Problem, contradictions
from cryutils.errors import InputError

REPOSITORY = "https://github.com/gveres/donateacry-corpus"
COMMIT = "6baf5aca0460964ad072653585837f968a87c2af"
_CLEANED = "donateacry_corpus_cleaned_and_updated_data"
# Single files, which pages may load from other servers.
RAW = f"https://raw.githubusercontent.com/gveres/donateacry-corpus/{COMMIT}/{_CLEANED}"
FILES = Files(
    name="donateacry",
    # One request, because GitHub answers 429 to an address that requests hundreds of files.
    archive_url=f"{REPOSITORY}/archive/{COMMIT}.tar.gz",
    archive_folder=f"{_CLEANED}/",
)
REASONS = {
    "hu": "hungry",
    "bu": "burping",
    "bp": "belly_pain",
    "dc": "discomfort",
    "ti": "tired",
    "lo": "lonely",
    "ch": "cold_hot",
    "sc": "scared",
    "dk": "dont_know",
}
AGES = {
    "04": "0-4 weeks",
    "48": "4-8 weeks",
    "26": "2-6 months",
    "72": "7 months-2 years",
    "22": "over 2 years",
}

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# Two iOS files of 2015 have a fractional time, a second uuid and a doubled suffix.
_NAME = re.compile(
    rf"(?P<infant>{_UUID})-(?P<time>\d{{9,13}}(?:\.\d+)?)-\d+(?:\.\d+)?(?:-{_UUID})?"
    rf"-(?P<sex>[fm])-(?P<age>{'|'.join(AGES)})-(?P<reason>{'|'.join(REASONS)})(?:\.\w+)+"
)


def parse_name(name: str) -> dict[str, Any]:
    """Return infant, start_s, sex, age, reason and device from a file's name.

    The apps' own files, which no one sorted, also have a label. The uuid identifies an installed
    app, which is treated as the infant. iOS wrote the time in s, Android in ms. Raises InputError if
    the name does not have this form or has an unknown code.

    >>> parse_name("0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-1430742197-1.0-m-04-hu.caf")["reason"]
    'hungry'
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{name}: not a DonateACry file name (uuid-time-version-sex-age-reason.wav).")
    digits, time = len(match["time"].partition(".")[0]), float(match["time"])
    reason = REASONS[match["reason"]]
    columns = {
        "infant": match["infant"].lower(),
        "start_s": time / 1000 if time > 1e11 else time,
        "sex": match["sex"],
        "age": AGES[match["age"]],
        "reason": reason,
        "device": {10: "iOS", 13: "Android"}.get(digits),
    }
    return columns | ({"label": reason} if name.lower().endswith((".3gp", ".caf")) else {})


def load() -> Corpus:
    """Return the cleaned recordings, downloading missing ones; an infant is an app instance.

    Raises InputError if they can't be downloaded, or if none is in the folder.
    """
    corpus = DATASET.checked(_fields)
    # Probably not cries, judged by looking at spectrograms, not by listening; the corpus keeps them.
    with (project_dir() / "data" / "exclusions.csv").open(newline="", encoding="utf-8") as lines:
        listed = [row for row in csv.DictReader(lines) if row["file"] in corpus.ids]
    doubtful = [Problem("doubtful", row["file"], f"by its spectrogram: {row['reason']}") for row in listed]
    return replace(corpus, problem_list=[*corpus.problem_list, *doubtful, *contradictions(corpus.clips)])


def _fields(name: str) -> dict[str, Any]:
    label, _, file = name.partition("/")
    return {"label": label} | parse_name(file)


DATASET = Dataset(
    title="DonateACry",
    contents="457 real recordings, with the age and sex of each infant",
    load=load,
    licence="Open Database License 1.0 (database), Database Contents License 1.0 (individual contents)",
    citation=(
        "Veres, G. (2015). Donate-a-cry corpus [data set]. The Donate-a-cry campaign. "
        f"{REPOSITORY}, commit {COMMIT[:7]}, ODbL 1.0 / DbCL 1.0."
    ),
    files=FILES,
    fields=parse_name,
)

UPLOADS = replace(
    DATASET,
    title="DonateACry's original uploads",
    contents="1,128 real recordings, of which `donateacry` is a selection",
    load=None,
    files=replace(
        FILES,
        name="donateacry-uploads",
        archive_folder=f"{COMMIT}/",
        folders={f"donateacry-{name}-upload-bucket": name for name in ("android", "ios")},
    ),
)


def load_crying() -> Corpus:
    """Return the original uploads in which the cry gate finds crying, by `data/crying.csv`.

    Raises InputError if they can't be downloaded or read.
    """
    assert UPLOADS.files is not None
    with (project_dir() / "data" / "crying.csv").open(newline="", encoding="utf-8") as lines:
        crying = {row["file"] for row in csv.DictReader(lines) if float(row["crying_s"])}
    corpus = folder.load(UPLOADS.files.fetch(), parse_name, UPLOADS).where(lambda clip: clip.id in crying)
    return replace(corpus, name="donateacry-crying", note=f"{CRYING.title} (real recordings)")


CRYING = replace(
    UPLOADS,
    title="DonateACry's uploads with crying",
    contents="the part of `donateacry-uploads` in which the cry gate finds crying",
    load=load_crying,
)
