"""Export of logs to a CSV or Parquet file, for `cryutils log export`."""

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
# Spreadsheets execute cells that begin like this. (The store's texts have no tabs or line breaks.)
_FORMULA = ("=", "+", "-", "@")


def export(
    logs: Sequence[Log], path: Path, since: float | None = None, until: float | None = None
) -> int:
    """Write readings from `since` to before `until` (s since 1970) to a file; return their number.

    One row per reading, with times in UTC. `corrected` is a caregiver's correction, and
    `probabilities`, `sound` and `face` are JSON by state. The file is either complete or absent,
    and only its owner may read it. In a CSV file, an apostrophe precedes texts that a spreadsheet
    would execute as formulas.
    Raises InputError for a suffix other than .csv and .parquet.
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
            table = [clean(row | {"time": round(row["time"] * 1e6)}) for row in some]
            writer.write_table(pa.Table.from_pylist(table, schema))
            n += len(some)
    return n


def _without_formulas(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with an apostrophe before texts that look like formulas."""
    return {
        name: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
        for name, cell in row.items()
    }
