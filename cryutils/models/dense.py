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
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import cache_dir, room, writing
from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.models import side_by_side
from cryutils.models.backend import keras as _keras
from cryutils.models.checkpoints import digest, note
from cryutils.models.dense_plan import DenseSettings, Part, Task, check, stacks
from cryutils.models.traced import machine

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dense", "fit"]

Array = npt.NDArray[np.float32]
Layer = tuple[Array, Array]

DENSE_VERSION = 1  # raise it whenever the same rows and settings give other networks
_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError)


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
    y = grouped if y is x else y
    check(grouped, y, tasks, classes)
    softmax = y.dtype.kind in "iu"
    allowed = np.ones((len(tasks), max(classes, 1)), bool)
    for k, task in enumerate(tasks):
        if task.classes is not None:
            allowed[k] = np.isin(np.arange(classes), task.classes)
    parts = list(
        _parts(grouped, y, tasks, classes, settings, allowed if softmax else None, progress)
    )
    layers = [
        (np.concatenate([p[0][k][0] for p in parts]), np.concatenate([p[0][k][1] for p in parts]))
        for k in range(len(parts[0][0]))
    ]
    rows = [row for _, some, _ in parts for row in some]
    best = np.concatenate([epochs for *_, epochs in parts])
    return Dense(layers, rows, best, settings, softmax=softmax, allowed=allowed)


def _parts(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    tasks: Sequence[Task],
    classes: int,
    settings: DenseSettings,
    allowed: npt.NDArray[np.bool_] | None,
    progress: bool,
) -> Iterator[Part]:
    """Yield the networks of some tasks after the other, from the cache where they are there."""
    content = digest(x, *([] if y is x else [y]))
    done = 0
    with counting("Training", "networks", shown=progress) as report:
        for some in stacks(tasks, x.shape[2], max(classes, 1), allowed is not None, settings):
            own = [tasks[k] for k in some]
            stem = _path(content, own, classes, settings)
            part = _kept(stem)
            if part is None:

                def told(share: float, before: int = done, count: int = len(some)) -> None:
                    report(before + int(share * count), len(tasks))

                part = side_by_side.train(
                    x, y, own, None if allowed is None else allowed[some], settings, told
                )
                _keep(stem, part)
                note(stem, len(own))
            layers, rows, best = part
            yield layers, [row | {"task": row["task"] + done} for row in rows], best
            done += len(some)
            report(done, len(tasks))


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
    arrays: dict[str, Any] = {"key": np.array(path.stem)}
    for k, (kernel, bias) in enumerate(layers):
        arrays |= {f"kernel{k}": kernel, f"bias{k}": bias}
    with room(path.parent), writing(path) as place, place.open("wb") as file:
        np.savez(file, rows=np.array(json.dumps(rows)), best=best, **arrays)


def _kept(path: Path) -> Part | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            if str(file["key"]) != path.stem:  # another's, renamed
                return None
            depth = sum(name.startswith("kernel") for name in file.files)
            layers = [(file[f"kernel{k}"], file[f"bias{k}"]) for k in range(depth)]
            return layers, json.loads(str(file["rows"])), file["best"]
    except _DAMAGE:
        return None
