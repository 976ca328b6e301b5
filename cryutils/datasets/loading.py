"""Load a corpus of cries by name, from a folder or from a manifest: `load`, `load_or_simulate`.

Used in notebook 01_data_and_playback. It rebuilds the data of Paper A §3.3 (Table 1) and Paper
B §3 (data acquisition).
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from cryutils._io.paths import resolve
from cryutils.datasets import folder, manifest, registry
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss

__all__ = ["load", "load_or_simulate"]


def load(name: str | Path, **options: Any) -> Corpus:
    """Return the corpus `name`: "synthetic", "donateacry", "donateacry-uploads", or recordings.

    A folder contains `<label>/<infant>/<file>`, or files with DonateACry names: in label folders,
    or the corpus' original uploads, whose labels are only in the names. A CSV file is a manifest
    (`datasets.manifest`). `options` are the parameters of `datasets.synthetic.corpus.load`; the
    other corpora have none.

    Raises InputError if nothing is usable, or for an option that the corpus does not have.
    """
    dataset = registry.find(name)
    if dataset is not None:
        known = inspect.signature(dataset.load).parameters
        for option in options:
            if option not in known:
                raise InputError(f"{name} has no option {option!r}.{near_miss(option, known)}")
        named = dataset.load(**options)
        named.source = {"name": name, **options}
        return named
    if options:
        raise InputError(f"{name}: a folder takes no options, got {', '.join(options)}.")
    path = resolve(name)
    if path.is_file() and path.suffix.lower() == ".csv":
        return manifest.load(path)
    if not path.is_dir():
        hint = near_miss(str(name), registry.MODULES)
        raise InputError(f"{path}: no such folder or CSV file, and no corpus of that name.{hint}")
    return folder.load(path)


def load_or_simulate(name: str | Path, **simulation: Any) -> Corpus:
    """Return the corpus `name` as `load` does; `simulation` are options of synthetic infants.

    Other corpora don't use them, so a notebook can pass them whatever its data are.
    """
    return load(name, **simulation) if name == "synthetic" else load(name)
