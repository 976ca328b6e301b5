"""The result of one window of the live analysis, `Reading`: made in `monitor`, logged in `store`.

Paper B §3: the result of each window, shown to the caregiver and written to the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryutils.models.verdict import UNSURE

__all__ = ["GAP", "HOP_S", "NO_CRY", "UNSURE", "Reading"]

HOP_S = 0.5  # from one reading to the next

# In addition to UNSURE, the verdicts that name no state.
NO_CRY = "no cry"
GAP = "gap"  # nothing heard or seen since the previous reading


@dataclass(frozen=True)
class Reading:
    """The models' result for one window.

    time: the window's end, in seconds since 1970, UTC. verdict: a state, NO_CRY, UNSURE or GAP.
    probabilities: by state, fused and averaged over the last windows; empty without a cry. sound,
    face: each model's probabilities before fusion; None if that model gave no answer. cry: the
    gate's score, 0 to 1; None without sound. note: a short explanation if there is one, else "".
    """

    time: float
    verdict: str
    probabilities: dict[str, float] = field(default_factory=dict)
    sound: dict[str, float] | None = None
    face: dict[str, float] | None = None
    cry: float | None = None
    note: str = ""
