"""The difference between the two splits of the clips, for each model of a run.

The central claim of this project is about one difference: a model's score with clips split at
random, minus its score with no infant on both sides. `split_gaps` gives each model's difference its
own interval, from the predictions of any run. Used in notebook 14_scoreboard.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cryutils.claims.result_store import load_predictions
from cryutils.evaluation import difference

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
        random, free = (part[part.split == split] for split in ("random", "leak_free"))
        alike = len(random) and set(random["clip"]) == set(free["clip"])
        single = any(each.duplicated(["repeat", "clip"]).any() for each in (random, free))
        if not alike or single or _is_blind(random):
            continue  # other clips, single windows, or always the same answer
        gap = difference(random, free)
        rows.append({**dict(zip(MODEL, about, strict=True)), **gap.row()})
    return pd.DataFrame(rows, columns=[*MODEL, "value", "low", "high", "n", "n_infants"])


def _is_blind(answered: pd.DataFrame) -> bool:
    """Return whether a model always answers the same, or has a score of 0 for every class."""
    strengths = answered.filter(regex="^p_")
    silent = strengths.notna().any(axis=None) and not strengths.fillna(0.0).any(axis=None)
    return bool(silent) or answered.predicted.nunique(dropna=False) == 1
