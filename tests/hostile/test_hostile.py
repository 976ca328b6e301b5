"""Thousands of damaged files: each is read, or refused in one line, within memory and time.

Seeds of every format are made here, damaged by a fixed list of mutations, and given to `probe`,
`read`, `frames`, `track` and `predict` in processes of their own. A part of the list runs always,
all of it with CRYUTILS_TEST_LARGE=1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import seeds
from trained_run import Trained

from cryutils import audio, video

LARGE = os.environ.get("CRYUTILS_TEST_LARGE") == "1"
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
    size, parts = ("large", os.cpu_count() or 1) if LARGE else ("small", 1)
    environment = {**os.environ, "CRYUTILS_CACHE_DIR": str(tmp_path / "cache")}
    outputs = [tmp_path / f"{part}.jsonl" for part in range(parts)]
    children = []
    for part, output in enumerate(outputs):
        with output.open("w") as lines:
            command = [sys.executable, str(CHILD), str(seed_folder), str(trained.run), size]
            children.append(
                subprocess.Popen([*command, str(part), str(parts)], stdout=lines, env=environment)
            )
    ended = [child.wait() for child in children]
    wrong: list[str] = []
    tally: Counter[str] = Counter()
    for code, output in zip(ended, outputs, strict=True):
        call: dict[str, Any] = {}
        for row in map(json.loads, output.read_text().splitlines()):
            if "case" in row:
                call = row
            elif row.get("outcome") in ("read", "refused"):
                tally[f"{call['reading']} {row['outcome']}"] += 1
            elif "outcome" in row:
                wrong.append(f"{call['reading']} of {call['case']!r}: {row['outcome']}")
        if code:
            wrong.append(f"{call.get('reading')} of {call.get('case')!r} ended the process: {code}")
    print(dict(tally), f"{len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    for reading in ("probe", "read", "frames", "track", "predict"):  # nothing is vacuous
        assert tally[f"{reading} read"] >= 100
        assert tally[f"{reading} refused"] >= 100
