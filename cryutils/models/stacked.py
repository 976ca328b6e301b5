"""Many small dense networks trained as one Keras model: `fit` returns a `NetworkBatch`.

Notebooks 07_frames_resnet50, 08_autoencoder_dnn and 09_ensemble walk this module (Paper A §3.5:
the DNN behind the autoencoder, the second model behind ResNet-50, the ensemble; with
reconstruction in place of classes, the autoencoder of §3.4.1 itself). A table with three
protocols, folds within folds, and pairs of states needs hundreds of networks, and Keras spends
more time on starting one of them than on its steps. So `network` is a plain Keras model whose
dense layers hold one matrix for each of them (`EinsumDense`), and what one learns doesn't touch
the others: all start from the same weights, draw the same order and dropout, unless a task asks
for another draw, and each keeps the weights of its own best epoch.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from cryutils._io import cache
from cryutils._io.progress import counting
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

STACKED_VERSION = 2  # raise it whenever the same rows and settings give other networks
AT_ONCE = 2**24  # numbers that a stack's batch, or its kernels, may hold: 64 MiB
_BLOCK = 4096  # rows that are copied, or whose moments are taken, at once
MASKED_LOGIT = np.float32(-1e9)  # the logit of a class that a network doesn't tell apart


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """What the networks of one `fit` share.

    units: of the hidden layers, each with ReLU but for those whose index is in `linear` (an
    autoencoder's bottleneck). dropout: behind each hidden layer. learning_rate: of RMSProp, which
    Paper A (§3.5) names for its audio models alone; here it trains every network. batch_size: of
    the network with the most rows; the others make as many steps an epoch, with smaller batches.
    patience: epochs without a better `monitor` of the validation rows ("loss", or "accuracy")
    before a network stops; the best epoch's weights are kept. class_weights: each class weighs the
    same, in training and in what says stop.
    """

    units: tuple[int, ...] = (64,)
    linear: tuple[int, ...] = ()
    dropout: float = 0.3
    learning_rate: float = 1e-3
    epochs: int = 40
    batch_size: int = 32
    patience: int = 8
    monitor: Monitor = "loss"
    class_weights: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "epochs", "batch_size", "patience")
        if not 0 <= self.dropout < 1 or self.learning_rate <= 0 or not 0 <= self.seed < 2**32:
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
class FitSpec:
    """What one network is trained on.

    train, validation: row numbers, apart; without the second all epochs are trained and the last
    one's weights are kept. group: which of x's groups they are rows of. classes:
    the class indices that it tells apart, None for all; its rows hold no others. inputs: bool
    (d,), the inputs that it may use, None for all. monitor: what says stop, None for the one
    of the settings. draw: which first weights, and which order of rows, it is dealt from the seed.
    """

    train: Rows
    validation: Rows
    group: int = 0
    classes: tuple[int, ...] | None = None
    inputs: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    monitor: Monitor | None = None
    draw: int = 0


class NetworkBatch:
    """The trained networks, one for each task, as plain arrays.

    layers: of each layer kernels (tasks, in, out) and biases (tasks, out), the scaling of inputs
    in the first. best_epoch: int (tasks,), from 1. history: a row a task (from 0) and epoch
    (from 1) with loss, accuracy (of the training rows as they passed), val_loss, val_accuracy,
    in which classes weigh as the settings say; NaN accuracies for autoencoders.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        history: pd.DataFrame,
        best_epoch: npt.NDArray[np.int64],
        settings: DenseSettings,
        allowed: npt.NDArray[np.bool_] | None,
    ) -> None:
        """Take what `fit` has trained; `allowed` (tasks, classes) is None for autoencoders."""
        self._stacked, self.history, self._allowed = list(layers), history, allowed
        self.best_epoch, self.settings = best_epoch, settings

    def __len__(self) -> int:
        return len(self.best_epoch)

    def layers(self, task: int) -> list[Layer]:
        """Return kernel (in, out) and bias (out,) of each layer of one network.

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
        if self._allowed is None:
            return answers
        return softmax(np.where(self._allowed[task], answers, -np.inf), axis=1)

    def keras(self, task: int, *, name: str = "dense") -> Any:
        """Return one network as a Keras model of plain dense layers."""
        keras = _keras()
        layers = self.layers(task)
        h = inputs = keras.Input((layers[0][0].shape[0],), name="inputs")
        for k, (kernel, bias) in enumerate(layers[:-1]):
            layer = keras.layers.Dense(
                kernel.shape[1], activation=self._activation(k), name=f"dense{k + 1}"
            )
            h = layer(h)
            layer.set_weights([kernel, bias])
        kernel, bias = layers[-1]
        if self._allowed is not None:  # a class it doesn't tell apart is as unlikely as can be
            bias = np.where(self._allowed[task], bias, MASKED_LOGIT)
        kind = None if self._allowed is None else "softmax"
        layer = keras.layers.Dense(kernel.shape[1], activation=kind, name="answer")
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


def network(
    d: int,
    draws: Sequence[int],
    settings: DenseSettings,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Any:
    """Return dense networks as one compiled Keras model, those of one draw with one start.

    `draws` has the draw of first weights of each. In: float32 (rows, networks, d), what each of
    them gets. Out: the logits of its classes, (rows, networks, classes), where `allowed`
    (networks, classes) says which of them it tells apart; else the reconstruction, (rows,
    networks, d).
    """
    keras, count = _keras(), len(draws)
    h = inputs = keras.Input((count, d), name="inputs")
    sizes = [*settings.units, d if allowed is None else allowed.shape[1]]
    for k, units in enumerate(sizes):
        last = k == len(sizes) - 1
        # Row n of network t: each network has a matrix of its own.
        layer = keras.layers.EinsumDense(
            "nti,tio->nto", output_shape=(count, units), bias_axes="to",
            activation=None if last or k in settings.linear else "relu",
            name="answer" if last else f"dense{k + 1}",
        )  # fmt: skip
        width = h.shape[-1]
        h = layer(h)
        seeds = {draw: settings.seed + k + len(sizes) * draw for draw in draws}
        kernels = {
            draw: np.asarray(keras.initializers.GlorotUniform(seed)((width, units)))
            for draw, seed in seeds.items()
        }
        layer.set_weights([np.stack([kernels[draw] for draw in draws]), layer.bias])
        if settings.dropout and not last:
            h = keras.layers.Dropout(
                settings.dropout, noise_shape=(None, 1, None), seed=settings.seed + k
            )(h)
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
    progress: bool = False,
) -> NetworkBatch:
    """Return a network for each task, trained on its rows until its validation rows say stop.

    Each standardises its inputs by its own training rows. Those with fewer rows than the largest
    make as many steps an epoch, with smaller batches. Finished networks are kept in the cache by
    everything that shaped them, some tasks in a file, so a killed fit goes on behind the last file.

    Parameters
    ----------
    x : ndarray of float32
        (rows, d), or (groups, rows, d) where tasks see the rows differently.
    y : ndarray
        Class indices, int (rows,), or (groups, rows) where groups are of other rows; or float32
        like x, what is to be reconstructed, then the loss is the mean squared error in standardised
        units (eq. 1).
    tasks : sequence of FitSpec
        At least one.
    classes : int
        How many there are, for class indices.
    settings : DenseSettings, optional
        Of all networks.
    progress : bool
        Count the networks.

    Raises
    ------
    InputError
        Rows that don't exist or are on both sides, or classes that don't fit.
    """
    import pandas as pd

    settings = settings or DenseSettings()
    grouped = x if x.ndim == 3 else x[None]
    y = grouped if y is x else y
    _check(grouped, y, tasks, classes)
    allowed = None
    if y.dtype.kind in "iu":
        every = range(classes)
        allowed = np.array(
            [np.isin(every, every if t.classes is None else t.classes) for t in tasks]
        )
        y = np.broadcast_to(y, grouped.shape[:2])
    else:
        y = y.reshape(grouped.shape)
    outputs = grouped.shape[2] if allowed is None else classes
    steps = max(-(-len(task.train) // settings.batch_size) for task in tasks)
    content = cache.key(grouped, *([] if y is grouped else [y]))
    parts, histories = [], []
    with counting("Training", "networks", shown=progress) as report:
        for some in _stacks(tasks, grouped.shape[2], outputs, settings):
            mine = None if allowed is None else allowed[some]
            job = _Job(grouped, y, [tasks[k] for k in some], mine, settings, steps)
            stem = cache.at("dense", *job.key(content))
            cached = stem.with_suffix(".npz").is_file()
            arrays = cache.arrays(stem, job.train)
            if not cached:
                gc.collect()  # graph, rows and weights, a gigabyte at the paper's size: a cycle
            parts.append(arrays)
            table = pd.DataFrame(arrays["history"], columns=["task", "epoch", *MEASURES])
            histories.append(table.assign(task=table.task + some[0]))
            report(some[-1] + 1, len(tasks))
    depth = len(settings.units) + 1
    layers = [
        tuple(np.concatenate([part[f"{name}{k}"] for part in parts]) for name in ("kernel", "bias"))
        for k in range(depth)
    ]
    history = pd.concat(histories, ignore_index=True).astype({"task": int, "epoch": int})
    best_epoch = np.concatenate([part["best_epoch"] for part in parts])
    return NetworkBatch(layers, history, best_epoch, settings, allowed)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class _Job:
    """What the networks of one stack are trained on, and how."""

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    tasks: Sequence[FitSpec]
    allowed: npt.NDArray[np.bool_] | None
    settings: DenseSettings
    steps: int

    def key(self, content: str) -> list[Any]:
        task_keys = [
            [cache.key(np.asarray(t.train), np.asarray(t.validation)), t.group, t.classes,
             None if t.inputs is None else cache.key(t.inputs), t.monitor, t.draw]
            for t in self.tasks
        ]  # fmt: skip
        classes = None if self.allowed is None else self.allowed.shape[1]
        versions = [metadata.version(name) for name in ("keras", "tensorflow", "numpy")]
        shaped = [STACKED_VERSION, content, task_keys, classes, self.steps, asdict(self.settings)]
        return [*shaped, versions, machine()]

    def train(self) -> dict[str, npt.NDArray[Any]]:
        """Return the best epochs' layers, with all scaling folded in, and the history."""
        settings, count = self.settings, len(self.tasks)
        draws = [task.draw for task in self.tasks]
        model = network(self.x.shape[2], draws, settings, self.allowed)
        train_epoch, judge = self._passes(model)
        by_accuracy = np.array([(t.monitor or settings.monitor) == "accuracy" for t in self.tasks])
        by_accuracy &= self.allowed is not None
        # Weights summed in another order differ in their last bits though as much is right.
        min_delta = np.where(by_accuracy, 1e-5, 0)
        held = [task.validation for task in self.tasks]
        unjudged = np.array([not len(rows) for rows in held])
        least, best_epoch = np.full(count, np.inf), np.zeros(count, np.int64)
        best = model.get_weights()
        rows: list[tuple[Any, ...]] = []
        widest = max(self.x.shape[2], *settings.units, 1)
        steps = -(-max(1, *map(len, held)) * count * widest // AT_ONCE)
        validation = _padded(held, self._class_weights(held), steps)
        for epoch in range(1, settings.epochs + 1):
            alive = epoch - best_epoch <= settings.patience
            if not alive.any():
                break
            loss, accuracy = train_epoch(*self._shuffled(epoch)).numpy()
            val_loss, val_accuracy = judge(*validation).numpy()
            value = np.where(by_accuracy, -val_accuracy, val_loss)
            better = alive & ((value < least - min_delta) | unjudged)
            least, best_epoch = np.where(better, value, least), np.where(better, epoch, best_epoch)
            for snapshot, now in zip(best, model.get_weights(), strict=True):
                snapshot[better] = now[better]
            measures = np.stack([loss, accuracy, val_loss, val_accuracy], axis=1)
            rows += [(k, epoch, *measures[k]) for k in np.flatnonzero(alive)]
        layers = {
            f"{name}{k // 2}": array
            for k, array in enumerate(self._unscaled(best))
            for name in [("kernel", "bias")[k % 2]]
        }
        return {"history": np.array(rows), "best_epoch": best_epoch, **layers}

    def _passes(self, model: Any) -> tuple[Any, Any]:
        """Return two functions of (rows, weights): train an epoch, and judge without training.

        Rows and weights are (steps, batch, tasks); both return loss and accuracy, (tasks,).
        """
        keras = _keras()
        import tensorflow as tf

        groups, length, d = self.x.shape
        first = tf.constant([task.group * length for task in self.tasks], tf.int32)
        mean, deviation = (tf.constant(a, tf.float32) for a in self._moments)
        with tf.device("cpu"):
            x = _variable(self.x.reshape(groups * length, d))
            flat = self.y.reshape(groups * length, *self.y.shape[2:])
            y = x if self.y is self.x else tf.constant(flat)

        def measure(rows: Any, weight: Any, *, training: bool) -> Any:
            """Return the weighted loss of each row of each network, and whether it is right."""
            inputs = (tf.gather(x, rows + first) - mean) / deviation * self._used
            answer, truth = model(inputs, training=training), tf.gather(y, rows + first)
            if self.allowed is None:
                loss = keras.losses.mean_squared_error((truth - mean) / deviation, answer)
                return weight * loss, np.nan * weight
            loss = keras.losses.sparse_categorical_crossentropy(truth, answer, from_logits=True)
            right = tf.argmax(answer, axis=2, output_type=truth.dtype) == truth
            return weight * loss, weight * tf.cast(right, tf.float32)

        def run(rows: Any, weight: Any, *, training: bool) -> Any:
            def step(k: Any, sums: Any) -> Any:
                rows_weighed = tf.reduce_sum(tf.cast(weight[k] > 0, tf.float32), axis=0)
                with tf.GradientTape() as tape:
                    loss, right = measure(rows[k], weight[k], training=training)
                    # A mean for each network, summed: none sees the others in its gradient.
                    total = tf.reduce_sum(loss / tf.maximum(rows_weighed, 1))
                if training:
                    gradients = tape.gradient(total, learned)
                    # Not `apply`, whose trace TensorFlow keeps for good, weights and all (its issue
                    # 97697: the gradient of a sum over replicas).
                    for gradient, weights in zip(gradients, learned, strict=True):
                        optimizer.update_step(gradient, weights, optimizer.learning_rate)
                return k + 1, sums + tf.reduce_sum(tf.stack([loss, right]), axis=1)

            start = tf.constant(0), tf.zeros((2, len(self.tasks)))
            _, sums = tf.while_loop(lambda k, _: k < tf.shape(rows)[0], step, start)
            return sums / tf.reduce_sum(tf.cast(weight > 0, tf.float32), axis=(0, 1))

        learned, optimizer = model.trainable_variables, model.optimizer
        optimizer.build(learned)
        function = partial(tf.function, autograph=False)  # loops and branches are TensorFlow's own
        return function(partial(run, training=True)), function(partial(run, training=False))

    def _shuffled(self, epoch: int) -> tuple[npt.NDArray[np.int32], Array]:
        """Return an epoch's batches: all training rows of each network once, in its own order."""
        rng = [np.random.default_rng([self.settings.seed, epoch, t.draw]) for t in self.tasks]
        orders = [r.permutation(len(t.train)) for r, t in zip(rng, self.tasks, strict=True)]
        rows = [task.train[order] for task, order in zip(self.tasks, orders, strict=True)]
        weights = [w[order] for w, order in zip(self._weights, orders, strict=True)]
        return _padded(rows, weights, self.steps)

    @cached_property
    def _used(self) -> Array:
        """Which inputs each network may use, float32 (tasks, d)."""
        every = np.ones(self.x.shape[2], bool)
        used = [every if task.inputs is None else task.inputs for task in self.tasks]
        return np.array(used, np.float32)

    @cached_property
    def _moments(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean and deviation of each network's training rows, float64 (tasks, d); never 0."""
        return _moments(self.x, self.tasks)

    @cached_property
    def _weights(self) -> list[npt.NDArray[np.float64]]:
        return self._class_weights([task.train for task in self.tasks])

    def _class_weights(self, rows: Sequence[Rows]) -> list[npt.NDArray[np.float64]]:
        """Return the weight of each of these rows of each network; their mean is 1."""
        from sklearn.utils.class_weight import compute_sample_weight

        weighed = self.allowed is not None and self.settings.class_weights
        return [
            compute_sample_weight("balanced", self.y[task.group, some])
            if weighed and len(some)
            else np.ones(len(some))
            for task, some in zip(self.tasks, rows, strict=True)
        ]

    def _unscaled(self, weights: Sequence[Array]) -> Iterator[Array]:
        """Yield kernels (tasks, in, out) and biases (tasks, out) that take x as it is."""
        mean, deviation = self._moments
        arrays = [np.asarray(weight, np.float64) for weight in weights]
        scale = self._used / deviation
        arrays[1] = arrays[1] - np.einsum("td,tdo->to", mean * scale, arrays[0])
        arrays[0] = arrays[0] * scale[:, :, None]
        if self.allowed is None:
            arrays[-2] = arrays[-2] * deviation[:, None]
            arrays[-1] = arrays[-1] * deviation + mean
        yield from (array.astype(np.float32) for array in arrays)


def _variable(rows: Array) -> Any:
    """Return `rows` (n, d) as a variable of TensorFlow, float32, copied block by block.

    A tensor made of a large array takes its size twice: half a gigabyte for the paper's frames.
    """
    import tensorflow as tf

    variable = tf.Variable(lambda: tf.zeros(rows.shape), trainable=False)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        variable.scatter_nd_update(np.arange(start, start + len(block))[:, None], block)
    return variable


def _padded(
    rows: Sequence[Rows], weights: Sequence[npt.NDArray[Any]], steps: int
) -> tuple[npt.NDArray[np.int32], Array]:
    """Return each network's rows and weights in `steps` batches, (steps, batch, networks).

    Batches of one network are of one size, give or take a row; what is left is weight 0.
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


def _check(
    x: npt.NDArray[Any], y: npt.NDArray[Any], tasks: Sequence[FitSpec], classes: int
) -> None:
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
            some = getattr(task, name)
            if (len(some) and (some.min() < 0 or some.max() >= rows)) or not len(task.train):
                raise InputError(f"task {k}, {name}: give rows from 0 to {rows - 1}, one at least.")
        both = np.intersect1d(task.train, task.validation)
        if len(both):
            raise InputError(f"task {k}: row {both[0]} is in train and in validation.")
        if whole:
            labels = y if y.ndim == 1 else y[task.group]
            present = np.unique(labels[np.concatenate([task.train, task.validation])])
            allowed = range(classes) if task.classes is None else task.classes
            if not set(present) <= set(allowed):
                raise InputError(
                    f"task {k}: rows of classes {present.tolist()}, it tells {[*allowed]}."
                )


def _stacks(
    tasks: Sequence[FitSpec], d: int, outputs: int, settings: DenseSettings
) -> Iterator[list[int]]:
    """Yield the numbers of tasks to be trained at once, few enough to fit in memory."""
    sizes = [d, *settings.units, outputs]
    kernels = sum(a * b for a, b in itertools.pairwise(sizes))
    most = max(1, AT_ONCE // max(kernels, settings.batch_size * max(sizes)))
    for start in range(0, len(tasks), most):
        yield list(range(start, min(start + most, len(tasks))))


def _moments(
    x: npt.NDArray[Any], tasks: Sequence[FitSpec]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and deviation of each task's training rows, float64 (tasks, d); never 0."""
    d = x.shape[2]
    total, squares = np.zeros((len(tasks), d)), np.zeros((len(tasks), d))
    for group in {task.group for task in tasks}:
        mine = [k for k, task in enumerate(tasks) if task.group == group]
        member = np.zeros((len(mine), x.shape[1]))
        for place, k in enumerate(mine):
            np.add.at(member[place], tasks[k].train, 1)
        for start in range(0, x.shape[1], _BLOCK):
            # In double precision, so that no small spread is lost beside a large mean.
            block = x[group, start : start + _BLOCK].astype(np.float64)
            part = member[:, start : start + _BLOCK]
            total[mine] += part @ block
            squares[mine] += part @ (block * block)
    count = np.array([[len(task.train)] for task in tasks])
    mean = total / count
    variance = squares / count - mean**2
    # What is left of a constant by rounding is no spread.
    return mean, np.sqrt(np.where(variance > 1e-12 * mean**2, variance, 1.0))
