"""Load the recordings that a CSV file lists, wherever they are: a manifest.

`datasets.load` calls `load` for a path that ends with ".csv". docs/data.md shows how to make a
manifest of a published corpus.
"""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from typing import Any

from cryutils.datasets.corpus import Corpus, Problem
from cryutils.datasets.folder import clips_of, corpus_of
from cryutils.errors import InputError, near_miss, printable

__all__ = ["files", "is_manifest", "load"]

REQUIRED = ("file", "label", "infant")
OPTIONAL = ("session", "start_s", "duration_s", "sex", "age")
_MORE_S, _MORE = 0.1, 0.1  # seconds and share by which a stated duration may exceed the sound's


def load(path: Path) -> Corpus:
    """Return the corpus of the recordings in a manifest.

    A row is a recording. `file` is relative to the manifest's folder; `label` and `infant` are
    texts. Optional: `session`, otherwise recordings at most ten minutes apart; `start_s`, unix
    time in s; `duration_s`, compared with the file; `sex`, f or m; `age`, a text. Raises
    InputError, with row and column, for a value that can't be used, or if no file is usable. Rows
    are counted as in a spreadsheet, where row 1 has the names of the columns.
    """
    table = _read(path)
    rows = {path.parent / row["file"]: _fields(path, k, row) for k, row in enumerate(table)}
    stated = {each: fields.pop("duration_s") for each, fields in rows.items()}
    unused = [name for name in (table[0] if table else {}) if name not in REQUIRED + OPTIONAL]
    problems = [
        Problem("left out", printable(f"column {name}"), "this column is not used")
        for name in unused
    ]
    clips, more = clips_of([*rows], path.parent, lambda file: dict(rows[file]))
    problems += more
    for clip in clips:
        wanted = stated[clip.path]
        if wanted is not None and abs(wanted - clip.duration_s) > max(_MORE_S, _MORE * wanted):
            what = f"{clip.duration_s:g} s long, but its row says {wanted:g} s"
            problems.append(Problem("doubtful", clip.id, what))
    return corpus_of(
        clips, problems, place=path, name=printable(path.stem),
        note=f"recordings in {printable(path.name)}",
        citation=f"Recordings listed in {printable(path.name)}.",
        licence="as stated by the owner of the recordings",
    )  # fmt: skip


def is_manifest(path: Path) -> bool:
    """Return whether the first line of a CSV file names the columns of a manifest."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return set(REQUIRED) <= {name.strip(' "\r\n') for name in lines.readline().split(",")}


def files(path: Path) -> list[Path]:
    """Return the path of each file in a manifest, in the order of its rows."""
    return [path.parent / row["file"] for row in _read(path)]


def _read(path: Path) -> list[dict[str, str]]:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a CSV file of recordings.") from error
    for name in REQUIRED:
        if name not in table:
            raise InputError(f"{path}: no column {name!r}.{near_miss(name, list(map(str, table)))}")
    table = table.apply(lambda column: column.str.strip())
    for name in REQUIRED:
        if (empty := table.index[table[name] == ""]).size:
            raise InputError(f"{path}: row {empty[0] + 2}, column {name}: nothing is given.")
    # On Windows, programs write "\\" between folders.
    table["file"] = [os.path.normpath(PureWindowsPath(name).as_posix()) for name in table.file]
    if (again := table.index[table.file.duplicated()]).size:
        file = table.file[again[0]]
        first = table.index[table.file == file][0]
        raise InputError(
            f"{path}: row {again[0] + 2}, column file: {file} is also in row {first + 2}."
        )
    return table.to_dict("records")  # type: ignore[return-value]


def _fields(path: Path, number: int, row: dict[str, str]) -> dict[str, Any]:
    """Return the fields of `Clip` in a row, and `duration_s`."""

    def refuse(column: str, wanted: str) -> InputError:
        where = f"{path}: row {number + 2}, column {column}"
        return InputError(printable(f"{where}: {row[column]!r}; give {wanted}."))

    numbers: dict[str, float | None] = {}
    for column, wanted in {"start_s": "a unix time in s", "duration_s": "a length in s"}.items():
        try:
            numbers[column] = float(row[column]) if row.get(column) else None
        except ValueError:
            raise refuse(column, wanted) from None
        if not 0 <= (numbers[column] or 0) < float("inf"):
            raise refuse(column, wanted)
    sex = row.get("sex", "").lower()
    if sex not in ("", "f", "m"):
        raise refuse("sex", "f, m or nothing")
    infant = printable(row["infant"])
    session = printable(row.get("session", ""))
    return {
        "label": printable(row["label"]), "infant": infant, **numbers,
        "session": f"{infant}/{session}" if session else "",
        "sex": sex or None, "age": printable(row.get("age", "")) or None,
    }  # fmt: skip
