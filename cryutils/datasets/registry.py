"""Load a corpus of cries by name, from a folder or from a manifest: `load`.

Used in notebook lesson_4_who_is_in_the_data. It rebuilds the data of Paper A §3.3 (Table 1) and Paper
B §3 (data acquisition). CONTRIBUTING.md shows how to add a corpus.
"""

import inspect
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from cryutils._io.paths import check_file, resolve
from cryutils.datasets import donateacry, folder, manifest
from cryutils.datasets.archives import Dataset
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss

# Module and name of each `Dataset`, imported on first use.
DATASETS = {
    "synthetic": "cryutils.datasets.synthetic.generator:DATASET",
    "donateacry": "cryutils.datasets.donateacry:DATASET",
    "donateacry-uploads": "cryutils.datasets.donateacry:UPLOADS",
    "donateacry-crying": "cryutils.datasets.donateacry:CRYING",
    "corvin2024": "cryutils.datasets.corvin:DATASET",
    "esc10": "cryutils.datasets.other_sounds:ESC10",
    "fsdd": "cryutils.datasets.other_sounds:FSDD",
}


def load(name: str | Path, *, sound: bool = False, pictures: bool | None = False, **options: Any) -> Corpus:
    """Return the clips of a corpus, with what was left out and why in `problems()`.

    Parameters
    ----------
    name : str or Path
        A name in `DATASETS`, a CSV file (`datasets.manifest`), or a folder. It contains
        `<label>/<infant>/<file>`, or files with DonateACry names: in label folders, or the corpus'
        original uploads, whose labels are only in the names.
    sound, pictures : bool
        Whether to leave out clips without sound, and clips without pictures. `pictures=None` leaves
        these out only if any clip has both.
    **options
        Parameters of `datasets.synthetic.generator.load`. Real recordings ignore them, so a notebook
        passes the same for all data.

    Returns
    -------
    Corpus
        A sequence of clips, with `labels`, `infants`, `classes` and `describe()`.

    Raises
    ------
    InputError
        If nothing is usable or left, if a download fails, or for an unknown option.

    Examples
    --------
    >>> voices = load("synthetic", infants=8, clips_per_infant=1, duration_s=0.5, progress=False)
    >>> len(voices), voices[0].label, voices[0].infant
    (8, 'discomfort', 'infant-000')
    """
    dataset, path = find(name), resolve(name)
    if options:
        parameters = inspect.signature(resolve_name(DATASETS["synthetic"]).load).parameters
        for option in options:
            if option not in parameters:
                raise InputError(f"load has no option {option!r}.{near_miss(option, parameters)}")
    if dataset and dataset.load:
        corpus = dataset.load(**options if name == "synthetic" else {})
    elif dataset:
        assert dataset.files is not None
        corpus = folder.load(dataset.files.fetch(), dataset.fields or donateacry.parse_name, dataset)
    elif path.is_file() and path.suffix.lower() == ".csv":
        corpus = manifest.load(path)
    elif path.is_dir():
        corpus = folder.load(path, donateacry.parse_name)
    else:
        if path.is_file():
            check_file(path)
        hint = near_miss(str(name), DATASETS)
        raise InputError(f"{path}: no such folder or CSV file, and no corpus of that name.{hint}")
    return with_media(corpus, sound=sound, pictures=pictures)


def with_media(corpus: Corpus, *, sound: bool = False, pictures: bool | None = False) -> Corpus:
    """Return the clips with sound or pictures, as `load` does. Raises InputError if none is left."""
    if pictures is None:
        pictures = any(clip.has_audio and clip.has_video for clip in corpus)
    part = corpus.where(lambda clip: clip.has_audio >= sound and clip.has_video >= pictures)
    if not part:
        lacking = " and ".join(["sound"] * sound + ["pictures"] * pictures)
        raise InputError(f"{corpus.name}: no recording has {lacking}, which is needed here.")
    return part


def find(name: object) -> Dataset | None:
    """Return the dataset called `name`, or None, for example for a folder."""
    return resolve_name(DATASETS[name]) if name in DATASETS else None  # type: ignore[index, no-any-return]


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
    return dataset is not None and dataset.files is None
