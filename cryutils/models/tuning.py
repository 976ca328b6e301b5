"""A grid search over settings of a network, within its training clips: `search`.

Notebook 04_cry2 walks this module (Paper B §3, performance evaluation: curves "inform
hyperparameter tuning"; the paper names no values). No test clip takes part.
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
from cryutils.evaluation.splits import Fold, Indices, Protocol, class_indices, folds
from cryutils.models.crossfit import fit_clips
from cryutils.models.examples import Examples, clip_probabilities
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
    protocol: Protocol | str,
    settings: Settings | None = None,
    n_splits: int = 3,
    progress: bool = False,
) -> pd.DataFrame:
    """Return cross-validation scores of every combination of `grid`, on the training clips only.

    The fold that scores a fit also chooses its epoch. So scores serve to compare combinations; they
    are slightly optimistic.

    Parameters
    ----------
    build, examples, labels, infants
        As in `crossfit.cross_fit`.
    train : ndarray of int
        Numbers of the clips that are divided into folds.
    grid : mapping
        Values by the name of a setting, such as {"learning_rate": [1e-3, 3e-3]}.
    protocol : {"paper", "leak_free"}
    settings : Settings, optional
        Those that `grid` does not vary.
    n_splits : int
        Folds.
    progress : bool
        Show how many combinations are done.

    Returns
    -------
    pandas.DataFrame
        One row per combination: its values, means over folds of val_loss, of balanced_accuracy
        (of clips) and of best_epoch, and the standard deviation val_loss_sd.

    Raises
    ------
    InputError
        A name that is no setting, or what `splits.folds` raises.
    """
    import pandas as pd

    names = {field.name for field in fields(Settings)}
    for name in grid:
        if name not in names:
            raise InputError(f"there is no setting {name!r}.{near_miss(name, names)}")
    settings = settings or Settings()
    y, _ = class_indices(labels)
    train = np.sort(train[np.isin(train, examples.clip)])
    groups = [infants[i] for i in train] if Protocol(protocol) is Protocol.LEAK_FREE else None
    (divided,) = folds(
        [labels[i] for i in train], groups, n_splits=n_splits, repeats=1, seed=settings.seed
    )
    parts = [(train[fitting], train[held]) for fitting, held in divided]
    combinations = [dict(zip(grid, v, strict=True)) for v in itertools.product(*grid.values())]
    table = []
    with counting("Searching", "combinations", shown=progress) as report:
        for chosen in combinations:
            tried = replace(settings, **chosen)
            scores = [_score(build, examples, y, part, tried) for part in parts]
            loss, accuracy, epoch = np.mean(scores, axis=0)
            spread = np.std([score[0] for score in scores], ddof=1)
            table.append([*chosen.values(), loss, spread, accuracy, epoch])
            report(len(table), len(combinations))
    columns = [*grid, "val_loss", "val_loss_sd", "balanced_accuracy", "best_epoch"]
    return pd.DataFrame(table, columns=columns)


def _score(
    build: Build,
    examples: Examples,
    y: Indices,
    part: Fold,
    settings: Settings,
) -> tuple[float, float, int]:
    """Validation loss, balanced accuracy of clips, and best epoch on a fold."""
    fitting, held = part
    rows = examples.rows(held)
    fitted = fit_clips(build, examples, y, fitting, held, settings)
    held_examples = Examples(examples.x[rows], examples.clip[rows])
    answer = clip_probabilities(fitted, held_examples, len(y))[held].argmax(axis=1)
    loss = float(fitted.history["val_loss"].iloc[fitted.best_epoch - 1])
    return loss, balanced_accuracy(y[held], answer), fitted.best_epoch
