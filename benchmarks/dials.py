"""Score both protocols at many settings of the dials, on many synthetic corpora.

    cryutils bench dials                   20 seeds, 8 minutes; an interrupted run resumes
    python benchmarks/dials.py --seeds 5

Section 8 of notebook 03_feature_validation uses one corpus per setting. This benchmark uses many,
with more settings, and prints the mean balanced accuracy over corpora with its 95 % interval. Three
promises, each at that level: at `signal=0` the leak-free score isn't above chance, while the
paper's protocol is; and at `signal=1` the leak-free score is lower if states are specific to each
infant than if they are shared. The scores of each seed are cached.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cryutils._io import cache
from cryutils._io.progress import counting
from cryutils.datasets.synthetic.corpus import VERSION as VOICES
from cryutils.datasets.synthetic.dials import Dials
from cryutils.datasets.synthetic.schedule import CLASSES
from cryutils.evaluation.splits import SPLITS
from cryutils.papers import dials

VERSION = 1  # raise it when the same seed gives different numbers
SIGNALS = (0.0, 0.25, 0.5, 0.75, 1.0)
SERIES = {  # interaction, session
    "shared states": (0.0, 0.0),
    "half the infant's own": (0.5, 0.0),
    "the infant's own": (1.0, 0.0),
    "half as far sessions": (0.0, 0.5),
    "far sessions": (0.0, 1.0),
    "own states, far sessions": (1.0, 1.0),
}
# Without a signal the states have no effect, so `interaction` has none either.
SETTINGS = [
    Dials(signal=signal, interaction=interaction if signal else 0.0, session=session)
    for interaction, session in SERIES.values()
    for signal in SIGNALS
]


def main() -> int:
    """Measure missing seeds and print the tables; return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    places, rows = [_place(seed) for seed in range(seeds)], []
    with tempfile.TemporaryDirectory() as scratch, counting("Dials", "seeds") as report:
        os.environ["CRYUTILS_CACHE_DIR"] = scratch  # corpora are not kept
        for seed, place in enumerate(places):
            arrays = cache.arrays(place, lambda seed=seed: measured(seed))
            rows.append(arrays["scores"])
            report(seed + 1, seeds)
    return summary(np.array(rows))


def _place(seed: int) -> Path:
    recipe = [dict(dials.CORPUS), dials.FOLDS, dials.REPEATS, list(map(astuple, SETTINGS))]
    return cache.at("benchmarks", "dials", VERSION, VOICES, recipe, np.__version__, seed)


def measured(seed: int) -> dict[str, np.ndarray]:
    """Return the scores of a seed's corpora, (settings, protocols)."""
    different = list(dict.fromkeys(SETTINGS))
    table = dials.scores(different, classes=CLASSES, seed=seed)
    scores = table.score.to_numpy().reshape(len(different), len(SPLITS))
    return {"scores": scores[[different.index(setting) for setting in SETTINGS]]}


def summary(scores: np.ndarray) -> int:
    """Print means of scores, (seeds, settings, protocols); return 1 if a promise is broken."""
    seeds = len(scores)
    chance = 1 / len(CLASSES)
    scores = scores.reshape(seeds, len(SERIES), len(SIGNALS), len(SPLITS))
    print(f"{seeds} corpora of synthetic voices a setting, identity=1: no evidence about infants")
    for number, split in enumerate(SPLITS):
        cells = [[words(*over_seeds(scores[:, i, j, number])) for j in range(len(SIGNALS))]
                 for i in range(len(SERIES))]  # fmt: skip
        columns = [f"signal={signal}" for signal in SIGNALS]
        print(f"\n{split}, balanced accuracy, where guessing has {chance}")
        print(pd.DataFrame(cells, list(SERIES), columns).to_string())
    paper, honest = (scores[..., place] for place in range(len(SPLITS)))
    common, individual = map(list(SERIES).index, ("shared states", "the infant's own"))
    lost = honest[:, common, -1] - honest[:, individual, -1]
    promises = {
        "leak-free, signal=0: not above chance": over_seeds(honest[:, common, 0])[1] <= chance,
        "the paper's protocol, signal=0: above chance": over_seeds(paper[:, common, 0])[1] > chance,
        "leak-free, signal=1: lower where states are the infant's own": over_seeds(lost)[1] > 0,
    }
    print()
    for promise, holds in promises.items():
        print(f"{promise}: {'holds' if holds else 'BROKEN'}")
    return int(not all(promises.values()))


def over_seeds(values: np.ndarray) -> tuple[float, float, float]:
    """Return a mean over seeds with the ends of its 95 % t interval."""
    if len(values) < 2:
        return float(values.mean()), -np.inf, np.inf
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(values.mean()), float(low), float(high)


def words(mean: float, low: float, high: float) -> str:
    """Return a mean and its interval as text."""
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    raise SystemExit(main())
