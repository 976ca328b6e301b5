"""Paper A's Table 2 under several readings of its text: a multiverse.

§3.3 prints one figure for each cell. It does not say what §3.2's scalers were fitted on, how a clip
became one vector, which clips were drawn, or whether any were copied. So each cell is evaluated
with several scalings and numbers of copies, each with many draws of clips and split, and the
published figure is compared with all of them (Steegen, Tuerlinckx, Gelman & Vanpaemel 2016,
Perspectives on Psychological Science 11, 702-712). Used in notebook 03_feature_validation and
appendix_table2; the stored run `judged` has 105 recipes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.crossval import balanced_accuracy, one_thread
from cryutils.evaluation.splits import SPLITS, Fold, Split, class_indices
from cryutils.models.classical import CLASSIFIERS, table2_classifiers
from cryutils.models.inputs import FoldFeatures

__all__ = ["CHOICES", "COPIES", "SCORES", "shares_above", "table2"]

# The choices of a recipe, as columns of `table2`.
CHOICES = ("scaling", "clips")
SCORES = ("accuracy", "macro_recall")
# Copies are added until each class has so many clips. Paper A mentions no copies. 38 is the number
# of clips in the largest class of Table 1.
COPIES: Mapping[str, int | None] = {
    "no copies": None, "copied to 20": 20, "copied to 38": 38, "copied to 50": 50,
}  # fmt: skip


def table2(
    corpus: Corpus,
    counts: Mapping[str, int],
    settings: Mapping[str, Mapping[str, int]],
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    *,
    sr: int,
    scalings: Sequence[str] = ("signal", "recording", "features"),
    copies: Mapping[str, int | None] = COPIES,
    draws: int = 100,
    test_size: float = 0.3,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the scores of single hold-outs for each cell of Table 2, recipe and split.

    A draw takes random clips of each class, adds the copies and divides them once. All recipes with
    the same copies have the same draws.

    corpus: the clips to draw from. counts: clips drawn of each class; if a class has fewer, some
    are drawn twice. settings: of `audio.features`, for "stft" and "mfcc". classifiers: keys of
    `classical.CLASSIFIERS`. sr: in Hz. scalings: see `FoldFeatures`. copies: by name, the clips of
    each class after copying. test_size: share of the clips to test.

    Columns are `feature`, `classifier`, `split`, those of `CHOICES`, `draw`, those of `SCORES` (0
    to 1) and `majority`, the accuracy of always answering the training part's commonest class.
    Raises InputError if a class has too few clips or infants to be divided.
    """
    y, _ = class_indices(corpus.labels)
    holdouts = {
        (name, split): _holdouts(corpus, counts, copied_to, split, draws, test_size, seed)
        for (name, copied_to), split in product(copies.items(), SPLITS)
    }
    recipes = list(product(settings, scalings))
    tables = []
    with counting("Table 2's recipes", "recipes") as report, one_thread():
        for number, (kind, scaling) in enumerate(recipes):
            report(number, len(recipes))
            X = FoldFeatures(corpus, kind, sr, scaling, dict(settings[kind]))
            models = table2_classifiers(scaling=scaling, seed=seed)
            for ((name, split), folds), classifier in product(holdouts.items(), classifiers):
                scores = pd.DataFrame(_scores(models[classifier], X, y, folds))
                choices = {"feature": kind, "scaling": scaling, "clips": name}
                tables.append(scores.assign(classifier=classifier, split=str(split), **choices))
    return pd.concat(tables, ignore_index=True)


def shares_above(
    table: pd.DataFrame, published: Mapping[str, float], *, score: str = "accuracy"
) -> pd.DataFrame:
    """Return how often a single hold-out reaches the published figure, by cell and split.

    table: from `table2`. published: a share (0 to 1) by "<feature>.<classifier>". score: one of
    `SCORES`. Columns are `feature`, `classifier`, `split`, `published`, `share` (of all recipes and
    draws that reach it), `recipes` (share of the recipes that reach it in one draw of twenty or
    more), and `lowest` and `highest` of all draws.
    """
    rows = []
    columns = ["feature", "classifier", "split"]
    for (feature, name, split), cell in table.groupby(columns, sort=False):
        figure = published.get(f"{feature}.{name}", np.nan)
        # Half of the last printed digit: 0.6667 means two thirds.
        reached = cell[score] >= figure - 0.00005
        by_recipe = reached.groupby([cell[choice] for choice in CHOICES]).mean()
        is_printed = np.isfinite(figure)
        rows.append({
            "feature": feature, "classifier": name, "split": split, "published": figure,
            "share": reached.mean() if is_printed else np.nan,
            "recipes": (by_recipe >= 0.05).mean() if is_printed else np.nan,
            "lowest": cell[score].min(), "highest": cell[score].max(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _holdouts(
    corpus: Corpus,
    counts: Mapping[str, int],
    copied_to: int | None,
    split: Split,
    draws: int,
    test_size: float,
    seed: int,
) -> list[Fold]:
    """Return (train, test) positions in the corpus for each draw."""
    labels, infants = np.asarray(corpus.labels), np.asarray(corpus.infants)
    folds = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        by_class = [_drawn(np.flatnonzero(labels == label), n, rng) for label, n in counts.items()]
        if copied_to is not None:
            by_class = [_with_copies(clips, copied_to, rng) for clips in by_class]
        clips = np.concatenate(by_class)
        part = SimpleNamespace(labels=labels[clips].tolist(), infants=infants[clips].tolist())
        train, test = split.hold_out(part, test_size=test_size, seed=int(rng.integers(2**31)))
        folds.append((clips[train], clips[test]))
    return folds


def _drawn(clips: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return `n` random clips; if there are fewer, all of them and some again."""
    again = rng.choice(clips, max(0, n - len(clips)))
    return np.concatenate([rng.permutation(clips)[:n], again])


def _with_copies(clips: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return clips and copies of them, `n` in all, each clip copied about equally often."""
    missing = max(0, n - len(clips))
    rounds = -(-missing // len(clips))
    again = np.concatenate([rng.permutation(clips) for _ in range(rounds)] or [clips])[:missing]
    return np.concatenate([clips, again])


def _scores(
    model: Any, X: FoldFeatures, y: NDArray[np.int64], folds: Sequence[Fold]
) -> dict[str, NDArray[Any]]:
    """Return the scores of a classifier on each fold, by name, (folds,) each."""
    from sklearn.base import clone

    if hasattr(model, "predict_proba_folds"):
        predicted = (p.argmax(axis=1) for p in model.predict_proba_folds(X, y, folds))
    else:  # a copy may be tested while its clip is in training, so not by `cross_validate`
        predicted = (
            clone(model).fit(X(train)[train], y[train]).predict(X(train)[test])
            for train, test in folds
        )
    answers = [(y[train], y[test], p) for p, (train, test) in zip(predicted, folds, strict=True)]
    return {
        "draw": np.arange(len(folds)),
        "accuracy": np.array([np.mean(truth == p) for _, truth, p in answers]),
        "macro_recall": np.array([balanced_accuracy(truth, p) for _, truth, p in answers]),
        "majority": np.array([np.mean(t == np.bincount(seen).argmax()) for seen, t, _ in answers]),
    }
