"""Paper A's Table 3, measured: every cell under three splits, with intervals, from an `Ensemble`.

Walked by notebook 09_ensemble (Paper A §4). The rows are the pairs of states and all three
together, the columns an SVM, one autoencoder and DNN on all inputs, and the proposed ensemble.
The paper's text handicaps both rivals, so each stands there twice. The clips that say when
networks stop can teach an SVM: `svm` is fitted on the clips that the networks are fitted on,
`svm_stop` on those that stop them, too. And `ae_dnn` is given a window's means and deviations,
`ae_dnn_patches` the very patches that the ensemble's autoencoders get. All on the same splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.evaluation import intervals
from cryutils.evaluation.intervals import Interval, Metric
from cryutils.evaluation.splits import Fold, Indices, Split, fold_numbers
from cryutils.models.classical import baselines
from cryutils.models.examples import by_clip
from cryutils.models.fusion import decide
from cryutils.papers.ensemble import Ensemble, Inputs, Model, Plan, Row

__all__ = ["METRICS", "MODELS", "Cell", "Classical", "Table3", "published"]

MODELS = ("svm", "ae_dnn", "proposed")  # the paper's columns
METRICS: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")


class Classical(StrEnum):
    """What is no network: an SVM on all inputs, and always saying the commonest class."""

    SVM = "svm"
    SVM_STOP = "svm_stop"  # fitted on the clips that stop the networks, too
    MAJORITY = "majority"


Scored = Model[Inputs] | Classical
Result = Mapping[str, object]  # columns of a row for `claims.record_table`


class Cell(NamedTuple):
    """What one model said of the units of one row: class indices, and what was true.

    predicted: (repeats, units), one repeat for each training. strengths: how strongly each of the
    row's states was answered, float (repeats, units, states); None of the commonest class. units:
    their numbers among all that the split divides. folds: of each repeat, in places among `units`.
    """

    predicted: npt.NDArray[np.int64]
    strengths: npt.NDArray[np.floating] | None
    truth: npt.NDArray[np.int64]
    infants: npt.NDArray[np.str_]
    units: Indices
    folds: list[list[Fold]]


@dataclass(frozen=True, eq=False)
class Table3:
    """The scores of one `Ensemble` and of its rivals, means over all trainings.

    `again` is the same trained with other seeds, on other divisions of the same windows. A model
    is one of the first ensemble's fields (`ensemble.proposed`, `ensemble.submodels["mfcc"]`) and
    stands for its counterparts in the others, or it is `Classical`. One from elsewhere stands for
    itself.
    `main` is the row of all states: "total", or their pair where there are two.
    """

    ensemble: Ensemble
    again: Sequence[Ensemble] = ()
    _cells: dict[tuple[Split, Row, Scored], Cell] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def rows(self) -> dict[Row, tuple[int, ...]]:
        """The rows, each with the indices of its states."""
        return self.ensemble.plan.rows

    @cached_property
    def main(self) -> Row:
        """The row of all states."""
        return next(row for row, s in self.rows.items() if s == self.ensemble.plan.states)

    @cached_property
    def models(self) -> dict[str, Scored]:
        """The columns of the table: those in `MODELS`, and each rival without its handicap."""
        columns: dict[str, Scored | None] = {
            "svm": Classical.SVM, "svm_stop": Classical.SVM_STOP,
            "ae_dnn": self.ensemble.joint, "ae_dnn_patches": self.ensemble.joint_patches,
            "proposed": self.ensemble.proposed,
        }  # fmt: skip
        return {name: model for name, model in columns.items() if model is not None}

    @property
    def ensembles(self) -> list[Ensemble]:
        """Every training's."""
        return [self.ensemble, *self.again]

    def trained(self, model: Model[Inputs]) -> list[Model[Inputs]]:
        """Return the counterparts of one of the first ensemble's models in every training."""
        place = next((k for k, m in enumerate(self.ensemble.models) if m is model), None)
        return [model] if place is None else [e.models[place] for e in self.ensembles]

    def trainings(self, model: Scored) -> int | None:
        """Return with how many seeds a model was trained, None for what is no network."""
        return None if isinstance(model, Classical) else len(self.trained(model))

    def cell(self, split: Split, row: Row, model: Scored) -> Cell:
        """Return a model's answers to the units of a row."""
        key = (split, row, model)
        if key not in self._cells:
            states, units = self.rows[row], self.ensemble.plan.units[split]
            classes = self.ensemble.plan.streams.corpus.classes
            y = evaluation.class_indices(units.labels, classes)[0]
            inside = np.flatnonzero(np.isin(y, states))
            if isinstance(model, Classical):
                trained = self.ensembles
                answers = [_classical(e.plan, split, states, inside, model) for e in trained]
            else:
                trained = self.ensembles[: len(self.trained(model))]
                likely = [each.answers(split, states)[inside] for each in self.trained(model)]
                answers = [(decide(p), p[:, list(states)]) for p in likely]
            predicted, strengths = (np.stack(part) for part in zip(*answers, strict=True))
            self._cells[key] = Cell(
                predicted,
                strengths if strengths.shape[-1] else None,
                y[inside],
                units.infants[inside],
                inside,
                [_folds(each.plan, split, inside) for each in trained],
            )
        return self._cells[key]

    def interval(
        self, split: Split, row: Row, model: Scored, metric: Metric = "accuracy"
    ) -> Interval:
        """Return a model's score in a row, with its 95 % interval over infants."""
        cell = self.cell(split, row, model)
        interval = evaluation.interval(
            cell.predicted, cell.truth, cell.infants.tolist(), metric=metric,
            split=split,
        )  # fmt: skip
        if len(np.unique(cell.predicted)) > 1:
            return interval
        # What always says the same knows nothing that could be sure or unsure.
        return replace(interval, low=None, high=None, se=None, reason="always the same")

    def area(self, split: Split, row: Row, model: Scored) -> Interval | None:
        """Return a model's area under the ROC curve in a row, None for the commonest class."""
        cell = self.cell(split, row, model)
        if cell.strengths is None:
            return None
        return evaluation.auc_interval(
            cell.strengths, cell.truth, cell.infants.tolist(), cell.folds, split=split
        )

    def gain(
        self, split: Split, model: Model[Inputs], rival: Scored, *, metric: Metric = "accuracy"
    ) -> Interval:
        """Return how much better a model tells all states than a rival, on the same clips."""
        a, b = (self.cell(split, self.main, each) for each in (model, rival))
        return evaluation.paired_interval(
            a.predicted, b.predicted, a.truth, a.infants.tolist(), metric=metric,
            split=split,
        )  # fmt: skip

    def easier(self, split: Split, row: Row, than: Row) -> Interval:
        """Return the proposed model's accuracy in a row less that in another, with its interval.

        Two pairs share a state, hence clips and infants, so an infant is deleted from both at
        once. The interval's `n` counts a shared clip in each row; `results` counts it once.
        """
        cells = [self.cell(split, name, self.ensemble.proposed) for name in (row, than)]
        everyone, whose = np.unique(np.concatenate([c.infants for c in cells]), return_inverse=True)
        which = np.repeat([0, 1], [len(c.truth) for c in cells])
        right, clips = np.zeros((2, len(everyone), 2))
        np.add.at(clips, (whose, which), 1)
        repeats = [(c.predicted == c.truth).astype(float) for c in cells]  # (repeats, units) each
        np.add.at(right, (whose, which), np.concatenate([r.mean(axis=0) for r in repeats]))
        df = intervals.part_degrees(clips)
        bounds = intervals.combined(right, clips, [1, -1], df=df)
        each = repeats[0].mean(axis=1) - repeats[1].mean(axis=1)
        bounds = intervals.add_between_run_variance(bounds, [each], df=df.min(), limits=(-1.0, 1.0))
        words = f"{row}'s accuracy less {than}'s"
        return Interval.of(bounds, len(which), len(everyone), words)

    def tidy(self, metric: Metric = "accuracy") -> pd.DataFrame:
        """Return a row a cell for `plots.table3`: pair, model, protocol, value, low, high.

        `split` is "frame", "clip" or "infant".
        """
        table = []
        for split in self.ensemble.plan.folds:
            for row in self.rows:
                for name, model in self.models.items():
                    score = self.interval(split, row, model, metric)
                    table.append((row, name, str(split), score.value, score.low, score.high))
        columns = ["pair", "model", "split", "value", "low", "high"]
        return pd.DataFrame(table, columns=columns).astype({"low": float, "high": float})

    def majority(self) -> dict[Row, float]:
        """Return the accuracy of always saying the training clips' commonest class, by row."""
        split = next(s for s in reversed([*self.ensemble.plan.folds]) if s is not Split.FRAME)
        return {row: self.interval(split, row, Classical.MAJORITY).value for row in self.rows}

    def results(self) -> pd.DataFrame:
        """Return every score as a row for `claims.record_table`.

        The study is "table3", with the row as `condition`, or "submodel", "ablation" or "ensemble",
        which are of all states. Differences between models, and between rows, are of clips and of
        infants only.
        """
        results: list[Result] = []
        for about, split, row, model in self._scored():
            results += self._scores(about, split, row, model)
        for split in self.ensemble.plan.folds:
            if split is not Split.FRAME:
                results += [*self._differences(split), *self._gains(split)]
        return pd.DataFrame(results).fillna(dict.fromkeys(("condition", "model", "rival"), ""))

    def predictions(self) -> pd.DataFrame:
        """Return every answer as a row for `claims.record_predictions`."""
        streams = self.ensemble.plan.streams
        corpus = streams.corpus
        names = np.array([*corpus.classes, None], dtype=object)  # -1 is the last
        ids = np.array([clip.id for clip in corpus])
        tables = []
        for about, split, row, model in self._scored():
            cell = self.cell(split, row, model)
            clip = streams.clip[cell.units] if split is Split.FRAME else cell.units
            for repeat, predicted in enumerate(cell.predicted):
                plan = self.ensembles[repeat].plan
                tests = (nested.test for nested in plan.folds[split])
                fold = fold_numbers(tests, len(plan.units[split].labels))
                columns = {
                    **about, "split": str(split), "data": corpus.name, "clip": ids[clip],
                    "infant": cell.infants, "repeat": repeat, "fold": fold[cell.units],
                    "truth": names[cell.truth], "predicted": names[predicted],
                }  # fmt: skip
                if cell.strengths is not None:
                    states = [f"p_{corpus.classes[k]}" for k in self.rows[row]]
                    columns |= dict(zip(states, cell.strengths[repeat].T, strict=True))
                tables.append(pd.DataFrame(columns))
        table = pd.concat(tables, ignore_index=True)
        return table.fillna(dict.fromkeys(("condition", "feature", "model"), ""))

    def result(self, split: Split, model: Model[Inputs], **columns: str) -> pd.DataFrame:
        """Return a model's accuracy and balanced accuracy on all states as rows."""
        return pd.DataFrame(list(self._scores(columns, split, self.main, model)))

    def _scored(self) -> Iterator[tuple[Result, Split, Row, Scored]]:
        """Yield every model that is scored: the columns of its scores, split and row."""
        for split in self.ensemble.plan.folds:
            for row in self.rows:
                for name, model in [*self.models.items(), ("majority", Classical.MAJORITY)]:
                    about = {"study": "table3", "condition": str(row), "model": name}
                    yield about, split, row, model
            if split is Split.FRAME:
                continue
            for name, model in self.ensemble.submodels.items():
                yield {"study": "submodel", "model": name}, split, self.main, model
            for streams, model in self.ensemble.subsets.items():
                yield {"study": "ablation", "feature": "+".join(streams)}, split, self.main, model
            for name, model in self.ensemble.variants.items():
                yield {"study": "ensemble", "model": name}, split, self.main, model

    def _scores(self, about: Result, split: Split, row: Row, model: Scored) -> Iterator[Result]:
        for metric in METRICS:
            interval = self.interval(split, row, model, metric)
            yield self._result({**about, "metric": metric}, interval, model, split, row)
        if (area := self.area(split, row, model)) is not None:
            yield self._result({**about, "metric": "roc_auc"}, area, model, split, row)

    def _differences(self, split: Split) -> Iterator[Result]:
        """Yield how much better the ensemble is than its rivals, and how much harder a pair is."""
        proposed = self.ensemble.proposed
        about = {"study": "table3", "model": "proposed"}
        for rival, model in list(self.models.items())[:-1]:
            columns = {**about, "condition": str(self.main), "rival": rival, "metric": "accuracy"}
            gain = self.gain(split, proposed, model)
            yield self._result(columns, gain, proposed, split, self.main)
        hardest = Row.HUGGING_HUNGRY
        for row in (Row.SLEEPY_HUNGRY, Row.SLEEPY_HUGGING):
            if {row, hardest} <= set(self.rows):
                columns = {**about, "condition": str(row), "metric": f"accuracy_minus_{hardest}"}
                easier = self.easier(split, row, hardest)
                yield self._result(columns, easier, proposed, split, row, hardest)

    def _gains(self, split: Split) -> Iterator[Result]:
        """Yield how much better all three inputs are than each subset of them."""
        proposed = self.ensemble.proposed
        if len(self.ensemble.submodels) == 3 and self.main is Row.TOTAL:
            for streams, model in [*self.ensemble.subsets.items()][:-1]:
                gain = self.gain(split, proposed, model)
                columns = {"study": "ablation", "rival": "+".join(streams), "metric": "accuracy"}
                yield self._result(columns, gain, proposed, split, self.main)

    def _result(
        self, about: Result, interval: Interval, model: Scored, split: Split, *rows: Row
    ) -> Result:
        """Return an interval about `rows`; `n` counts their clips once, whatever was split."""
        corpus = self.ensemble.plan.streams.corpus
        states = [corpus.classes[k] for row in rows for k in self.rows[row]]
        n = int(np.isin(corpus.labels, states).sum())
        columns = {"split": str(split), "data": corpus.name, "n": n}
        return {**about, **interval.row(), **columns, "trainings": self.trainings(model)}


def _folds(plan: Plan, split: Split, inside: Indices, part: str = "fit") -> list[Fold]:
    """Return the folds of a plan, in places among the units `inside`: a `part`, and the test."""
    place = np.full(len(plan.units[split].labels), -1)
    place[inside] = np.arange(len(inside))
    folds = []
    for nested in plan.folds[split]:
        train, test = (
            place[np.intersect1d(units, inside)] for units in (getattr(nested, part), nested.test)
        )
        if len(test):
            folds.append((train, test))
    return folds


def _classical(
    plan: Plan, split: Split, states: tuple[int, ...], inside: Indices, model: Classical
) -> tuple[Indices, npt.NDArray[np.floating]]:
    """Return what a classical model says of the units `inside`, and how strongly of each state."""
    units, classes = plan.units[split], plan.streams.corpus.classes
    folds = _folds(plan, split, inside, "training" if model is Classical.SVM_STOP else "fit")
    labels, names = units.labels[inside].tolist(), [classes[k] for k in states]
    if model is Classical.MAJORITY:
        (predicted,) = evaluation.majority_baseline(labels, [folds], classes=names)
        return np.asarray(states)[predicted], np.zeros((len(labels), 0))
    # Each unit's inputs as one vector, the mean over its windows.
    x = by_clip(plan.streams.joint(), units.of_row, len(units.labels))[inside]
    svm = baselines(plan.settings.seed)["svm"]
    predicted, strengths = evaluation.scored_out_of_fold(svm, x, labels, [folds], classes=names)
    return np.asarray(states)[predicted[0]], strengths[0]


def published(figures: pd.DataFrame) -> dict[tuple[Row, str], float]:
    """Return the paper's own figures as shares, by row and model, from `claims.published`."""
    figures = figures[(figures["where"] == "Table 3") & (figures.metric == "accuracy")]
    figures = figures[(figures.rival == "") & figures.model.isin(MODELS)]
    columns: Any = figures[["condition", "model", "value"]].to_numpy()
    return {(Row(row), model): float(share) for row, model, share in columns}
