"""Tables that people make with any program: `cells` reads one as text, `refuse` names a cell."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryutils._io.paths import check_file
from cryutils.errors import InputError, near_miss, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cells", "refuse"]


def cells(
    path: Path, required: Sequence[str], rename: Callable[[str], str] = lambda name: name
) -> pd.DataFrame:
    """Return the columns of a CSV or Parquet file as text, "" if missing.

    A CSV file is in UTF-8 or UTF-16, with commas, semicolons or tabs. The index is the row in a
    spreadsheet; empty rows are left out. Names of columns are in lower case. rename: returns the
    new name of a column. Raises InputError if the file is no such table, or lacks a column of
    `required`.
    """
    import pandas as pd

    rows: Iterable[Iterable[object]]
    try:
        if path.suffix.lower() == ".parquet":
            stored = pd.read_parquet(path).astype(object)
            rows = [list(stored), *stored.where(stored.notna(), "").to_numpy()]
        else:
            data = path.read_bytes()
            is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
            text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
            separator = max(",;\t|", key=text.partition("\n")[0].count)
            rows = csv.reader(StringIO(text, ""), delimiter=separator)
        texts = [[str(x).strip() for x in row] for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        is_workbook = path.suffix.lower() in (".xlsx", ".xls", ".ods")
        what = "a workbook" if is_workbook else "not a table"
        raise InputError(f"{path}: {what}; save it as CSV in UTF-8, or as Parquet.") from error
    numbered = {number: row for number, row in enumerate(texts, 1) if any(row)}
    header = numbered.pop(min(numbered, default=1), [])
    if uneven := [number for number, row in numbered.items() if len(row) != len(header)]:
        counts = f"row {uneven[0]} has {len(numbered[uneven[0]])} cells, the header {len(header)}"
        raise InputError(f"{path}: {counts}; decimal commas need semicolons between cells.")
    names = [rename(name.casefold()) for name in header]
    if again := [name for name in names if name and names.count(name) > 1]:
        raise InputError(f"{path}: two columns {again[0]!r}.")
    for name in required:
        if name not in names:
            if "audio" in names:  # Hugging Face stores sounds in such tables
                check_file(path)
            raise InputError(f"{path}: no column {name!r}.{near_miss(name, names)}")
    return pd.DataFrame([*numbered.values()], [*numbered], names, dtype=object)


def refuse(path: Path, column: pd.Series[Any], wrong: Any, what: str) -> None:
    """Raise InputError for the first cell of a column that is wrong, if there is one."""
    for row, value in column[wrong].items():
        shown = f"{value!r}; " if value else ""
        raise InputError(printable(f"{path}: row {row}, column {column.name}: {shown}{what}."))
