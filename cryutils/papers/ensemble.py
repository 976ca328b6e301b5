"""Paper A's ensemble: three submodels, and the network that joins them, from `fit`.

Walked by notebook 09_ensemble (Paper A §3.5: a concatenate layer takes the outputs of the three
submodels, then come flatten, a dense layer with ReLU, and softmax). An ensemble that is trained
on answers to the very clips its submodels learned by heart may trust them too much; so inner
folds answer each training clip by networks that were not trained on it (the autoencoder in front
has seen it, without its label), and the test clips are answered by all of these, in the mean. The
paper's simpler way, whose submodels have all training clips to learn from, stands beside it.
Everything is trained for each split, each fold, all states and each pair of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.evaluation.splits import Indices
from cryutils.models import autoencoders, dense
from cryutils.models.dense_plan import Task
from cryutils.papers.ensemble_plan import KINDS, Job, Kind, Settings, subsets
from cryutils.papers.nested import Nested, divide, unit_of
from cryutils.papers.streams import IMAGE, Streams
from cryutils.papers.submodels import Submodels

__all__ = ["Ensemble", "fit"]

Array = npt.NDArray[np.float32]
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
        self.encoders[JOINT] = found = dense.fit(x, x, tasks, settings=own, progress=progress)
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
                x, y, train, stop = self._design(job, kind, out_of_fold)
                for subset in chosen if states == self.states and ablation else chosen[-1:]:
                    used = np.repeat(
                        [name in subset for name in self.streams.names],
                        [self._width(name, kind) for name in self.streams.names],
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

    def _width(self, stream: str, kind: Kind) -> int:
        if kind == "probabilities":
            return self.classes
        return (self.settings.image if stream == IMAGE else self.settings.audio).units[-1]

    def _design(
        self, job: Job, kind: Kind, out_of_fold: bool
    ) -> tuple[Array, Indices, Indices, Indices]:
        """Return an ensemble's inputs, their classes, and its rows to train on and to stop by."""
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
