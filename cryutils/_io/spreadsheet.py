"""Tables that people make with any program, and open with one.

`cells` reads a table as text, `refuse` names a cell, and `no_formula` makes a text safe to open.
"""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryutils._io import extras
from cryutils._io.paths import check_file
from cryutils.errors import InputError, near_miss, printable

if TYPE_CHECKING:
    import pandas as pd


def cells(
    path: Path, required: Sequence[str], rename: Callable[[str], str] = lambda name: name
) -> "pd.DataFrame":
    """Return the columns of a CSV or Parquet file as text, "" if missing.

    A CSV file is in UTF-8 or UTF-16, with commas, semicolons or tabs. The index is the row in a
    spreadsheet; empty rows and columns, and lines above the header that begin with #, are left out.
    Names of columns are in lower case. rename: returns the new name of a column. Raises InputError
    if the file is no such table, or lacks a column of `required`.
    """
    import pandas as pd

    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise InputError(f"{path}: a workbook; save its sheet as CSV in UTF-8.")
    if path.suffix.lower() == ".parquet":
        extras.require("pyarrow", "course", f"{path}: a Parquet table")
    try:
        texts = [[str(x).strip() for x in row] for row in _rows(path)]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a table; save it as CSV in UTF-8, or as Parquet.") from error
    numbered = {number: row for number, row in enumerate(texts, 1) if any(row)}
    header = numbered.pop(min(numbered, default=1), [])
    for number, row in numbered.items():
        if len(row) != len(header):
            counts = f"{'more' if len(row) > len(header) else 'fewer'} cells than the header"
            remedy = "complete it, or remove comments, row names (R), a last comma or decimal commas"
            raise InputError(f"{path}: row {number} has {counts}, {len(row)} for {len(header)}; {remedy}.")
    names = [rename(name.casefold()) or f"column {k}" for k, name in enumerate(header, 1)]
    if again := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: two columns {again[0]!r}; the first row must have different names.")
    for name in required:
        if name not in names:
            if "audio" in names:  # Hugging Face stores sounds in such tables
                check_file(path)
            raise InputError(f"{path}: no column {name!r}.{near_miss(name, names)}")
    table = pd.DataFrame([*numbered.values()], [*numbered], names, dtype=object)
    return table.loc[:, [bool(name) or any(table.iloc[:, k]) for k, name in enumerate(header)]]


def _rows(path: Path) -> Iterable[Iterable[object]]:
    """Return the rows of a table, with empty ones for comments above the header."""
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        stored = pd.read_parquet(path).astype(object)
        return [list(stored), *stored.where(stored.notna(), "").to_numpy()]
    data = path.read_bytes()
    is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    lines = [*StringIO(data.decode("utf-16" if is_utf16 else "utf-8-sig"), "")]
    # Excel reads this line and doesn't show it.
    stated = re.fullmatch(r'"?sep=([,;\t|])"?\s*', lines[0], re.IGNORECASE) if lines else None
    lines = lines[1:] if stated else lines
    first = next((k for k, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)
    separator = stated[1] if stated else max(",;\t|", key="".join(lines[first : first + 1]).count)
    return csv.reader([*"\n" * first, *lines[first:]], delimiter=separator)


def refuse(path: Path, column: "pd.Series[Any]", wrong: Any, what: str) -> None:
    """Raise InputError for the first cell of a column that is wrong, if there is one."""
    for row, value in column[wrong].items():
        shown = f"{value!r}; " if value else ""
        raise InputError(printable(f"{path}: row {row}, column {column.name}: {shown}{what}."))


def no_formula(text: str) -> str:
    """Return a text, after an apostrophe if a spreadsheet would execute it, as =1+1 or full-width.

    >>> no_formula("=1+1.wav")
    "'=1+1.wav"
    """
    sign = unicodedata.normalize("NFKC", text.lstrip()[:1])
    return f"'{text}" if sign and sign in "=+-@" else text
