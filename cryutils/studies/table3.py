"""Paper A's Table 3: three submodels, the ensemble that joins them, and AE+DNN (§3.5, §4).

Notebook 09_ensemble builds one row of the table from single Keras networks. `fit` trains such
networks for every row, split and fold side by side (`models.stacked`), and returns their answers as
one table. `data/unstated.csv` lists what the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations, groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.evaluation import intervals
from cryutils.evaluation.intervals import Interval
from cryutils.evaluation.splits import Fold, Indices, Split, fold_seed, hold_back
from cryutils.models import autoencoders, stacked
from cryutils.models.inputs import by_clip
from cryutils.models.stacked import DenseSettings, FitSpec, NetworkBatch
from cryutils.studies.streams import IMAGE, PATCH, Streams

__all__ = ["ROWS", "SPLITS", "differences", "fit"]

Array = npt.NDArray[np.float32]
Outputs = Mapping[str, Array]  # of the submodels, by stream: (jobs, windows, width)
Subset = tuple[str, ...]  # of the streams

SPLITS = (Split.RANDOM_FRAMES, Split.RANDOM, Split.LEAK_FREE)
ROWS = {  # the states of each row
    "sleepy_hungry": ("sleepy", "hungry"),
    "sleepy_hugging": ("sleepy", "hug"),
    "hugging_hungry": ("hug", "hungry"),
    "total": ("sleepy", "hungry", "hug"),
}
HARDEST = "hugging_hungry"  # the hardest pair, says the paper


def fit(
    streams: Streams,
    rows: Mapping[str, Sequence[str]],
    networks: Mapping[str, DenseSettings],
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    splits: Sequence[Split] = SPLITS,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the answers of all networks of Table 3, columns as in `evaluation.out_of_fold`.

    Further columns: study, condition (the row), feature and model. "table3" has the models
    "proposed" (the ensemble), "ae_dnn" and "ae_dnn_patches", and for the last row the first two
    without class weights ("_unweighted"). The other studies have only the last row, with the random
    and leak-free splits: "ablation" an ensemble of each subset of the streams, and "ensemble" two
    other forms. "features" joins the submodels' last hidden layers. "out_of_fold" is trained on
    answers of submodels that were not trained on the clip (stacking).

    The folds are those of `evaluation.out_of_fold` with the same `folds`, `repeats` and `seed`. A
    leak-free fold holds back validation infants. With the other splits, the test part chooses the
    epoch, as in the paper (§4).

    rows: the states of each row, such as `ROWS`; the last row has all. networks: the settings of
    "autoencoder", "dnn", "image" and "ensemble"; their seeds are not used. folds: their number,
    also of the inner folds for stacking.
    """
    tables: list[pd.DataFrame] = []
    done = 0
    with counting("Training", "steps", shown=progress) as report:
        for repeat in range(repeats):
            jobs = [
                job
                for row, states in rows.items()
                for split in splits
                for job in _jobs(streams, row, states, Split(split), folds, repeat, seed)
            ]
            jobs = [job._replace(number=k) for k, job in enumerate(jobs)]
            number = fold_seed(seed, repeat, 0) if repeat else seed
            seeded = {name: replace(s, seed=number) for name, s in networks.items()}
            training = _Training(streams, seeded, jobs, [*rows][-1])
            for step in training.steps:
                tables += step()
                done += 1
                report(done, repeats * len(training.steps))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True, eq=False)
class _Cell:
    """A row of Table 3 under one split, in one repeat.

    clips: what is divided, clips or windows of the row's states. states: their class indices.
    of_window: int (windows,), the position in `clips` of each window of the corpus, -1 for none.
    """

    row: str
    split: Split
    repeat: int
    clips: Corpus
    states: tuple[int, ...]
    of_window: Indices
    folds: list[Fold]

    def windows(self, clips: Indices) -> Indices:
        """Return the windows of some positions in `clips`."""
        return np.flatnonzero(np.isin(self.of_window, clips))


class _Job(NamedTuple):
    """One fold of a cell: the windows to train on, to choose the epoch, and parts for stacking."""

    cell: _Cell
    fit: Indices
    stop: Indices
    inner: list[Indices]
    number: int = 0  # of all jobs of a repeat


def _jobs(
    streams: Streams, row: str, states: Sequence[str], split: Split, folds: int, repeat: int, seed: int
) -> Iterator[_Job]:
    """Yield the folds of one row with one split."""
    units, of_window = streams.units(split)
    inside = np.flatnonzero(np.isin(units.labels, states))
    clips, place = units.take(inside), np.full(len(units), -1)
    place[inside] = np.arange(len(inside))
    repeated = split.k_folds(clips, n_splits=folds, repeats=repeat + 1, seed=seed)
    classes = streams.corpus.classes
    indices = tuple(sorted(classes.index(state) for state in states))
    cell = _Cell(row, split, repeat, clips, indices, place[of_window], repeated[repeat])
    for k, (train, test) in enumerate(cell.folds):
        own_seed = fold_seed(seed, repeat, k)
        learn, stop = train, test
        if split is Split.LEAK_FREE:
            learn, stop = hold_back(clips.labels, train, clips.infants, seed=own_seed)
        inner = _inner(clips, learn, split, folds, own_seed)
        yield _Job(cell, cell.windows(learn), cell.windows(stop), [*map(cell.windows, inner)])


def _inner(clips: Corpus, fit: Indices, split: Split, count: int, seed: int) -> list[Indices]:
    """Deal training clips of each class, or if leak-free whole infants, into `count` parts."""
    groups = clips.infants[fit] if split is Split.LEAK_FREE else fit
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    order = np.lexsort([rng.random(len(first)), clips.labels[fit][first]])
    part = np.empty(len(first), np.int64)
    part[order] = np.arange(len(first)) % count
    return [fit[part[group] == k] for k in range(count)]


@dataclass(frozen=True, eq=False)
class _Views:
    """The inputs of a submodel: codes of windows, or embedded frames.

    x: float32 (jobs, rows, d), or (1, rows, d) for all jobs. window: int (rows,), the window of
    each row. network: the key of its settings.
    """

    x: Array
    window: Indices
    network: str

    def rows(self, windows: Indices) -> Indices:
        """Return the rows of some windows."""
        return np.flatnonzero(np.isin(self.window, windows))

    def group(self, job: _Job) -> int:
        """Return the index in `x` of the inputs of a job's network."""
        return min(job.number, len(self.x) - 1)


@dataclass(frozen=True, eq=False)
class _Training:
    """The networks of one repeat, trained step by step; `last` is the row that has all states."""

    streams: Streams
    networks: Mapping[str, DenseSettings]
    jobs: Sequence[_Job]
    last: str

    @property
    def steps(self) -> list[Callable[[], list[pd.DataFrame]]]:
        """Functions that train networks and return their answers."""
        return [
            self.proposed,
            self.ae_dnn,
            self.ae_dnn_patches,
            self.unweighted,
            self.ablation,
            self.features,
            self.stacking,
        ]

    def proposed(self) -> list[pd.DataFrame]:
        """Return the answers of the ensemble."""
        return _answers(self._ensembles, self.jobs, model="proposed")

    def ae_dnn(self) -> list[pd.DataFrame]:
        """Return the answers of one autoencoder and DNN on all inputs of a window."""
        _, p = self._submodel(self._joint, self.jobs)
        return _answers(p, self.jobs, model="ae_dnn")

    def ae_dnn_patches(self) -> list[pd.DataFrame]:
        """Like `ae_dnn`, on patches, as the ensemble's autoencoders."""
        _, p = self._submodel(self._codes(self.streams.side_by_side(PATCH)), self.jobs)
        return _answers(p, self.jobs, model="ae_dnn_patches")

    def unweighted(self) -> list[pd.DataFrame]:
        """Return the answers of AE+DNN and of the ensemble without class weights."""
        jobs = [job for job in self.jobs if job.cell.row == self.last]
        _, joint = self._submodel(self._joint, jobs, weighted=False)
        outputs = {
            name: self._submodel(views, jobs, weighted=False)[1] for name, views in self._views.items()
        }
        (joined,) = self._join(outputs, jobs, weighted=False).values()
        return [
            *_answers(joint, jobs, model="ae_dnn_unweighted"),
            *_answers(joined, jobs, model="proposed_unweighted"),
        ]

    def ablation(self) -> list[pd.DataFrame]:
        """Return the answers of an ensemble of each subset of the streams."""
        names, place = self.streams.names, [job.number for job in self._compared]
        smaller = list(chain(*(combinations(names, size) for size in range(1, len(names)))))
        outputs = {name: p[place] for name, (_, p) in self._submodels.items()}
        joined = self._join(outputs, self._compared, subsets=smaller)
        joined[names] = self._ensembles[place]
        return [
            table
            for subset, p in joined.items()
            for table in _answers(p, self._compared, "ablation", feature="+".join(subset))
        ]

    def features(self) -> list[pd.DataFrame]:
        """Return the answers of an ensemble that joins the submodels' last hidden layers."""
        outputs = {
            name: np.stack(
                [
                    self._means(networks.hidden(job.number, views.x[views.group(job)]), views)
                    for job in self._compared
                ]
            )
            for (name, (networks, _)), views in zip(
                self._submodels.items(), self._views.values(), strict=True
            )
        }
        (joined,) = self._join(outputs, self._compared).values()
        return _answers(joined, self._compared, "ensemble", model="features")

    def stacking(self) -> list[pd.DataFrame]:
        """Return the answers of an ensemble of submodels from folds within each fold."""
        jobs, n = self._compared, len(self.streams)
        inner = [job._replace(fit=np.setdiff1d(job.fit, part)) for job in jobs for part in job.inner]
        outputs = {}
        for name, views in self._views.items():
            _, p = self._submodel(views, inner)
            outputs[name] = p.reshape(len(jobs), -1, p.shape[2])
        rows = [
            (
                np.concatenate([k * n + part for k, part in enumerate(job.inner)]),
                np.concatenate([k * n + job.stop for k in range(len(job.inner))]),
            )
            for job in jobs
        ]
        (joined,) = self._join(outputs, jobs, rows).values()
        return _answers(joined, jobs, "ensemble", model="out_of_fold")

    @cached_property
    def _compared(self) -> list[_Job]:
        """The jobs of the last row, with the random and leak-free splits."""
        row = [job for job in self.jobs if job.cell.row == self.last]
        return [job for job in row if job.cell.split is not Split.RANDOM_FRAMES]

    @cached_property
    def _views(self) -> dict[str, _Views]:
        """The inputs of each submodel."""
        views = {name: self._codes(windows) for name, windows in self.streams.windows.items()}
        frames, window = self.streams.frames, self.streams.frame_window
        if frames is not None and window is not None:
            views[IMAGE] = _Views(frames[None], window, "image")
        return views

    @cached_property
    def _submodels(self) -> dict[str, tuple[NetworkBatch, Array]]:
        """The networks of each submodel, and their outputs."""
        return {name: self._submodel(views, self.jobs) for name, views in self._views.items()}

    @cached_property
    def _ensembles(self) -> Array:
        """The outputs of each job's ensemble."""
        outputs = {name: p for name, (_, p) in self._submodels.items()}
        (joined,) = self._join(outputs, self.jobs).values()
        return joined

    @cached_property
    def _joint(self) -> _Views:
        """Codes of all inputs of a window, from one autoencoder for each job."""
        x, tasks = self.streams.joint(), [FitSpec(job.fit, job.stop) for job in self.jobs]
        encoders = stacked.fit(x, x, tasks, settings=self.networks["autoencoder"])
        layer = autoencoders.BOTTLENECK
        codes = [encoders.hidden(k, x, layer=layer) for k in range(len(tasks))]
        return _Views(np.stack(codes), np.arange(len(x)), "dnn")

    def _codes(self, windows: Array) -> _Views:
        """Train an autoencoder for each job, and return its codes of all windows."""
        tasks = [FitSpec(job.fit, job.stop) for job in self.jobs]
        encoders = autoencoders.fit(windows, tasks, patch=PATCH, settings=self.networks["autoencoder"])
        codes = [autoencoders.codes(encoders, k, windows) for k in range(len(tasks))]
        return _Views(np.stack(codes), np.arange(len(windows)), "dnn")

    def _submodel(
        self, views: _Views, jobs: Sequence[_Job], *, weighted: bool = True
    ) -> tuple[NetworkBatch, Array]:
        """Train a network for each job. Return them, and their outputs for all windows."""
        tasks = [FitSpec(views.rows(job.fit), views.rows(job.stop), group=views.group(job)) for job in jobs]
        y = self.streams.y[views.window]
        networks = self._train(views.network, views.x, y, tasks, jobs, weighted)
        return networks, np.stack(
            [self._means(networks.predict(k, views.x[views.group(job)]), views) for k, job in enumerate(jobs)]
        )

    def _means(self, outputs: Array, views: _Views) -> Array:
        """Return the means over the rows of each window."""
        return by_clip(outputs, views.window, len(self.streams))

    def _join(
        self,
        outputs: Outputs,
        jobs: Sequence[_Job],
        rows: Sequence[tuple[Indices, Indices]] | None = None,
        *,
        subsets: Sequence[Subset] | None = None,
        weighted: bool = True,
    ) -> dict[Subset, Array]:
        """Train an ensemble of each subset of the streams, by default of all, for each job.

        outputs: float32 (jobs, windows, width), or several times the windows, if several submodels
        answer them; an ensemble's answer is then the mean. rows: training and validation rows.
        """
        x = np.concatenate([*outputs.values()], axis=2)
        rows = rows or [(job.fit, job.stop) for job in jobs]
        subsets = subsets or [tuple(outputs)]
        widths = [p.shape[2] for p in outputs.values()]
        tasks = [
            FitSpec(*parts, group=k, inputs=np.repeat([name in subset for name in outputs], widths))
            for subset in subsets
            for k, parts in enumerate(rows)
        ]
        y = np.tile(self.streams.y, x.shape[1] // len(self.streams))
        networks = self._train("ensemble", x, y, tasks, [*jobs] * len(subsets), weighted)
        p = np.stack([networks.predict(n, x[task.group]) for n, task in enumerate(tasks)])
        shape = len(subsets), len(jobs), -1, len(self.streams), p.shape[2]
        return dict(zip(subsets, p.reshape(shape).mean(axis=2), strict=True))

    def _train(
        self,
        network: str,
        x: Array,
        y: Indices,
        tasks: Sequence[FitSpec],
        jobs: Sequence[_Job],
        weighted: bool,
    ) -> NetworkBatch:
        """Train networks. The validation loss, or the accuracy on the test part, ends training."""
        tasks = [
            replace(
                task,
                classes=job.cell.states,
                monitor="loss" if job.cell.split is Split.LEAK_FREE else "accuracy",
            )
            for task, job in zip(tasks, jobs, strict=True)
        ]
        settings = replace(self.networks[network], class_weights=weighted)
        classes = len(self.streams.corpus.classes)
        return stacked.fit(x, y, tasks, classes=classes, settings=settings)


def _answers(
    p: Array, jobs: Sequence[_Job], study: str = "table3", *, feature: str = "", model: str = ""
) -> list[pd.DataFrame]:
    """Return the answers to the test clips of each cell, the means over their windows.

    p: probabilities of all windows, float32 (jobs, windows, classes).
    """
    tables = []
    for cell, group in groupby(zip(jobs, p, strict=True), key=lambda pair: pair[0].cell):
        inside = cell.of_window >= 0
        of_clip = [
            by_clip(q[inside], cell.of_window[inside], len(cell.clips))[:, cell.states] for _, q in group
        ]
        means = np.empty_like(of_clip[0])
        for (_, test), rows in zip(cell.folds, of_clip, strict=True):
            means[test] = rows[test]
        table = evaluation.answers_table(means, cell.clips, [cell.folds], split=cell.split)
        condition = cell.row if study == "table3" else ""
        tables.append(
            table.assign(repeat=cell.repeat, study=study, condition=condition, feature=feature, model=model)
        )
    return tables


def differences(answers: pd.DataFrame) -> pd.DataFrame:
    """Return differences in accuracy with their intervals, as rows for `claims.record_table`.

    With the random and leak-free splits: the ensemble minus its rivals in the last row, minus each
    ensemble of fewer than three streams, and two pairs of states minus the hardest.

    answers: columns as in `fit`, also of other models of the study "table3".
    """
    table = []
    last = answers[answers.study == "table3"].groupby("condition").truth.nunique().idxmax()
    for split in (Split.RANDOM, Split.LEAK_FREE):
        here = answers[answers.split == split]
        row, subsets = here[here.condition == last], here[here.study == "ablation"]
        ensemble = row[row.model == "proposed"]
        about = {"split": str(split), "data": here.data.iloc[0]}
        for rival in ("svm", "svm_stop", "ae_dnn", "ae_dnn_patches"):
            if (row.model == rival).any():
                gain = evaluation.difference(ensemble, row[row.model == rival], "accuracy")
                names = {"study": "table3", "condition": last, "model": "proposed", "rival": rival}
                table.append(about | names | gain.row() | {"metric": "accuracy"})
        for subset, fewer in subsets.groupby("feature", sort=False):
            if len(subsets.feature.unique()) == 7 and str(subset).count("+") < 2:
                gain = evaluation.difference(ensemble, fewer, "accuracy")
                names = {"study": "ablation", "rival": subset, "metric": "accuracy"}
                table.append(about | names | gain.row())
        proposed = here[(here.model == "proposed") & (here.study == "table3")]
        for pair in ("sleepy_hungry", "sleepy_hugging"):
            if {pair, HARDEST} <= {*proposed.condition}:
                names = {"study": "table3", "condition": pair, "model": "proposed"}
                easier = _easier(proposed, pair, HARDEST)
                metric = f"accuracy_minus_{HARDEST}"
                table.append(about | names | easier.row() | {"metric": metric})
    return pd.DataFrame(table)


def _easier(answers: pd.DataFrame, pair: str, hardest: str) -> Interval:
    """Return a model's accuracy in one row minus that in another.

    Two pairs of states share clips, so the jackknife deletes an infant from both rows at once.
    """
    both = answers[answers.condition.isin([pair, hardest])]
    both = both.assign(right=both.truth == both.predicted)
    counts = (
        both.pivot_table(
            index="infant", columns="condition", values="right", aggfunc=["sum", "count"], fill_value=0
        ).astype(float)
        / both.repeat.nunique()
    )
    right, clips = (counts[name][[pair, hardest]].to_numpy() for name in ("sum", "count"))
    df = intervals.part_degrees(clips)
    bounds = intervals.combined(right, clips, [1, -1], df=df)
    by_repeat = both.groupby(["condition", "repeat"]).right.mean()
    each = (by_repeat[pair] - by_repeat[hardest]).to_numpy()
    bounds = intervals.add_between_run_variance(bounds, [each], df=df.min(), limits=(-1.0, 1.0))
    return Interval.of(bounds, both["clip"].nunique(), len(counts))
