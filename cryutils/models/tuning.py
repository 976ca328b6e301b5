"""Grid search over a network's settings, within the training clips: `search`.

Used in notebook 04_cry2 (Paper B §3, performance evaluation: curves "inform hyperparameter
tuning"; the paper names no values). No test clip is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryutils._io.progress import counting
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.crossval import balanced_accuracy
from cryutils.evaluation.splits import Indices, Split, class_indices, folds
from cryutils.models.crossfit import fit_clips
from cryutils.models.examples import Examples, by_clip
from cryutils.models.training import Build, Settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["search"]


def search(
    build: Build,
    examples: Examples,
    labels: Sequence[str],
    infants: Sequence[str],
    train: Indices,
    *,
    grid: Mapping[str, Sequence[Any]],
    split: Split | str,
    settings: Settings | None = None,
    n_splits: int = 3,
    progress: bool = False,
) -> pd.DataFrame:
    """Return cross-validation scores of every combination of `grid`, on the training clips only.

    The table has one row per combination: its values, means over folds of val_loss, of
    balanced_accuracy (of clips) and of best_epoch, and the standard deviation val_loss_sd. The fold
    that scores a fit also chooses its epoch, so the scores are slightly optimistic. They serve to
    compare combinations.

    build, examples, labels, infants, split: as in `crossfit.cross_fit`. train: indices of the clips
    that are divided into `n_splits` folds. grid: values to try by the name of a setting, such as
    {"learning_rate": [1e-3, 3e-3]}. settings: values of the settings that `grid` does not vary.
    Raises InputError if `grid` names an unknown setting, or `splits.folds` fails.
    """
    import pandas as pd

    names = {field.name for field in fields(Settings)}
    for name in grid:
        if name not in names:
            raise InputError(f"there is no setting {name!r}.{near_miss(name, names)}")
    settings = settings or Settings()
    y, _ = class_indices(labels)
    train = np.sort(train[np.isin(train, examples.clip)])
    groups = [infants[i] for i in train] if Split(split) is Split.INFANT else None
    (divided,) = folds(
        [labels[i] for i in train], groups, n_splits=n_splits, repeats=1, seed=settings.seed
    )
    parts = [(train[fitting], train[held]) for fitting, held in divided]
    combinations = [dict(zip(grid, v, strict=True)) for v in itertools.product(*grid.values())]
    table = []
    with counting("Searching", "combinations", shown=progress) as report:
        for chosen in combinations:
            tried, scores = replace(settings, **chosen), []
            for fitting, held in parts:
                fitted = fit_clips(build, examples, y, fitting, held, tried)
                rows = examples.rows(held)
                answers = by_clip(fitted.predict(examples.x[rows]), examples.clip[rows], len(y))
                accuracy = balanced_accuracy(y[held], answers[held].argmax(axis=1))
                loss = fitted.history["val_loss"].iloc[fitted.best_epoch - 1]
                scores.append((loss, accuracy, fitted.best_epoch))
            loss, accuracy, epoch = np.mean(scores, axis=0)
            spread = np.std([score[0] for score in scores], ddof=1)
            table.append([*chosen.values(), loss, spread, accuracy, epoch])
            report(len(table), len(combinations))
    columns = [*grid, "val_loss", "val_loss_sd", "balanced_accuracy", "best_epoch"]
    return pd.DataFrame(table, columns=columns)
