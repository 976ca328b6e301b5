"""Paper A's Table 2 under several recipes that fit its text: a multiverse.

§3.3 prints one accuracy for each cell, from 30 % of the clips. It doesn't say what §3.2's scalers
were fitted on, how a clip became one vector, or which clips were drawn; and Table 1 counts 76 clips
where the printed figures suit 80. So each cell is evaluated with every combination of five
scalings, three summaries over time and the given selections of clips, each with many draws of clips
and split, and a published figure is compared with all of them (Steegen, Tuerlinckx, Gelman &
Vanpaemel 2016, Perspectives on Psychological Science 11, 702-712). The text allows recipes that are
not tried here, for example oversampling before the split. Used in notebook 03_feature_validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils._io import cache
from cryutils._io.parallel import Identity, identities
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.crossval import fit_and_predict, one_thread
from cryutils.evaluation.splits import SPLITS, Fold, Split, class_indices
from cryutils.models.classical import CLASSIFIERS, table2_classifiers
from cryutils.models.design import SCALINGS, SUMMARIES, FoldFeatures

__all__ = ["CHOICES", "shares_above", "table2"]

VERSION = 2  # raise it whenever the same recipe gives other accuracies
# The choices of a recipe, as columns of `table2`.
CHOICES = ("scaling", "summary", "clips")


def table2(
    corpus: Corpus,
    sizes: Mapping[str, Mapping[str, int]],
    settings: Mapping[str, Mapping[str, int]],
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    *,
    sr: int,
    draws: int = 100,
    test_size: float = 0.3,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the accuracy of single hold-outs for each cell of Table 2, recipe and protocol.

    A draw takes random clips of each class and divides them once; all recipes with the same number
    of clips have the same draws. Results are kept in the cache, recipe by recipe.

    Parameters
    ----------
    corpus : Corpus
        The clips to draw from.
    sizes : mapping
        Name of a selection of clips, and its number of clips for each class. If a class has fewer,
        some are drawn twice and may be on both sides of a split by clips.
    settings : mapping
        Settings of `audio.features` for "stft" and "mfcc".
    classifiers : sequence of str
        Keys of `classical.CLASSIFIERS`. The network takes longer than all others together.
    sr : int
        Sampling rate, in Hz.
    draws : int
        Single hold-outs of each recipe.
    test_size : float
        Share of the clips to test.

    Returns
    -------
    DataFrame
        Columns `feature`, `classifier`, `split`, those of `CHOICES`, `draw`, `accuracy` (0 to 1)
        and `majority`, the accuracy of always answering the training part's commonest class.

    Raises
    ------
    InputError
        A class has too few clips or infants to be divided.
    """
    y, _ = class_indices(corpus.labels)
    files = identities(clip.path for clip in corpus)
    holdouts = {
        (clips, split): _holdouts(corpus, counts, split, draws, test_size, seed)
        for clips, counts in sizes.items()
        for split in SPLITS
    }
    recipes = list(product(settings, SCALINGS, SUMMARIES))
    tables = []
    with counting("Table 2's recipes", "recipes") as report, one_thread():
        for number, (kind, scaling, summary) in enumerate(recipes):
            report(number, len(recipes))
            X = FoldFeatures(corpus, kind, sr, scaling, dict(settings[kind]), summary)
            for (clips, split), folds in holdouts.items():
                accuracies = {
                    name: _accuracies(name, X, y, folds, files, seed)
                    for name in ("majority", *classifiers)
                }
                table = pd.DataFrame(accuracies).rename_axis("draw").reset_index()
                tables.append(
                    table.assign(
                        feature=kind, scaling=scaling, summary=summary, clips=clips,
                        split=str(split),
                    )
                )  # fmt: skip
    columns = ["feature", "split", *CHOICES, "draw", "majority"]
    return pd.concat(tables).melt(columns, var_name="classifier", value_name="accuracy")


def shares_above(table: pd.DataFrame, published: Mapping[str, float]) -> pd.DataFrame:
    """Return how often a single hold-out reaches the published accuracy, by cell and protocol.

    Parameters
    ----------
    table : pandas.DataFrame
        From `table2`.
    published : mapping
        Accuracy (0 to 1) by "<feature>.<classifier>".

    Returns
    -------
    pandas.DataFrame
        Columns `feature`, `classifier`, `split`, `published`, `share` (of all recipes and draws
        that reach it), `recipes` (share of the recipes that reach it in one draw of twenty or
        more), and `lowest` and `highest` of all draws.
    """
    rows = []
    for (feature, name, split), cell in table.groupby(
        ["feature", "classifier", "split"], sort=False
    ):
        figure = published.get(f"{feature}.{name}", np.nan)
        # Half of the last printed digit: 0.6667 means two thirds.
        reached = cell.accuracy >= figure - 0.00005
        by_recipe = reached.groupby([cell[choice] for choice in CHOICES]).mean()
        rows.append(
            {
                "feature": feature,
                "classifier": name,
                "split": split,
                "published": figure,
                "share": reached.mean() if np.isfinite(figure) else np.nan,
                "recipes": (by_recipe >= 0.05).mean() if np.isfinite(figure) else np.nan,
                "lowest": cell.accuracy.min(),
                "highest": cell.accuracy.max(),
            }
        )
    return pd.DataFrame(rows)


def _holdouts(
    corpus: Corpus,
    counts: Mapping[str, int],
    split: Split,
    draws: int,
    test_size: float,
    seed: int,
) -> list[Fold]:
    """Return (train, test) positions in `corpus` of each draw."""
    labels, infants = np.asarray(corpus.labels), np.asarray(corpus.infants)
    folds = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        clips = np.concatenate(
            [_drawn(np.flatnonzero(labels == label), n, rng) for label, n in counts.items()]
        )
        part = SimpleNamespace(labels=labels[clips].tolist(), infants=infants[clips].tolist())
        train, test = split.hold_out(part, test_size=test_size, seed=int(rng.integers(2**31)))
        folds.append((clips[train], clips[test]))
    return folds


def _drawn(clips: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return `n` random clips; if there are fewer, all of them and some again."""
    again = rng.choice(clips, max(0, n - len(clips)))
    return np.concatenate([rng.permutation(clips)[:n], again])


def _accuracies(
    name: str,
    X: FoldFeatures,
    y: NDArray[np.int64],
    folds: list[Fold],
    files: tuple[Identity, ...],
    seed: int,
) -> NDArray[np.float64]:
    """Return the accuracy of a classifier, or of "majority", on each fold, float64 (folds,)."""

    def compute() -> dict[str, NDArray[np.float64]]:
        if name == "majority":
            predicted = [
                np.full(len(test), np.bincount(y[train]).argmax()) for train, test in folds
            ]
        else:
            model = table2_classifiers(scaling=X.scaling, seed=seed)[name]
            predicted = fit_and_predict(model, X, y, folds)
        right = [np.mean(p == y[test]) for p, (_, test) in zip(predicted, folds, strict=True)]
        return {"accuracy": np.array(right)}

    recipe = [VERSION, name, files, X.kind, X.sr, X.scaling, X.settings, X.summary, seed]
    stem = cache.at("multiverse", recipe, y, *(part for fold in folds for part in fold))
    return cache.arrays(stem, compute)["accuracy"]
