"""What results contradicted isn't said again, and what was chosen by results is listed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NUMBERED = {path.name[:2]: path for path in (ROOT / "notebooks").glob("*.ipynb")}
MENDED = [  # where it stood, what it said
    ("README.md", "commonest class, and a permutation p-value"),  # of the main scores alone
    ("README.md", "never tuned away"),
    ("README.md", "where frames are divided"),  # they are windows of 2 s
    ("README.md", "360,000 frames"),  # one in six, and a stand-in for ResNet-50
    ("README.md", "coverage is measured by simulation and printed"),  # one interval's is
    ("README.md", "Every such score can be computed"),
    ("README.md", "but for those of 09"),  # which keep how strongly each class was answered
    ("README.md", "with features standardised or without its largest donor, of 10"),  # all kept
    ("01", "number is the leak"),
    ("01", "puts the answer sheet"),  # the same notebook finds little on it
    ("06", "One counterexample refutes"),  # the rule is Holm's
    ("06", "refuted, point by point"),
    ("08", "MFCC discard the phase and the harmonics"),  # 02 shows these in them
    ("08", "that is so for the wide codes"),  # and for others
    ("09", "frames are divided"),
    ("09", "the frames divided"),
    ("09", "The intervals draw whole infants"),  # it is a jackknife
    ("data/claims.csv", "frames divided"),
    ("data/claims.csv", "timings on a device"),  # which 13 has taken
    ("cryutils/claims/tables.py", "frames split"),
    ("cryutils/models/classical.py", "for its final model, RMSProp"),  # for its audio alone
]
CHOSEN = [  # words of a choice that was made with results in view
    "frames of 32 ms in place of 64",
    "the clips that stop the networks are taken from the SVM",
    "the ensemble joins the submodels' probabilities",
    "three inner folds",
    "crops in grey",
    "`signal=0.75`",
]


def text(place: str) -> str:
    """Return what a file says, of a notebook all that isn't an output, in one line."""
    path = NUMBERED.get(place, ROOT / place)
    whole = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        whole = "\n".join("".join(cell["source"]) for cell in json.loads(whole)["cells"])
    return " ".join(whole.split())


@pytest.mark.parametrize(("place", "words"), MENDED)
def test_what_was_mended_is_not_said_again(place: str, words: str) -> None:
    assert words not in text(place)


@pytest.mark.parametrize("words", CHOSEN)
def test_a_choice_by_results_is_listed_with_what_was_known_and_what_it_moved(words: str) -> None:
    rows = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8").splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows if row.startswith("| 2")]
    ((date, _, *rest),) = [row for row in cells if words in row[1]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
    assert len(rest) == 2 and all(rest)
