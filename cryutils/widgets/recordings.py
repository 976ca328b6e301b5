"""Real recordings in the browser: `offer` asks, and loads nothing before a click.

The notebooks that run in the browser (docs/browser.md) call it below their parameters.
"""

import asyncio
import csv
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ipywidgets
from IPython.display import display

from cryutils._io.paths import data_dir, project_dir
from cryutils.datasets.donateacry import DATASET, RAW, REPOSITORY

Files = Mapping[str, Mapping[str, str]]  # rows of data/registry.csv by "donateacry/<label>/<file>"
BUTTON = {"width": "auto", "align_self": "flex-start"}


def offer(data: str, *parts: str) -> str:
    """Return "donateacry" if its recordings are in this browser; else return `data`, and offer to load them.

    data: a notebook's parameter; anything but "synthetic" is returned unchanged. parts: of the names of
    the recordings that the notebook uses, by default all.
    """
    if data != "synthetic":
        return data
    wanted = re.compile(rf"donateacry/.*(?:{'|'.join(parts)})")
    with (project_dir() / "data" / "registry.csv").open(encoding="utf-8", newline="") as lines:
        files = {row["file"]: row for row in csv.DictReader(lines) if wanted.match(row["file"])}
    if not missing(files):
        print(f"{len(files)} real recordings of {DATASET.title} are in this browser.")
        return "donateacry"
    display(Offer(files))
    return data


class Offer(ipywidgets.VBox):
    """What the recordings are, a button that loads those that are missing, and what became of it.

    files: each recording's `sha256` and `size` in bytes.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.task: asyncio.Task[None] | None = None
        size = f"{sum(int(row['size']) for row in files.values()) / 1e6:.1f} MB"
        about = ipywidgets.HTML(
            f"These cries are synthetic. One click loads {len(files)} real ones ({size}) from "
            f"{DATASET.title}, recorded by parents with phones in 2015. Licence: {DATASET.licence}. "
            f"They come from <a href='{REPOSITORY}'>its repository</a> on "
            "GitHub, which sees your IP address. Your browser keeps them in the folder <i>recordings</i>."
        )
        self.button = ipywidgets.Button(description="Load the real cries", layout=BUTTON)
        self.button.on_click(self._clicked)
        self.words = ipywidgets.HTML()
        super().__init__([about, self.button, self.words])

    def _clicked(self, button: Any) -> None:
        if self.task and not self.task.done():
            self.task.cancel()
        else:
            self.task = asyncio.ensure_future(self._load())

    async def _load(self) -> None:
        self.button.description = "Stop"
        try:
            names = missing(self.files)
            for number, name in enumerate(names, 1):
                self.words.value = f"Loading {number} of {len(names)} …"
                await _fetch(name, self.files[name]["sha256"])
            self.words.value = "<b>They are here. Run this cell again, and then those below it.</b>"
        except asyncio.CancelledError:
            self.words.value = "Stopped. The cries stay synthetic."
        except (OSError, ValueError) as error:
            self.words.value = f"The recordings could not be loaded ({error}). The cries stay synthetic."
        self.button.description = "Load the real cries"


def missing(files: Files) -> list[str]:
    """Return the names of the files that are not in the data folder, or not whole."""
    paths = [(name, _path(name), int(row["size"])) for name, row in files.items()]
    return [name for name, path, size in paths if not path.is_file() or path.stat().st_size != size]


def _path(name: str) -> Path:
    home = data_dir()
    assert home, "docs/lite.py names it"
    return home / name


async def _fetch(name: str, sha256: str) -> None:
    """Write a recording into the data folder. Raises OSError or ValueError."""
    from pyodide.http import pyfetch

    response = await pyfetch(f"{RAW}/{name.partition('/')[2]}", cache="no-store")
    if not response.ok:
        raise ValueError(f"GitHub answered {response.status}")
    content = await response.bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{name} has changed")
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
