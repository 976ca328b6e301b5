"""The difference between the two splits of the clips, for each model of a run.

The central claim of this project is about one difference: a model's score with clips split at
random, minus its score with no infant on both sides. `split_gaps` gives each model's difference its
own interval, from the predictions of any run. Used in notebook 14_scoreboard.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryutils.claims.result_store import load_predictions
from cryutils.evaluation import NOT_DRAWN, difference
from cryutils.evaluation.answers import answers

__all__ = ["MODEL", "gaps", "split_gaps"]

MODEL = ["study", "condition", "feature", "model", "data"]


def split_gaps(run: str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    run: as in `claims.load_results`. columns: which predictions (study, condition, feature, model,
    data). Columns of the result are as in `gaps`.
    """
    return gaps(load_predictions(run, **columns))


def gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    Both scores are of the same clips, so the difference is paired over infants. There is a row for
    each model that was scored on both splits. Columns: study, condition, feature, model, data,
    value, low, high (of the difference), n and n_infants.

    table: columns as in `claims.load_predictions`.
    """
    rows: list[dict[str, Any]] = []
    for about, part in table.groupby(MODEL, sort=False):
        if not {"random", "leak_free"} <= set(part.split):
            continue
        random, free = (part[part.split == split] for split in ("random", "leak_free"))
        first, other = answers(random), answers(free)
        drawn = first.predicted != NOT_DRAWN
        alike = sorted(first.units) == sorted(set(other.units))
        if not alike or np.ptp(first.predicted[drawn]) == 0 or not first.strengths[drawn].any():
            continue  # single windows, other clips, or always the same answer
        gap = difference(random, free)
        rows.append({**dict(zip(MODEL, about, strict=True)), **gap.row()})
    return pd.DataFrame(rows, columns=[*MODEL, "value", "low", "high", "n", "n_infants"])
