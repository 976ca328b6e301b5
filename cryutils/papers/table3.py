"""Paper A's Table 3 for an `Ensemble`: every cell under three splits, with intervals.

Used in notebook 09_ensemble (Paper A §4). The paper's text puts both rivals of the ensemble at a
disadvantage, so each is evaluated twice, on the same splits.
`svm` is fitted on the clips that the networks are fitted on, `svm_stop` also on their validation
clips. `ae_dnn` gets the means and standard deviations of a window, `ae_dnn_patches` gets patches,
as the ensemble's autoencoders do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from cryutils import evaluation
from cryutils.evaluation import intervals
from cryutils.evaluation.intervals import Interval, Metric
from cryutils.evaluation.splits import Fold, Indices, Split
from cryutils.models.classical import baselines
from cryutils.models.inputs import by_clip
from cryutils.models.training import training_seeds
from cryutils.papers import ensemble
from cryutils.papers.ensemble import Ensemble, Model, Plan, Row, Settings
from cryutils.papers.scored import Scored, ScoreName
from cryutils.papers.streams import Streams

__all__ = ["METRICS", "MODELS", "Classical", "Table3", "fit"]

MODELS = ("svm", "ae_dnn", "proposed")  # the paper's columns
METRICS: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")


class Classical(StrEnum):
    """The models that are not networks: an SVM on all inputs, and the majority baseline."""

    SVM = "svm"
    SVM_UNWEIGHTED = "svm_unweighted"  # without class weights
    SVM_STOP = "svm_stop"  # also fitted on the networks' validation clips
    MAJORITY = "majority"
    PHONE = "phone"  # by the type of phone, without sound


AnyModel = Model | Classical
Result = Mapping[str, object]  # columns of a row for `claims.record_table`


@dataclass(frozen=True, eq=False)
class Table3:
    """The scores of an `Ensemble` and its rivals, as means over all trainings.

    `again` are ensembles trained with other seeds, on other divisions of the same windows. A model
    is `Classical`, or a network of `ensemble`, such as `ensemble.proposed`, whose scores include
    its counterparts in `again`. A network from elsewhere has no counterparts.
    """

    ensemble: Ensemble
    again: Sequence[Ensemble] = ()
    _scored: dict[tuple[Split, Row, AnyModel], Scored] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def rows(self) -> dict[Row, tuple[int, ...]]:
        """The rows, each with the indices of its states."""
        return self.ensemble.plan.rows

    @cached_property
    def main(self) -> Row:
        """The row of all states: "total", or the pair if there are only two states."""
        return next(row for row, s in self.rows.items() if s == self.ensemble.plan.states)

    @cached_property
    def models(self) -> dict[str, AnyModel]:
        """The columns of the table: those in `MODELS`, and each rival without its disadvantage."""
        columns: dict[str, AnyModel | None] = {
            "svm": Classical.SVM, "svm_stop": Classical.SVM_STOP,
            "ae_dnn": self.ensemble.joint, "ae_dnn_patches": self.ensemble.joint_patches,
            "proposed": self.ensemble.proposed,
        }  # fmt: skip
        return {name: model for name, model in columns.items() if model is not None}

    @property
    def unweighted(self) -> dict[str, AnyModel]:
        """The paper's columns for all states, trained without class weights; none if not fitted."""
        if not (networks := self.ensemble.unweighted):
            return {}
        models: dict[str, AnyModel] = {"svm": Classical.SVM_UNWEIGHTED, **networks}
        return {f"{name}_unweighted": models[name] for name in MODELS}

    @property
    def ensembles(self) -> list[Ensemble]:
        """The ensembles of all trainings."""
        return [self.ensemble, *self.again]

    def scored(self, split: Split, row: Row, model: AnyModel) -> Scored:
        """Return a model's answers to the windows or clips of a row, with their scores."""
        key = (split, row, model)
        if key not in self._scored:
            self._scored[key] = self._score(split, row, model)
        return self._scored[key]

    def _score(self, split: Split, row: Row, model: AnyModel) -> Scored:
        states, plan = self.rows[row], self.ensemble.plan
        corpus, units = plan.streams.corpus, plan.units[split]
        y = evaluation.class_indices(units.labels, corpus.classes)[0]
        inside = np.flatnonzero(np.isin(y, states))
        of_row = corpus.take(plan.streams.clip[inside] if split is Split.RANDOM_FRAMES else inside)
        if isinstance(model, Classical):
            parts = [_folds(each.plan, split, inside, model) for each in self.ensembles]
            if model is Classical.MAJORITY:
                return Scored.majority(of_row, parts, split=split)
            if model is Classical.PHONE:
                return Scored.phone_alone(of_row, parts, split=split)
            # Each unit's inputs as one vector, the mean over its windows.
            x = by_clip(plan.streams.joint(), units.of_row, len(units.labels))[inside]
            svm = baselines(plan.settings.seed)["svm"]
            if model is Classical.SVM_UNWEIGHTED:
                svm.set_params(svc__class_weight=None)
            return Scored.from_classifier(svm, x, of_row, parts, split=split)
        # A model's counterparts in all trainings, or the model alone if it has none.
        place = next((k for k, m in enumerate(self.ensemble.models) if m is model), None)
        trained = [model] if place is None else [e.models[place] for e in self.ensembles]
        p = np.stack([each.answers(split, states)[inside][:, list(states)] for each in trained])
        folds = [_folds(each.plan, split, inside) for each in self.ensembles[: len(trained)]]
        return Scored.of(p, of_row, folds, split=split)

    def interval(
        self, split: Split, row: Row, model: AnyModel, metric: ScoreName = "accuracy"
    ) -> Interval:
        """Return a model's score in a row, with its 95 % interval over infants."""
        return self.scored(split, row, model).interval(metric)

    def gain(
        self, split: Split, model: AnyModel, rival: AnyModel, *, metric: Metric = "accuracy"
    ) -> Interval:
        """Return a model's score minus a rival's, on all states and the same clips."""
        ours, theirs = (self.scored(split, self.main, each) for each in (model, rival))
        return ours.minus(theirs, metric)

    def easier(self, split: Split, row: Row, than: Row) -> Interval:
        """Return the proposed model's accuracy in `row` minus that in `than`, with its interval.

        Two pairs share a state, so the jackknife deletes an infant from both rows at once. The
        interval's `n` counts a shared clip twice; `results` counts it once.
        """
        both = [self.scored(split, name, self.ensemble.proposed) for name in (row, than)]
        infants = np.concatenate([each.corpus.infants for each in both])
        everyone, whose = np.unique(infants, return_inverse=True)
        which = np.repeat([0, 1], [len(each.truth) for each in both])
        right, clips = np.zeros((2, len(everyone), 2))
        np.add.at(clips, (whose, which), 1)
        repeats = [(s.predicted == s.truth).astype(float) for s in both]  # (repeats, units) each
        np.add.at(right, (whose, which), np.concatenate([r.mean(axis=0) for r in repeats]))
        df = intervals.part_degrees(clips)
        bounds = intervals.combined(right, clips, [1, -1], df=df)
        each = repeats[0].mean(axis=1) - repeats[1].mean(axis=1)
        bounds = intervals.add_between_run_variance(bounds, [each], df=df.min(), limits=(-1.0, 1.0))
        return Interval.of(bounds, len(which), len(everyone))

    def tidy(self) -> pd.DataFrame:
        """Return the accuracy of each cell for `plots.table3` and, as text, `claims.board.table3`.

        Columns are pair, model, split, value, low and high.
        """
        table = []
        cells = product(self.ensemble.plan.folds, self.rows, self.models.items())
        for split, row, (name, model) in cells:
            score = self.interval(split, row, model)
            table.append((row, name, str(split), score.value, score.low, score.high))
        columns = ["pair", "model", "split", "value", "low", "high"]
        return pd.DataFrame(table, columns=columns).astype({"low": float, "high": float})

    def majority(self) -> dict[Row, float]:
        """Return the accuracy of always answering the commonest training class, by row."""
        split = next(
            s for s in reversed([*self.ensemble.plan.folds]) if s is not Split.RANDOM_FRAMES
        )
        return {row: self.interval(split, row, Classical.MAJORITY).value for row in self.rows}

    def results(self) -> pd.DataFrame:
        """Return every score as a row for `claims.record_table`.

        The study is "table3", with the row as `condition`, or for all states "submodel", "ablation"
        or "ensemble". These three studies, and the differences between models and between rows, are
        only computed for the random and leak-free splits.
        """
        metrics = (*METRICS, "roc_auc")
        tables = [scored.results(*metrics).assign(**about) for about, scored in self._all_scored()]
        splits = [split for split in self.ensemble.plan.folds if split is not Split.RANDOM_FRAMES]
        differences = [row for split in splits for row in self._differences(split)]
        table = pd.concat([*tables, pd.DataFrame(differences)], ignore_index=True)
        return table.fillna(dict.fromkeys(("condition", "feature", "model", "rival"), ""))

    def predictions(self) -> pd.DataFrame:
        """Return every answer as a row for `claims.record_predictions`."""
        tables = [scored.predictions().assign(**about) for about, scored in self._all_scored()]
        table = pd.concat(tables, ignore_index=True)
        return table.fillna(dict.fromkeys(("condition", "feature", "model"), ""))

    def _all_scored(self) -> Iterator[tuple[dict[str, str], Scored]]:
        """Yield every scored model, with the columns of its results."""
        for split in self.ensemble.plan.folds:
            for row in self.rows:
                unweighted = self.unweighted if row is self.main else {}
                models = {**self.models, **unweighted, "majority": Classical.MAJORITY}
                if len(set(self.ensemble.plan.streams.corpus.phones)) > 1:
                    models["phone"] = Classical.PHONE
                for name, model in models.items():
                    about = {"study": "table3", "condition": str(row), "model": name}
                    yield about, self.scored(split, row, model)
            if split is Split.RANDOM_FRAMES:
                continue
            others: list[tuple[dict[str, str], AnyModel]] = [
                *(({"study": "submodel", "model": n}, m)
                  for n, m in self.ensemble.submodels.items()),
                *(({"study": "ablation", "feature": "+".join(n)}, m)
                  for n, m in self.ensemble.subsets.items()),
                *(({"study": "ensemble", "model": n}, m)
                  for n, m in self.ensemble.variants.items()),
            ]  # fmt: skip
            for about, model in others:
                yield about, self.scored(split, self.main, model)

    def _differences(self, split: Split) -> Iterator[Result]:
        """Yield the ensemble's gains over its rivals and subsets, and of pairs over the hardest."""
        proposed = self.ensemble.proposed
        about = {"study": "table3", "model": "proposed"}
        for rival, model in list(self.models.items())[:-1]:
            columns = {**about, "condition": str(self.main), "rival": rival, "metric": "accuracy"}
            gain = self.gain(split, proposed, model)
            yield self._result(columns, gain, split, self.main)
        hardest = Row.HUGGING_HUNGRY
        for row in (Row.SLEEPY_HUNGRY, Row.SLEEPY_HUGGING):
            if {row, hardest} <= set(self.rows):
                columns = {**about, "condition": str(row), "metric": f"accuracy_minus_{hardest}"}
                easier = self.easier(split, row, hardest)
                yield self._result(columns, easier, split, row, hardest)
        if len(self.ensemble.submodels) == 3 and self.main is Row.TOTAL:
            for streams, model in [*self.ensemble.subsets.items()][:-1]:
                gain = self.gain(split, proposed, model)
                columns = {"study": "ablation", "rival": "+".join(streams), "metric": "accuracy"}
                yield self._result(columns, gain, split, self.main)

    def _result(self, about: Result, difference: Interval, split: Split, *rows: Row) -> Result:
        """Return a difference as a row of results; `n` counts each clip of `rows` once."""
        corpus = self.ensemble.plan.streams.corpus
        states = [corpus.classes[k] for row in rows for k in self.rows[row]]
        n = int(np.isin(corpus.labels, states).sum())
        columns = {"split": str(split), "data": corpus.name, "n": n}
        return {**about, **difference.row(), **columns, "trainings": len(self.ensembles)}


def fit(
    streams: Streams, *, settings: Settings, repeats: int = 1, progress: bool = False
) -> Table3:
    """Return the scores of `repeats` trainings, each with its own seed and division."""
    first, *again = [
        ensemble.fit(streams, settings=replace(settings, seed=seed), progress=progress)
        for seed in training_seeds(settings.seed, repeats)
    ]
    return Table3(first, again)


def _folds(
    plan: Plan, split: Split, inside: Indices, model: Classical = Classical.SVM
) -> list[Fold]:
    """Return the folds (train, test) of a plan, as positions in the units `inside`."""
    place = np.full(len(plan.units[split].labels), -1)
    place[inside] = np.arange(len(inside))
    folds = []
    for nested in plan.folds[split]:
        is_complete = model in (Classical.SVM_STOP, Classical.PHONE)
        train = nested.training if is_complete else nested.fit
        fold = tuple(place[np.intersect1d(units, inside)] for units in (train, nested.test))
        if len(fold[1]):
            folds.append((fold[0], fold[1]))
    return folds
