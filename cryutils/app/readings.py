"""One result of the live analysis: `Reading`, which `monitor` computes and `store` keeps.

Paper B §3: the result of each window, shown to the caregiver and written to the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryutils.models.verdict import UNSURE

__all__ = ["GAP", "HOP_S", "NO_CRY", "UNSURE", "Reading"]

HOP_S = 0.5  # from one reading to the next

# Verdicts that are not a state, like UNSURE.
NO_CRY = "no cry"
GAP = "gap"  # nothing was heard or seen since the reading before


@dataclass(frozen=True)
class Reading:
    """The models' answer to one window.

    time: the window's end, in s since 1970, UTC. verdict: a state, NO_CRY, UNSURE or GAP.
    probabilities: by state, fused and averaged over the last windows; empty without a cry. sound,
    face: each model's own before fusion; None if it has no answer. cry: the gate's score, 0 to 1;
    None without sound. note: the reason in a few words, if there is one.
    """

    time: float
    verdict: str
    probabilities: dict[str, float] = field(default_factory=dict)
    sound: dict[str, float] | None = None
    face: dict[str, float] | None = None
    cry: float | None = None
    note: str = ""
