"""Paper A's submodels: one for each input, under each split, in each fold, inner folds included.

Walked by notebook 09_ensemble through `ensemble` (Paper A §3.5: MFCC and STFT through an
autoencoder's front into a DNN, ResNet-50's features into a second model). The networks of one
input are trained in one go, for all states and for each pair of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.evaluation.splits import Indices
from cryutils.models import autoencoders, dense
from cryutils.models.dense import Dense
from cryutils.models.dense_plan import DenseSettings, Task
from cryutils.models.examples import by_clip
from cryutils.papers.ensemble_plan import Job, Kind, Settings, Trained, cells
from cryutils.papers.nested import Nested, unit_of
from cryutils.papers.streams import IMAGE, Streams

__all__ = ["Submodels", "images_alone"]

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
        self.encoders: dict[str, Dense] = {}
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
        found = dense.fit(x, y, own, classes=self.classes, settings=settings, progress=progress)
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
