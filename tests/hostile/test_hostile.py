"""Hundreds of damaged files: each is read, or refused in one line, within memory and time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import seeds
from trained_run import Trained

from cryutils import audio, video

PEAK_MIB = 1000  # of the child; with the libraries alone it is a tenth of that
CHILD = Path(__file__).with_name("child.py")


def test_every_damaged_file_is_read_or_refused_in_one_line(trained: Trained, tmp_path: Path) -> None:
    cry = trained.corpus[0].path
    seeds.write(tmp_path / "seeds", list(video.frames(cry)), audio.read(cry, sr=seeds.SR))
    environment = os.environ | {
        "CRYUTILS_CACHE_DIR": str(tmp_path / "cache"),
        "MALLOC_PERTURB_": "165",  # memory that nobody wrote isn't zero by chance
        "PYTHONPATH": str(CHILD.parents[1]),
    }
    child = subprocess.run(
        [sys.executable, "-W", "error", str(CHILD), str(tmp_path / "seeds"), str(trained.run)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    last = child.stdout.splitlines()[-1]
    assert child.returncode == 0, f"{last} ended the process: {child.returncode}"
    report = json.loads(last)
    assert not report["wrong"], "\n".join(report["wrong"])
    assert report["peak_mib"] < PEAK_MIB
    for reading in ("probe", "read", "track", "predict"):  # nothing is vacuous
        assert report["tally"][f"{reading} read"] >= 25
        assert report["tally"][f"{reading} refused"] >= 25
