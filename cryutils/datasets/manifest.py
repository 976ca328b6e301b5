"""Load the recordings that a CSV file lists, wherever they are: a manifest.

`datasets.load` calls `load` for a path that ends with ".csv". docs/data.md shows how to make a
manifest of a published corpus.
"""

import os
import re
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from cryutils._io.paths import resolve
from cryutils._io.spreadsheet import cells, refuse
from cryutils.datasets.corpus import Corpus, Problem
from cryutils.datasets.folder import clips_of, corpus_of
from cryutils.errors import InputError, printable

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("file", "label", "infant")
OPTIONAL = ("session", "start_s", "sex", "age", "device")
_LATEST_S = 4102444800  # 2100; a time in ms is later
# A column with such a word, as "Begin Time (s)" or "segment_start", has the parts of files.
_PARTS = re.compile(
    r"(?!.*date)(.*[^a-z])?((begin|end|offset|onset|start|stop)(time|frame|sample)?|[tx](min|max))"
    r"([^a-z].*)?|duration[^a-z]*(m?s|sec|seconds)?[^a-z]*"
)


def load(path: Path) -> Corpus:
    """Return the corpus of the recordings in a manifest.

    A row is a recording; docs/data.md describes the columns. Raises InputError, with row (as in a
    spreadsheet) and column, for a value that can't be used, or if no file is usable.
    """
    import pandas as pd

    table = _read(path)
    unused = [name for name in table if name not in REQUIRED + OPTIONAL]
    table = table.assign(**dict.fromkeys({*OPTIONAL} - {*table}, ""))
    start_s = pd.to_numeric(table.start_s.replace("", "0"), errors="coerce")
    refuse(path, table.start_s, ~start_s.between(0, _LATEST_S), "give a unix time in s")
    table["sex"] = table.sex.str.lower()
    refuse(path, table.sex, ~table.sex.isin(["", "f", "m"]), "give f, m or nothing")
    rows: Any = table[["label", "infant", *OPTIONAL]].map(printable).to_dict("records")
    fields: dict[Path, dict[str, Any]] = {}
    for file, row in zip(_paths(path, table), rows, strict=True):
        fields[file] = {name: text or None for name, text in row.items()} | {
            "session": f"{row['infant']}/{row['session']}" if row["session"] else "",
            "start_s": float(row["start_s"]) if row["start_s"] else None,
        }
    problems = [
        Problem("left out", printable(f"column {name}"), "this column is not used") for name in unused
    ]
    clips, more = clips_of([*fields], path.parent, fields.__getitem__)
    return corpus_of(clips, problems + more, place=path)


def is_manifest(path: Path) -> bool:
    """Return whether a CSV file has the columns of a manifest.

    Raises InputError if it is no table.
    """
    return path.suffix.lower() == ".csv" and {*REQUIRED} <= {*cells(path, ())}


def files(path: Path) -> list[Path]:
    """Return the path of each file in a manifest, in the order of its rows."""
    return _paths(path, _read(path))


def _paths(path: Path, table: "pd.DataFrame") -> list[Path]:
    return [path.parent / name for name in table.file]


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    table = cells(path, REQUIRED)
    for name in table.columns.difference([*OPTIONAL], sort=False):
        if _PARTS.fullmatch(name) and any(table[name]):
            what = f"column {name!r} says that recordings are parts of files; cut the files first"
            how = "(ffmpeg -i FILE -ss START -to END PART), or remove the column"
            raise InputError(f"{path}: {what} {how}.")
    for name in REQUIRED:
        refuse(path, table[name], table[name] == "", "nothing is given")
    # On Windows, programs write "\\" between folders.
    table["file"] = [os.path.normpath(PureWindowsPath(name).as_posix()) for name in table.file]
    again = pd.Series([*map(resolve, _paths(path, table))], table.index).duplicated()
    refuse(path, table.file, again, "an earlier row names this file")
    return table
