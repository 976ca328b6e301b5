"""A course of two tiny notebooks, which count their executions and record one number each."""

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cryutils._io.paths import project_dir
from cryutils.course import runner as course

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


def notebook(name: str, *cells: str, parameters: str = PARAMETERS, **about: Any) -> None:
    """Write a notebook into the project that `made` has made, and into its list of notebooks."""
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    content = new_notebook(
        cells=[
            new_markdown_cell("# Tiny", metadata={"tags": ["course-data"]}),
            first,
            *map(new_code_cell, cells),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    home = project_dir() / "notebooks"
    nbformat.write(content, home / f"{name}.ipynb")
    file = home / "contents.yml"
    rows = yaml.safe_load(file.read_text()) if file.exists() else []
    rows = [row for row in rows if row["name"] != name] + [{"name": name, "profiles": ["quick"]} | about]
    file.write_text(yaml.safe_dump(sorted(rows, key=lambda row: row["name"])))


def made(place: Path, patch: pytest.MonkeyPatch) -> Path:
    for variable, folder in (
        ("CRYUTILS_PROJECT_DIR", "project"),
        ("CRYUTILS_WEIGHTS_DIR", "weights"),
        ("TALLY", "tally"),
        ("GATE", "gate"),
        ("IPYTHONDIR", "ipython"),
        ("KERAS_HOME", "keras"),
    ):
        patch.setenv(variable, str(place / folder))
    for folder in ("project/notebooks", "project/data/profiles", "weights", "tally"):
        (place / folder).mkdir(parents=True)
    for table in ("claims.csv", "scoreboard.csv"):
        shutil.copy(CLONE / "data" / table, place / "project" / "data")
    for name in ("01_first", "02_second"):
        notebook(name, *tiny(name))
    profile = place / "project" / "data" / "profiles" / "quick.yml"
    profile.write_text("about: Small.\nparameters:\n  01_first: {seed: 3}\n")
    return place / "project"


def tally(apart: Path) -> dict[str, int]:
    return {path.name: len(path.read_text()) for path in sorted((apart / "tally").iterdir())}


def jobs(*names: str, **options: Any) -> list[course.Job]:
    return course.plan("quick", names, **options)


def results(folder: Path) -> dict[str, float]:
    rows = json.loads((folder / "results.json").read_text())
    return {row["key"]: row["value"] for row in rows}
