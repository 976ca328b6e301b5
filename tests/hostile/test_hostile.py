"""Thousands of damaged files: each is read, or refused in one line, within memory and time.

Seeds of every format are made here, damaged by a fixed list of mutations, and given to `probe`,
`read`, `frames`, `track` and `predict` in processes of their own. A short list runs always, a
long one with CRYUTILS_TEST_LARGE=1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import child
import pytest
import seeds
from sizes import LARGE
from trained_run import Trained

from cryutils import audio, video
from cryutils.errors import NO_MEMORY, InputError

PEAK_MIB = 1000  # of a child; with the libraries alone it is a tenth of that
CHILD = Path(__file__).with_name("child.py")


@pytest.fixture(scope="module")
def seed_folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "seeds"
    cry = trained.corpus[0].path
    seeds.write(folder, list(video.frames(cry)), audio.read(cry, sr=seeds.SR))
    return folder


def test_every_damaged_file_is_read_or_refused_in_one_line(
    seed_folder: Path, trained: Trained, tmp_path: Path
) -> None:
    # One process tries every fifth case of the small list.
    size, parts = ("large", os.cpu_count() or 1) if LARGE else ("small", 5)
    environment = {**os.environ, "CRYUTILS_CACHE_DIR": str(tmp_path / "cache")}
    environment["MALLOC_PERTURB_"] = "165"  # memory that nobody wrote isn't zero by chance
    outputs = [tmp_path / f"{part}.jsonl" for part in range(parts if LARGE else 1)]
    command = [sys.executable, "-W", "error", str(CHILD), str(seed_folder), str(trained.run), size]
    children = []
    for part, output in enumerate(outputs):
        with output.open("w") as lines:
            command_of_part = [*command, str(part), str(parts)]
            children.append(subprocess.Popen(command_of_part, stdout=lines, env=environment))
    ended = [child.wait() for child in children]
    wrong: list[str] = []
    tally: Counter[str] = Counter()
    for code, output in zip(ended, outputs, strict=True):
        wrong += judged(code, output.read_text().splitlines(), tally)
    print(dict(tally), f"{len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    for reading in ("probe", "read", "frames", "track", "predict"):  # nothing is vacuous
        assert tally[f"{reading} read"] >= 25
        assert tally[f"{reading} refused"] >= 25


def judged(code: int, lines: Iterable[str], tally: Counter[str]) -> list[str]:
    """Mistakes in what a child wrote and how it ended; the other calls are counted in `tally`."""
    wrong = []
    call: dict[str, Any] = {}
    for row in map(json.loads, lines):
        if "case" in row:
            call = row
        elif row.get("outcome") in ("read", "refused"):
            tally[f"{call['reading']} {row['outcome']}"] += 1
        elif "outcome" in row:
            wrong.append(f"{call['reading']} of {call['case']!r}: {row['outcome']}")
        elif row["peak_mib"] > PEAK_MIB:
            wrong.append(f"{row['peak_mib']} MiB at most, more than {PEAK_MIB}")
    if code:
        wrong.append(f"{call.get('reading')} of {call.get('case')!r} ended the process: {code}")
    return wrong


def test_a_foreign_error_a_crash_and_too_much_memory_count() -> None:
    rows = [{"case": "x", "reading": "read"}, {"outcome": "ValueError: no"}, {"peak_mib": 4000}]
    assert judged(-11, map(json.dumps, rows), Counter()) == [
        "read of 'x': ValueError: no",
        "4000 MiB at most, more than 1000",
        "read of 'x' ended the process: -11",
    ]


@pytest.mark.parametrize(
    ("message", "is_refusal"),
    [
        ("{}: it is damaged.", True), ("it is damaged.", False), ("{}: it\nis damaged.", False),
        (f"{{}}: {NO_MEMORY}.", False),
    ],
)  # fmt: skip
def test_only_a_line_that_names_the_file_is_a_refusal(message: str, is_refusal: bool) -> None:
    def refuse(path: Path) -> None:
        raise InputError(message.format(path))

    assert (child.outcome(refuse, Path("a.wav")) == "refused") is is_refusal
