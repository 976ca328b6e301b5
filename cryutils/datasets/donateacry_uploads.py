"""DonateACry's 1,128 original uploads, as the two apps sent them: more reasons, more infants.

Used in notebooks 03, 09 and 10. The 457 cleaned clips of `donateacry` are a selection of these.
Paper A's three states are among their reasons: *tired* (sleepy), *hungry* and *lonely* (wants to be
hugged). The labels are only in the file names; an infant is an app instance.
"""

from __future__ import annotations

from dataclasses import replace

from cryutils.datasets import donateacry, folder
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.donateacry import CITATION, COMMIT, LICENCE
from cryutils.datasets.registry import Dataset

__all__ = ["DATASET", "FILES", "load"]

FILES = replace(
    donateacry.FILES,
    name="donateacry-uploads",
    title="DonateACry's original uploads",
    base_url=f"https://cdn.jsdelivr.net/gh/gveres/donateacry-corpus@{COMMIT}/",
    archive_folder=f"{COMMIT}/",
    folders={name: f"donateacry-{name}-upload-bucket" for name in ("android", "ios")},
)


def load() -> Corpus:
    """Return the original uploads, downloading missing ones."""
    return folder.load(FILES.fetch(), FILES.name)


DATASET = Dataset(
    title=FILES.title,
    contents="1,128 real recordings, of which `donateacry` is a selection",
    load=load,
    licence=LICENCE,
    citation=CITATION,
    files=FILES,
)
