"""The recordings of Corvin et al. 2024: their file names, citation and licence.

`folder` recognises them by the name of their folder. Labels are situations: a bath (discomfort) and
a vaccination (pain).
"""

from __future__ import annotations

import re
from pathlib import Path

from cryutils.errors import InputError

__all__ = ["CITATION", "FOLDER", "LICENCE", "parse_name"]

FOLDER = "cry_sequences_22babies"
LICENCE = "MIT licence (the authors' repository, which contains the sounds)"
CITATION = (
    "Corvin, S. et al. (2024). Pain cues override identity cues in baby cries."
    " https://github.com/theunissenlab/BabyCriesDiscomfortPain"
)
_NAME = re.compile(r"(?P<infant>[A-Z]{3})_(?P<situation>[BD])\d\d\.\w+")
_SITUATIONS = {"B": "discomfort", "D": "pain"}


def parse_name(path: Path) -> dict[str, str | None]:
    """Return label, infant and session of a recording. Raises InputError for another name.

    >>> parse_name(Path("ABC_B01.wav"))["label"]
    'discomfort'
    """
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise InputError(
            "its name isn't three letters, _, B or D, and two digits, as in ABC_B01.wav"
        )
    infant, situation = name["infant"], name["situation"]
    return {
        "label": _SITUATIONS[situation], "infant": infant, "session": f"{infant}/{situation}",
        "start_s": None,
    }  # fmt: skip
