"""The result of one window of the live analysis, `Reading`, from `monitor`, kept by `store`.

Paper B §3: it is shown to the caregiver and written to the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryutils.models.verdict import UNSURE

__all__ = ["GAP", "HOP_S", "NO_CRY", "UNSURE", "Reading"]

HOP_S = 0.5  # from one reading to the next

# Verdicts that name no state, in addition to UNSURE.
NO_CRY = "no cry"
GAP = "gap"  # nothing was heard or seen since the reading before


@dataclass(frozen=True)
class Reading:
    """The models' answer for one window.

    Attributes
    ----------
    time : float
        End of the window, in s since 1970, UTC.
    verdict : str
        A state, NO_CRY, UNSURE or GAP.
    probabilities : dict of float
        By state, fused and averaged over the last windows; empty without a cry.
    sound, face : dict of float or None
        Of each model before fusion; None if it heard or saw nothing new.
    cry : float or None
        The gate's score, 0 to 1; None without sound.
    note : str
        A reason in a few words, or "".
    """

    time: float
    verdict: str
    probabilities: dict[str, float] = field(default_factory=dict)
    sound: dict[str, float] | None = None
    face: dict[str, float] | None = None
    cry: float | None = None
    note: str = ""
