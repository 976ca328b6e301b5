"""The course's stored tables for pandas, which asks this module where pyarrow is missing.

The site's build stores each Parquet file again as JSON: for each column, its values and the number
of the value in each row, -1 if it is missing.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import pandas as pd

__version__ = "2025"  # pandas refuses old ones


def packed(table: pd.DataFrame) -> bytes:
    """Return a table as JSON."""
    columns = {}
    for name in table:
        numbers, values = pd.factorize(table[name])
        columns[name] = numbers.tolist(), values.tolist()
    return json.dumps(columns).encode()


def write(path: str, table: pd.DataFrame, **_: object) -> None:
    """Write a table as JSON."""
    Path(path).write_bytes(packed(table))


class ParquetFile:
    """A stored table. Raises ValueError for every other Parquet file."""

    def __init__(self, file: IO[bytes], **_: object) -> None:
        try:
            self.columns = json.load(file)
        except ValueError:
            raise ValueError("the browser reads only the course's own Parquet tables; use CSV") from None

    def to_pandas(self, filters: Iterable[tuple[Any, ...]] | None, **_: object) -> pd.DataFrame:
        """Return the rows that pass the filters, each of which is (column, "==", value)."""
        columns = {
            name: pd.Series(values).reindex(numbers).array for name, (numbers, values) in self.columns.items()
        }
        table = pd.DataFrame(columns)
        for name, _, value in filters or ():
            table = table[table[name] == value]
        return table.reset_index(drop=True)
