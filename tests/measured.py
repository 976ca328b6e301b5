"""Results that a test makes up, and the files that a run keeps them in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryutils.claims.records import Result


def result(columns: str, value: float, **fields: Any) -> Result:
    """Return a result from its columns, such as "study=table3 condition=total metric=accuracy"."""
    about = dict(part.split("=", 1) for part in columns.split())
    origin = {"data": "donateacry", "notebook": "03_feature_validation", "seed": 0}
    return Result(**{**origin, **about, "value": value, **fields})


def write_run(run: Path, rows: Iterable[Result]) -> Path:
    """Write the results of a run; return its folder."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "results.json").write_text(json.dumps([asdict(row) for row in rows]))
    return run
