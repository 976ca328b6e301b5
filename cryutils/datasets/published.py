"""Load a published corpus from the folder that the user downloaded: `load`.

`datasets.load` calls `load` for any folder before the rules of `folder`. Each corpus is recognised
by a table or a folder that only it has. Labels and infants come from this table, or from the file
names if the corpus has no table. The layouts were read in the authors' pages and programs.
docs/data.md names the sources, and what an infant is in each corpus. No notebook uses this module.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryutils.datasets.copies import merge_copies
from cryutils.datasets.corpus import Corpus, Problem
from cryutils.datasets.donateacry import REASONS
from cryutils.datasets.folder import clips_of, media_files
from cryutils.errors import InputError, printable

__all__ = ["CORPORA", "CORVIN", "CRYCELEB", "ENES", "ESC50", "Published", "load"]

Row = dict[str, str]
# A file's fields of `Clip`, or the reason why the file can't be used.
Known = dict[Path, dict[str, Any] | str]

_DEEPEST = 2  # folders between the folder that the user gives and the corpus
_UNREAD = "its row in {} is incomplete"
_TWICE = "its rows in {} contradict each other"
_ENES_LABELS = {"hunger": "hungry", "loneliness": "lonely", "DK": REASONS["dk"]}
_SEXES = {"M": "m", "F": "f", "W": "f"}  # the table of EnesBabyCries1 has M and W
_CORVIN_NAME = re.compile(r"(?P<infant>[A-Z]{3})_(?P<situation>[BD])\d\d\.wav")
_SITUATIONS = {"B": "discomfort", "D": "pain"}  # a bath, a vaccination
_NO_NAME = "its name isn't three letters, _, B or D, and two digits, as in ABC_B01.wav"
_PERIODS = {"B": "birth", "D": "discharge"}
_NO_PAIR = (
    "its infant is unknown, because the test part has one id for each recording; put test_pairs.csv"
    " with its column label next to metadata.csv"
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published corpus.

    marker: path that identifies it, a table or a folder. columns: what the table has at least.
    read: returns what is known about each file, from the marker's path and the media files.
    """

    name: str
    title: str
    marker: str
    read: Callable[[Path, Sequence[Path]], Known]
    licence: str
    citation: str
    columns: tuple[str, ...] = ()
    contents: str = "real recordings"


def load(root: Path) -> Corpus | None:
    """Return the published corpus in the folder `root`, or None if there is none.

    Files without a row in the corpus' table, and rows without a file, become problems. Raises
    InputError if there are several corpora, or none of the recordings.
    """
    found = [(each, place) for each in CORPORA for place in _places(each, root)]
    if not found:
        return None
    if len(found) > 1:
        places = ", ".join(printable(place) for _, place in found)
        raise InputError(f"{root}: more than one published corpus ({places}); give one's folder.")
    [(corpus, place)] = found
    files, problems = media_files(root)
    table = _item(place, root)
    problems = [problem for problem in problems if not problem.item.endswith(".csv")]  # tables
    known = corpus.read(place, files)
    clips, unused = clips_of(files, root, partial(_fields, known=known, table=table))
    problems += unused + [
        Problem("left out", _item(path, root), f"in {table}, but the file is missing")
        for path in sorted(known.keys() - set(files))
    ]
    if not clips:
        error = InputError(
            f"{root}: {corpus.title}, but no usable recording; unpack its sounds here. First of"
            f" {len(problems)} problems: {problems[0].item}: {problems[0].what}."
        )
        error.problems = problems
        raise error
    merged, copies = merge_copies(clips)
    return Corpus(
        merged,
        name=corpus.name,
        note=f"{corpus.title} ({corpus.contents})",
        problems=[*problems, *copies],
        citation=corpus.citation,
        licence=corpus.licence,
        source={"name": str(root)},
    )


def _places(corpus: Published, root: Path) -> list[Path]:
    """Return the markers of a corpus in `root` and a few folders below."""
    patterns = [f"{'*/' * depth}{corpus.marker}" for depth in range(_DEEPEST + 1)]
    places = [place for pattern in patterns for place in sorted(root.glob(pattern))]
    if not corpus.columns:
        own = [root] if root.name == corpus.marker else []
        return [place for place in [*own, *places] if place.is_dir()]
    return [place for place in places if place.is_file() and _has(place, corpus.columns)]


def _has(table: Path, columns: Iterable[str]) -> bool:
    try:
        return set(columns) <= set(next(iter(_rows(table)), {}))
    except (OSError, csv.Error):
        return False


def _rows(table: Path) -> Iterable[Row]:
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        yield from csv.DictReader(lines, restval="")


def _item(path: Path, root: Path) -> str:
    return printable(Path(os.path.relpath(path, root)).as_posix())


def _fields(path: Path, known: Known, table: str) -> dict[str, Any]:
    fields = known.get(path, f"not in {table}")
    if isinstance(fields, str):
        raise InputError(fields)
    return fields


def _listed(
    table: Path, columns: Sequence[str], entry: Callable[[Row], tuple[Path, dict[str, Any] | str]]
) -> Known:
    """Return what a table says about each file, by `entry`; several rows of a file must agree."""
    known: Known = {}
    for row in _rows(table):
        path, fields = entry(row)
        if not all(row[column] for column in columns):
            fields = _UNREAD.format(table.name)
        known[path] = fields if known.get(path, fields) == fields else _TWICE.format(table.name)
    return known


def _known(label: str, infant: str, session: str, **others: str | None) -> dict[str, Any]:
    names = {"label": label, "infant": infant, "session": session}
    return {name: printable(text) for name, text in names.items()} | {"start_s": None, **others}


def _enes(table: Path, files: Sequence[Path]) -> Known:
    """Return what is known of the bouts (1A) or of the single cries (1B), whichever are there."""
    paths = {path.name: path for path in files}
    present = {
        column for row in _rows(table) for column in ("file", "file_seq_S") if row[column] in paths
    }
    if len(present) == 2:
        raise InputError(
            f"{table}: both the bouts (1A) and the cries cut from them (1B) are here, which are the"
            " same sounds; move one of the two away."
        )
    [column] = present or {"file"}

    def entry(row: Row) -> tuple[Path, dict[str, Any]]:
        cause, bout = row["cause_stop_engl"], Path(row["file_seq_S"]).stem
        age = printable(f"{row['age_month']} months")
        fields = _known(
            _ENES_LABELS.get(cause, cause), row["baby"], bout, sex=_SEXES.get(row["sex"]), age=age
        )
        return paths.get(row[column], table.parent / row[column]), fields

    return _listed(table, ENES.columns, entry)


def _corvin(folder: Path, files: Sequence[Path]) -> Known:
    known: Known = {}
    for path in files:
        if path.parent != folder:
            continue
        if name := _CORVIN_NAME.fullmatch(path.name):
            infant, situation = name["infant"], name["situation"]
            known[path] = _known(_SITUATIONS[situation], infant, f"{infant}/{situation}")
        else:
            known[path] = _NO_NAME
    return known


def _cryceleb(table: Path, _files: Sequence[Path]) -> Known:
    infants: dict[str, str] = {}
    pairs = table.with_name("test_pairs.csv")
    if pairs.is_file() and _has(pairs, ("baby_id_B", "baby_id_D", "label")):
        for row in _rows(pairs):
            if row["label"] in {"1", "1.0", "True"}:
                both = row["baby_id_B"], row["baby_id_D"]
                infants |= dict.fromkeys(both, " + ".join(both))

    def entry(row: Row) -> tuple[Path, dict[str, Any] | str]:
        identity, period = row["baby_id"], row["period"]
        infant = infants.get(identity) if row["split"] == "test" else identity
        path = table.parent / row["file_name"]
        if infant is None:
            return path, _NO_PAIR
        return path, _known("cry", infant, f"{infant}/{period}", age=_PERIODS.get(period))

    return _listed(table, CRYCELEB.columns, entry)


def _esc50(table: Path, _files: Sequence[Path]) -> Known:
    def entry(row: Row) -> tuple[Path, dict[str, Any]]:
        source = f"freesound-{row['src_file']}"
        path = table.parents[1] / "audio" / row["filename"]
        return path, _known(row["category"], source, source)

    return _listed(table, ESC50.columns, entry)


ENES = Published(
    name="enesbabycries1",
    title="EnesBabyCries1",
    marker="dataset_44605_short.csv",
    columns=("file", "file_seq_S", "baby", "sex", "age_month", "cause_stop_engl"),
    read=_enes,
    licence="as stated at https://osf.io/ru7na",
    citation=(
        "Lockhart-Bouron, M., Anikin, A., Pisanski, K., Corvin, S., Cornec, C., Papet, L., Levréro,"
        " F., Fauchon, C., Patural, H., Reby, D. & Mathevon, N. (2023). Infant cries convey both"
        " stable and dynamic information about age and identity. Communications Psychology 1, 26."
        " https://doi.org/10.1038/s44271-023-00022-z"
    ),
)
CORVIN = Published(
    name="corvin2024",
    title="Corvin et al. 2024",
    marker="cry_sequences_22babies",
    read=_corvin,
    licence="MIT licence (the authors' repository, which contains the sounds)",
    citation=(
        "Corvin, S. et al. (2024). Pain cues override identity cues in baby cries."
        " https://github.com/theunissenlab/BabyCriesDiscomfortPain"
    ),
)
CRYCELEB = Published(
    name="cryceleb2023",
    title="CryCeleb2023",
    marker="metadata.csv",
    columns=("baby_id", "period", "split", "file_name"),
    read=_cryceleb,
    licence="CC BY-NC-ND 4.0",
    citation=(
        "Budaghyan, D., Onu, C. C., Gorin, A., Subakan, C. & Precup, D. (2023). CryCeleb: A Speaker"
        " Verification Dataset Based on Infant Cry Sounds. arXiv:2305.00969."
        " https://huggingface.co/datasets/Ubenwa/CryCeleb2023"
    ),
)
ESC50 = Published(
    name="esc-50",
    title="ESC-50",
    marker="meta/esc50.csv",
    columns=("filename", "category", "src_file"),
    read=_esc50,
    licence="CC BY-NC 3.0 (its subset ESC-10: CC BY 3.0)",
    citation=(
        "Piczak, K. J. (2015). ESC: Dataset for Environmental Sound Classification. Proceedings of"
        " the 23rd Annual ACM Conference on Multimedia, 1015-1018."
        " https://doi.org/10.1145/2733373.2806390"
    ),
    contents="environmental sounds, no infants",
)
CORPORA = (ENES, CORVIN, CRYCELEB, ESC50)
