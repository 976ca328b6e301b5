"""One line of the live analysis: `Reading`, which `monitor` gives and `store` keeps.

Paper B §3: the result of each window, shown to the caregiver and written to the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryutils.models.verdict import UNSURE

__all__ = ["GAP", "HOP_S", "NO_CRY", "UNSURE", "Reading"]

HOP_S = 0.5  # from one reading to the next

# What a reading says where it names no state, beside UNSURE.
NO_CRY = "no cry"
GAP = "gap"  # nothing was heard or seen since the reading before


@dataclass(frozen=True)
class Reading:
    """What the models make of one window.

    time: the window's end, in seconds since 1970, UTC. verdict: a state, NO_CRY, UNSURE or GAP.
    probabilities: by state, fused and averaged over the last windows; empty without a cry. sound,
    face: each model's own before fusion; None where that one heard or saw nothing new. cry: the
    gate's score, 0 to 1; None without sound. note: why, in a few words, where there is a reason.
    """

    time: float
    verdict: str
    probabilities: dict[str, float] = field(default_factory=dict)
    sound: dict[str, float] | None = None
    face: dict[str, float] | None = None
    cry: float | None = None
    note: str = ""
