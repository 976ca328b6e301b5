"""What `dense.fit` is asked for: `DenseSettings`, a `Task` a network, and how many go in a stack.

No notebook walks this module; 07_frames_resnet50, 08_autoencoder_dnn and 09_ensemble use it
through `dense`. Paper A (§3.5) states RMSProp and no layer's size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError, require_counts

__all__ = ["DenseSettings", "Part", "Task", "check", "of_group", "stacks"]

Rows = npt.NDArray[np.integer[Any]]
Array = npt.NDArray[np.float32]
# Of a stack: each layer's kernels and biases, a row an epoch and network, the best epochs.
Part = tuple[list[tuple[Array, Array]], list[dict[str, float]], npt.NDArray[np.int64]]

_AT_ONCE = 2**24  # numbers that a stack's batch, or its kernels, may hold: 64 MiB


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """What the networks of one `fit` share.

    units: of the hidden layers, each with ReLU but for those whose index is in `linear` (an
    autoencoder's bottleneck). dropout: behind each hidden layer. learning_rate: of
    RMSProp (Paper A §3.5). patience: epochs without a better `monitor` of the validation rows
    ("loss", or "accuracy") before a network stops; the best epoch's weights are kept.
    class_weights: each class weighs the same in the training loss.
    """

    units: tuple[int, ...] = (64,)
    linear: tuple[int, ...] = ()
    dropout: float = 0.3
    learning_rate: float = 1e-3
    epochs: int = 40
    batch_size: int = 32
    patience: int = 8
    monitor: Literal["loss", "accuracy"] = "loss"
    class_weights: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "epochs", "batch_size", "patience")
        if not 0 <= self.dropout < 1 or self.learning_rate <= 0 or self.seed < 0:
            raise InputError(
                f"dropout={self.dropout}, learning_rate={self.learning_rate}, seed={self.seed}:"
                " dropout is a share below 1, the rate above 0, the seed not negative."
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


def stacks(
    tasks: Sequence[Task], d: int, classes: int, softmax: bool, settings: DenseSettings
) -> Iterator[list[int]]:
    """Yield the numbers of tasks to be trained at once, few enough to fit in memory."""
    sizes = [d, *settings.units, classes if softmax else d]
    kernels = sum(a * b for a, b in itertools.pairwise(sizes))
    most = max(1, _AT_ONCE // max(kernels, settings.batch_size * max(sizes)))
    for start in range(0, len(tasks), most):
        yield list(range(start, min(start + most, len(tasks))))
