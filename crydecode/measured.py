"""How often alarms rang without a cry in tests, for the pages that ring: `false_alarms`.

`tools/measure_gate.py` has made the table, `outputs/reference/gate_alarms.csv`.
"""

import csv
from functools import cache
from typing import NamedTuple

from crydecode.alarm import DELAY_S
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
    """How often an alarm rang in `minutes` of a sound without a cry."""

    sound: str
    rings: int
    minutes: float

    @property
    def a_night(self) -> float:
        """Rings in ten hours that all sound like this."""
        return self.rings * NIGHT_S / (60 * self.minutes)


@cache
def false_alarms() -> list[FalseAlarms]:
    """Return what was measured for the usual delay of an alarm, by sound."""
    path = project_dir() / "outputs" / "reference" / "gate_alarms.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        rows = {row["kind"]: row for row in csv.DictReader(lines) if float(row["delay_s"]) == DELAY_S}
    return [
        FalseAlarms(sound, int(float(rows[kind]["rings"])), float(rows[kind]["minutes"]))
        for kind, sound in SOUNDS.items()
    ]
