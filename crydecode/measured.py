"""How often alarms rang without a cry in tests, for the pages that ring: `false_alarms`.

`tools/measure_gate.py` has made the table, `outputs/reference/gate_alarms.csv`.
"""

import csv
from functools import cache
from typing import NamedTuple

from cryutils._io.paths import project_dir

NIGHT_S = 36_000.0
SOUNDS = {  # in words for parents
    "quiet room": "a quiet room",
    "mother speaking, studio flat": "somebody talking",
    "white, pink or brown noise": "a white-noise machine",
    "mother singing": "somebody singing",
    "music": "music",
}


class FalseAlarms(NamedTuple):
    """How often an alarm rang in `minutes` of a sound without a cry; makers: different recordings."""

    sound: str
    rings: int
    minutes: float
    makers: int

    @property
    def a_night(self) -> float:
        """Rings in ten hours that all sound like this."""
        return self.rings * NIGHT_S / (60 * self.minutes)


def false_alarms(delay_s: float) -> list[FalseAlarms]:
    """Return what was measured for the longest tested delay up to `delay_s`.

    A longer delay never rings more often, so between tested delays this is an upper limit.
    """
    tested = max(row[1] for row in _rows() if row[1] <= max(0.0, delay_s))
    by_kind = {kind: row for kind, delay, row in _rows() if delay == tested}
    return [by_kind[kind] for kind in SOUNDS]


@cache
def _rows() -> list[tuple[str, float, FalseAlarms]]:
    """Return kind, delay in s and figures of the stored table."""
    path = project_dir() / "outputs" / "reference" / "gate_alarms.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            (row["kind"], float(row["delay_s"]), _figures(row))
            for row in csv.DictReader(lines)
            if row["kind"] in SOUNDS
        ]


def _figures(row: dict[str, str]) -> FalseAlarms:
    return FalseAlarms(
        SOUNDS[row["kind"]], int(float(row["rings"])), float(row["minutes"]), int(row["makers"])
    )
