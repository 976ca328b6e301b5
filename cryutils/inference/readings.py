"""The answer to one window or to one cry in a file, `Reading`, and advice for each state, `actions`.

Paper B §3: the result of each window is made in `monitor`, shown to the caregiver and logged in
`store`. The paper gives no list of recommended actions, so `data/actions.csv` is our own.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from cryutils._io.paths import project_dir
from cryutils.words import UNSURE

Frame: TypeAlias = tuple[float, dict[str, float]]  # time in s, and probabilities by state

HOP_S = 0.5  # from one reading to the next
_SURE = 0.5  # at least as probable as all other states together


class Kind(StrEnum):
    """What a caregiver should know about an answer; of several kinds, the first here applies."""

    UNLIKE = "unlike"  # the sound is unlike all cries that the models were trained on
    NO_FACE = "no face"  # the pictures have no face, so the sound alone is judged
    PLAIN = ""


@dataclass(frozen=True)
class Reading:
    """The models' answer to one window of the live analysis, or to one cry in a file.

    time: the end, in s since 1970, UTC, or since the start of a recording. verdict: a state,
    UNSURE, NO_CRY, QUIET or GAP. probabilities: by state, fused and averaged over the last windows
    or over the cry; empty without a cry. sound, face: each model's probabilities before fusion;
    None if that model gave no answer. cry: the gate's score, 0 to 1; None without sound. note: what
    could not be used or was changed, for people, or "". kind: what programs may conclude from it.
    start: where a cry in a file begins, in s; None if the whole file is judged. submodels: each
    network's probabilities, by its name. frames: for a file, the face model's rolling averages.
    """

    time: float
    verdict: str
    probabilities: dict[str, float] = field(default_factory=dict)
    sound: dict[str, float] | None = None
    face: dict[str, float] | None = None
    cry: float | None = None
    note: str = ""
    kind: Kind = Kind.PLAIN
    start: float | None = None
    submodels: dict[str, dict[str, float]] = field(default_factory=dict)
    frames: tuple[Frame, ...] = ()

    @property
    def used(self) -> str:
        """Which models answered: "both", "audio", "image" or "none"."""
        by_ear, by_eye = self.sound is not None, self.face is not None
        return "both" if by_ear and by_eye else "audio" if by_ear else "image" if by_eye else "none"


def verdict(probabilities: Mapping[str, float]) -> str:
    """Return the most probable state, or `UNSURE` if its calibrated probability is below 0.5.

    Only live answers may be unsure: in scores every clip gets a state, as in the papers.

    >>> verdict({"hungry": 0.5, "pain": 0.3, "tired": 0.2})
    'hungry'
    >>> verdict({"hungry": 0.4, "pain": 0.4, "tired": 0.2})
    'unsure'
    """
    best = max(probabilities, key=lambda state: probabilities[state])
    return best if probabilities[best] >= _SURE else UNSURE


def actions() -> dict[str, list[dict[str, str]]]:
    """Return the advice in `data/actions.csv` by state: text, source and url. `ANY`: general advice."""
    by_state: dict[str, list[dict[str, str]]] = {}
    with (project_dir() / "data" / "actions.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            advice = {"text": row["action"], "source": row["source"], "url": row["url"]}
            by_state.setdefault(row["state"], []).append(advice)
    return by_state
