"""Paper A's Table 3, measured: every cell under three splits, with intervals, from an `Ensemble`.

Walked by notebook 09_ensemble (Paper A §4). The rows are the pairs of states and all three
together, the columns an SVM, one autoencoder and DNN on all inputs, and the proposed ensemble.
The two rivals learn from the same clips as the submodels, on the same splits.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.errors import InputError
from cryutils.evaluation import intervals
from cryutils.evaluation.intervals import Interval, Metric
from cryutils.models.classical import baselines
from cryutils.models.examples import by_clip
from cryutils.models.fusion import decide
from cryutils.papers.ensemble import JOINT, KINDS, Ensemble, subsets
from cryutils.papers.nested import protocol_of, unit_of

__all__ = ["MODELS", "Cell", "Table3", "published"]

MODELS = ("svm", "ae_dnn", "proposed")
METRICS: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")


class Cell(NamedTuple):
    """What one model said of the units of one row: class indices, and what was true."""

    predicted: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]
    infants: npt.NDArray[np.str_]


class Table3:
    """The scores of one `Ensemble`; `record` stores them.

    A model is "svm", "ae_dnn", "proposed", "majority", a stream ("mfcc"), a subset of streams
    ("mfcc+stft"), or a variant of the ensemble ("probabilities", "in_sample", ...). `main` is the
    row of all states: "total", or their pair where there are two.
    """

    def __init__(self, found: Ensemble) -> None:
        """Take what `ensemble.fit` returned."""
        self.found = found
        self.rows = found.cells
        self.main = next(row for row, states in self.rows.items() if states == found.states)
        self._known: dict[tuple[str, str, str], Cell] = {}

    @cached_property
    def variants(self) -> dict[str, Any]:
        """The ensembles beside the proposed one: the other inputs, and the other training."""
        own, everything = self.found.settings, tuple(self.found.streams.names)
        other = next(kind for kind in KINDS if kind != own.kind)
        words = "in_sample" if own.out_of_fold else "out_of_fold"
        return {
            own.kind: (own.kind, own.out_of_fold, everything),
            other: (other, own.out_of_fold, everything),
            words: (own.kind, not own.out_of_fold, everything),
        }

    def cell(self, scheme: str, row: str, model: str) -> Cell:
        """Return a model's answers to the units of a row ("total", "sleepy_hungry", ...)."""
        key = (scheme, row, model)
        if key not in self._known:
            self._known[key] = self._cell(*key)
        return self._known[key]

    def interval(self, scheme: str, row: str, model: str, metric: Metric = "accuracy") -> Interval:
        """Return a model's score in a row, with its 95 % interval over infants."""
        one = self.cell(scheme, row, model)
        found = evaluation.interval(
            one.predicted, one.truth, one.infants.tolist(), metric=metric,
            protocol=protocol_of(scheme),
        )  # fmt: skip
        if len(np.unique(one.predicted)) == 1:
            # What always says the same knows nothing that could be sure or unsure.
            return replace(found, low=None, high=None, df=None, se=None, reason="always the same")
        return found

    def gain(self, scheme: str, model: str, rival: str, *, metric: Metric = "accuracy") -> Interval:
        """Return how much better a model tells all states than a rival, on the same clips."""
        a, b = (self.cell(scheme, self.main, name) for name in (model, rival))
        return evaluation.paired_interval(
            a.predicted, b.predicted, a.truth, a.infants.tolist(), metric=metric,
            protocol=protocol_of(scheme),
        )  # fmt: skip

    def easier(self, scheme: str, row: str, than: str, model: str = "proposed") -> Interval:
        """Return a row's accuracy less another's, with its interval.

        Two pairs share a state, hence clips and infants, so an infant is deleted from both at
        once. The interval's `n` counts a shared clip in each row; `record` counts it once.
        """
        cells = [self.cell(scheme, name, model) for name in (row, than)]
        infants = np.concatenate([c.infants for c in cells])
        which = np.repeat([0, 1], [len(c.truth) for c in cells])
        right = np.concatenate([c.predicted == c.truth for c in cells]).astype(float)
        counts = intervals.clips_by_infant(which, infants, by_class=True)
        # The mean of both columns, the second negated, is half their difference.
        sums = intervals.clips_by_infant(which, infants, np.where(which, -right, right),
                                         by_class=True)  # fmt: skip
        half, se = intervals.score_and_error(sums, counts)
        score, se = 2 * half, 2 * se
        low, high = intervals.bounds(score, se, counts, 0.95, (-1.0, 1.0))
        df = intervals.degrees_of_freedom(counts)
        return Interval(
            float(score), float(low), float(high), df, float(se), len(right), len(counts), 0.95,
            f"{row}'s accuracy less {than}'s",
        )  # fmt: skip

    def tidy(self, metric: Metric = "accuracy") -> pd.DataFrame:
        """Return a row a cell for `plots.table3`: pair, model, protocol, value, low, high.

        `protocol` is "frame", "paper" (clips divided) or "leak_free".
        """
        table = []
        for scheme in self.found.folds:
            for row in self.rows:
                for model in MODELS:
                    one = self.interval(scheme, row, model, metric)
                    name = "paper" if scheme == "clip" else scheme
                    table.append((row, model, name, one.value, one.low, one.high))
        columns = ["pair", "model", "protocol", "value", "low", "high"]
        return pd.DataFrame(table, columns=columns).astype({"low": float, "high": float})

    def majority(self) -> dict[str, float]:
        """Return the accuracy of always saying the training clips' commonest class, by row."""
        scheme = next(s for s in reversed([*self.found.folds]) if s != "frame")
        return {row: self.interval(scheme, row, "majority").value for row in self.rows}

    def results(self, split_unit: str = "clip") -> pd.DataFrame:
        """Return every score as a row; `split_unit` goes by the name of the paper's protocol.

        The other one's keys end with `frame_split.accuracy`, or `clip_split.accuracy`. What the
        ledger says of all three states, or of all three inputs, is stored only of those. Raises
        InputError for another unit.
        """
        unit_of(split_unit)
        if protocol_of(split_unit) is not evaluation.Protocol.PAPER:
            raise InputError(f'split_unit={split_unit!r}: give "clip" or "frame".')
        rows: list[dict[str, Any]] = []
        for scheme in self.found.folds:
            other = protocol_of(scheme) is evaluation.Protocol.PAPER and scheme != split_unit
            suffix = f".{scheme}_split" if other else ""
            for row in self.rows:
                for model in (*MODELS, "majority"):
                    rows += self.result(f"table3.{row}.{model}{suffix}", scheme, row, model)
            if other:
                continue
            for rival in ("svm", "ae_dnn"):
                gain = self.gain(scheme, "proposed", rival)
                key = f"table3.gain.{rival}.{self.main}.accuracy"
                rows.append(self._row(key, gain, scheme, self.main))
            for row in ("sleepy_hungry", "sleepy_hugging"):
                if {row, "hugging_hungry"} <= set(self.rows):
                    found = self.easier(scheme, row, "hugging_hungry")
                    key = f"table3.hardest.{row}"
                    rows.append(self._row(key, found, scheme, row, "hugging_hungry"))
            rows += self._parts(scheme)
        return pd.DataFrame(rows)

    def _parts(self, scheme: str) -> list[dict[str, Any]]:
        """Return what the submodels, the subsets and the variants score, on all states."""
        rows = []
        names = self.found.streams.names
        for stream in names:
            rows += self.result(f"submodel.{stream}", scheme, self.main, f"submodel.{stream}")
        *smaller, everything = ["+".join(subset) for subset in subsets(names)]
        for subset in (*smaller, everything):
            rows += self.result(f"ablation.{subset}", scheme, self.main, subset)
        for subset in smaller if len(names) == 3 and self.main == "total" else ():
            gain = self.gain(scheme, everything, subset)
            rows.append(self._row(f"ablation.gain.{subset}.accuracy", gain, scheme, self.main))
        for variant in self.variants:
            rows += self.result(f"ensemble.{variant}", scheme, self.main, variant)
        return rows

    def result(self, key: str, scheme: str, row: str, model: str) -> list[dict[str, Any]]:
        """Return one model's accuracy and balanced accuracy as rows."""
        return [
            self._row(f"{key}.{metric}", self.interval(scheme, row, model, metric), scheme, row)
            for metric in METRICS
        ]

    def _row(self, key: str, found: Interval, scheme: str, *rows: str) -> dict[str, Any]:
        """Return an interval about `rows`; `n` counts their clips once, whatever was split."""
        corpus = self.found.streams.corpus
        states = [corpus.classes[k] for row in rows for k in self.rows[row]]
        n = int(np.isin(corpus.labels, states).sum())
        return found.row(key, n=n, protocol=str(protocol_of(scheme)), data=corpus.name)

    def _cell(self, scheme: str, row: str, model: str) -> Cell:
        states = self.rows[row]
        units = self.found.units[scheme]
        y = evaluation.class_indices(units.labels, self.found.streams.corpus.classes)[0]
        inside = np.flatnonzero(np.isin(y, states))
        if model in ("svm", "majority"):
            predicted = self._classical(scheme, states, inside, model)
        else:
            name = self._name(model)
            predicted = decide(self.found.answers(name, scheme, states)[inside])
        return Cell(predicted, y[inside], units.infants[inside])

    def _name(self, model: str) -> Any:
        """Return what `Ensemble.answers` calls a model."""
        own = self.found.settings
        if model == JOINT:
            return JOINT
        if model.startswith("submodel."):
            return model.removeprefix("submodel.")
        if model == "proposed":
            return self.variants[own.kind]
        if model in self.variants:
            return self.variants[model]
        return own.kind, own.out_of_fold, tuple(model.split("+"))

    def _classical(
        self, scheme: str, states: tuple[int, ...], inside: npt.NDArray[np.int64], model: str
    ) -> npt.NDArray[np.int64]:
        """Return what a classical model says of the units `inside`, on the same folds."""
        units, classes = self.found.units[scheme], self.found.streams.corpus.classes
        place = np.full(len(units.labels), -1)
        place[inside] = np.arange(len(inside))
        divided = [
            tuple(place[np.intersect1d(part, inside)] for part in (nested.fit, nested.test))
            for nested in self.found.folds[scheme]
        ]
        labels = units.labels[inside].tolist()
        there = [(train, test) for train, test in divided if len(test)]
        if model == "majority":
            names = [classes[k] for k in states]
            (found,) = evaluation.majority_baseline(labels, [there], classes=names)
            return np.asarray(states)[found]
        (found,) = evaluation.out_of_fold(
            baselines(self.found.settings.seed)["svm"], self._joint(scheme)[inside], labels,
            [there], classes=classes,
        )  # fmt: skip
        return found

    def _joint(self, scheme: str) -> npt.NDArray[np.float32]:
        """Return each unit's inputs as one vector, the mean over its moments."""
        units = self.found.units[scheme]
        return by_clip(self.found.streams.joint(), units.of_moment, len(units.labels))


def published(figures: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the paper's own figures as shares, by row and model, from `claims.published`."""
    figures = figures[figures["where"] == "Table 3"]
    found = {}
    for key, value in zip(figures.key, figures.value, strict=True):
        part = str(key).split(".")
        if len(part) == 4 and part[2] in MODELS:
            found[part[1], part[2]] = float(value)
    return found
