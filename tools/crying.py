"""Write `data/crying.csv`: the seconds of crying that the cry gate finds in DonateACry's original uploads.

    python tools/crying.py

The corpus `donateacry-crying` has the uploads with at least one episode. Takes about a minute.
"""

import csv
from collections.abc import Sequence

import cryutils
from cryutils import audio
from cryutils._io.paths import project_dir, writing
from cryutils.datasets import Clip
from cryutils.models.gate import SR, Gate, bursts

TABLE = project_dir() / "data" / "crying.csv"


def crying(clips: Sequence[Clip]) -> list[list[str]]:
    """Return a row for each clip: its file, and how many seconds its bursts of crying last."""
    gate, rows = Gate.load(), []
    for clip, sound in zip(clips, audio.signals(clips, sr=SR), strict=True):
        found = bursts(gate.scores(sound, SR) >= gate.threshold)
        rows.append([clip.id, f"{sum(end - start for start, end in found):.1f}"])
    return rows


def main() -> None:
    """Write a row for each upload that can be read."""
    with writing(TABLE) as part, part.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, lineterminator="\n").writerows(
            [["file", "crying_s"], *crying(cryutils.load("donateacry-uploads"))]
        )


if __name__ == "__main__":
    main()
