"""A model's answers to clips that it was not trained on, with their scores and intervals.

Every study of both papers scores its models here, on the same splits (Paper B §3: "identical test
splits"). Notebooks 03 to 11 use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation.crossval import Features
from cryutils.evaluation.intervals import Interval, Metric
from cryutils.evaluation.metrics import Scores
from cryutils.evaluation.splits import Fold, Indices, Names, Split, fold_numbers
from cryutils.models.fusion import NO_PREDICTION, decide
from cryutils.models.inputs import by_clip

__all__ = ["Scored", "answer_rows", "comparison"]

Floats = npt.NDArray[np.floating[Any]]
Folds = Sequence[Sequence[Fold]]
ScoreName = Metric | Literal["roc_auc"]

_SUMMARY = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
_WITH_INTERVAL: tuple[Metric, ...] = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True, eq=False)
class Scored:
    """One model's answers on one split, and their scores.

    predicted: indices of `classes`, int64 (repeats, clips) or (clips,); -1 is no answer, which
    counts as wrong, and `evaluation.NOT_DRAWN` marks clips that a repeat leaves out. corpus: what
    was answered; a clip may occur several times, once for each frame or window. split: as in
    `Split`. strengths: probabilities or decision values, float (repeats, clips,
    classes). folds: (train, test) of each repeat. trainings: the number of trainings of a network;
    None: not a network.
    """

    predicted: npt.NDArray[np.int64] = field(repr=False)
    corpus: Corpus
    split: Split | str = field(kw_only=True)
    strengths: Floats | None = field(default=None, kw_only=True, repr=False)
    folds: Folds | None = field(default=None, kw_only=True, repr=False)
    trainings: int | None = field(default=None, kw_only=True)
    _intervals: dict[str, Interval] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "predicted", np.atleast_2d(self.predicted))

    @classmethod
    def of(
        cls, probabilities: Floats, corpus: Corpus, folds: Folds | None = None, *,
        split: Split | str,
    ) -> Scored:  # fmt: skip
        """Return the scores of networks' probabilities, one training per repeat.

        probabilities: float (clips, classes) or (repeats, clips, classes); a row of NaN is no
        answer.
        """
        p = probabilities if probabilities.ndim == 3 else probabilities[None]
        return cls(decide(p), corpus, split=split, strengths=p, folds=folds, trainings=len(p))

    @classmethod
    def majority(cls, corpus: Corpus, folds: Folds, *, split: Split | str) -> Scored:
        """Return the scores of always answering the commonest class of the training part."""
        predicted = evaluation.majority_baseline(corpus.labels.tolist(), folds)
        equal = np.zeros((*predicted.shape, len(corpus.classes)))
        return cls(predicted, corpus, split=split, strengths=equal, folds=folds)

    @classmethod
    def phone_alone(cls, corpus: Corpus, folds: Folds, *, split: Split | str) -> Scored:
        """Return the scores of the commonest class of each type of phone, without any sound.

        Classes have equal weight in training.
        """
        tree, types = evaluation.group_baseline(corpus.phones)
        return cls.from_classifier(tree, types, corpus, folds, split=split)

    @classmethod
    def from_classifier(
        cls, model: Any, features: Features, corpus: Corpus, folds: Folds, *, split: Split | str,
        clip: Indices | None = None, trainings: int | None = None,
    ) -> Scored:  # fmt: skip
        """Return the scores of a classifier on the same folds.

        model, features: as in `evaluation.cross_predict`. If `features` are an array, a clip whose
        row contains NaN is not trained on and gets no answer. clip: the clip number of each row,
        int (rows,), if features have a row for each example; a clip's answer is the mean over its
        examples. The rest is as in `Scored`.
        """
        if clip is not None:
            _, strengths = evaluation.scored_out_of_fold(
                model, features, corpus.labels[clip], _of_rows(folds, clip), classes=corpus.classes
            )
            p = np.stack([by_clip(row, clip, len(corpus)) for row in strengths])
            return cls(decide(p), corpus, split=split, strengths=p, folds=folds)
        X, usable = features, np.arange(len(corpus))
        if not callable(features):
            usable = np.flatnonzero(np.isfinite(features).all(axis=1))
            X = features[usable]
        predicted = np.full((len(folds), len(corpus)), NO_PREDICTION)
        strengths = np.full((*predicted.shape, len(corpus.classes)), np.nan)
        predicted[:, usable], strengths[:, usable] = evaluation.scored_out_of_fold(
            model, X, corpus.labels[usable], _of_rows(folds, usable), classes=corpus.classes
        )
        return cls(
            predicted, corpus, split=split, strengths=strengths, folds=folds, trainings=trainings
        )

    @cached_property
    def truth(self) -> Indices:
        """The true class index of each clip, int64 (clips,)."""
        return evaluation.class_indices(self.corpus.labels)[0]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, sorted."""
        return list(self.corpus.classes)

    @cached_property
    def scores(self) -> Scores:
        """All scores of `evaluation.scores`, without intervals."""
        return evaluation.scores(self.truth, self.predicted, self.classes)

    @property
    def intervals(self) -> dict[str, Interval]:
        """Accuracy, balanced accuracy and macro F1 with 95 % intervals over infants.

        Also the area under the ROC curve ("roc_auc"), if strengths and folds are known.
        """
        return {name: self.interval(name) for name in self._with_interval}

    @property
    def _with_interval(self) -> list[ScoreName]:
        ranked = self.strengths is not None and self.folds is not None
        return [*_WITH_INTERVAL, "roc_auc"] if ranked else [*_WITH_INTERVAL]

    def interval(self, metric: ScoreName = "balanced_accuracy") -> Interval:
        """Return one score with its 95 % interval over infants."""
        if metric in self._intervals:
            return self._intervals[metric]
        labels, infants = self.corpus.labels, self.corpus.infants.tolist()
        blind = self.strengths is not None and bool(np.all(self.strengths == 0))
        if metric == "roc_auc":
            assert self.strengths is not None and self.folds is not None
            interval = evaluation.auc_interval(self.strengths, labels, infants, self.folds)
        else:
            interval = evaluation.interval(self.predicted, labels, infants, metric=metric)
            blind |= len(set(self.predicted.flat) - {evaluation.NOT_DRAWN}) == 1
        if blind:
            reason = "always the same answer"
            interval = replace(interval, low=None, high=None, se=None, reason=reason)
        self._intervals[metric] = interval
        return interval

    def minus(self, rival: Scored, metric: Metric = "balanced_accuracy") -> Interval:
        """Return this model's score minus a rival's on the same clips, with its 95 % interval."""
        infants = self.corpus.infants.tolist()
        return evaluation.paired_interval(
            self.predicted, rival.predicted, self.corpus.labels, infants, metric=metric
        )

    @property
    def table(self) -> pd.DataFrame:
        """Precision, recall, F1 and number of clips of each class, and the macro means."""
        rows = {name: row._asdict() for name, row in self.scores.per_class.items()}
        means = {m: getattr(self.scores, f"macro_{m}") for m in ("precision", "recall", "f1")}
        clips = sum(row["clips"] for row in rows.values())
        table = pd.DataFrame.from_dict({**rows, "macro mean": {**means, "clips": clips}}, "index")
        return table.astype({"clips": int})

    def results(self, *metrics: str) -> pd.DataFrame:
        """Return the scores as rows for `claims.record_scores`.

        metrics: summary scores. None: all of them, and precision, recall and F1 of each class,
        which is the row's `condition`.
        """
        known = self._with_interval
        rows: list[dict[str, Any]] = []
        for name in metrics or (*(name for name in _SUMMARY if name not in known), *known):
            if name in known:
                interval = self.interval(name)
                ends = {"low": interval.low, "high": interval.high}
                rows.append({"metric": name, "value": interval.value, **ends})
            else:
                rows.append({"metric": name, "value": getattr(self.scores, name)})
        if not metrics:
            rows += [
                {"metric": name, "condition": label, "value": getattr(scores, name)}
                for label, scores in self.scores.per_class.items()
                for name in ("precision", "recall", "f1")
            ]
        drawn = self.predicted != evaluation.NOT_DRAWN
        ids = np.array([clip.id for clip in self.corpus])
        clips = [len(set(ids[row])) for row in drawn]
        infants = set(self.corpus.infants[drawn.any(axis=0)])
        return pd.DataFrame(rows).assign(
            n=round(np.mean(clips)), n_infants=len(infants), split=str(self.split),
            data=self.corpus.name, trainings=self.trainings,
        )  # fmt: skip

    def predictions(self) -> pd.DataFrame:
        """Return every answer as a row for `claims.record_predictions`."""
        ids, infants = [clip.id for clip in self.corpus], self.corpus.infants
        table = answer_rows(self.predicted, self.folds, ids, infants, self.corpus.labels)
        table.insert(0, "split", str(self.split))
        table.insert(1, "data", self.corpus.name)
        if self.strengths is not None:
            columns = [f"p_{name}" for name in self.classes]
            table[columns] = self.strengths.reshape(-1, len(columns))
        return table[self.predicted.ravel() != evaluation.NOT_DRAWN]


def answer_rows(
    predicted: npt.NDArray[np.int64], folds: Folds | None, clips: Names, infants: Names,
    truth: Names,
) -> pd.DataFrame:  # fmt: skip
    """Return a row for each repeat and clip: clip, infant, repeat, fold, truth and predicted.

    predicted: indices of the classes of `truth` in alphabetical order, int64 (repeats, clips); -1
    is no answer. folds: (train, test) of each repeat; None: unknown, -1 in the table.
    """
    repeats, count = predicted.shape
    tests = [[test for _, test in repeat] for repeat in folds or [[]] * repeats]
    names = np.array([*evaluation.class_indices(truth)[1], None], dtype=object)  # -1 is the last
    return pd.DataFrame({
        "clip": np.tile(clips, repeats), "infant": np.tile(infants, repeats),
        "repeat": np.repeat(np.arange(repeats), count),
        "fold": np.concatenate([fold_numbers(parts, count) for parts in tests]),
        "truth": np.tile(truth, repeats), "predicted": names[predicted.ravel()],
    })  # fmt: skip


def _of_rows(folds: Folds, clip: Indices) -> list[list[Fold]]:
    """Return folds of rows of the clips `clip`, without those that test no row."""

    def rows(clips: Indices) -> Indices:
        return np.flatnonzero(np.isin(clip, clips))

    tested = [[fold for fold in repeat if np.isin(fold[1], clip).any()] for repeat in folds]
    return [[(rows(train), rows(test)) for train, test in repeat] for repeat in tested]


def comparison(
    scores: Mapping[tuple[str, str], Scored], names: Mapping[str, str] | None = None, *,
    metric: Metric = "balanced_accuracy",
) -> pd.DataFrame:  # fmt: skip
    """Return a row per model for `plots.model_scores`: `<split>`, `<split>_low`, `<split>_high`.

    scores: by (model, split). names: the row's name by model, in the order of the rows; None: the
    models in the order of `scores`.
    """
    names = names or {model: model for model, _ in scores}
    rows: dict[str, dict[str, float]] = {name: {} for name in names.values()}
    for (model, split), scored in scores.items():
        interval = scored.interval(metric)
        low, high = (interval.value if x is None else x for x in (interval.low, interval.high))
        ends = {split: interval.value, f"{split}_low": low, f"{split}_high": high}
        rows[names[model]] |= ends
    return pd.DataFrame.from_dict(rows, orient="index")
