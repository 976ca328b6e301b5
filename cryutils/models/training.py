"""Seeded training by Keras' own loop: `fit`, with early stopping; a finished fit is found again.

Walked by notebooks 04_cry2 and 05_image (Paper B §3, model training and performance evaluation).
The paper tells neither epochs nor what ends a training; here a validation part does, which no
test clip is in. A fit lasts seconds and everything random in it comes from one seed, so one that
was killed is repeated and ends the same. Finished ones are kept by all that shaped them.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io import cache
from cryutils.errors import InputError, require_counts
from cryutils.models import cry2
from cryutils.models.backend import keras as _keras
from cryutils.models.backend import seeded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Build", "Fitted", "Settings", "batches", "fit", "machine"]

TRAINING_VERSION = 4  # raise it whenever the same rows and settings give other networks

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.integer[Any]]

_BATCH = 256  # rows answered at once
_NAMING = {"name", "keras_history", "input_layers", "output_layers"}  # where Keras names layers
MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        At most so many.
    batch_size : int
        Rows a batch.
    learning_rate, dropout : float
        For `Build` to use.
    patience : int
        Epochs without a better validation loss after which it stops.
    warm_up : int
        Epochs before the first that counts, since batch normalisation's averages must settle first.
    class_weights : bool
        Each class weighs the same in both losses, however many examples it has. (In the training
        loss alone, a common class would still weigh most in what says stop.)
    seed : int
        Of everything random in it.

    Raises
    ------
    InputError
        A setting that is out of range.
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
        if self.learning_rate <= 0 or not 0 <= self.seed < 2**32:
            raise InputError(
                f"learning_rate={self.learning_rate}, seed={self.seed}: a rate of 0 learns"
                " nothing, and a seed is a whole number from 0 to below 2^32."
            )


# Returns a compiled network: lambda s: cry2.build(shape, 4, dropout=s.dropout, ...).
Build = Callable[[Settings], Any]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network, and how its training went.

    Attributes
    ----------
    model : keras.Model
        With the weights of the best epoch.
    history : pandas.DataFrame
        A row an epoch, with epoch (from 1), loss, accuracy, val_loss, val_accuracy; the first two
        are measured during the epoch, with dropout and augmentation at work, and each class weighs
        the same as the settings say.
    best_epoch : int
        From 1.
    """

    model: Any = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    best_epoch: int

    def predict(self, x: Array) -> npt.NDArray[np.float32]:
        """Return the probabilities of examples `x` (rows, ...), float32 (rows, classes)."""
        batches = [x[i : i + _BATCH] for i in range(0, len(x), _BATCH)]
        parts = [self.model.predict_on_batch(batch) for batch in batches]
        return np.concatenate(parts or [np.zeros((0, self.model.output_shape[-1]), np.float32)])


def fit(
    build: Build,
    x: Array,
    y: Indices,
    *,
    train: Indices,
    validation: Indices,
    settings: Settings | None = None,
) -> Fitted:
    """Return the network of `build`, trained on the rows `train` until `validation` says stop.

    Parameters
    ----------
    build : function
        Returns the compiled network for given settings.
    x : ndarray
        Examples (rows, ...), in the dtype that the network takes.
    y : ndarray of int
        Class of each row (rows,).
    train : ndarray of int
        Rows to train on; `cry2.adapt` sees these alone, too.
    validation : ndarray of int
        Rows whose loss stops the training and chooses the epoch; never trained on.
    settings : Settings, optional

    Raises
    ------
    InputError
        Rows that don't exist or are on both sides, a class that the network lacks, a network that
        isn't compiled, or a cache that can't be written to.
    """
    import pandas as pd

    settings = settings or Settings()
    y, train, validation = np.asarray(y), np.asarray(train), np.asarray(validation)
    with seeded(settings.seed):
        model = build(settings)
        _check(model, x, y, train, validation)
        cry2.adapt(model, x[train])
        start = [cache.key(weight) for weight in model.get_weights()]
        stem = cache.at(
            "training", TRAINING_VERSION, [_architecture(model), start],
            asdict(settings), machine(),
            {name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
            x[train], y[train], x[validation], y[validation],
        )  # fmt: skip

        def trained() -> dict[str, Array]:
            history, best_epoch = _train(model, x, y, train, validation, settings)
            weights = {f"weights{k}": array for k, array in enumerate(model.get_weights())}
            return {"history": history, "best_epoch": np.array(best_epoch), **weights}

        arrays = cache.arrays(stem, trained)
    model.set_weights([arrays[f"weights{k}"] for k in range(len(arrays) - 2)])
    history = pd.DataFrame(arrays["history"], columns=MEASURES)
    history.insert(0, "epoch", np.arange(1, len(history) + 1))
    return Fitted(model, history, int(arrays["best_epoch"]))


def batches(*arrays: Any, batch_size: int, seed: int) -> Any:
    """Return training rows as a `tf.data.Dataset` of batches, shuffled anew for each epoch.

    Keras' own shuffling draws the same order in every epoch once a seed is set (seen with Keras
    3.15 on TensorFlow 2.21): the same rows would meet in a batch each time. They are held twice.

    Parameters
    ----------
    *arrays : ndarray
        Inputs, targets and, where there are any, sample weights: (rows, ...) each, the inputs of a
        network with several of them as a tuple.
    batch_size : int
        Rows a batch; fewer where else the last batch would be less than half as large, since one of
        a few rows would sway the normalisation.
    seed : int
        Of the orders.
    """
    rows = len(arrays[-1])
    sizes = range(1, min(batch_size, rows) + 1)
    size = max(n for n in sizes if rows % n == 0 or 2 * (rows % n) >= n)
    return _dataset(arrays).shuffle(rows, seed=seed).batch(size)


def _dataset(arrays: tuple[Any, ...]) -> Any:
    """Return rows as a `tf.data.Dataset`, which nothing tunes while it is read.

    Starting and stopping the thread that does, twice an epoch, takes longer than small batches do.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    with tf.device("cpu"):
        return tf.data.Dataset.from_tensor_slices(arrays).with_options(options)


def _train(
    network: Any, x: Array, y: Indices, train: Indices, validation: Indices, settings: Settings
) -> tuple[npt.NDArray[np.float64], int]:
    """Train `network` to its best epoch; return `MEASURES` of each epoch, and the best, from 1."""
    from sklearn.utils.class_weight import compute_sample_weight

    stopping = _keras().callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=settings.patience,
        start_from_epoch=min(settings.warm_up, settings.epochs - 1),  # the last one counts
        restore_best_weights=True,
    )
    weights = "balanced" if settings.class_weights else None
    learned, held = (
        (x[rows], y[rows], compute_sample_weight(weights, y[rows])) for rows in (train, validation)
    )
    history = network.fit(
        batches(*learned, batch_size=settings.batch_size, seed=settings.seed),
        shuffle=False,  # the batches are
        epochs=settings.epochs,
        # Of arrays, Keras would build a pipeline twice an epoch, 18 ms each time.
        validation_data=_dataset(held).batch(_BATCH),
        callbacks=[stopping],
        verbose=0,
    ).history
    return np.array([history[name] for name in MEASURES]).T, stopping.best_epoch + 1


def _check(model: Any, x: Array, y: Indices, train: Indices, validation: Indices) -> None:
    if not model.compiled:
        raise InputError(f"the network {model.name!r} is not compiled; call its compile() first.")
    if len(y) != len(x):
        raise InputError(f"{len(x)} examples and {len(y)} labels do not belong together.")
    for name, rows in (("train", train), ("validation", validation)):
        if not len(rows) or rows.min() < 0 or rows.max() >= len(x):
            raise InputError(f"{name}: give row numbers from 0 to {len(x) - 1}, one at least.")
    both = np.intersect1d(train, validation)
    if len(both):
        raise InputError(f"row {both[0]} is in train and in validation; keep them apart.")
    if y.min() < 0 or y.max() >= model.output_shape[-1]:
        wrong = y.min() if y.min() < 0 else y.max()
        raise InputError(f"class {wrong} is none of the network's {model.output_shape[-1]}.")
    if x.shape[1:] != model.input_shape[1:]:
        raise InputError(f"an example is {x.shape[1:]}, the network takes {model.input_shape[1:]}.")


def _architecture(model: Any) -> Any:
    """Return what makes a compiled model train as it does: layers, wiring, losses, optimiser.

    Names become numbers in order of appearance, since Keras counts them through a session.
    """
    config = json.loads(model.to_json())
    return _numbered(config, {name: k for k, name in enumerate(dict.fromkeys(_names(config)))})


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict) and isinstance(node.get("name"), str):
        yield node["name"]
    for item in node.values() if isinstance(node, dict) else node:
        if isinstance(item, dict | list):
            yield from _names(item)


def _numbered(node: Any, numbers: dict[str, int], *, is_name: bool = False) -> Any:
    if isinstance(node, dict):
        return {
            k: _numbered(v, numbers, is_name=k in _NAMING) for k, v in node.items() if k != "seed"
        }
    if isinstance(node, list):
        return [_numbered(item, numbers, is_name=is_name) for item in node]
    return numbers.get(node, node) if is_name else node


def machine() -> dict[str, Any]:
    """Return what of this machine decides the last bits of a training.

    The number of threads does: sums are divided among them. With that number kept, oneDNN
    gave the same bits at each of dozens of runs, busy cores or idle, so it stays on: without
    it a training takes 1.3 times as long.
    """
    _keras()  # imports TensorFlow quietly
    import tensorflow as tf

    return {
        "processor": platform.machine(),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS", ""),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
    }
