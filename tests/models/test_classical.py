"""The rivals of Paper B's networks."""

from __future__ import annotations

import numpy as np

from cryutils.evaluation.crossval import cross_predict
from cryutils.models.classical import BASELINES, baselines


def test_each_model_has_a_name_and_learns_what_is_separable() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.normal(0, 1, (60, 4))
    x[np.arange(60), y] += 8
    x = (x * [1, 100, 1, 0.01] + [0, 5000, 0, 0]).astype(np.float32)
    first, second = np.arange(30), np.arange(30, 60)
    models = baselines(1)
    assert list(models) == list(BASELINES)[:2]
    for name, model in models.items():
        halves = [(first, second), (second, first)]
        (predicted,) = cross_predict(model, x, [str(k) for k in y], [halves])
        assert (predicted == y).mean() > 0.8, name
