"""Sounds that are not cries: spoken words (FSDD) and sounds of a home (ESC-10), two free collections.

Used in notebook lesson_2_cry_or_not. Only the beginning of each archive is downloaded: two of the
ten words, and six of the ten kinds of sound, one of which is cries. An *infant* here is a speaker,
or the recording that clips were cut from.
"""

import re
from functools import partial
from typing import Any

from cryutils.datasets.archives import Dataset, Files
from cryutils.datasets.corpus import Corpus


def _load(name: str) -> Corpus:
    return {"fsdd": FSDD, "esc10": ESC10}[name].checked(_fields)


def _fields(name: str) -> dict[str, Any]:
    # The speaker in 0_george_12.wav, and the number of the recording in 1-187207-A.ogg.
    label, maker = re.fullmatch(r"(\w+)/\d[_-](\w+)[_-]\w+\.\w+", name).groups()  # type: ignore[union-attr]
    return {"label": label, "infant": maker, "start_s": None}


def _files(name: str, place: str, commit: str, folders: dict[str, str]) -> Files:
    return Files(name, f"https://github.com/{place}/archive/{commit}.tar.gz", f"{commit}/", folders)


FSDD = Dataset(
    title="Free Spoken Digit Dataset",
    contents="two spoken words, 20 times each by six men",
    load=partial(_load, "fsdd"),
    licence="CC BY-SA 4.0",
    citation="Jackson, Z. et al. Free Spoken Digit Dataset. https://github.com/Jakobovski/free-spoken-digit-dataset.",
    files=_files(
        "fsdd",
        "Jakobovski/free-spoken-digit-dataset",
        "26eb9aaf76e81b692f806f9140c2d2777410d7a1",
        {"recordings": "speech"},
    ),
)
ESC10 = Dataset(
    title="ESC-10",
    contents="40 clips each of dogs, rain, the sea, clocks, sneezes and crying babies",
    load=partial(_load, "esc10"),
    licence="CC BY 3.0 (the authors' README names each clip's source and licence, CC0 or CC BY)",
    citation=(
        "Piczak, K. J. (2015). ESC: Dataset for Environmental Sound Classification. ACM Multimedia,"
        " 1015-1018. https://doi.org/10.1145/2733373.2806390."
    ),
    files=_files(
        "esc10",
        "karolpiczak/ESC-10",
        "553c8f1743b9dba6b282e1323c3ca8fa76923448",
        {
            "001 - Dog bark": "dog",
            "002 - Rain": "rain",
            "003 - Sea waves": "sea",
            "004 - Baby cry": "cry",
            "005 - Clock tick": "clock",
            "006 - Person sneeze": "sneeze",
        },
    ),
)
