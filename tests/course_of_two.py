"""A course of two tiny notebooks, which count their executions and record one number each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cryutils import course

CLONE = Path(__file__).resolve().parents[1]

PARAMETERS = """\
test_size = 0.3
classes = ["hungry", "tired"]
seed = 0
fast = True
data = "synthetic"
text = "plain"
rates = [1, 2]
anything = None
"""
COUNT = """\
import os
from pathlib import Path
tally = Path(os.environ["TALLY"], "{name}")
tally.write_text((tally.read_text() if tally.exists() else "") + "x")
"""
RECORD = """\
from cryutils import claims
claims.begin("{name}", seed=seed)
claims.record(test_size, study="made", metric="{name}", data="made")
claims.write()
"""
WAIT = """\
import os, time
from pathlib import Path
while not Path(os.environ["GATE"]).exists():
    time.sleep(0.02)
"""


def tiny(name: str, *between: str) -> list[str]:
    """The cells of a notebook that counts its executions and records one number."""
    return [COUNT.format(name=name), *between, RECORD.format(name=name)]


def notebook(path: Path, *cells: str, parameters: str = PARAMETERS, title: str = "Tiny") -> Path:
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    made = new_notebook(
        cells=[new_markdown_cell(f"# {title}"), first, *map(new_code_cell, cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)
    return path


def made(place: Path, patch: pytest.MonkeyPatch) -> Path:
    home = place / "project"
    for name in ("01_first", "02_second"):
        notebook(home / "notebooks" / f"{name}.ipynb", *tiny(name))
    (home / "data" / "profiles").mkdir(parents=True)
    shutil.copy(CLONE / "data" / "claims.csv", home / "data")
    profile(home, "quick", "about: Small.\nparameters:\n  01_first: {seed: 3}\n")
    patch.setenv("CRYUTILS_PROJECT_DIR", str(home))
    patch.setenv("TALLY", str(place / "tally"))
    patch.setenv("GATE", str(place / "gate"))
    patch.setenv("IPYTHONDIR", str(place / "ipython"))
    patch.setenv("KERAS_HOME", str(place / "keras"))
    patch.setenv("CRYUTILS_WEIGHTS_DIR", str(place / "weights"))
    (place / "weights").mkdir()
    (place / "tally").mkdir()
    return home


def profile(home: Path, name: str, text: str) -> None:
    (home / "data" / "profiles" / f"{name}.yml").write_text(text)


def tally(apart: Path) -> dict[str, int]:
    return {path.name: len(path.read_text()) for path in sorted((apart / "tally").iterdir())}


def planned(**options: Any) -> dict[str, course.Job]:
    jobs, _ = course.plan(course.load_profile("quick"), **options)
    return {job.name: job for job in jobs}


def results(folder: Path) -> dict[str, float]:
    rows = json.loads((folder / "results.json").read_text())
    return {row["key"]: row["value"] for row in rows}
