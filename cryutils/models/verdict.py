"""The answer that a user sees: a state, or "unsure".

Used by the live page and `cryutils predict`, but not for scores: there, every clip gets a state, as
in the papers. This module imports nothing heavy, so that commands that compute nothing start fast.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SURE", "UNSURE", "verdict"]

SURE = 0.5  # at least as probable as all other states together
UNSURE = "unsure"


def verdict(probabilities: Mapping[str, float]) -> str:
    """Return the most probable state, or `UNSURE` if its probability is below `SURE`.

    probabilities: calibrated, by state.

    >>> verdict({"hungry": 0.5, "pain": 0.3, "tired": 0.2})
    'hungry'
    >>> verdict({"hungry": 0.4, "pain": 0.4, "tired": 0.2})
    'unsure'
    """
    best = max(probabilities, key=lambda state: probabilities[state])
    return best if probabilities[best] >= SURE else UNSURE
