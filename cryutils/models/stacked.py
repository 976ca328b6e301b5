"""Training of many small dense networks at once as one Keras model: `fit` and `NetworkBatch`.

Used in notebook 09_ensemble (Paper A §3.5: the DNN after the encoder, the second model after
ResNet-50, the ensemble; with reconstruction, the autoencoder of §3.4.1). Table 3 needs hundreds of
networks, and Keras takes longer to start such a network than to train it. Therefore `network` is
one Keras model whose dense layers contain one matrix per network (`EinsumDense`). The networks do
not influence each other. Each keeps the weights of its best epoch.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from cryutils._io.cache import cached, key
from cryutils.errors import InputError, require_counts
from cryutils.models.backend import keras as _keras
from cryutils.models.training import MEASURES, machine

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AT_ONCE", "DenseSettings", "FitSpec", "NetworkBatch", "fit", "network"]

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.integer[Any]]
Layer = tuple[Array, Array]
Monitor = Literal["loss", "accuracy"]

STACKED_VERSION = 2  # increase it whenever the same rows and settings give other networks
AT_ONCE = 2**24  # most values in a batch, or in the kernels, of networks trained at once: 64 MiB
MASKED_LOGIT = np.float32(-1e9)  # logit of a class that a network does not distinguish


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """Settings shared by the networks of one `fit`. Raises InputError if one is out of range.

    units: of the hidden layers. linear: indices of hidden layers without ReLU, such as the
    bottleneck of an autoencoder. dropout: after each hidden layer, 0 to below 1. learning_rate: of
    RMSProp (Paper A, §3.5). batch_size: rows per batch of the network with the most rows; the
    others take as many steps per epoch with smaller batches. patience: epochs without a better one
    after which a network stops. epochs, class_weights, seed: as in `training.Settings`.
    """

    units: tuple[int, ...] = (64,)
    linear: tuple[int, ...] = ()
    dropout: float = 0.3
    learning_rate: float = 1e-3
    epochs: int = 40
    batch_size: int = 32
    patience: int = 8
    class_weights: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "epochs", "batch_size", "patience")
        if not 0 <= self.dropout < 1 or self.learning_rate <= 0 or not 0 <= self.seed < 2**32:
            raise InputError(
                f"dropout={self.dropout}, learning_rate={self.learning_rate}, seed={self.seed}:"
                " give a dropout from 0 to below 1, a rate above 0, and a seed of 0 or more."
            )
        if min(self.units, default=1) < 1:
            raise InputError(f"units={self.units}: give each layer 1 unit or more.")


@dataclass(frozen=True, eq=False)
class FitSpec:
    """Training data of one network.

    train, validation: row numbers, none in both. group: index of the group of `x` that the rows
    belong to. classes: indices of the classes that the network distinguishes; its rows have no
    others. inputs: bool (d,), the inputs that the network may use. None for these two: all.
    monitor: the measure on the validation rows whose best epoch is kept.
    """

    train: Rows
    validation: Rows
    group: int = 0
    classes: tuple[int, ...] | None = None
    inputs: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    monitor: Monitor = "loss"


@dataclass(frozen=True, eq=False)
class NetworkBatch:
    """Trained networks, one per task, as plain arrays.

    stacked: kernels (tasks, in, out) and biases (tasks, out) of each layer, for unscaled inputs.
    history: one row per task (from 0) and epoch (from 1) with loss, accuracy, val_loss and
    val_accuracy, weighted by class if `class_weights` is set; accuracies of autoencoders are NaN.
    best_epoch: (tasks,), counted from 1. allowed: bool (tasks, classes), the classes that each
    network distinguishes, or None for autoencoders.
    """

    stacked: list[Layer] = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    best_epoch: npt.NDArray[np.int64]
    settings: DenseSettings
    allowed: npt.NDArray[np.bool_] | None = field(repr=False)

    def layers(self, task: int) -> list[Layer]:
        """Return kernel (in, out) and bias (out,) of each layer of one network."""
        return [(kernel[task], bias[task]) for kernel, bias in self.stacked]

    def hidden(self, task: int, x: npt.ArrayLike, *, layer: int = -1) -> Array:
        """Return the outputs of one network's hidden layer for x (n, d), float32 (n, units)."""
        return self._through(task, x, range(len(self.settings.units))[layer] + 1)

    def predict(self, task: int, x: npt.ArrayLike) -> Array:
        """Return one network's probabilities for x (n, d), float32 (n, classes).

        An autoencoder returns its reconstruction, (n, d).
        """
        outputs = self._through(task, x, len(self.stacked))
        if self.allowed is None:
            return outputs
        return softmax(np.where(self.allowed[task], outputs, -np.inf), axis=1)

    def _through(self, task: int, x: npt.ArrayLike, depth: int) -> Array:
        h = np.asarray(x, np.float32)
        for k, (kernel, bias) in enumerate(self.layers(task)[:depth]):
            h = h @ kernel + bias
            if k < len(self.settings.units) and k not in self.settings.linear:
                h = np.maximum(h, 0)
        return h


def network(d: int, count: int, settings: DenseSettings, allowed: npt.NDArray[np.bool_] | None = None) -> Any:
    """Return `count` dense networks with equal initial weights as one compiled Keras model.

    It takes float32 (rows, networks, d) and returns logits (rows, networks, classes), or without
    `allowed` a reconstruction (rows, networks, d).

    allowed: (networks, classes), the classes that each network distinguishes.
    """
    keras = _keras()
    h = inputs = keras.Input((count, d), name="inputs")
    sizes = [*settings.units, d if allowed is None else allowed.shape[1]]
    for k, units in enumerate(sizes):
        last = k == len(sizes) - 1
        # n: rows, t: networks, i: inputs, o: outputs. Each network has its own matrix.
        layer = keras.layers.EinsumDense(
            "nti,tio->nto",
            output_shape=(count, units),
            bias_axes="to",
            activation=None if last or k in settings.linear else "relu",
            name="answer" if last else f"dense{k + 1}",
        )
        width = h.shape[-1]
        h = layer(h)
        kernel = keras.initializers.GlorotUniform(settings.seed + k)((width, units))
        layer.set_weights([np.stack([np.asarray(kernel)] * count), layer.bias])
        if settings.dropout and not last:
            same = {"noise_shape": (None, 1, None), "seed": settings.seed + k}
            h = keras.layers.Dropout(settings.dropout, **same)(h)
    if allowed is not None:
        h = h + np.where(allowed, np.float32(0), MASKED_LOGIT)
    model = keras.Model(inputs, h, name="stack")
    model.compile(keras.optimizers.RMSprop(settings.learning_rate))
    return model


def fit(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    tasks: Sequence[FitSpec],
    *,
    classes: int = 0,
    settings: DenseSettings | None = None,
) -> NetworkBatch:
    """Train one network per task, with early stopping on the task's validation rows.

    Each network standardises its inputs by its own training rows. Finished networks are cached,
    several tasks per file. Raises InputError if a row is in both parts, or has a class that its
    network does not distinguish.

    x: float32 (rows, d), or (groups, rows, d) if tasks use different features of the rows. y: class
    indices below `classes`, int (rows,), or (groups, rows) if the groups have different rows. Or y
    is the target of a reconstruction, float32 in the shape of x; the loss is then the mean squared
    error in standardised units (Paper A, eq. 1).
    """
    import pandas as pd

    settings = settings or DenseSettings()
    grouped = x if x.ndim == 3 else x[None]
    y = grouped if y is x else y
    allowed = None
    if y.dtype.kind in "iu":
        every = range(classes)
        allowed = np.array([np.isin(every, t.classes or every) for t in tasks])
        y = np.broadcast_to(y, grouped.shape[:2])
    else:
        y = y.reshape(grouped.shape)
    _check(y, tasks, allowed)
    sizes = [grouped.shape[2], *settings.units, grouped.shape[2] if allowed is None else classes]
    kernels = sum(a * b for a, b in itertools.pairwise(sizes))
    at_once = max(1, AT_ONCE // max(kernels, settings.batch_size * max(sizes)))
    steps = max(-(-len(task.train) // settings.batch_size) for task in tasks)
    content = key(grouped, None if y is grouped else y)
    parts, histories = [], []
    for start in range(0, len(tasks), at_once):
        some = slice(start, start + at_once)
        mine = None if allowed is None else allowed[some]
        job = _Job(grouped, y, tasks[some], mine, settings, steps)
        parts.append(cached(job.train, "dense", content, *job.parts()))
        gc.collect()  # a reference cycle in TensorFlow keeps the graph and its weights
        table = pd.DataFrame(parts[-1]["history"], columns=["task", "epoch", *MEASURES])
        histories.append(table.assign(task=table.task + start))
    layers = [
        tuple(np.concatenate([part[f"{name}{k}"] for part in parts]) for name in ("kernel", "bias"))
        for k in range(len(settings.units) + 1)
    ]
    history = pd.concat(histories, ignore_index=True).astype({"task": int, "epoch": int})
    best_epoch = np.concatenate([part["best_epoch"] for part in parts])
    return NetworkBatch(layers, history, best_epoch, settings, allowed)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class _Job:
    """Training of several networks at once."""

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    tasks: Sequence[FitSpec]
    allowed: npt.NDArray[np.bool_] | None
    settings: DenseSettings
    steps: int

    def parts(self) -> list[Any]:
        """Return everything that the trained networks depend on, except x and y."""
        tasks = [key(task) for task in self.tasks]
        classes = None if self.allowed is None else self.allowed.shape[1]
        return [STACKED_VERSION, tasks, classes, self.steps, asdict(self.settings), machine()]

    def train(self) -> dict[str, npt.NDArray[Any]]:
        """Return the layers at each network's best epoch, for unscaled inputs, and the history."""
        settings, count = self.settings, len(self.tasks)
        model = network(self.x.shape[2], count, settings, self.allowed)
        run = self._pass(model)
        by_accuracy = np.array([t.monitor == "accuracy" for t in self.tasks])
        by_accuracy &= self.allowed is not None
        # Equal accuracies may differ in the last bits because the order of summation changes.
        min_delta = np.where(by_accuracy, 1e-5, 0)
        least, best_epoch = np.full(count, np.inf), np.zeros(count, np.int64)
        best = model.get_weights()
        history: list[tuple[Any, ...]] = []
        validation = self._validation_batches()
        for epoch in range(1, settings.epochs + 1):
            alive = epoch - best_epoch <= settings.patience
            if not alive.any():
                break
            loss, accuracy = run(*self._training_batches(epoch), training=True)
            val_loss, val_accuracy = run(*validation, training=False)
            value = np.where(by_accuracy, -val_accuracy, val_loss)
            better = alive & (value < least - min_delta)
            least, best_epoch = np.where(better, value, least), np.where(better, epoch, best_epoch)
            for snapshot, now in zip(best, model.get_weights(), strict=True):
                snapshot[better] = now[better]
            measures = np.stack([loss, accuracy, val_loss, val_accuracy], axis=1)
            history += [(k, epoch, *measures[k]) for k in np.flatnonzero(alive)]
        arrays = self._unscaled(best)
        layers = {f"{('kernel', 'bias')[k % 2]}{k // 2}": array for k, array in enumerate(arrays)}
        return {"history": np.array(history), "best_epoch": best_epoch, **layers}

    def _pass(self, model: Any) -> Callable[..., Array]:
        """Return a function that trains or validates all networks on batches of rows.

        It takes rows and weights, (steps, batch, tasks), and `training`; it returns loss and
        accuracy, float32 (2, tasks).
        """
        keras = _keras()
        import tensorflow as tf

        groups, length, d = self.x.shape
        first = tf.constant([task.group * length for task in self.tasks], tf.int32)
        mean, deviation = (tf.constant(a, tf.float32) for a in self._moments)
        used = np.float32(self._used)
        with tf.device("cpu"):  # variables: a constant made from an array takes twice its size
            x = tf.Variable(self.x.reshape(groups * length, d), trainable=False)
            flat = self.y.reshape(groups * length, *self.y.shape[2:])
            y = x if self.y is self.x else tf.Variable(flat, trainable=False)
        learned, optimizer = model.trainable_variables, model.optimizer
        optimizer.build(learned)

        def measure(rows: Any, weight: Any, training: bool) -> Any:
            """Return weighted loss and accuracy of each row of each network."""
            inputs = (tf.gather(x, rows + first) - mean) / deviation * used
            answer, truth = model(inputs, training=training), tf.gather(y, rows + first)
            if self.allowed is None:
                loss = keras.losses.mean_squared_error((truth - mean) / deviation, answer)
                return weight * loss, np.nan * weight
            loss = keras.losses.sparse_categorical_crossentropy(truth, answer, from_logits=True)
            right = tf.argmax(answer, axis=2, output_type=truth.dtype) == truth
            return weight * loss, weight * tf.cast(right, tf.float32)

        @partial(tf.function, autograph=False)
        def step(rows: Any, weight: Any, training: bool) -> Any:
            size = tf.reduce_sum(tf.cast(weight > 0, tf.float32), axis=0)
            with tf.GradientTape() as tape:
                loss, right = measure(rows, weight, training)
                # The sum of the networks' mean losses: no gradient depends on another network.
                total = tf.reduce_sum(loss / tf.maximum(size, 1))
            if training:
                # Not `apply`: TensorFlow never frees its trace and the weights in it (TensorFlow
                # issue 97697; about 20 MB per training of 30 small networks in version 2.21).
                for gradient, weights in zip(tape.gradient(total, learned), learned, strict=True):
                    optimizer.update_step(gradient, weights, optimizer.learning_rate)
            return tf.reduce_sum(tf.stack([loss, right]), axis=1)

        def run(rows: npt.NDArray[np.int32], weights: Array, *, training: bool) -> Array:
            sums = np.zeros((2, len(self.tasks)), np.float32)
            for batch, weight in zip(rows, weights, strict=True):
                sums += step(batch, weight, training).numpy()
            return sums / np.float32((weights > 0).sum(axis=(0, 1)))

        return run

    def _training_batches(self, epoch: int) -> tuple[npt.NDArray[np.int32], Array]:
        """Return an epoch's batches: all training rows of each network once, in a new order."""
        rows, weights = [], []
        for task, weight in zip(self.tasks, self._weights, strict=True):
            rng = np.random.default_rng([self.settings.seed, epoch])
            order = rng.permutation(len(task.train))
            rows.append(task.train[order])
            weights.append(weight[order])
        return _padded(rows, weights, self.steps)

    def _validation_batches(self) -> tuple[npt.NDArray[np.int32], Array]:
        """Return each network's validation rows, in as few batches as `AT_ONCE` allows."""
        rows = [task.validation for task in self.tasks]
        widest = max(self.x.shape[2], *self.settings.units, 1)
        steps = -(-max(map(len, rows)) * len(rows) * widest // AT_ONCE)
        return _padded(rows, self._class_weights(rows), steps)

    @property
    def _used(self) -> npt.NDArray[np.bool_]:
        every = np.ones(self.x.shape[2], bool)
        return np.array([every if task.inputs is None else task.inputs for task in self.tasks])

    @cached_property
    def _moments(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean and deviation (1 if it is 0) of the tasks' training rows, float64 (tasks, d)."""
        from sklearn.preprocessing import StandardScaler  # in double precision

        scalers = [StandardScaler().fit(self.x[task.group, task.train]) for task in self.tasks]
        mean, variance = (np.stack([getattr(s, name) for s in scalers]) for name in ("mean_", "var_"))
        # Rounding leaves a constant input with a tiny variance.
        return mean, np.sqrt(np.where(variance > 1e-12 * mean**2, variance, 1.0))

    @cached_property
    def _weights(self) -> list[npt.NDArray[np.float64]]:
        return self._class_weights([task.train for task in self.tasks])

    def _class_weights(self, rows: Sequence[Rows]) -> list[npt.NDArray[np.float64]]:
        """Return the weights of each network's `rows`; their mean is 1."""
        from sklearn.utils.class_weight import compute_sample_weight

        weighted = self.allowed is not None and self.settings.class_weights
        return [
            compute_sample_weight("balanced", self.y[task.group, some]) if weighted else np.ones(len(some))
            for task, some in zip(self.tasks, rows, strict=True)
        ]

    def _unscaled(self, weights: Sequence[Array]) -> list[Array]:
        """Return kernels (tasks, in, out) and biases (tasks, out) for unscaled inputs."""
        mean, deviation = self._moments
        arrays = [np.asarray(weight, np.float64) for weight in weights]
        scale = self._used / deviation
        arrays[1] = arrays[1] - np.einsum("td,tdo->to", mean * scale, arrays[0])
        arrays[0] = arrays[0] * scale[:, :, None]
        if self.allowed is None:
            arrays[-2] = arrays[-2] * deviation[:, None]
            arrays[-1] = arrays[-1] * deviation + mean
        return [array.astype(np.float32) for array in arrays]


def _padded(
    rows: Sequence[Rows], weights: Sequence[npt.NDArray[Any]], steps: int
) -> tuple[npt.NDArray[np.int32], Array]:
    """Return rows and weights of each network in `steps` batches, (steps, batch, networks) each.

    The batches of a network differ in size by at most one row; padding has weight 0.
    """
    size = -(-max(map(len, rows)) // steps)
    order = np.zeros((steps, size, len(rows)), np.int32)
    weight = np.zeros(order.shape, np.float32)
    for k, (some, row_weights) in enumerate(zip(rows, weights, strict=True)):
        edges = np.arange(steps + 1) * len(some) // steps
        for step, (start, end) in enumerate(itertools.pairwise(edges)):
            order[step, : end - start, k] = some[start:end]
            weight[step, : end - start, k] = row_weights[start:end]
    return order, weight


def _check(y: npt.NDArray[Any], tasks: Sequence[FitSpec], allowed: npt.NDArray[np.bool_] | None) -> None:
    """Raise InputError for a row in both parts of a task, or of a class that is not allowed."""
    for k, task in enumerate(tasks):
        if not len(task.train) or not len(task.validation):
            raise InputError(f"task {k}: there are no training or no validation rows.")
        both = np.intersect1d(task.train, task.validation)
        if len(both):
            raise InputError(f"task {k}: row {both[0]} is in train and in validation.")
        if allowed is not None:
            present = np.unique(y[task.group, np.concatenate([task.train, task.validation])])
            distinguished = np.flatnonzero(allowed[k])
            if not np.isin(present, distinguished).all():
                raise InputError(
                    f"task {k}: its rows have classes {present.tolist()}, its network"
                    f" distinguishes {distinguished.tolist()}."
                )
