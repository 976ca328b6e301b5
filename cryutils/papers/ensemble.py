"""Paper A's ensemble: three submodels, and the network that joins them, from `fit`.

Walked by notebook 09_ensemble (Paper A §3.5: a concatenate layer takes the outputs of the three
submodels, then come flatten, a dense layer with ReLU, and softmax). An ensemble that is trained
on answers to the very clips its submodels learned by heart may trust them too much; so inner
folds answer each training clip by networks that were not trained on it (the autoencoder in front
has seen it, without its label), and the test clips are answered by all of these, in the mean. The
paper's simpler way, whose submodels have all training clips to learn from, stands beside it.
Everything is trained for each split, each fold, all states and each pair of them, the networks of
one input in one go. The paper states none of these sizes; `data/unstated.csv` lists what it
leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Indices
from cryutils.models import autoencoders, stacked
from cryutils.models.autoencoders import AUTOENCODER
from cryutils.models.autoencoders import DNN as AUDIO
from cryutils.models.examples import by_clip
from cryutils.models.stacked import DenseSettings, Stack, Task
from cryutils.papers.nested import Nested, divide, unit_of
from cryutils.papers.streams import IMAGE, Streams

__all__ = ["KINDS", "Ensemble", "Job", "Settings", "cells", "fit", "images_alone", "subsets"]

Kind = Literal["features", "probabilities"]
KINDS: tuple[Kind, ...] = ("features", "probabilities")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the parts are trained; epochs are upper limits, see `stacked.DenseSettings`.

    encoder: the autoencoders' (`patch` frames a patch, `per_window` patches of each moment).
    audio: of the DNN behind each. image: of ResNet-50's second model. joint: of the single
    DNN on all inputs. final: of the ensemble. kind: what it is given of each submodel, the
    last hidden layer's "features" or "probabilities". A class means the same in every network, a
    hidden unit doesn't, so what inner folds have learned is exchanged better as probabilities.
    out_of_fold: whether it learns from answers to clips that the submodels have not seen; False is
    the paper's simpler way.
    n_inner: inner folds.
    """

    encoder: DenseSettings = AUTOENCODER
    patch: int = 8
    per_window: int = 4
    audio: DenseSettings = AUDIO
    image: DenseSettings = field(
        default_factory=lambda: DenseSettings(units=(64,), epochs=10, batch_size=64, patience=10)
    )
    joint: DenseSettings = AUDIO
    final: DenseSettings = field(
        default_factory=lambda: DenseSettings(units=(32,), epochs=100, patience=20)
    )
    kind: Kind = "probabilities"
    out_of_fold: bool = True
    n_folds: int = 5
    n_inner: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"there is no input {self.kind!r}.{near_miss(self.kind, KINDS)}")


class Job(NamedTuple):
    """One network's place: split, outer fold, states told apart, and inner fold (None: outer)."""

    scheme: str
    fold: int
    states: tuple[int, ...]
    inner: int | None = None


class Trained(NamedTuple):
    """The network of a job: a task of a `Dense`."""

    network: Stack
    task: int


def cells(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the rows of Table 3 that the classes allow: pairs by name, then all three, "total".

    >>> list(cells(["hug", "hungry", "sleepy"]))
    ['sleepy_hungry', 'sleepy_hugging', 'hugging_hungry', 'total']
    """
    pairs = {
        "sleepy_hungry": ("sleepy", "hungry"),
        "sleepy_hugging": ("sleepy", "hug"),
        "hugging_hungry": ("hug", "hungry"),
    }
    place = {name: k for k, name in enumerate(classes)}
    found = {
        row: tuple(sorted(place[name] for name in pair))
        for row, pair in pairs.items()
        if set(pair) <= set(classes)
    }
    return found | ({"total": (0, 1, 2)} if len(classes) == 3 else {})


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all subsets of the streams but the empty one, the largest last."""
    return list(chain(*(combinations(names, n) for n in range(1, len(names) + 1))))


Array = npt.NDArray[np.float32]


class Submodels:
    """The networks of each input, and what they answer to units that they have not seen.

    `folds`: by split, a list of `Nested`. `encoders`: by stream. `network(stream, job)` gives
    the one of a place.
    """

    def __init__(
        self,
        streams: Streams,
        settings: Settings,
        folds: Mapping[str, list[Nested]],
        *,
        pairs: bool = True,
    ) -> None:
        """Take the outer folds of each split, and whether pairs of states are told apart, too."""
        self.streams, self.settings, self.folds = streams, settings, folds
        self.units = {scheme: streams.units(unit_of(scheme)) for scheme in folds}
        self.places = [(s, k) for s, nested in folds.items() for k in range(len(nested))]
        self.classes = len(streams.corpus.classes)
        self.states = tuple(range(self.classes))
        known = cells(streams.corpus.classes)
        self.cells = {r: states for r, states in known.items() if pairs or states == self.states}
        self.encoders: dict[str, Stack] = {}
        self._codes: dict[str, Array] = {}
        self._networks: dict[Any, Trained] = {}

    # ---- which rows -------------------------------------------------------------------------

    def moments(self, job: Job, part: Indices) -> Indices:
        """Return the moments of some units of a job's split, those of its states alone."""
        inside = np.isin(self.units[job.scheme].of_moment, part)
        return np.flatnonzero(inside & np.isin(self.streams.y, job.states))

    def _parts(self, job: Job) -> tuple[Indices, Indices]:
        """Return the moments that a job's submodel is trained on, and that stop it.

        Where none of a pair's clips is among those that stop, every fifth unit of its fold's
        training part does, for the inner folds too; no tested infant takes part in that either.
        """
        nested = self._nested(job)
        fit, stop = nested.fit, self.moments(job, nested.stop)
        if not len(stop):
            held = np.unique(self.units[job.scheme].of_moment[self.moments(job, fit)])[::5]
            fit, stop = np.setdiff1d(fit, held), self.moments(job, held)
        if job.inner is not None:
            fit = np.setdiff1d(fit, nested.inner[job.inner])
        return self.moments(job, fit), stop

    def _rows(self, stream: str, moments: Indices) -> Indices:
        """Return the rows of a stream's training data that belong to some moments."""
        if stream != IMAGE:
            return moments
        assert self.streams.moment is not None
        return np.flatnonzero(np.isin(self.streams.moment, moments))

    def inner(self, job: Job) -> list[Job]:
        """Return the jobs of a job's inner folds."""
        count = len(self._nested(job).inner)
        return [job._replace(inner=k) for k in range(count)]

    # ---- training ---------------------------------------------------------------------------

    def encode(self, progress: bool) -> None:
        """Train an autoencoder for each stream of sound and each fold, on all states."""
        tasks = []
        for scheme, fold in self.places:
            train, stop = self._parts(Job(scheme, fold, self.states))
            tasks.append(Task(train, stop))
        own = self.settings
        for name, windows in self.streams.windows.items():
            self.encoders[name] = found = autoencoders.fit(
                windows, tasks, patch=own.patch, per_window=own.per_window, settings=own.encoder,
                progress=progress,
            )  # fmt: skip
            self._codes[name] = np.stack(
                [autoencoders.codes(found, k, windows) for k in range(len(tasks))]
            )

    def train_submodels(self, stream: str, progress: bool) -> None:
        """Train a stream's submodel for every job, outer and inner."""
        outer = [Job(s, k, states) for s, k in self.places for states in self.cells.values()]
        jobs = [one for job in outer for one in (job, *self.inner(job))]
        x = self.streams.frames if stream == IMAGE else self._codes[stream]
        assert x is not None
        y = self.streams.y if stream != IMAGE else self.streams.y[self.streams.moment]
        tasks = []
        for job in jobs:
            train, stop = (self._rows(stream, part) for part in self._parts(job))
            group = 0 if stream == IMAGE else self.places.index((job.scheme, job.fold))
            tasks.append(Task(train, stop, group=group, classes=job.states))
        own = self.settings.image if stream == IMAGE else self.settings.audio
        self._train([(stream, job) for job in jobs], x, y, tasks, own, progress)

    def _train(
        self,
        names: Sequence[Any],
        x: Array,
        y: Indices,
        tasks: Sequence[Task],
        settings: DenseSettings,
        progress: bool,
    ) -> None:
        """Train all tasks: those of the paper's protocol stop by accuracy, the others by loss."""
        own = [
            replace(task, monitor="accuracy" if self._nested(name[-1]).stops_on_test else "loss")
            for name, task in zip(names, tasks, strict=True)
        ]
        found = stacked.fit(x, y, own, classes=self.classes, settings=settings, progress=progress)
        for k, name in enumerate(names):
            self._networks[name] = Trained(found, k)

    def _nested(self, job: Job) -> Nested:
        return self.folds[job.scheme][job.fold]

    # ---- what came of it --------------------------------------------------------------------

    def network(self, *name: Any) -> Trained:
        """Return the network of that name: of a stream, its job."""
        return self._networks[name]

    def outputs(self, stream: str, job: Job, moments: Indices, kind: Kind) -> Array:
        """Return what a submodel gives for some moments, float32 (moments, n)."""
        network, task = self._networks[stream, job]
        answer = network.hidden if kind == "features" else network.predict
        if stream != IMAGE:
            group = self.places.index((job.scheme, job.fold))
            return answer(task, self._codes[stream][group, moments])
        assert self.streams.frames is not None and self.streams.moment is not None
        rows = self._rows(stream, moments)
        given = answer(task, self.streams.frames[rows])
        return by_clip(given, np.searchsorted(moments, self.streams.moment[rows]), len(moments))

    def answers(self, name: Any, scheme: str, states: tuple[int, ...]) -> Array:
        """Return out-of-fold probabilities, float32 (units, classes); NaN for other states.

        name: a stream.
        """
        units = self.units[scheme]
        found = np.full((len(self.streams), self.classes), np.nan, np.float32)
        for fold, nested in enumerate(self.folds[scheme]):
            job = Job(scheme, fold, states)
            test = self.moments(job, nested.test)
            if len(test):
                found[test] = self._answer(name, job, test)
        there = np.flatnonzero(~np.isnan(found[:, 0]))
        return by_clip(found[there], units.of_moment[there], len(units.labels))

    def _answer(self, name: Any, job: Job, test: Indices) -> Array:
        return self.outputs(name, job, test, "probabilities")


def images_alone(streams: Streams, like: Submodels, *, progress: bool = False) -> Submodels:
    """Return the submodel of pictures alone, on the folds of `like`: for another backbone's frames.

    Only all states are told apart, and there are no inner folds, since nothing is joined.
    """
    folds = {s: [replace(one, inner=()) for one in given] for s, given in like.folds.items()}
    found = Submodels(streams, like.settings, folds, pairs=False)
    found.train_submodels(IMAGE, progress)
    return found


JOINT = "ae_dnn"


class Ensemble(Submodels):
    """All networks of `fit`, and what they answer to units that they have not seen.

    Beside the submodels' there are those that join them, by (kind, out_of_fold, subset), and
    "ae_dnn", a single autoencoder and DNN for all inputs: names that `answers` takes as well.
    `network` takes ("ae_dnn", job) and (kind, out_of_fold, subset, job).
    """

    # ---- training ---------------------------------------------------------------------------

    def train(self, progress: bool, *, ablation: bool = True) -> None:
        """Train encoders, submodels, and the ensembles of all subsets of the streams, or of all."""
        self.encode(progress)
        for stream in self.streams.names:
            self.train_submodels(stream, progress)
        own = self.settings
        self.train_finals(
            own.kind, out_of_fold=own.out_of_fold, ablation=ablation, progress=progress
        )

    def train_joint(self, progress: bool) -> None:
        """Train the single autoencoder and DNN on all inputs, and the DNN of each cell."""
        x = self.streams.joint()
        tasks = [Task(*self._parts(Job(s, k, self.states))) for s, k in self.places]
        own = replace(self.settings.encoder, seed=self.settings.seed)
        self.encoders[JOINT] = found = stacked.fit(x, x, tasks, settings=own, progress=progress)
        self._codes[JOINT] = np.stack(
            [found.hidden(k, x, layer=autoencoders.BOTTLENECK) for k in range(len(tasks))]
        )
        jobs = [Job(s, k, states) for s, k in self.places for states in self.cells.values()]
        of_each = [
            Task(*self._parts(job), group=self.places.index(job[:2]), classes=job.states)
            for job in jobs
        ]
        names = [(JOINT, job) for job in jobs]
        self._train(
            names, self._codes[JOINT], self.streams.y, of_each, self.settings.joint, progress
        )

    def train_finals(
        self, kind: Kind, *, out_of_fold: bool, progress: bool, ablation: bool = False
    ) -> None:
        """Train the ensembles that are given `kind`: of every subset, or of all streams alone."""
        main = (kind, out_of_fold) == (self.settings.kind, self.settings.out_of_fold)
        chosen = subsets(self.streams.names)
        names: list[Any] = []
        tasks: list[Task] = []
        xs: list[Array] = []
        ys: list[Indices] = []
        for scheme, fold in self.places:
            for states in self.cells.values():
                if states != self.states and not main:
                    continue
                job = Job(scheme, fold, states)
                x, y, train, stop = self.design(job, kind, out_of_fold)
                for subset in chosen if states == self.states and ablation else chosen[-1:]:
                    used = np.repeat(
                        [name in subset for name in self.streams.names],
                        [self.width(name, kind) for name in self.streams.names],
                    )
                    names.append((kind, out_of_fold, subset, job))
                    tasks.append(Task(train, stop, group=len(xs), classes=states, inputs=used))
                xs.append(x)
                ys.append(y)
        longest = max(map(len, xs))
        x = np.stack([np.pad(one, ((0, longest - len(one)), (0, 0))) for one in xs])
        y = np.stack([np.pad(one, (0, longest - len(one))) for one in ys])
        self._train(names, x, y, tasks, self.settings.final, progress)

    # ---- what came of it --------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many networks there are, autoencoders included."""
        return len(self._networks) + sum(map(len, self.encoders.values()))

    def history(self, name: str, scheme: str) -> pd.DataFrame:
        """Return the training of one network a fold, on all states, with its `fold` from 0.

        name: a stream, "ae_dnn", or "proposed" for the ensemble of all streams.
        """
        own, places = self.settings, range(len(self.folds[scheme]))
        parts = []
        for fold in places:
            job = Job(scheme, fold, self.states)
            final = (own.kind, own.out_of_fold, tuple(self.streams.names), job)
            network, task = self._networks[final if name == "proposed" else (name, job)]
            rows = network.history[network.history.task == task]
            parts.append(rows.drop(columns="task").assign(fold=fold))
        return pd.concat(parts, ignore_index=True)

    def _answer(self, name: Any, job: Job, test: Indices) -> Array:
        if name == JOINT:
            network, task = self._networks[JOINT, job]
            group = self.places.index((job.scheme, job.fold))
            return network.predict(task, self._codes[JOINT][group, test])
        if isinstance(name, str):
            return super()._answer(name, job, test)
        kind, out_of_fold, subset = name
        network, task = self._networks[kind, out_of_fold, subset, job]
        given = self.inner(job) if out_of_fold else [job]
        parts = [network.predict(task, self._concatenated(one, test, kind)) for one in given]
        return np.mean(parts, axis=0, dtype=np.float32)

    def _concatenated(self, job: Job, moments: Indices, kind: Kind) -> Array:
        parts = [self.outputs(name, job, moments, kind) for name in self.streams.names]
        return np.concatenate(parts, axis=1)

    def width(self, stream: str, kind: Kind | None = None) -> int:
        """Return how many numbers a submodel gives an ensemble; None: of the settings' kind."""
        if (kind or self.settings.kind) == "probabilities":
            return self.classes
        return (self.settings.image if stream == IMAGE else self.settings.audio).units[-1]

    def design(
        self, job: Job, kind: Kind | None = None, out_of_fold: bool | None = None
    ) -> tuple[Array, Indices, Indices, Indices]:
        """Return an ensemble's inputs, their classes, and its rows to train on and to stop by.

        float32 (rows, width), one submodel's outputs behind the other's, and int64 (rows,), then
        row numbers. kind, out_of_fold: by default as in the settings.
        """
        kind = kind or self.settings.kind
        out_of_fold = self.settings.out_of_fold if out_of_fold is None else out_of_fold
        nested = self._nested(job)
        _, stop = self._parts(job)
        blocks = [
            (one, np.setdiff1d(moments, stop))  # who says stop doesn't also teach
            for one, moments in self._blocks(job, nested, out_of_fold)
        ]
        held = [(one, stop) for one in (self.inner(job) if out_of_fold else [job])]
        x = np.concatenate([self._concatenated(*block, kind) for block in (*blocks, *held)])
        rows = np.concatenate([moments for _, moments in (*blocks, *held)])
        trained = sum(len(moments) for _, moments in blocks)
        return x, self.streams.y[rows], np.arange(trained), np.arange(trained, len(rows))

    def _blocks(self, job: Job, nested: Nested, out_of_fold: bool) -> Iterator[tuple[Job, Indices]]:
        if not out_of_fold:
            yield job, self.moments(job, nested.fit)
            return
        for one, part in zip(self.inner(job), nested.inner, strict=True):
            yield one, self.moments(job, part)


def fit(
    streams: Streams,
    *,
    settings: Settings | None = None,
    schemes: Sequence[str] = ("frame", "clip", "leak_free"),
    progress: bool = False,
) -> Ensemble:
    """Return the ensemble with all its parts, trained under each split of `schemes`.

    Beside the one that `settings` asks for stand the other `kind`, and the other `out_of_fold`,
    both on all states. What was trained before is found in the cache.
    """
    own = settings or Settings()
    folds = {
        scheme: divide(
            streams.units(unit_of(scheme)), scheme, n_folds=own.n_folds, n_inner=own.n_inner,
            seed=own.seed,
        )
        for scheme in schemes
    }  # fmt: skip
    found = Ensemble(streams, own, folds)
    found.train(progress)
    for kind in KINDS:
        if kind != own.kind:
            found.train_finals(kind, out_of_fold=own.out_of_fold, progress=progress)
    found.train_finals(own.kind, out_of_fold=not own.out_of_fold, progress=progress)
    found.train_joint(progress)
    return found
