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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import seeds
from sizes import LARGE
from trained_run import Trained

from cryutils import audio, video

PEAK_MIB = 1000  # of a child; with the libraries alone it is a tenth of that
CHILD = Path(__file__).with_name("child.py")


def test_every_damaged_file_is_read_or_refused_in_one_line(
    trained: Trained, tmp_path: Path
) -> None:
    cry = trained.corpus[0].path
    seeds.write(tmp_path / "seeds", list(video.frames(cry)), audio.read(cry, sr=seeds.SR))
    # One process tries every fifth case of the small list.
    size, parts = ("large", os.cpu_count() or 1) if LARGE else ("small", 5)
    environment = os.environ | {
        "CRYUTILS_CACHE_DIR": str(tmp_path / "cache"),
        "MALLOC_PERTURB_": "165",  # memory that nobody wrote isn't zero by chance
    }

    def run(part: int) -> subprocess.CompletedProcess[str]:
        order = [str(tmp_path / "seeds"), str(trained.run), size, str(part), str(parts)]
        return subprocess.run(
            [sys.executable, "-W", "error", str(CHILD), *order],
            stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    wrong: list[str] = []
    tally: Counter[str] = Counter()
    with ThreadPoolExecutor(parts) as pool:
        for child in pool.map(run, range(parts if LARGE else 1)):
            last = child.stdout.splitlines()[-1]
            assert child.returncode == 0, f"{last} ended the process: {child.returncode}"
            report = json.loads(last)
            wrong += report["wrong"]
            tally.update(report["tally"])
            assert report["peak_mib"] < PEAK_MIB
    print(dict(tally), f"{len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    for reading in ("probe", "read", "frames", "track", "predict"):  # nothing is vacuous
        assert tally[f"{reading} read"] >= 25
        assert tally[f"{reading} refused"] >= 25
