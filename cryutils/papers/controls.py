"""Is an infant recognised in another session? Folds and score of this question.

Notebook 10_leakage_audit asks it as a control, and notebook 12 as a task of the benchmark. The
answer is yes if features carry information about the infant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cryutils.evaluation.answers import recognised
from cryutils.evaluation.splits import Fold, Names

__all__ = ["across_sessions", "recognised"]


def across_sessions(infants: Names, sessions: Sequence[str]) -> list[Fold]:
    """Return two folds (train, test), which test each infant's even sessions, then its odd ones."""
    by_infant = pd.Series(sessions).groupby(np.asarray(infants))
    place = by_infant.transform(lambda names: pd.factorize(names, sort=True)[0]).to_numpy()
    odd, even = (np.flatnonzero(place % 2 == side) for side in (0, 1))  # counted from 1
    return [(odd, even), (even, odd)]
