"""The log as a table in a file, for `cryutils log export`: `export`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.app.store.log import Log
from cryutils.errors import InputError

__all__ = ["export"]

_AT_ONCE = 50_000  # readings in memory
# A spreadsheet runs a cell that begins so. (Tabs and line ends are spelled out in the store.)
_FORMULA = ("=", "+", "-", "@")


def export(
    logs: Sequence[Log], path: Path, since: float | None = None, until: float | None = None
) -> int:
    """Write the readings of infants from `since` on and before `until` (s since 1970) to `path`.

    A row a reading, times in UTC; `corrected` where a caregiver said otherwise; `probabilities`,
    `sound` and `face` as JSON by state. Its suffix, .csv or .parquet, is the format. Returns how
    many readings it wrote. The file is complete or absent, and only its owner may read it. In a
    CSV, a text that a spreadsheet would run as a formula has an apostrophe in front. Raises
    InputError for another suffix.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    writers = {".csv": csv.CSVWriter, ".parquet": parquet.ParquetWriter}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"{path}: name a file that ends in .csv or .parquet.")
    text, number = pa.string(), pa.float64()
    schema = pa.schema({
        "infant": text, "session": pa.int64(), "source": text,
        "time": pa.timestamp("us", tz="UTC"), "verdict": text, "corrected": text, "cry": number,
        "probabilities": text, "sound": text, "face": text, "note": text,
    })  # fmt: skip
    rows = chain.from_iterable(log.entries(since, until) for log in logs)
    clean = _without_formulas if suffix == ".csv" else dict
    n = 0
    with writing(path) as part, writers[suffix](part, schema) as writer:
        part.chmod(0o600)
        while some := list(islice(rows, _AT_ONCE)):
            times = [{"time": round(row["time"] * 1e6)} for row in some]
            table = [
                clean({name: (row | time)[name] for name in schema.names})
                for row, time in zip(some, times, strict=True)
            ]
            writer.write_table(pa.Table.from_pylist(table, schema))
            n += len(some)
    return n


def _without_formulas(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with an apostrophe before each text that looks like a formula."""
    return {
        name: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
        for name, cell in row.items()
    }
