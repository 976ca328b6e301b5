"""Training of a network with Keras' own loop.

Used in notebooks 04_cry2 and 05_image (Paper B §3). The paper states neither the number of epochs
nor a stopping rule. Here the loss on a validation part of the training clips decides when to stop.
Finished fits are cached.
"""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils._io.cache import cached
from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras
from cryutils.models.backend import seeded
from cryutils.models.inputs import Examples, Indices, by_clip

TRAINING_VERSION = 4  # increase it whenever the same rows and settings give other networks

Array = npt.NDArray[Any]
Part = tuple[Array, Indices]  # examples and the class index of each

_BATCH = 256  # rows per batch of a prediction
MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained. Raises InputError if a setting is out of range.

    Parameters
    ----------
    epochs, batch_size : int
        Most epochs; rows per batch.
    patience, warm_up : int
        Epochs without a lower validation loss after which training stops; epochs that this ignores,
        while the averages of batch normalisation settle.
    class_weights : bool
        Whether all classes weigh the same in training and validation loss.
    seed : int
        Of every random draw.

    Examples
    --------
    >>> Settings(epochs=10).patience
    8
    """

    epochs: int = 30
    batch_size: int = 32
    patience: int = 8
    warm_up: int = 4
    class_weights: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give 1 or more.")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained Keras model with the weights of its best epoch, and the history of its training.

    history: a row per epoch with epoch (from 1), loss, accuracy, val_loss and val_accuracy, by
    `Settings.class_weights`. best_epoch: counted from 1.
    """

    model: Any = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    best_epoch: int

    def predict(self, x: Array) -> npt.NDArray[np.float32]:
        """Return the probabilities of examples `x` (rows, ...), float32 (rows, classes)."""
        batches = [x[i : i + _BATCH] for i in range(0, len(x), _BATCH)]
        parts = [self.model.predict_on_batch(batch) for batch in batches]
        return np.concatenate(parts or [np.zeros((0, self.model.output_shape[-1]), np.float32)])

    def predict_clips(self, examples: Examples, clips: Indices) -> npt.NDArray[np.float32]:
        """Return the mean probabilities of some clips' examples, float32 (clips, classes).

        NaN for a clip without examples. clips: positions, int (clips,).
        """
        rows = examples.rows(clips)
        means = by_clip(self.predict(examples.x[rows]), examples.clip[rows], int(np.max(clips)) + 1)
        return means[clips]


def fit(
    build: Callable[[Array], Any],
    examples: Examples,
    y: Indices,
    *,
    train: Indices,
    validation: Indices,
    settings: Settings | None = None,
) -> Fitted:
    """Train a network on clips, with early stopping on the loss of validation clips.

    It frees the graphs of the networks trained before, which still predict. Raises InputError if a
    clip is in both parts, or the network lacks a class.

    Parameters
    ----------
    build : function
        Returns the compiled network for the examples of the training clips, (rows, ...), by which it
        may scale its inputs (`cry2.adapt`).
    examples : Examples
        Of all clips.
    y, train, validation : arrays
        The class index of each clip; the positions of the clips of both parts.
    settings : Settings, optional
        How the network is trained.

    Returns
    -------
    Fitted
        The network with the weights of its best epoch, and its history.

    Examples
    --------
    >>> build = lambda rows: cry2.build(rows.shape[1:], 4)
    >>> fit(build, examples, y, train=train, validation=validation).best_epoch  # doctest: +SKIP
    12
    """
    settings = settings or Settings()
    both = np.intersect1d(train, validation)
    if len(both):
        raise InputError(f"clip {both[0]} is in train and in validation; keep them apart.")
    parts = map(examples.rows, (train, validation))
    fitting, stopping = ((examples.x[rows], y[examples.clip[rows]]) for rows in parts)
    _keras().backend.clear_session()  # also names of layers begin again, which `to_json` includes
    with seeded(settings.seed):
        model = build(fitting[0])
        if y.max() >= model.output_shape[-1]:
            raise InputError(f"class {y.max()} is none of the network's {model.output_shape[-1]}.")
        about = [TRAINING_VERSION, model.to_json(), model.get_weights(), asdict(settings), machine()]
        weights, measures, best_epoch = cached(
            partial(_train, model, fitting, stopping, settings), "training", *about, *fitting, *stopping
        )
    model.set_weights(weights)
    history = pd.DataFrame(measures, columns=MEASURES)
    history.insert(0, "epoch", np.arange(1, len(history) + 1))
    return Fitted(model, history, best_epoch)


def batches(*arrays: Any, batch_size: int, seed: int) -> Any:
    """Return training rows as a `tf.data.Dataset` of batches, shuffled again for each epoch.

    (With a seed set, Keras' own shuffling draws the same order in every epoch.) arrays: inputs,
    targets and optionally sample weights, (rows, ...) each. batch_size is reduced if the last batch
    would otherwise have less than half as many rows, which would distort batch normalisation.
    """
    import tensorflow as tf

    rows = len(arrays[-1])
    sizes = range(1, min(batch_size, rows) + 1)
    size = max(n for n in sizes if rows % n == 0 or 2 * (rows % n) >= n)
    with tf.device("cpu"):
        return tf.data.Dataset.from_tensor_slices(arrays).shuffle(rows, seed=seed).batch(size)


def _train(network: Any, train: Part, validation: Part, settings: Settings) -> tuple[list[Array], Array, int]:
    """Return the best epoch's weights, `MEASURES` per epoch, and the best epoch, counted from 1."""
    from sklearn.utils.class_weight import compute_sample_weight

    stopping = _keras().callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=settings.patience,
        start_from_epoch=min(settings.warm_up, settings.epochs - 1),  # the last epoch always counts
        restore_best_weights=True,
    )
    way, parts = "balanced" if settings.class_weights else None, (train, validation)
    training_rows, validation_rows = ((x, y, compute_sample_weight(way, y)) for x, y in parts)
    history = network.fit(
        batches(*training_rows, batch_size=settings.batch_size, seed=settings.seed),
        shuffle=False,  # `batches` shuffles
        epochs=settings.epochs,
        validation_data=validation_rows,
        validation_batch_size=_BATCH,
        callbacks=[stopping],
        verbose=0,
    ).history
    measures = np.array([history[name] for name in MEASURES]).T
    return network.get_weights(), measures, stopping.best_epoch + 1


def machine() -> dict[str, Any]:
    """Return what determines the last bits of a training: processor, threads, GPUs and versions."""
    _keras()  # imports TensorFlow quietly
    import tensorflow as tf

    return {
        "processor": platform.machine(),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS", ""),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
        **{name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
    }
