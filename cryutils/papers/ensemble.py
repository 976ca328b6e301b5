"""Paper A's ensemble: three submodels, and the network that combines their outputs.

Used in notebook 09_ensemble (Paper A §3.5: a concatenate layer takes the outputs of the three
submodels, then come flatten, a dense layer with ReLU, and softmax). The ensemble is trained on its
submodels' outputs for their own training clips. It may then trust overfitted submodels too much, so
stacking is trained for comparison (`out_of_fold`): inner folds predict each training clip by
submodels that were not trained on it (only their autoencoder was, without labels), and for a test
clip the answers over all inner folds are averaged. There is a network for each split, fold and row
of Table 3. `data/unstated.csv` lists what the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain, combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Division, Indices, Split
from cryutils.models import autoencoders, stacked
from cryutils.models.inputs import by_clip
from cryutils.models.stacked import DenseSettings, FitSpec, NetworkBatch
from cryutils.papers.streams import IMAGE, Streams, Units, divide

__all__ = [
    "KINDS", "SPLITS", "Concatenation", "Ensemble", "Job", "Model", "Plan", "Row", "Settings",
    "Views", "fit", "fit_proposed", "rows",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Kind = Literal["features", "probabilities"]
KINDS: tuple[Kind, ...] = ("features", "probabilities")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Folds, layers and training of all networks. Epochs are upper limits (`DenseSettings`).

    Of the general settings, the autoencoders use only `learning_rate`; the rest is from
    `AUTOENCODER`, without dropout. The second model's batch size is twice `batch_size`. Raises
    InputError for an unknown `ensemble_input`.
    """

    hidden: int = 64  # units of the autoencoders' outer hidden layers
    bottleneck: int = 32  # units of their code
    patch: int = 8  # frames
    per_window: int = 4  # training patches
    dnn_units: tuple[int, ...] = (64,)  # of the DNN behind each autoencoder, or on all inputs
    image_units: tuple[int, ...] = (64,)  # of ResNet-50's second model
    ensemble_units: tuple[int, ...] = (32,)
    autoencoder_epochs: int = 15
    epochs: int = 40  # of the DNNs
    image_epochs: int = 10
    ensemble_epochs: int = 100
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    dropout: float = 0.3
    # All classes have equal weight in the loss, and in the loss or accuracy that stops training.
    class_weights: bool = True
    # The ensemble's input from each submodel: its last hidden layer or its probabilities.
    ensemble_input: Kind = "probabilities"
    n_folds: int = 5
    n_inner: int = 3  # folds within each fold, for stacking
    seed: int = 0  # of every division and every network

    def __post_init__(self) -> None:
        kind = self.ensemble_input
        if kind not in KINDS:
            raise InputError(f"there is no input {kind!r}.{near_miss(kind, KINDS)}")

    @property
    def autoencoder(self) -> DenseSettings:
        """The settings of the autoencoders."""
        sized = autoencoders.sized(self.bottleneck, hidden=self.hidden)
        return replace(
            sized, epochs=self.autoencoder_epochs, learning_rate=self.learning_rate, seed=self.seed
        )

    @property
    def dnn(self) -> DenseSettings:
        """The settings of the DNN behind each autoencoder, also the one on all inputs."""
        return self._dense(self.dnn_units, self.epochs)

    @property
    def image(self) -> DenseSettings:
        """The settings of ResNet-50's second model."""
        dense = self._dense(self.image_units, self.image_epochs)
        return replace(dense, batch_size=2 * self.batch_size)

    @property
    def ensemble(self) -> DenseSettings:
        """The settings of the ensemble."""
        return self._dense(self.ensemble_units, self.ensemble_epochs)

    def _dense(self, units: Sequence[int], epochs: int) -> DenseSettings:
        return DenseSettings(
            units=tuple(units), epochs=epochs, patience=self.patience, batch_size=self.batch_size,
            dropout=self.dropout, learning_rate=self.learning_rate,
            class_weights=self.class_weights, seed=self.seed,
        )  # fmt: skip


SPLITS = (Split.RANDOM_FRAMES, Split.RANDOM, Split.LEAK_FREE)


class Row(StrEnum):
    """A row of Table 3: a pair of states, or all three."""

    SLEEPY_HUNGRY = "sleepy_hungry"
    SLEEPY_HUGGING = "sleepy_hugging"
    HUGGING_HUNGRY = "hugging_hungry"
    TOTAL = "total"


PAIRS = {
    Row.SLEEPY_HUNGRY: ("sleepy", "hungry"),
    Row.SLEEPY_HUGGING: ("sleepy", "hug"),
    Row.HUGGING_HUNGRY: ("hug", "hungry"),
}


def rows(classes: Sequence[str]) -> dict[Row, tuple[int, ...]]:
    """Return the rows of Table 3 whose states are all in `classes`, with their class indices."""
    allowed = {
        row: tuple(sorted(list(classes).index(name) for name in pair))
        for row, pair in PAIRS.items()
        if set(pair) <= set(classes)
    }
    return allowed | ({Row.TOTAL: (0, 1, 2)} if len(classes) == 3 else {})


class Job(NamedTuple):
    """Key of a network: split, outer fold, states that it distinguishes, and inner fold if any."""

    split: Split
    fold: int
    states: tuple[int, ...]
    inner: int | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """The training, validation and test windows of each network.

    folds: the outer folds of each split. pairs: also train networks for pairs of states.
    """

    streams: Streams
    folds: Mapping[Split, Sequence[Division]]
    settings: Settings
    pairs: bool = True

    @classmethod
    def of(cls, streams: Streams, settings: Settings, splits: Sequence[Split] = SPLITS) -> Plan:
        """Return the plan that divides `streams` under each of `splits`."""
        sizes = {"n_folds": settings.n_folds, "n_inner": settings.n_inner, "seed": settings.seed}
        units = [Units.of(streams.corpus, streams.clip, split) for split in splits]
        folds = {split: divide(of, split, **sizes) for split, of in zip(splits, units, strict=True)}
        return cls(streams, folds, settings)

    @cached_property
    def units(self) -> dict[Split, Units]:
        """The units that each split divides."""
        streams = self.streams
        return {split: Units.of(streams.corpus, streams.clip, split) for split in self.folds}

    @cached_property
    def states(self) -> tuple[int, ...]:
        """The indices of all classes."""
        return tuple(range(len(self.streams.corpus.classes)))

    @cached_property
    def rows(self) -> dict[Row, tuple[int, ...]]:
        """The rows of Table 3 that networks are trained for, each with its states."""
        allowed = rows(self.streams.corpus.classes)
        return {row: s for row, s in allowed.items() if self.pairs or s == self.states}

    @cached_property
    def places(self) -> list[Job]:
        """The jobs for all states, one per outer fold of each split."""
        return [Job(s, k, self.states) for s in self.folds for k in range(len(self.folds[s]))]

    @cached_property
    def jobs(self) -> list[Job]:
        """The jobs of all outer folds and rows."""
        return [p._replace(states=states) for p in self.places for states in self.rows.values()]

    def job(self, split: Split | str, fold: int = 0) -> Job:
        """Return the key of the networks for all states in one fold of a split."""
        return Job(Split(split), fold, self.states)

    def tested(self, job: Job) -> Indices:
        """Return the test windows of a job."""
        return self.windows(job, self.nested(job).test)

    def describe(self) -> pd.DataFrame:
        """Return the mean windows per part and the clips and infants on both sides, by split."""
        rows = []
        for job in self.places:
            (fit, stop), test = self.parts(job), self.tested(job)
            train = fit if self.nested(job).stops_on_test else np.union1d(fit, stop)
            clips = [set(self.streams.clip[part].tolist()) for part in (train, test)]
            infants = [set(self.streams.corpus.infants[list(side)].tolist()) for side in clips]
            rows.append({
                "split": str(job.split), "training windows": len(fit),
                "validation windows": len(stop), "test windows": len(test),
                "clips on both sides": len(set.intersection(*clips)),
                "infants on both sides": len(set.intersection(*infants)),
            })  # fmt: skip
        return pd.DataFrame(rows).groupby("split", sort=False).mean()

    def inner(self, job: Job) -> list[Job]:
        """Return the jobs of a job's inner folds."""
        return [job._replace(inner=k) for k in range(len(self.nested(job).inner))]

    def nested(self, job: Job) -> Division:
        """Return the fold of a job."""
        return self.folds[job.split][job.fold]

    def windows(self, job: Job, part: Indices) -> Indices:
        """Return the windows of some units of a job's split that have the job's states."""
        windows = self.units[job.split].rows(part)
        return windows[np.isin(self.streams.y[windows], job.states)]

    def parts(self, job: Job) -> tuple[Indices, Indices]:
        """Return the training and validation windows of a job's submodel.

        If a pair of states has no clip in the validation part, every fifth of its units in the
        fold's training part is used, also by the inner folds. No test unit is used.
        """
        nested = self.nested(job)
        fit, stop = nested.fit, self.windows(job, nested.stop)
        if not len(stop):
            held = np.unique(self.units[job.split].of_row[self.windows(job, fit)])[::5]
            fit, stop = np.setdiff1d(fit, held), self.windows(job, held)
        if job.inner is not None:
            fit = np.setdiff1d(fit, nested.inner[job.inner])
        return self.windows(job, fit), stop


@dataclass(frozen=True, eq=False)
class Model:
    """One network per job, trained together as `stack`; `tasks`: the index of a job's network.

    inputs: `Views` or `Concatenation`; `of` yields a job's rows (n, d), and the index in `windows`
    of each row.
    """

    plan: Plan
    inputs: Any
    stack: NetworkBatch
    tasks: Mapping[Job, int]

    def outputs(self, job: Job, windows: Indices, kind: Kind = "probabilities") -> Array:
        """Return the outputs of a job's network for some windows, float32 (windows, width).

        They are means over a window's frames, or over the inner folds that feed an ensemble.
        """
        answer = self.stack.predict if kind == "probabilities" else self.stack.hidden
        means = [
            by_clip(answer(self.tasks[job], x), place, len(windows))
            for x, place in self.inputs.of(job, windows)
        ]
        return np.mean(means, axis=0, dtype=np.float32)

    def answers(self, split: Split, states: tuple[int, ...]) -> Array:
        """Return out-of-fold probabilities, float32 (units, classes); NaN for other states."""
        plan, units = self.plan, self.plan.units[split]
        p = np.full((len(plan.streams), len(plan.states)), np.nan, np.float32)
        for fold, nested in enumerate(plan.folds[split]):
            job = Job(split, fold, states)
            test = plan.windows(job, nested.test)
            if len(test):
                p[test] = self.outputs(job, test)
        answered = np.flatnonzero(~np.isnan(p[:, 0]))
        return by_clip(p[answered], units.of_row[answered], len(units.labels))


@dataclass(frozen=True, eq=False)
class Views:
    """The inputs of a submodel: codes of windows, from each fold's encoder, or embedded frames.

    x: float32 (groups, rows, d), one group per fold, or one for all. window: int (rows,), the
    window of each row.
    """

    plan: Plan
    x: Array = field(repr=False)
    window: Indices = field(repr=False)

    def rows(self, windows: Indices) -> Indices:
        """Return the rows of some windows."""
        return np.flatnonzero(np.isin(self.window, windows))

    def group(self, job: Job) -> int:
        """Return the index of the group of `x` that a job's network uses."""
        place = job._replace(states=self.plan.states, inner=None)
        return 0 if len(self.x) == 1 else self.plan.places.index(place)

    def of(self, job: Job, windows: Indices) -> Iterator[tuple[Array, Indices]]:
        """Yield the rows of the windows, as `Model` needs them."""
        rows = self.rows(windows)
        yield self.x[self.group(job), rows], np.searchsorted(windows, self.window[rows])


@dataclass(frozen=True, eq=False)
class Concatenation:
    """The inputs of an ensemble: its submodels' outputs, concatenated.

    kind: as `ensemble_input` in `Settings`. out_of_fold: the submodels are those of inner folds, so
    the ensemble is trained on outputs for clips that they were not trained on.
    """

    plan: Plan
    submodels: Mapping[str, Model]
    kind: Kind
    out_of_fold: bool = False

    def sources(self, job: Job) -> list[Job]:
        """Return the jobs whose submodels provide the inputs of a job's ensemble."""
        return self.plan.inner(job) if self.out_of_fold else [job]

    def outputs(self, source: Job, windows: Indices) -> dict[str, Array]:
        """Return the submodels' outputs for some windows, by stream."""
        models = self.submodels.items()
        return {stream: model.outputs(source, windows, self.kind) for stream, model in models}

    def of(self, job: Job, windows: Indices) -> Iterator[tuple[Array, Indices]]:
        """Yield the concatenated outputs of each source, as `Model` needs them."""
        for source in self.sources(job):
            x = np.concatenate([*self.outputs(source, windows).values()], axis=1)
            yield x, np.arange(len(windows))

    def design(self, job: Job) -> tuple[dict[str, Array], Indices, FitSpec]:
        """Return the training data of a job's ensemble: by stream (rows, width), y and rows."""
        nested, (_, stop) = self.plan.nested(job), self.plan.parts(job)
        parts = nested.inner if self.out_of_fold else [nested.fit]
        # Exclude validation windows from training.
        learned = [np.setdiff1d(self.plan.windows(job, part), stop) for part in parts]
        sources = self.sources(job)
        windows = [*learned, *[stop] * len(sources)]
        blocks = [self.outputs(*block) for block in zip(2 * sources, windows, strict=True)]
        inputs = {name: np.concatenate([b[name] for b in blocks]) for name in self.submodels}
        y, count = self.plan.streams.y[np.concatenate(windows)], sum(map(len, learned))
        return inputs, y, FitSpec(np.arange(count), np.arange(count, len(y)))


def _train(
    plan: Plan, x: Array, y: Indices, jobs: Sequence[Job], tasks: Sequence[FitSpec],
    settings: DenseSettings, progress: bool,
) -> NetworkBatch:  # fmt: skip
    """Train all tasks, monitoring accuracy if the test part stops them and the loss otherwise."""
    monitored = [
        replace(
            task,
            classes=job.states,
            monitor="accuracy" if plan.nested(job).stops_on_test else "loss",
        )
        for task, job in zip(tasks, jobs, strict=True)
    ]
    return stacked.fit(
        x, y, monitored, classes=len(plan.states), settings=settings, progress=progress
    )


def _submodel(views: Views, jobs: Sequence[Job], settings: DenseSettings, progress: bool) -> Model:
    """Train a network for each job."""
    plan = views.plan
    tasks = []
    for job in jobs:
        train, stop = map(views.rows, plan.parts(job))
        tasks.append(FitSpec(train, stop, group=views.group(job)))
    y = plan.streams.y[views.window]
    stack = _train(plan, views.x, y, jobs, tasks, settings, progress)
    return Model(plan, views, stack, {job: k for k, job in enumerate(jobs)})


def _again(
    submodels: Mapping[str, Model], plan: Plan, jobs: Sequence[Job], progress: bool
) -> dict[str, Model]:
    """Train submodels again, on the same inputs, for other jobs or other class weights."""
    weights = plan.settings.class_weights
    return {
        name: _submodel(
            replace(model.inputs, plan=plan), jobs,
            replace(model.stack.settings, class_weights=weights), progress,
        )
        for name, model in submodels.items()
    }  # fmt: skip


def _codes(plan: Plan, windows: Array, progress: bool) -> Views:
    """Train each fold's autoencoder, on all states, and return the codes of all windows."""
    settings = plan.settings
    encoders = autoencoders.fit(
        windows, [FitSpec(*plan.parts(place)) for place in plan.places], patch=settings.patch,
        per_window=settings.per_window, settings=settings.autoencoder, progress=progress,
    )  # fmt: skip
    codes = np.stack([autoencoders.codes(encoders, k, windows) for k in range(len(encoders))])
    return Views(plan, codes, np.arange(len(windows)))


def _joint(plan: Plan, progress: bool) -> Model:
    """Train one autoencoder per fold on all inputs, and a DNN behind it for each row."""
    x, tasks = plan.streams.joint(), [FitSpec(*plan.parts(place)) for place in plan.places]
    encoders = stacked.fit(x, x, tasks, settings=plan.settings.autoencoder, progress=progress)
    codes = [encoders.hidden(k, x, layer=autoencoders.BOTTLENECK) for k in range(len(tasks))]
    views = Views(plan, np.stack(codes), np.arange(len(x)))
    return _submodel(views, plan.jobs, plan.settings.dnn, progress)


def _join(
    inputs: Concatenation, jobs: Sequence[Job], *, smaller: bool = False, progress: bool
) -> dict[tuple[str, ...], Model]:
    """Train an ensemble of all streams for each job; `smaller`: also of subsets, for all states."""
    plan, streams = inputs.plan, tuple(inputs.submodels)
    sizes = range(1, len(streams) + 1) if smaller else [len(streams)]
    members = list(chain(*(combinations(streams, n) for n in sizes)))  # the largest last
    designs = [inputs.design(job) for job in jobs]
    networks: dict[tuple[str, ...], dict[Job, int]] = {member: {} for member in members}
    asked: list[Job] = []
    tasks: list[FitSpec] = []
    for group, (job, (parts, _, rows)) in enumerate(zip(jobs, designs, strict=True)):
        widths = [x.shape[1] for x in parts.values()]
        for subset in members if job.states == plan.states else [streams]:
            used = np.repeat([name in subset for name in streams], widths)
            networks[subset][job] = len(tasks)
            asked.append(job)
            tasks.append(replace(rows, group=group, inputs=used))
    longest = max(len(y) for _, y, _ in designs)
    xs = [np.concatenate([*parts.values()], axis=1) for parts, _, _ in designs]
    x = np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in xs])
    y = np.stack([np.pad(y, (0, longest - len(y))) for _, y, _ in designs])
    stack = _train(plan, x, y, asked, tasks, plan.settings.ensemble, progress)
    return {member: Model(plan, inputs, stack, jobs) for member, jobs in networks.items()}


@dataclass(frozen=True, eq=False)
class Ensemble:
    """All networks that `fit` trained.

    plan: their training and test windows. submodels: by stream. subsets: the ensemble of each
    subset of the streams, the largest last. variants: the proposed ensemble and two others of all
    streams, by input ("features", "probabilities") or training ("out_of_fold"). joint: one
    autoencoder and DNN on all inputs, averaged over a window; joint_patches: on patches, as the
    submodels. unweighted: "proposed" and "ae_dnn" for all states, trained without class weights.
    `fit_proposed` leaves the last four empty.
    """

    plan: Plan
    submodels: Mapping[str, Model]
    subsets: Mapping[tuple[str, ...], Model]
    variants: Mapping[str, Model] = field(default_factory=dict)
    joint: Model | None = None
    joint_patches: Model | None = None
    unweighted: Mapping[str, Model] = field(default_factory=dict)

    @property
    def models(self) -> list[Model]:
        """Each model once, in the same order for every training."""
        several = (self.submodels, self.subsets, self.variants, self.unweighted)
        models: list[Model] = [model for part in several for model in part.values()]
        models += [model for model in (self.joint, self.joint_patches) if model is not None]
        return list(dict.fromkeys(models))

    @property
    def proposed(self) -> Model:
        """The paper's proposed model: the ensemble of all streams."""
        return self.subsets[tuple(self.submodels)]


def fit(
    streams: Streams,
    *,
    settings: Settings,
    splits: Sequence[Split] = SPLITS,
    progress: bool = False,
) -> Ensemble:
    """Return the ensemble with all its parts, trained under each of `splits`.

    Networks that were trained before come from the cache. `progress` shows how many are trained.
    """
    plan = Plan.of(streams, settings, splits)
    main = fit_proposed(plan, smaller=True, progress=progress)
    inputs, (other,) = main.proposed.inputs, set(KINDS) - {settings.ensemble_input}
    inner = [job for place in plan.places for job in plan.inner(place)]
    stacking = _again(main.submodels, plan, inner, progress)
    changed: dict[str, Concatenation] = {
        other: replace(inputs, kind=other),
        "out_of_fold": replace(inputs, submodels=stacking, out_of_fold=True),
    }
    variants = {settings.ensemble_input: main.proposed} | {
        name: _join(change, plan.places, progress=progress)[streams.names]
        for name, change in changed.items()
    }
    # Like `_joint`, on patches as in the ensemble's autoencoders, of all inputs side by side.
    codes = _codes(plan, streams.side_by_side(settings.patch), progress)
    patches = _submodel(codes, plan.jobs, settings.dnn, progress)
    joint = _joint(plan, progress)
    # Without class weights, behind the same autoencoders.
    equal = replace(plan, settings=replace(settings, class_weights=False), pairs=False)
    submodels = _again(main.submodels, equal, equal.jobs, progress)
    fed = replace(inputs, plan=equal, submodels=submodels)
    unweighted: dict[str, Model] = {
        **_again({"ae_dnn": joint}, equal, equal.jobs, progress),
        "proposed": _join(fed, equal.jobs, progress=progress)[streams.names],
    }
    return replace(
        main, variants=variants, joint=joint, joint_patches=patches, unweighted=unweighted
    )


def fit_proposed(plan: Plan, *, smaller: bool = False, progress: bool = False) -> Ensemble:
    """Return the submodels and the ensemble of all streams; `smaller`: also of each subset."""
    jobs, settings = plan.jobs, plan.settings
    codes = {name: _codes(plan, x, progress) for name, x in plan.streams.windows.items()}
    submodels = {n: _submodel(v, jobs, settings.dnn, progress) for n, v in codes.items()}
    frames, window = plan.streams.frames, plan.streams.frame_window
    if frames is not None and window is not None:
        views = Views(plan, frames[None], window)
        submodels[IMAGE] = _submodel(views, jobs, settings.image, progress)
    inputs = Concatenation(plan, submodels, settings.ensemble_input)
    subsets = _join(inputs, jobs, smaller=smaller, progress=progress)
    return Ensemble(plan, submodels, subsets)
