"""What both papers leave as future work, on the benchmark's leak-free folds.

Used in notebooks 12_beyond_the_papers and appendix_faces. `probe` evaluates representations that
are trained without labels on the training part of each fold, and `train` networks that are trained
with labels. `papers.benchmark` scores the answers of both.

Paper A (§3.5) freezes ResNet-50, trains a second model behind it, and says, without numbers, that
this is better than training the whole network: `frozen_and_finetuned` builds both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation.crossval import cross_validate, fit_and_predict
from cryutils.evaluation.permutation import permute_labels
from cryutils.evaluation.splits import Fold
from cryutils.models import (
    backbones,
    classical,
    cry2,
    temporal,
    training,
)  # fmt: skip
from cryutils.models.backbones import Backbone
from cryutils.models.backend import keras, seeded
from cryutils.models.fusion import decide
from cryutils.models.inputs import Examples, windows
from cryutils.models.training import cross_fit, fit_clips, fold_seed, validation_split
from cryutils.papers import embeddings
from cryutils.papers.benchmark import divisions
from cryutils.papers.embeddings import pictures_of
from cryutils.papers.scored import answer_rows

if TYPE_CHECKING:
    from cryutils.papers.embeddings import FrameInput

__all__ = [
    "FACES_COMPARED", "FACE_NAMES", "NAMES", "Network", "Representation", "agreement",
    "attentions", "clip_vectors", "face_networks", "face_representations",
    "frozen_and_finetuned", "last_frames", "pixels", "probe", "train",
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
FACE_NAMES = {
    "hog": "HOG",
    "small": "small CNN",
    "small_untrained": "small CNN, untrained",
    "efficientnet_lite0": "EfficientNet-Lite0, ImageNet",
    "efficientnet_lite0_untrained": "EfficientNet-Lite0, untrained",
    "resnet50": "ResNet-50, ImageNet",
    "resnet50_untrained": "ResNet-50, untrained",
    "frozen": "backbone frozen",
    "finetuned": "backbone fine-tuned",
    "single": "single frames, mean answer",
    "rolling": "single frames, rolling mean",
    **temporal.POOLINGS,
}
FACES_COMPARED = (
    ("small", "small_untrained"),
    ("efficientnet_lite0", "efficientnet_lite0_untrained"),
    ("resnet50", "resnet50_untrained"),
    ("frozen", "finetuned"),
    ("rolling", "single"),
    ("single", "mean"),
    ("convolution", "mean"),
    ("gru", "mean"),
    ("attention", "mean"),
)
_SMALL_RATE = 1e-4  # large steps would destroy the pretrained weights


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
        kept = examples.rows(self.clips)
        order = np.argsort(self.clips)
        place = order[np.searchsorted(self.clips[order], examples.clip[kept])]
        return Examples(examples.x[kept], place)

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
                for k, (train, test) in enumerate(each)
            ]
            for repeat, each in enumerate(folds)
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
        who = rng.permutation(np.unique(infants[truth == name]))
        some = who[: max(1, round(share * len(who)))]
        chosen |= (truth == name) & np.isin(infants, some)
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
        if (lacking := np.isnan(x).any(axis=1)).any():
            clip = task.rows["clip"].to_numpy()[lacking][0]
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
            for other, (of, rows) in (others or {}).items():
                if of == name:
                    answers[other] = fitted.predict(task.part_of(rows))
            tables += [task.table(decide(p), key, "labels") for key, p in answers.items()]
            keras().backend.clear_session()  # or every network stays in memory
    return pd.concat(tables, ignore_index=True)


def _over_time(
    sequences: Examples, *, units: int, together: int
) -> dict[str, tuple[Examples, Network]]:
    """Return a network for each of `temporal.POOLINGS`, as `train` takes them."""

    def build(
        pooling: str, shape: tuple[int, ...], classes: int, settings: training.Settings
    ) -> Any:
        return temporal.build(
            shape, classes, pooling=pooling, together=together, units=units,
            dropout=settings.dropout, learning_rate=settings.learning_rate,
        )  # fmt: skip

    return {name: (sequences, partial(build, name)) for name in temporal.POOLINGS}


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
        fitting, stopping = validation_split(
            np.arange(len(clips)), labels.tolist(), infants.tolist(), split=task.held_back,
            seed=seed,
        )  # fmt: skip
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


def clip_vectors(frames: Sequence[Array]) -> Array:
    """Return mean and deviation over each clip's frames, float32 (clips, 2 * features).

    A clip without frames is NaN. frames: float32 (frames, features) of each clip.
    """
    rows = np.full((len(frames), 2 * frames[0].shape[1]), np.nan, np.float32)
    for row, of_clip in zip(rows, frames, strict=True):
        if len(of_clip):
            row[:] = np.concatenate([of_clip.mean(axis=0), of_clip.std(axis=0)])
    return rows


def face_representations(
    corpus: Corpus, networks: Mapping[str, tuple[Backbone, FrameInput]]
) -> dict[str, Representation]:
    """Return each backbone, and the same untrained, for `probe`.

    The name of an untrained copy ends with "_untrained"; its weights are drawn again in each
    repeat. A backbone whose weights are random has only this copy. networks: backbone and frames by
    name.
    """

    def vectors(backbone: Backbone, frame_input: FrameInput) -> Array:
        return clip_vectors(embeddings.embed(corpus, backbone, frame_input))

    @cache
    def untrained(name: str, seed: int) -> Array:
        backbone, frame_input = networks[name]
        return vectors(backbones.untrained(backbone, seed=seed), frame_input)

    def fixed(x: Array, _clips: Indices, _seed: int) -> Array:
        return x

    def drawn(name: str, _clips: Indices, seed: int) -> Array:
        return untrained(name, seed)

    made: dict[str, Representation] = {}
    for name, (backbone, frame_input) in networks.items():
        if backbone.trained:
            made[name] = partial(fixed, vectors(backbone, frame_input))
        made[f"{name}_untrained"] = partial(drawn, name)
    return made


def face_networks(
    frames: Sequence[Array], *, length: int, units: int
) -> dict[str, tuple[Examples, Network]]:
    """Return the networks on frames for `train`: "single", and one for each pooling.

    "single" gets one frame at a time; the answers to a clip's frames are averaged. The others get
    `length` frames side by side; a shorter clip is padded as in `inputs.windows`. frames: float32
    (frames, features) of each clip; a clip without frames has no rows. units: as in
    `temporal.build`.
    """

    def sequences(length: int) -> Examples:
        nothing = np.empty((0, length, frames[0].shape[1]), np.float32)
        return Examples.of(
            [windows(each, frames=length, hop=length) if len(each) else nothing for each in frames]
        )

    single = _over_time(sequences(1), units=units, together=1)["mean"]
    return {"single": single} | _over_time(sequences(length), units=units, together=1)


def last_frames(examples: Examples, n: int) -> Examples:
    """Return the last `n` rows of each clip, over which a rolling average ends."""
    chosen = np.concatenate([examples.rows(clip)[-n:] for clip in np.unique(examples.clip)])
    return Examples(examples.x[chosen], examples.clip[chosen])


def frozen_and_finetuned(backbone: Backbone, *, units: int = 64) -> dict[str, Network]:
    """Return "frozen" and "finetuned": Paper A's second model behind a fixed or trained backbone.

    "finetuned" has a small learning rate, "frozen" that of the settings. backbone: from
    `backbones.base` or `small_cnn.small`; its own weights are not changed. units: of the dense
    layer.
    """

    def build(trainable: bool, _: tuple[int, ...], classes: int, s: training.Settings) -> Any:
        return backbones.second_model(
            backbone, classes, trainable=trainable, units=units, dropout=s.dropout,
            learning_rate=_SMALL_RATE if trainable else s.learning_rate,
        )  # fmt: skip

    return {"frozen": partial(build, False), "finetuned": partial(build, True)}


def pixels(clips: Iterable[Clip], frame_input: FrameInput, *, limit: int = 4) -> Examples:
    """Return at most `limit` frames of each clip, evenly spread, uint8 (rows, size, size, 3)."""
    rows = []
    for clip in clips:
        path = pictures_of(clip)
        pictures = [] if path is None else list(frame_input.frames(path))
        count = min(limit, len(pictures))
        chosen = np.round(np.linspace(0, len(pictures) - 1, count)).astype(int)
        part = [pictures[number] for number in chosen]
        rows.append(np.reshape(part, (count, *frame_input.shape)).astype(np.uint8))
    return Examples.of(rows)
