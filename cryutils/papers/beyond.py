"""What both papers leave as future work, on the benchmark's leak-free folds.

Used in notebooks 12_beyond_the_papers and appendix_faces. `probe` evaluates representations that
are trained without labels on the training part of each fold, and `train` networks that are trained
with labels. `papers.benchmark` scores the answers of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.crossval import cross_validate, fit_and_predict
from cryutils.evaluation.permutation import permute_labels
from cryutils.evaluation.splits import Fold, fold_seed
from cryutils.models import classical, cry2, temporal, training
from cryutils.models.backend import keras, seeded
from cryutils.models.fusion import decide
from cryutils.models.inputs import Examples
from cryutils.models.training import cross_fit, fit_clips
from cryutils.papers.benchmark import divisions
from cryutils.papers.scored import answer_rows

__all__ = [
    "NAMES", "Network", "Representation", "agreement", "attentions", "probe", "train",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
# Vectors of all clips (clips, d), from the clips that it may be trained on and a seed.
Representation = Callable[[Indices, int], Array]
# A compiled network for windows of a shape, a number of classes and settings.
Network = Callable[[tuple[int, ...], int, training.Settings], Any]

NAMES = {  # by feature
    "mfcc": "MFCC",
    "speech": "speech embedding",
    "untrained": "encoder, untrained",
    "contrastive": "encoder, without labels",
    "contrastive_all": "encoder, test clips as well",
    "contrastive_voices": "encoder, other voices",
    "cry2": "cry2, with labels",
    **temporal.POOLINGS,
    "burst_mean": "bursts: mean",
    "burst_convolution": "bursts: convolution",
    "burst_gru": "bursts: GRU",
    "burst_attention": "bursts: attention",
}


@dataclass(frozen=True, eq=False)
class _Task:
    """A task's clips, as indices of the corpus, and the folds of each repeat, as rows of `clips`.

    labelled: the folds with only those training clips whose labels are used.
    """

    name: str
    rows: pd.DataFrame
    clips: Indices
    folds: list[list[Fold]]
    labelled: list[list[Fold]]

    @property
    def truth(self) -> npt.NDArray[np.str_]:
        return self.rows.truth.to_numpy(str)

    @property
    def infants(self) -> npt.NDArray[np.str_]:
        return self.rows.infant.to_numpy(str)

    @property
    def held_back(self) -> str:
        """How the validation part is drawn: the infants to recognise are in all parts."""
        return "random" if self.name == "infant" else "leak_free"

    def part_of(self, examples: Examples) -> Examples:
        """Return the rows of this task's clips, numbered as in `rows`."""
        rows = examples.rows(self.clips)
        order = np.argsort(self.clips)
        place = order[np.searchsorted(self.clips[order], examples.clip[rows])]
        return Examples(examples.x[rows], place)

    def table(self, predicted: npt.NDArray[np.int64], feature: str, model: str) -> pd.DataFrame:
        """Return the rows of answers, int64 (repeats, clips)."""
        clips = list(self.rows["clip"])
        table = answer_rows(predicted, self.folds, clips, self.infants, self.truth)
        return table.assign(task=self.name, split="leak_free", feature=feature, model=model)


def _tasks(splits: pd.DataFrame, corpus: Corpus, share: float, seed: int) -> list[_Task]:
    place = {clip.id: k for k, clip in enumerate(corpus)}
    tasks = []
    for name, rows in splits.groupby("task", sort=False):
        folds = divisions(rows)
        clips = np.array([place[clip] for clip in rows["clip"]])
        task = _Task(str(name), rows, clips, folds, [])
        labelled = [
            [
                (_with_labels(task, train, share, fold_seed(seed, repeat, k)), test)
                for k, (train, test) in enumerate(divided)
            ]
            for repeat, divided in enumerate(folds)
        ]
        tasks.append(replace(task, labelled=labelled))
    return tasks


def _with_labels(task: _Task, train: Indices, share: float, seed: int) -> Indices:
    """Return the training clips of a `share` of the infants of each class, at least one of each.

    A smaller share keeps some of the infants of a larger one.
    """
    rng = np.random.default_rng(seed)
    truth, infants = task.truth[train], task.infants[train]
    chosen = np.zeros(len(train), bool)
    for name in np.unique(truth):
        of_class = rng.permutation(np.unique(infants[truth == name]))
        labelled = of_class[: max(1, round(share * len(of_class)))]
        chosen |= (truth == name) & np.isin(infants, labelled)
    return train[chosen]


def probe(
    splits: pd.DataFrame,
    corpus: Corpus,
    representations: Mapping[str, Representation],
    *,
    labelled: float = 1.0,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the leak-free answers of logistic regression on learned representations.

    Each representation is trained again in each fold. splits: from `benchmark.splits_of`.
    labelled: the share of the training infants whose labels are used; the sounds of the others
    still train the representation. Columns: task, feature, model, split, repeat, fold, clip,
    infant, truth, predicted. Raises InputError if a clip has no vector.
    """
    head = classical.baselines(seed)["logistic"]
    tasks = _tasks(splits, corpus, labelled, seed)
    tables: list[pd.DataFrame] = []
    total, done = len(representations) * sum(len(task.folds) for task in tasks), count(1)
    with counting("Representations", "divisions", shown=progress) as report:
        for task in tasks:
            for name, represent in representations.items():
                predicted = []
                for repeat in range(len(task.folds)):
                    predicted.append(_probed(task, repeat, represent, head, seed))
                    keras().backend.clear_session()  # or every network stays in memory
                    report(next(done), total)
                tables.append(task.table(np.array(predicted), name, "linear"))
    return pd.concat(tables, ignore_index=True)


def _probed(
    task: _Task, repeat: int, represent: Representation, head: Any, seed: int
) -> npt.NDArray[np.int64]:
    """Return the predicted class index of each clip in one repeat, int64 (clips,)."""
    y, _ = evaluation.class_indices(task.truth)
    labelled = iter(task.labelled[repeat])

    def answer(train: Indices, test: Indices) -> npt.NDArray[np.int64]:
        x = represent(task.clips[train], fold_seed(seed, repeat, 0))[task.clips]
        if (missing := np.isnan(x).any(axis=1)).any():
            clip = task.rows["clip"].to_numpy()[missing][0]
            raise InputError(f"{clip}: no usable sound or picture; leave this clip out.")
        return fit_and_predict(head, x, y, [[next(labelled)]])[0, test]

    return cross_validate(answer, [task.folds[repeat]], len(y))[0]


def train(
    splits: pd.DataFrame,
    corpus: Corpus,
    networks: Mapping[str, tuple[Examples, Network]],
    *,
    settings: training.Settings,
    others: Mapping[str, tuple[str, Examples]] | None = None,
    labelled: float = 1.0,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the leak-free answers of networks that are trained with labels.

    networks: for each name the windows of all clips, and a function that returns the compiled
    network for their shape, a number of classes and settings. others: further answers, by name: the
    network that gives them, and other windows of all clips. The result and the other arguments are
    as in `probe`.
    """
    tables = []
    for task in _tasks(splits, corpus, labelled, settings.seed):
        truth, infants = task.truth.tolist(), task.infants.tolist()
        for name, (examples, network) in networks.items():
            fitted = cross_fit(
                partial(network, examples.x.shape[1:], len(set(truth))), task.part_of(examples),
                truth, infants, task.labelled, split=task.held_back,
                settings=settings, progress=progress,
            )  # fmt: skip
            answers = {name: fitted.probabilities}
            for other, (trained, windows) in (others or {}).items():
                if trained == name:
                    answers[other] = fitted.predict(task.part_of(windows))
            tables += [task.table(decide(p), key, "labels") for key, p in answers.items()]
            keras().backend.clear_session()  # or every network stays in memory
    return pd.concat(tables, ignore_index=True)


def attentions(
    splits: pd.DataFrame,
    corpus: Corpus,
    examples: Examples,
    network: Network,
    *,
    settings: training.Settings,
    repeat: int = 0,
) -> tuple[dict[str, Array], Indices]:
    """Return the attention of four networks to the test windows of a fold, and their rows.

    The first is "trained". The others share other initial weights: "trained again", "labels
    exchanged" between infants, and "untrained". Weights are float32 (rows, frames). The fold is the
    first of a repeat.

    splits: of one task. network: as in `train`, with a layer named "weights".
    """
    (task,) = _tasks(splits, corpus, 1.0, settings.seed)
    train, test = task.folds[repeat][0]
    clips, truth, infants = task.clips[train], task.truth[train], task.infants[train]
    build = partial(network, examples.x.shape[1:], len(set(truth)))
    shown = examples.rows(task.clips[test])

    def weights(labels: npt.NDArray[np.str_], seed: int) -> Array:
        y = np.full(len(corpus), -1)
        y[clips], _ = evaluation.class_indices(labels)
        part = SimpleNamespace(labels=labels, infants=infants)
        fitting, stopping = evaluation.hold_back(
            part, np.arange(len(clips)), split=task.held_back, seed=seed
        )
        fitted = fit_clips(
            build, examples, y, clips[fitting], clips[stopping], replace(settings, seed=seed)
        )
        return temporal.attention(fitted.model, examples.x[shown])

    first, other = (fold_seed(settings.seed, repeat, k) for k in (0, 1))
    with seeded(other):
        untrained = build(settings)
    cry2.adapt(untrained, examples.x[examples.rows(clips)])
    exchanged = permute_labels(truth, infants, np.random.default_rng(other))
    return {
        "trained": weights(truth, first),
        "trained again": weights(truth, other),
        "labels exchanged": weights(exchanged, other),
        "untrained": temporal.attention(untrained, examples.x[shown]),
    }, shown


def agreement(runs: Sequence[Mapping[str, Array]]) -> pd.Series[float]:
    """Return the rank correlation over time of each network's attention with that of "trained".

    The mean over runs and windows; constant weights have no ranks and are left out. runs: from
    `attentions`, float32 (windows, frames) by name.
    """
    rows = []
    for run in runs:
        ranks = {name: pd.DataFrame(weights.T).rank() for name, weights in run.items()}
        trained = ranks.pop("trained")
        rows.append({name: trained.corrwith(other).mean() for name, other in ranks.items()})
    return pd.DataFrame(rows).mean().rename("rank correlation with the trained network")
