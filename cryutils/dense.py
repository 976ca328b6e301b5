"""Many small dense networks at once: `fit` trains them side by side, `Dense` answers for each.

Notebooks 07_frames_resnet50, 08_autoencoder_dnn and 09_ensemble walk this module (Paper A §3.5:
the DNN behind the autoencoder, the second model behind ResNet-50, the ensemble; with
reconstruction in place of classes, the autoencoder of §3.4.1 itself). A table with three
protocols, folds within folds, and pairs of states needs hundreds of networks, and Keras spends
more time on starting one of them than on its steps. Here they are slices of one set of arrays.
All draw the same initial weights, orders and dropout, so each ends as it would alone.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cryutils.backend import keras as _keras
from cryutils.checkpoints import digest
from cryutils.errors import InputError
from cryutils.locations import cache_dir, writing
from cryutils.progress import counting
from cryutils.traced import machine

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dense", "DenseSettings", "Task", "fit"]

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.integer[Any]]
Layer = tuple[Array, Array]

DENSE_VERSION = 1  # raise it whenever the same rows and settings give other networks
_AT_ONCE = 2**24  # numbers that a stack's batch, or its kernels, may hold: 64 MiB
_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError)


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """What the networks of one `fit` share.

    units: of the hidden layers, each with ReLU but for those whose index is in `linear` (an
    autoencoder's bottleneck). dropout: behind each hidden layer. noise: deviation of Gaussian
    noise on the standardised inputs; like dropout while training only. learning_rate: of
    RMSProp (Paper A §3.5). patience: epochs without a better `monitor` of the validation rows
    ("loss", or "accuracy") before a network stops; the best epoch's weights are kept.
    class_weights: each class weighs the same in the training loss.
    """

    units: tuple[int, ...] = (64,)
    linear: tuple[int, ...] = ()
    dropout: float = 0.3
    noise: float = 0.0
    learning_rate: float = 1e-3
    epochs: int = 40
    batch_size: int = 32
    patience: int = 8
    monitor: Literal["loss", "accuracy"] = "loss"
    class_weights: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give 1 or more.")
        if not 0 <= self.dropout < 1 or self.noise < 0 or self.learning_rate <= 0 or self.seed < 0:
            raise InputError(
                f"dropout={self.dropout}, noise={self.noise}, learning_rate={self.learning_rate},"
                f" seed={self.seed}: dropout is a share below 1, the others aren't negative."
            )
        if min(self.units, default=1) < 1 or self.monitor not in ("loss", "accuracy"):
            raise InputError(
                f"units={self.units}, monitor={self.monitor!r}: layers have 1 unit or more,"
                ' and "loss" or "accuracy" says stop.'
            )


@dataclass(frozen=True, eq=False)
class Task:
    """What one network is trained on.

    train, validation: row numbers, apart. group: which of x's groups they are rows of. classes:
    the class indices that it tells apart, None for all; its rows hold no others. inputs: bool
    (d,), the inputs that it may use, None for all. monitor: what says stop, None for the one
    of the settings.
    """

    train: Rows
    validation: Rows
    group: int = 0
    classes: tuple[int, ...] | None = None
    inputs: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    monitor: Literal["loss", "accuracy"] | None = None


class Dense:
    """The trained networks, one for each task, as plain arrays.

    best_epoch: int (tasks,), from 1. `history`: a row a task and epoch with loss, accuracy (of
    the training rows as they passed), val_loss and val_accuracy; NaN accuracies for autoencoders.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Array, Array]],
        rows: Sequence[dict[str, float]],
        best_epoch: npt.NDArray[np.int64],
        settings: DenseSettings,
        *,
        softmax: bool,
        allowed: npt.NDArray[np.bool_],
    ) -> None:
        """Take (kernels (tasks, in, out), biases (tasks, out)) of each layer; `fit` does."""
        self._stacked, self._rows, self._softmax = list(layers), list(rows), softmax
        self._allowed = allowed
        self.best_epoch, self.settings = best_epoch, settings

    def __len__(self) -> int:
        return len(self.best_epoch)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Return the training of all networks, a row a task (from 0) and epoch (from 1)."""
        import pandas as pd

        return pd.DataFrame(self._rows).astype({"task": int, "epoch": int})

    def layers(self, task: int) -> list[Layer]:
        """Return kernel (in, out) and bias (out,) of each layer; the scaling is in the first.

        Between them stands ReLU, but for the layers that `settings.linear` names.
        """
        return [(kernel[task], bias[task]) for kernel, bias in self._stacked]

    def hidden(self, task: int, x: npt.ArrayLike, *, layer: int = -1) -> Array:
        """Return what a hidden layer of one network gives for x (n, d), float32 (n, units)."""
        count = len(self.settings.units)
        if not -count <= layer < count:
            raise InputError(f"layer={layer}: there are {count} hidden layers.")
        return self._through(task, x, layer % count + 1)

    def predict(self, task: int, x: npt.ArrayLike) -> Array:
        """Return one network's probabilities of x (n, d), float32 (n, classes).

        Classes that it doesn't tell apart have 0. An autoencoder's reconstruction, (n, d).
        """
        answers = self._through(task, x, len(self._stacked))
        if not self._softmax:
            return answers
        answers = np.where(self._allowed[task], answers, -np.inf)
        answers = np.exp(answers - answers.max(axis=1, keepdims=True))
        return (answers / answers.sum(axis=1, keepdims=True)).astype(np.float32)

    def keras(self, task: int, *, name: str = "dense") -> Any:
        """Return one network as a Keras model of plain dense layers."""
        keras = _keras()
        layers = self.layers(task)
        inputs = keras.Input((layers[0][0].shape[0],), name="inputs")
        h = inputs
        for k, (kernel, bias) in enumerate(layers):
            last = k == len(layers) - 1
            kind = ("softmax" if self._softmax else None) if last else self._activation(k)
            if last and self._softmax:  # a class it doesn't tell apart is as unlikely as can be
                bias = np.where(self._allowed[task], bias, np.float32(-1e9))
            layer = keras.layers.Dense(
                kernel.shape[1], activation=kind, name="answer" if last else f"dense{k + 1}"
            )
            h = layer(h)
            layer.set_weights([kernel, bias])
        return keras.Model(inputs, h, name=name)

    def _activation(self, k: int) -> str | None:
        return None if k in self.settings.linear else "relu"

    def _through(self, task: int, x: npt.ArrayLike, depth: int) -> Array:
        h = np.asarray(x, np.float32)
        for k, (kernel, bias) in enumerate(self.layers(task)[:depth]):
            h = h @ kernel + bias
            if k < len(self.settings.units) and self._activation(k):
                h = np.maximum(h, 0)
        return h


def fit(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    tasks: Sequence[Task],
    *,
    classes: int = 0,
    settings: DenseSettings | None = None,
    progress: bool = False,
) -> Dense:
    """Return a network for each task, trained on its rows until its validation rows say stop.

    Each standardises its inputs by its own training rows. Finished networks are kept in the
    cache by everything that shaped them, some tasks in a file, so a killed fit goes on behind
    the last file.

    Args:
        x: float32 (rows, d), or (groups, rows, d) where tasks see the rows differently.
        y: class indices, int (rows,), or (groups, rows) where groups are of other rows; or
            float32 like x, what is to be reconstructed, then the loss is the mean squared
            error in standardised units (eq. 1).
        tasks: at least one.
        classes: how many there are, for class indices.
        settings: see `DenseSettings`.
        progress: count the epochs on a terminal.

    Raises:
        InputError: rows that don't exist or are on both sides, or classes that don't fit.
    """
    settings = settings or DenseSettings()
    grouped = x if x.ndim == 3 else x[None]
    check(grouped, y, tasks, classes)
    softmax = y.dtype.kind in "iu"
    allowed = np.ones((len(tasks), max(classes, 1)), bool)
    for k, task in enumerate(tasks):
        if task.classes is not None:
            allowed[k] = np.isin(np.arange(classes), task.classes)
    content = digest(grouped, *([] if y is x else [y]))
    parts, done = [], 0
    with counting("Training", "networks", shown=progress) as report:
        for some in _stacks(tasks, grouped.shape[2], max(classes, 1), softmax, settings):
            stem = _path(content, [tasks[k] for k in some], classes, settings)
            part = _kept(stem)
            if part is None:
                from cryutils.side_by_side import train

                part = train(
                    grouped, y, [tasks[k] for k in some], allowed[some] if softmax else None,
                    settings, lambda share, done=done, some=some: report(  # type: ignore[misc]
                        done + int(share * len(some)), len(tasks)
                    ),
                )  # fmt: skip
                _keep(stem, part)
            rows = [row | {"task": row["task"] + done} for row in part[1]]
            parts.append((part[0], rows, part[2]))
            done += len(some)
            report(done, len(tasks))
    depth = len(parts[0][0])
    layers = [
        (np.concatenate([p[0][k][0] for p in parts]), np.concatenate([p[0][k][1] for p in parts]))
        for k in range(depth)
    ]
    rows = [row for _, some, _ in parts for row in some]
    best = np.concatenate([epochs for *_, epochs in parts])
    return Dense(layers, rows, best, settings, softmax=softmax, allowed=allowed)


Part = tuple[list[tuple[Array, Array]], list[dict[str, float]], npt.NDArray[np.int64]]


def of_group(y: npt.NDArray[Any], task: Task) -> npt.NDArray[Any]:
    """Return the class of each row that a task sees, int (rows,)."""
    return y if y.ndim == 1 else y[task.group]


def check(x: npt.NDArray[Any], y: npt.NDArray[Any], tasks: Sequence[Task], classes: int) -> None:
    """Raise InputError where tasks ask for what x (groups, rows, d) and y don't hold."""
    if x.ndim != 3 or not tasks:
        raise InputError(f"x is {x.shape} for {len(tasks)} tasks: give (rows, d), and a task.")
    rows = x.shape[1]
    whole = y.dtype.kind in "iu"
    if y.shape[-1 if whole else -2] != rows:
        raise InputError(f"{rows} rows of x and y {y.shape} do not belong together.")
    for k, task in enumerate(tasks):
        if not 0 <= task.group < len(x):
            raise InputError(f"task {k}: group {task.group}, but x has {len(x)}.")
        for name in ("train", "validation"):
            given = getattr(task, name)
            if not len(given) or given.min() < 0 or given.max() >= rows:
                raise InputError(f"task {k}, {name}: give rows from 0 to {rows - 1}, one at least.")
        both = np.intersect1d(task.train, task.validation)
        if len(both):
            raise InputError(f"task {k}: row {both[0]} is in train and in validation.")
        if not whole:
            continue
        told = np.unique(of_group(y, task)[np.concatenate([task.train, task.validation])])
        known = range(classes) if task.classes is None else task.classes
        if not set(told) <= set(known):
            raise InputError(f"task {k}: rows of classes {told.tolist()}, it tells {[*known]}.")


def _stacks(
    tasks: Sequence[Task], d: int, classes: int, softmax: bool, settings: DenseSettings
) -> Iterator[list[int]]:
    """Yield the numbers of tasks to be trained at once, few enough to fit in memory."""
    sizes = [d, *settings.units, classes if softmax else d]
    kernels = sum(a * b for a, b in itertools.pairwise(sizes))
    most = max(1, _AT_ONCE // max(kernels, settings.batch_size * max(sizes)))
    for start in range(0, len(tasks), most):
        yield list(range(start, min(start + most, len(tasks))))


def _path(content: str, tasks: Sequence[Task], classes: int, settings: DenseSettings) -> Path:
    told = [
        [digest(np.asarray(t.train), np.asarray(t.validation)), t.group, t.classes,
         None if t.inputs is None else digest(t.inputs), t.monitor]
        for t in tasks
    ]  # fmt: skip
    versions = [metadata.version(name) for name in ("tensorflow", "numpy")]
    key = [DENSE_VERSION, content, told, classes, asdict(settings), versions, machine()]
    found = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    return cache_dir() / "dense" / f"{found}.npz"


def _keep(path: Path, part: Part) -> None:
    layers, rows, best = part
    arrays: dict[str, Any] = {}
    for k, (kernel, bias) in enumerate(layers):
        arrays |= {f"kernel{k}": kernel, f"bias{k}": bias}
    try:
        with writing(path) as place, place.open("wb") as file:
            np.savez(file, rows=np.array(json.dumps(rows)), best=best, **arrays)
    except OSError as error:
        raise InputError(
            f"cannot write to {path.parent} ({error.strerror}): "
            "set CRYUTILS_CACHE_DIR to a folder that you can write to and that has room."
        ) from error


def _kept(path: Path) -> Part | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            depth = sum(name.startswith("kernel") for name in file.files)
            layers = [(file[f"kernel{k}"], file[f"bias{k}"]) for k in range(depth)]
            return layers, json.loads(str(file["rows"])), file["best"]
    except _DAMAGE:
        return None
