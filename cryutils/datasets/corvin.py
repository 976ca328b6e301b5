"""The recordings of Corvin et al. 2024: *discomfort* in a bath and *pain* at a vaccination.

284 cry sequences of 22 infants, four of pain for each and two to nineteen of discomfort. A file's
name says who cried where, as in ABC_B01.wav. Each label comes from one situation, so a model may
recognise the room, the microphone or voices instead of pain.
"""

import re
from typing import Any

from cryutils.datasets.archives import Dataset, Files
from cryutils.errors import InputError

COMMIT = "537b4bd8b9e8fa30368296b3abedae7343c47fc5"


def fields(name: str) -> dict[str, Any]:
    """Return label, infant and session of the file `name`; an infant has one session per situation.

    Raises InputError if the name does not have this form.

    >>> fields("ABC_D01.wav")
    {'label': 'pain', 'infant': 'ABC', 'session': 'ABC/D', 'start_s': None}
    """
    match = re.fullmatch(r"([A-Z]{3})_([BD])\d\d\.\w+", name)
    if not match:
        raise InputError("its name isn't three letters, _, B or D, and two digits, as in ABC_B01.wav")
    infant, situation = match.groups()
    label = "discomfort" if situation == "B" else "pain"  # bath or D, vaccination
    return {"label": label, "infant": infant, "session": f"{infant}/{situation}", "start_s": None}


DATASET = Dataset(
    title="Corvin et al. 2024",
    contents="284 real recordings of 22 infants: discomfort in a bath, pain at a vaccination",
    licence="MIT licence (the authors' repository, which contains the sounds)",
    citation=(
        "Corvin, S. et al. (2024). Pain cues override identity cues in baby cries."
        f" https://github.com/theunissenlab/BabyCriesDiscomfortPain, commit {COMMIT[:7]}."
    ),
    files=Files(
        name="corvin2024",
        archive_url=f"https://github.com/theunissenlab/BabyCriesDiscomfortPain/archive/{COMMIT}.tar.gz",
        archive_folder="OpenData/",
    ),
    fields=fields,
)
