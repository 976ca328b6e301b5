"""Paper A's Table 2: six classifiers on two features, with a random split and leak-free.

Each draw takes as many clips of four classes as Table 1 counts. A clip is described by the means
and standard deviations over time of its STFT or MFCC (Paper A §3.3). Used in notebook
03_feature_validation and in the appendix on Table 2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from cryutils import evaluation, models
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.crossval import balanced_accuracy, one_thread
from cryutils.evaluation.permutation import PermutationTest
from cryutils.evaluation.splits import SPLITS, Fold, Indices, Split
from cryutils.models.inputs import FoldFeatures
from cryutils.papers.scored import Scored

__all__ = ["CLASSES", "Cell", "Table2", "published", "select", "table1", "words"]

# Table 1: clips of each class, and how many of them are tested.
COUNTS = {"pain": 38, "belly_pain": 16, "discomfort": 27, "tired": 24}
TESTED = {"pain": 20, "belly_pain": 16, "discomfort": 20, "tired": 20}
CLASSES = tuple(COUNTS)
CLASSICAL = tuple(name for name in models.CLASSIFIERS if name != "dnn")
REFITTED = ("svm", "nb", "dt", "knn")  # fast enough to be trained again for each permutation

Cell = tuple[str, str]  # feature and classifier: keys of `models.CLASSIFIERS`


def table1() -> pd.DataFrame:
    """Return Table 1: the numbers of clips (`count`) and tested clips (`test_count`) by class."""
    return pd.DataFrame({"count": COUNTS, "test_count": TESTED})


def published(ledger: pd.DataFrame) -> pd.Series[float]:
    """Return Table 2's printed accuracies from `claims.published()`, by (feature, classifier)."""
    rows = ledger.query("study == 'feature_validation' and metric == 'accuracy' and rival == ''")
    return rows.set_index(["feature", "model"]).value


def words(cell: Cell) -> str:
    """Return the name of a cell of Table 2, such as "MFCC · K-NN"."""
    return f"{cell[0].upper()} · {models.CLASSIFIERS[cell[1]]}"


def select(
    corpus: Corpus, classes: Sequence[str] = (), stand_in: str = "auto"
) -> tuple[Corpus, dict[str, int]]:
    """Return the clips of Table 1's classes, and how many of each class the paper tested.

    stand_in: the class that replaces "pain"; "auto" is "hungry" if there is no "pain". If `classes`
    are given, or if the corpus lacks one of Table 1's, all clips of these classes (of all, if none
    are given) are returned, and no counts: the paper's figures are of other classes.
    """
    if stand_in == "auto":
        stand_in = "pain" if "pain" in corpus.classes else "hungry"
    chosen = (stand_in, *CLASSES[1:])
    if classes or not set(chosen) <= set(corpus.classes):
        return corpus.select(classes or corpus.classes), {}
    return corpus.select(chosen), dict(zip(chosen, TESTED.values(), strict=True))


@dataclass(frozen=True, kw_only=True)
class Table2:
    """One corpus under the settings of Table 2.

    clips: to draw from. counts: how many clips of each class a draw takes; empty: all. sr: in Hz.
    sound: arguments of `audio.features` for "stft" and "mfcc". scaling: of the sound, as in
    `FoldFeatures`. repeats: draws, each with its own folds. published: printed accuracies, as
    `published` returns them.
    """

    clips: Corpus
    counts: Mapping[str, int] = field(default_factory=dict)
    sr: int = 8000
    sound: Mapping[str, Mapping[str, int]] = field(
        default_factory=lambda: {
            "stft": {"n_fft": 256, "hop_length": 128},
            "mfcc": {"n_fft": 256, "hop_length": 128, "n_mfcc": 20, "n_mels": 40},
        }
    )
    scaling: str = "signal"
    n_folds: int = 5
    repeats: int = 3
    seed: int = 0
    published: pd.Series[float] = field(default_factory=lambda: pd.Series(dtype=float), repr=False)

    @property
    def taken(self) -> dict[str, int]:
        """The number of clips of each class in a draw."""
        sizes = self.clips.describe().clips.drop("all")
        return dict(self.counts) or {str(label): int(n) for label, n in sizes.items()}

    def without(self, infant: str) -> Table2 | None:
        """Return the study without an infant's clips, None if too few others are left."""
        rest = replace(self, clips=self.clips.where(lambda clip: clip.infant != infant))
        infants = [rest.clips.infants[rest.clips.labels == label] for label in self.taken]
        is_enough = all(len(set(each)) >= 2 and len(each) >= self.n_folds for each in infants)
        return rest if is_enough else None

    @cached_property
    def draws(self) -> list[Indices]:
        """The clips of each draw, as positions in `clips`, int64 (drawn,) each."""
        return [self.clips.draw(self.taken, seed=self.seed + k) for k in range(self.repeats)]

    @cached_property
    def used(self) -> Corpus:
        """The clips of the first draw."""
        return self.clips.take(self.draws[0])

    def features(self, corpus: Corpus | None = None) -> dict[str, FoldFeatures]:
        """Return the features of `corpus`, by default of all clips, by name."""
        of = self.clips if corpus is None else corpus
        return {
            kind: FoldFeatures(of, kind, self.sr, self.scaling, dict(settings))
            for kind, settings in self.sound.items()
        }

    @cached_property
    def classifiers(self) -> dict[str, Any]:
        """The six classifiers by their short names."""
        return models.table2_classifiers(scaling=self.scaling, seed=self.seed)

    @cached_property
    def folds(self) -> dict[Split, list[list[Fold]]]:
        """The folds of each draw, by split."""
        return {
            split: split.folds_of_draws(
                self.clips, self.draws, n_splits=self.n_folds, seed=self.seed
            )
            for split in SPLITS
        }

    def cross_validate(
        self, names: Collection[str] = tuple(models.CLASSIFIERS)
    ) -> dict[Split, dict[Cell, Scored]]:
        """Return the scores of each cell, by split."""
        features = self.features()
        return {
            split: {
                (kind, name): Scored.from_classifier(
                    self.classifiers[name], features[kind], self.clips, self.folds[split],
                    split=split, trainings=self.repeats if name == "dnn" else None,
                )
                for kind in features for name in names
            }
            for split in SPLITS
        }  # fmt: skip

    def test(
        self, scored: Mapping[Split, Mapping[Cell, Scored]], *, permutations: int, repeats: int = 1
    ) -> dict[Split, PermutationTest]:
        """Return the permutation tests of all cells on the first draw, by split.

        Random forests and networks are too slow to be trained again for each permutation, so their
        predictions stay fixed. repeats: divisions of the draw for the others.
        """
        features, tests = self.features(self.used), {}
        for split, cells in scored.items():
            refitted = evaluation.permutation_test(
                {(kind, n): (self.classifiers[n], features[kind])
                 for kind in features for n in REFITTED},
                self.used, split, permutations=permutations, n_splits=self.n_folds,
                repeats=repeats, seed=self.seed, progress=True,
            )  # fmt: skip
            fixed = evaluation.fixed_prediction_test(
                {cell: cells[cell].predicted[:1, self.draws[0]]
                 for cell in cells if cell[1] not in REFITTED},
                self.used, permutations=permutations, seed=self.seed,
            )  # fmt: skip
            tests[split] = refitted.joined(fixed)
        return tests

    def holdouts(
        self,
        names: Collection[str] = CLASSICAL,
        *,
        splits: int,
        test_size: float,
        copied_to: int = 0,
    ) -> pd.DataFrame:
        """Return the scores of many single splits of clips that are drawn again for each.

        If a class has too few clips, some are drawn twice. Then clips of each class are copied
        until it has `copied_to`, and all are divided once. Paper A mentions no copies. test_size:
        share of the clips to test. Columns: feature, classifier, split, draw, and accuracy and
        macro_recall (0 to 1). Raises InputError if a class cannot be divided.
        """
        y, _ = evaluation.class_indices(self.clips.labels)
        folds = {
            split: [self._holdout(split, k, test_size, copied_to) for k in range(splits)]
            for split in SPLITS
        }
        tables = []
        with one_thread():
            for (kind, X), split, name in product(self.features().items(), SPLITS, names):
                predicted = _predicted(self.classifiers[name], X, y, folds[split])
                answers = [
                    (y[test], p) for (_, test), p in zip(folds[split], predicted, strict=True)
                ]
                scores = {
                    "accuracy": [np.mean(truth == p) for truth, p in answers],
                    "macro_recall": [balanced_accuracy(truth, p) for truth, p in answers],
                }
                cell = {"feature": kind, "classifier": name, "split": str(split)}
                tables.append(pd.DataFrame({**cell, "draw": range(splits), **scores}))
        return pd.concat(tables, ignore_index=True)

    def _holdout(self, split: Split, number: int, test_size: float, copied_to: int) -> Fold:
        """Return the training and test clips of one split, as positions in `clips`."""
        labels, infants = np.asarray(self.clips.labels), np.asarray(self.clips.infants)
        rng = np.random.default_rng([self.seed, number])
        by_class = []
        for label, count in self.taken.items():
            clips = np.flatnonzero(labels == label)
            again = rng.choice(clips, max(0, count - len(clips)))
            by_class.append(np.concatenate([rng.permutation(clips)[:count], again]))
        if copied_to:
            by_class = [_with_copies(clips, copied_to, rng) for clips in by_class]
        drawn = np.concatenate(by_class)
        part = SimpleNamespace(labels=labels[drawn].tolist(), infants=infants[drawn].tolist())
        train, test = split.hold_out(part, test_size=test_size, seed=int(rng.integers(2**31)))
        return drawn[train], drawn[test]

    @property
    def printed(self) -> pd.Series[float]:
        """The accuracies that the paper printed for these classes; none if they are others."""
        return self.published if self.counts else self.published[:0]

    def table(
        self, scored: Mapping[Split, Mapping[Cell, Scored]], tests: Mapping[Split, PermutationTest]
    ) -> pd.DataFrame:
        """Return a row for each cell: the printed accuracy and ours with interval, p and AUC.

        Columns are `published` and, for each split, `<split>` and `<split>_low`, `_high`, `_p`,
        `_auc`. p is adjusted for all cells.
        """
        rows = {}
        for cell in scored[Split.RANDOM]:
            row: dict[str, float | None] = {"published": self.printed.get(cell, np.nan)}
            for split in scored:
                accuracy, auc = (scored[split][cell].interval(m) for m in ("accuracy", "roc_auc"))
                p = tests[split].adjusted[cell]
                row |= {
                    f"{split}": accuracy.value, f"{split}_low": accuracy.low,
                    f"{split}_high": accuracy.high, f"{split}_p": p, f"{split}_auc": auc.value,
                }  # fmt: skip
            rows[words(cell)] = row
        return pd.DataFrame.from_dict(rows, orient="index")


def _with_copies(clips: Indices, count: int, rng: np.random.Generator) -> Indices:
    """Return clips and copies of them, `count` in all, each clip copied about equally often."""
    missing = max(0, count - len(clips))
    rounds = -(-missing // len(clips))
    copies = np.concatenate([rng.permutation(clips) for _ in range(rounds)] or [clips])[:missing]
    return np.concatenate([clips, copies])


def _predicted(model: Any, X: FoldFeatures, y: Indices, folds: Sequence[Fold]) -> list[Indices]:
    """Return a classifier's answers to the test clips of each fold, as class indices.

    `evaluation` refuses these folds, because a copy may be tested while its clip is in training.
    """
    from sklearn.base import clone

    if hasattr(model, "predict_proba_folds"):
        return [p.argmax(axis=1) for p in model.predict_proba_folds(X, y, folds)]
    return [
        clone(model).fit(X(train)[train], y[train]).predict(X(train)[test]) for train, test in folds
    ]
