"""Copies of the course that take seconds: `outlined` runs nothing long, `shrunk` every cell."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from cryutils.course import execute, parameters
from cryutils.datasets.donateacry import parse_name

__all__ = ["donateacry", "outlined", "shrunk"]

ROOT = Path(__file__).resolve().parents[1]
RECORD = """\
from cryutils import claims
claims.begin("{name}", seed=seed)
claims.record(seed, study="{name}", metric="seed", data="synthetic")
claims.write()
"""
DONORS, CLIPS = 8, 2  # of each label
# Small values with which every notebook runs; a key may name one notebook.
TINY: dict[str, Any] = {
    "infants": 20, "clips": 30, "clips_per_infant": 2, "duration_s": 2.0, "fps": 4.0, "size": 64,
    "splits": 3, "n_folds": 2, "n_inner": 2, "repeats": 1, "permutations": 3,
    "permuted_repeats": 1, "recipe_draws": 1, "recipe_networks": False, "simulations": 2,
    "window_s": 1.0, "step_s": 1.0, "filters": [4], "epochs": 1, "patience": 1,
    "face_size": 32, "frame_size": 48, "frame_fps": 2.0, "head_fps": 2.0, "engine": "keras",
    "resnet_row": False, "image_epochs": 1, "ensemble_epochs": 1, "autoencoder_epochs": 1,
    "dnn_epochs": 1, "hidden": 8, "bottleneck": 4,
    "sizes": [2], "seeds": 1, "listen_s": 2.0, "pause_s": 2.0, "each": 5, "calls": 10,
    "known_signals": [1.0], "snr_db": [0], "windows": [1, 2], "rolling": 2,
    "10_leakage_audit.infants": 40, "10_leakage_audit.clips_per_infant": 4,
    "appendix_table3.clips": 90,
}  # fmt: skip


def outlined(folder: Path) -> Path:
    """Write the course with titles and parameters alone; each notebook records one number."""
    for name, notebook in _copied(folder):
        cells = [notebook.cells[0], *_parameters(notebook), new_code_cell(RECORD.format(name=name))]
        outline = new_notebook(cells=cells, metadata=notebook.metadata)
        nbformat.write(outline, folder / "notebooks" / f"{name}.ipynb")
    return folder


def shrunk(folder: Path) -> Path:
    """Write the course with `TINY` values, in its notebooks and in its profiles."""
    for name, notebook in _copied(folder):
        path = folder / "notebooks" / f"{name}.ipynb"
        values = _small(name, parameters.read(path))
        for cell in _parameters(notebook):
            names = re.findall(r"^(\w+) =", cell.source, re.MULTILINE)
            cell.source = "\n".join(f"{key} = {values[key]!r}" for key in names)
        nbformat.write(notebook, path)
    for path in (folder / "data" / "profiles").glob("*.yml"):
        profile = yaml.safe_load(path.read_text())
        for name, values in profile["parameters"].items():
            profile["parameters"][name] = _small(name, values)
        path.write_text(yaml.safe_dump(profile))
    return folder


def _parameters(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the cells of a notebook's parameters."""
    tags = {"parameters", "settings"}
    return [cell for cell in notebook.cells if tags & {*cell.metadata.get("tags", [])}]


def _small(notebook: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of a notebook, those in `TINY` with their value there."""
    return {k: TINY.get(f"{notebook}.{k}", TINY.get(k, v)) for k, v in values.items()}


def _copied(folder: Path) -> list[tuple[str, nbformat.NotebookNode]]:
    """Copy the course into `folder`; return each notebook by name."""
    for name in ("data", "notebooks", "outputs/reference"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
    return [(path.stem, nbformat.read(path, as_version=4)) for path in notebooks]


def donateacry(home: Path, course: Path, sound: Callable[..., Path]) -> None:
    """Write sounds under names of DonateACry into `home`, and their registry into `course`."""
    named = execute.source_text(ROOT / "notebooks" / "00_start_here.ipynb")
    with (ROOT / "data" / "registry.csv").open(newline="") as table:
        files = [row["file"] for row in csv.DictReader(table)]
    donors: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        _, label, name = file.split("/")
        donors[label][parse_name(name).infant].append(file)
    some = {
        file
        for label in donors.values()
        for clips in list(label.values())[:DONORS]
        for file in clips[:CLIPS]
    }
    some |= {file for file in files if file.removeprefix("donateacry/") in named}
    rows = []
    for number, file in enumerate(sorted(some)):
        content = sound(home / file, seconds=2.0, sr=8000, seed=number).read_bytes()
        rows.append((file, hashlib.sha256(content).hexdigest(), len(content)))
    with (course / "data" / "registry.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("file", "sha256", "size"), *rows])
