"""How much the clips of one infant resemble each other: `nearest_neighbours`.

Used in notebook 01_data_and_playback. If a clip's nearest neighbour is often of the same infant, a
model that meets this infant in training can recognise it in the test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.datasets import Corpus

__all__ = ["nearest_neighbours"]

Pairs = NDArray[np.bool_]


def nearest_neighbours(corpus: Corpus, vectors: NDArray[np.floating]) -> pd.DataFrame:
    """Return how often the nearest clip has the same infant or label, and how often by chance.

    vectors: float (clips, coefficients), standardised here. Rows: the same infant among all clips,
    the same infant without clips of the same session, the same label among other infants. Columns:
    `measured` and `chance`, shares of `clips`, the clips that have such a neighbour at all. Chance
    is a neighbour drawn blindly. A question that no clip can answer has no row.
    """
    import pandas as pd
    from scipy.spatial.distance import cdist
    from sklearn.preprocessing import StandardScaler

    x = StandardScaler().fit_transform(vectors.astype(float))
    distance = cdist(x, x)
    clips = corpus.frame()
    infant, session, label = (
        clips[field].to_numpy()[:, None] == clips[field].to_numpy()[None, :]
        for field in ("infant", "session", "label")
    )
    questions = {
        "same infant": (~np.eye(len(clips), dtype=bool), infant),
        "same infant, other session": (~session, infant),
        "same label, other infant": (~infant, label),
    }
    rows = {name: _shares(distance, *pairs) for name, pairs in questions.items()}
    found = {name: row for name, row in rows.items() if row}
    return pd.DataFrame.from_dict(found, orient="index", columns=["measured", "chance", "clips"])


def _shares(
    distance: NDArray[np.float64], allowed: Pairs, wanted: Pairs
) -> tuple[float, float, int] | None:
    """Return how often the nearest allowed clip is a wanted one, by chance, and of how many."""
    possible = (allowed & wanted).any(axis=1)
    if not possible.any():
        return None
    nearest = np.where(allowed, distance, np.inf)[possible].argmin(axis=1)
    measured = wanted[possible][np.arange(possible.sum()), nearest].mean()
    chance = ((allowed & wanted).sum(axis=1)[possible] / allowed.sum(axis=1)[possible]).mean()
    return float(measured), float(chance), int(possible.sum())
