"""Seeded training that can be killed: `fit`, with early stopping, checkpoint, resume and history.

Notebooks 04_cry2 and 05_image walk this module; 06_full finds their fits again (Paper B §3,
model training: early stopping and checkpointing; performance evaluation: training and
validation curves). The loop is Keras' own `model.fit`, called once with callbacks. What is
drawn at random is derived from (seed, epoch) at the start of each epoch: the order of the
examples here, dropout and augmentation through Keras' seed generators. So a training that was
killed goes on at its last kept epoch and ends bit for bit where an unbroken one does, on the
same machine and its CPU. A finished one is found in the cache by what shaped it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import cache_dir
from cryutils._io.progress import counting
from cryutils.errors import InputError, require_counts
from cryutils.models import checkpoints, networks
from cryutils.models.backend import keras as _keras
from cryutils.models.checkpoints import State, digest
from cryutils.models.traced import Traced, architecture, machine, seeded, traced

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Build", "Fitted", "Settings", "fit"]

# Belongs to every key: raise it when a change here makes a fit end elsewhere.
TRAINING_VERSION = 1

Rows = npt.NDArray[Any]
Indices = npt.NDArray[np.integer[Any]]

_VALIDATION_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained; every one of them belongs to the key of a kept fit.

    `patience`: epochs without a better validation loss after which it stops; `warm_up`: epochs
    before the first that counts, since batch normalisation's averages must settle first.
    `class_weights`: each class weighs the same in the loss, however many examples it has.
    `learning_rate` and `dropout` are for `Build` to use.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    dropout: float = 0.3
    patience: int = 8
    warm_up: int = 4
    class_weights: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "epochs", "batch_size", "patience")
        if self.warm_up < 0:
            raise InputError(f"warm_up={self.warm_up}: give 0 or more.")
        if self.learning_rate <= 0 or self.seed < 0:
            raise InputError(
                f"learning_rate={self.learning_rate}, seed={self.seed}: neither is negative,"
                " and a rate of 0 learns nothing."
            )


# Returns a compiled network: lambda s: networks.cry2(shape, 4, dropout=s.dropout, ...).
Build = Callable[[Settings], Any]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network with the weights of its best epoch.

    `history`: a row an epoch, with epoch (from 1), loss, accuracy, val_loss, val_accuracy; the
    first two are measured during the epoch, with dropout and augmentation at work. `folder`
    holds best.npz, history.csv and fit.json. `found`: whether it was there before.
    """

    model: Any = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    best_epoch: int
    epochs_run: int
    folder: Path
    found: bool
    _copy: Callable[[], Traced] = field(repr=False)

    def predict(self, x: Rows) -> npt.NDArray[np.float32]:
        """Return the probabilities of examples `x` (rows, ...), float32 (rows, classes)."""
        return self._copy().predict(self.model, x)


def fit(
    build: Build,
    x: Rows,
    y: Indices,
    *,
    train: Indices,
    validation: Indices,
    settings: Settings | None = None,
    progress: bool = False,
    folder: str | os.PathLike[str] | None = None,
    checkpoint_s: float = 5.0,
) -> Fitted:
    """Return the network of `build`, trained on the rows `train` until `validation` says stop.

    Args:
        build: returns the compiled network for given settings; called under `settings.seed`.
        x: examples, (rows, ...), in the dtype that the network takes.
        y: class of each row, int (rows,).
        train: rows to train on; `networks.adapt` sees these alone, too.
        validation: rows whose loss stops the training and chooses the epoch; never trained on.
        settings: see `Settings`.
        progress: count the epochs on a terminal.
        folder: where fits are kept, each in a folder of its own; by default in the cache.
        checkpoint_s: seconds of training after which its state is written, at an epoch's end.

    Raises:
        InputError: rows that don't exist or are on both sides, a class that the network lacks,
            a network that isn't compiled, or a folder that can't be written to.
    """
    settings = settings or Settings()
    job = _Job(x, np.asarray(y), np.asarray(train), np.asarray(validation), settings)
    model = seeded(lambda: build(settings), settings.seed)
    job.check(model)
    networks.adapt(model, x[job.train])
    told = architecture(model)
    about = {"network": json.loads(told), "start": digest(*model.get_weights()), **job.about()}
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    home = Path(folder or cache_dir() / "training", key)

    def copy() -> Traced:
        return traced(model, lambda: seeded(lambda: build(settings), settings.seed), told)

    state = checkpoints.finished(home)
    found = state is not None
    if state is None:
        with counting("Training", "epochs", shown=progress) as report:
            state = _train(copy(), model, job, home, checkpoint_s, report)
        checkpoints.finish(home, state, about)
        checkpoints.note(home / "fit.json")
    model.set_weights(state.best_weights)
    return Fitted(
        model, state.history(), state.best_epoch, len(state.rows), home, found, _copy=copy
    )


@dataclass(frozen=True)
class _Job:
    """What is trained on, and how."""

    x: Rows
    y: Indices
    train: Indices
    validation: Indices
    settings: Settings

    def check(self, model: Any) -> None:
        n = len(self.x)
        if len(self.y) != n:
            raise InputError(f"{n} examples and {len(self.y)} labels do not belong together.")
        for name, rows in (("train", self.train), ("validation", self.validation)):
            if not len(rows) or rows.min() < 0 or rows.max() >= n:
                raise InputError(f"{name}: give row numbers from 0 to {n - 1}, one at least.")
        both = np.intersect1d(self.train, self.validation)
        if len(both):
            raise InputError(f"row {both[0]} is in train and in validation; keep them apart.")
        if self.y.min() < 0 or self.y.max() >= model.output_shape[-1]:
            wrong = self.y.min() if self.y.min() < 0 else self.y.max()
            raise InputError(f"class {wrong} is none of the network's {model.output_shape[-1]}.")
        if self.x.shape[1:] != model.input_shape[1:]:
            raise InputError(
                f"an example is {self.x.shape[1:]}, the network takes {model.input_shape[1:]}."
            )

    def about(self) -> dict[str, Any]:
        """Return what shapes a fit beside the network, as JSON's types."""
        rows = [(self.x[part], self.y[part]) for part in (self.train, self.validation)]
        return {
            "examples": digest(*(array for pair in rows for array in pair)),
            "settings": asdict(self.settings),
            "versions": {name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
            "machine": machine(),
            "training": TRAINING_VERSION,
        }

    @property
    def steps(self) -> int:
        return -(-len(self.train) // self.settings.batch_size)

    def batches(self, model: Any, first: int) -> Any:
        """Return all epochs from `first` on as one dataset, each in the order of its own draw.

        One dataset and not one an epoch, because starting one costs more than its steps.
        """
        import tensorflow as tf
        from sklearn.utils.class_weight import compute_sample_weight

        settings, y = self.settings, self.y[self.train]
        # Batches of one size, give or take a row: a last one of few would sway the normalisation.
        edges = np.arange(self.steps + 1) * len(y) // self.steps
        weight = compute_sample_weight("balanced" if settings.class_weights else None, y)
        orders = [
            np.random.default_rng([settings.seed, epoch]).permutation(len(y)).astype(np.int32)
            for epoch in range(first, settings.epochs)
        ]
        with tf.device("cpu"):
            data = (
                tf.constant(self.x[self.train], model.inputs[0].dtype),
                tf.constant(y, tf.int32),
                tf.constant(weight, tf.float32),
            )
            batches = tf.data.Dataset.from_tensor_slices((edges[:-1], edges[1:]))
            return (
                tf.data.Dataset.from_tensor_slices(np.stack(orders))
                .flat_map(lambda order: batches.map(lambda start, end: order[start:end]))
                .map(lambda rows: tuple(tf.gather(array, rows) for array in data))
            )

    def held_back(self, model: Any) -> Any:
        """Return the validation rows as a dataset."""
        import tensorflow as tf

        pair = (
            self.x[self.validation].astype(model.inputs[0].dtype, copy=False),
            self.y[self.validation].astype(np.int32),
        )
        return tf.data.Dataset.from_tensor_slices(pair).batch(_VALIDATION_BATCH)


def _train(
    copy: Traced,
    model: Any,
    job: _Job,
    home: Path,
    checkpoint_s: float,
    report: Callable[[int, int], None],
) -> State:
    """Return the state after the last epoch, starting from `model` or from what a kill left."""
    keras, settings = _keras(), job.settings
    copy.reset(model)
    state = checkpoints.kept(home)
    if state is not None:
        copy.restore(state.weights, state.optimizer)
    state = state or State()
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=settings.patience,
        start_from_epoch=min(settings.warm_up, settings.epochs - 1),  # the last one counts
        restore_best_weights=True,
    )
    written = time.monotonic()

    def take_up(logs: Any = None) -> None:
        # After Keras' own `on_train_begin`, which forgets all of it.
        if state.best is not None:
            stopping.best, stopping.wait = state.best, state.wait
            stopping.best_epoch, stopping.best_weights = state.best_epoch - 1, state.best_weights

    def begin(epoch: int, logs: Any = None) -> None:
        copy.seed(settings.seed, epoch)

    def end(epoch: int, logs: dict[str, float]) -> None:
        nonlocal written
        state.rows.append({"epoch": epoch + 1, **logs})
        if stopping.best is not None:
            state.best, state.wait = stopping.best, stopping.wait
            state.best_epoch, state.best_weights = stopping.best_epoch + 1, stopping.best_weights
        state.stopped = copy.model.stop_training
        report(epoch + 1, settings.epochs)
        if time.monotonic() - written >= checkpoint_s:
            state.weights, state.optimizer = copy.model.get_weights(), copy.optimizer_state()
            checkpoints.keep(home, state)
            written = time.monotonic()

    first = len(state.rows)
    if first < settings.epochs and not state.stopped:
        seeding = keras.callbacks.LambdaCallback(
            on_train_begin=take_up, on_epoch_begin=begin, on_epoch_end=end
        )
        copy.model.fit(
            job.batches(copy.model, first),
            steps_per_epoch=job.steps,
            initial_epoch=first,
            epochs=settings.epochs,
            validation_data=job.held_back(copy.model),
            callbacks=[stopping, seeding],
            shuffle=False,  # the dataset comes shuffled
            verbose=0,
        )
    return state
