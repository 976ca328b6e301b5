"""The corpora that can be loaded by name: title, loading function, licence and files of each.

To add a corpus, write a module with a `DATASET` and list the module in `MODULES`. Everything that
finds corpora by name reads this table: `load`, the command line, the doctor, and reports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Corpus
    from cryutils.datasets.files import Files

__all__ = ["MODULES", "Dataset", "datasets", "find", "is_synthetic", "title"]

# The module of each corpus, imported on first use.
MODULES = {
    "synthetic": "cryutils.datasets.synthetic.corpus",
    "donateacry": "cryutils.datasets.donateacry",
    "donateacry-uploads": "cryutils.datasets.donateacry_uploads",
}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A corpus that can be loaded by name.

    title: its name in a sentence. contents: a few words for a list. load: returns the `Corpus`; its
    parameters are the options of `datasets.load`. files: the files, if the corpus is downloaded.
    is_synthetic: generated, so no evidence about real infants.
    """

    title: str
    contents: str
    load: Callable[..., Corpus]
    licence: str
    citation: str
    files: Files | None = None
    is_synthetic: bool = False


def find(name: object) -> Dataset | None:
    """Return the dataset called `name`, or None, for example for a folder."""
    return import_module(MODULES[name]).DATASET if name in MODULES else None  # type: ignore[index]


def datasets() -> dict[str, Dataset]:
    """Return all datasets by name."""
    return {name: import_module(module).DATASET for name, module in MODULES.items()}


def title(name: str) -> str:
    """Return the title of a corpus; the name of a user's folder is returned unchanged.

    >>> title("donateacry"), title("my recordings")
    ('DonateACry', 'my recordings')
    """
    dataset = find(name)
    return dataset.title if dataset else name


def is_synthetic(name: str) -> bool:
    """Return whether the corpus `name` is generated and so no evidence about infants."""
    dataset = find(name)
    return dataset is not None and dataset.is_synthetic
