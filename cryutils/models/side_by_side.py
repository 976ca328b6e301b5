"""The training loop of `dense`: one TensorFlow graph whose arrays are stacks of networks.

Walked by no notebook; `dense.fit` calls `train`. Paper A (§3.5) names RMSProp; here it is written
out, since a network that has stopped, or has fewer batches than its neighbours, must not move,
and Keras' optimisers move all of an array. A test holds the steps to those of Keras.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.models.backend import keras as _keras
from cryutils.models.dense_plan import DenseSettings, Part, Task, of_group

__all__ = ["train"]

Array = npt.NDArray[np.float32]

RHO, EPSILON = 0.9, 1e-7  # Keras' defaults of RMSProp
_CELLS = 2**24  # numbers in the inputs of one validation batch
_BLOCK = 4096  # rows whose moments are taken at once


def train(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    tasks: Sequence[Task],
    allowed: npt.NDArray[np.bool_] | None,
    settings: DenseSettings,
    report: Callable[[float], None],
) -> Part:
    """Return the layers, the history and the best epochs of the networks of `tasks`.

    x: (groups, rows, d). y: as in `dense.fit`. allowed: bool (tasks, classes), None for
    reconstruction. report: told the share of epochs done.
    """
    stack = _Stack(x, y, tasks, allowed, settings)
    count = len(tasks)
    by_accuracy = np.array([(t.monitor or settings.monitor) == "accuracy" for t in tasks])
    by_accuracy &= allowed is not None
    best = np.full(count, np.inf)
    best_epoch, wait = np.zeros(count, np.int64), np.zeros(count, np.int64)
    alive = np.ones(count, bool)
    rows: list[dict[str, float]] = []
    for epoch in range(settings.epochs):
        loss, accuracy = stack.epoch(epoch, alive)
        val_loss, val_accuracy = stack.validate()
        value = np.where(by_accuracy, -val_accuracy, val_loss)
        better = alive & (value < best)
        stack.keep(better)
        best, best_epoch = np.where(better, value, best), np.where(better, epoch + 1, best_epoch)
        for k in np.flatnonzero(alive):
            found = (loss[k], accuracy[k], val_loss[k], val_accuracy[k])
            names = ("loss", "accuracy", "val_loss", "val_accuracy")
            told = {name: float(v) for name, v in zip(names, found, strict=True)}
            rows.append({"task": int(k), "epoch": epoch + 1, **told})
        wait = np.where(better, 0, wait + 1)
        alive &= wait < settings.patience
        report((epoch + 1) / settings.epochs)
        if not alive.any():
            break
    return stack.layers(), rows, best_epoch


class _Stack:
    """The networks' arrays, and the two graphs that train and judge all of them."""

    def __init__(
        self,
        x: npt.NDArray[Any],
        y: npt.NDArray[Any],
        tasks: Sequence[Task],
        allowed: npt.NDArray[np.bool_] | None,
        settings: DenseSettings,
    ) -> None:
        _keras()  # imports TensorFlow quietly
        import tensorflow as tf

        self.tf, self.settings, self.tasks = tf, settings, tasks
        self.softmax = allowed is not None
        groups, rows, d = x.shape
        self.first = np.array([task.group * rows for task in tasks])
        mean, deviation = _moments(x, tasks)
        used = np.stack([np.ones(d, bool) if t.inputs is None else t.inputs for t in tasks])
        self.mean, self.deviation, self.used = mean, deviation, used
        with tf.device("cpu"):
            self.x = tf.constant(x.reshape(groups * rows, d), tf.float32)
            if self.softmax:
                every = np.broadcast_to(y, (groups, rows)).reshape(-1)
                self.y = tf.constant(every, tf.int32)
            else:
                self.y = self.x if y is x else tf.constant(y.reshape(groups * rows, d), tf.float32)
        self.scale = tf.constant((used / deviation)[:, None], tf.float32)
        self.shift = tf.constant(mean[:, None], tf.float32)
        self.unscale = tf.constant((1 / deviation)[:, None], tf.float32)
        self.barred = tf.constant(np.where(allowed, 0, -1e9)[:, None], tf.float32) if (
            allowed is not None
        ) else None  # fmt: skip
        sizes = [d, *settings.units, allowed.shape[1] if allowed is not None else d]
        self.variables = [tf.Variable(a) for a in _start(sizes, len(tasks), settings.seed)]
        self.squares = [tf.Variable(tf.zeros_like(v)) for v in self.variables]
        self.best = [tf.Variable(v) for v in self.variables]
        self.steps = np.array([-(-len(t.train) // settings.batch_size) for t in tasks])
        self.weights = [_class_weights(y, t, settings) for t in tasks]
        self.width = max(1, min(256, _CELLS // (len(tasks) * max(sizes))))
        rows = [len(tasks), settings.batch_size]
        steps, seeds = int(self.steps.max()), tf.TensorSpec([2], tf.int32)
        # Autograph would take half a second to read these functions, once in each process.
        self._epoch = tf.function(self._train_epoch, autograph=False).get_concrete_function(
            tf.TensorSpec([steps, *rows], tf.int32), tf.TensorSpec([steps, *rows], tf.float32),
            tf.TensorSpec([steps, len(tasks)], tf.float32), seeds,
        )  # fmt: skip
        self._judge = tf.function(self._losses, autograph=False).get_concrete_function(
            tf.TensorSpec([len(tasks), self.width], tf.int32),
            tf.TensorSpec([len(tasks), self.width], tf.float32),
        )

    def epoch(self, number: int, alive: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """Train one epoch; return loss and accuracy of each network, (tasks,)."""
        order, weight = self._batches(number)
        active = (np.arange(len(order))[:, None] < self.steps) & alive
        seeds = [self.settings.seed, number]
        loss, right = self._epoch(
            *(self.tf.constant(a) for a in (order, weight, active.astype(np.float32))),
            self.tf.constant(seeds, self.tf.int32),
        )
        total = np.array([len(t.train) for t in self.tasks])
        return loss.numpy() / total, right.numpy() / total

    def validate(self) -> tuple[Array, Array]:
        """Return loss and accuracy of each network on its validation rows, (tasks,)."""
        loss, right = np.zeros(len(self.tasks)), np.zeros(len(self.tasks))
        for order, weight in self._validation():
            some, hits = self._judge(order, weight)
            loss, right = loss + some.numpy(), right + hits.numpy()
        total = np.array([len(t.validation) for t in self.tasks])
        return loss / total, right / total

    def keep(self, better: npt.NDArray[np.bool_]) -> None:
        """Remember the weights of the networks that are better than before."""
        if not better.any():
            return
        chosen = self.tf.constant(better[:, None, None])
        for kept, variable in zip(self.best, self.variables, strict=True):
            kept.assign(self.tf.where(chosen, variable, kept))

    def layers(self) -> list[tuple[Array, Array]]:
        """Return the best epochs' kernels and biases, with all scaling folded in."""
        arrays = [v.numpy().astype(np.float64) for v in self.best]
        kernels, biases = arrays[0::2], [b[:, 0] for b in arrays[1::2]]
        scale = self.used / self.deviation
        biases[0] = biases[0] - np.einsum("td,tdo->to", self.mean * scale, kernels[0])
        kernels[0] = kernels[0] * scale[:, :, None]
        if not self.softmax:
            kernels[-1] = kernels[-1] * self.deviation[:, None]
            biases[-1] = biases[-1] * self.deviation + self.mean
        return [
            (k.astype(np.float32), b.astype(np.float32))
            for k, b in zip(kernels, biases, strict=True)
        ]

    def _batches(self, epoch: int) -> tuple[npt.NDArray[np.int32], Array]:
        """Return rows and their weights, (steps, tasks, batch): each network's own order.

        Batches of one network are of one size, give or take a row; what is left is weight 0.
        """
        size = self.settings.batch_size
        order = np.zeros((self.steps.max(), len(self.tasks), size), np.int32)
        weight = np.zeros(order.shape, np.float32)
        for k, task in enumerate(self.tasks):
            rng = np.random.default_rng([self.settings.seed, epoch])
            places = rng.permutation(len(task.train))
            edges = np.arange(self.steps[k] + 1) * len(places) // self.steps[k]
            for s, (start, end) in enumerate(itertools.pairwise(edges)):
                here = places[start:end]
                order[s, k, : len(here)] = task.train[here] + self.first[k]
                weight[s, k, : len(here)] = self.weights[k][here]
        return order, weight

    def _validation(self) -> Iterator[tuple[Any, Any]]:
        longest = max(len(t.validation) for t in self.tasks)
        for start in range(0, longest, self.width):
            order = np.zeros((len(self.tasks), self.width), np.int32)
            weight = np.zeros(order.shape, np.float32)
            for k, task in enumerate(self.tasks):
                some = task.validation[start : start + self.width]
                order[k, : len(some)], weight[k, : len(some)] = some + self.first[k], 1.0
            yield self.tf.constant(order), self.tf.constant(weight)

    def _forward(self, rows: Any, seeds: Any) -> Any:
        """Return the last layer's output; without dropout where there are no seeds."""
        tf, settings = self.tf, self.settings
        h = (tf.gather(self.x, rows) - self.shift) * self.scale
        size = tf.shape(rows)[1]
        depth = len(self.variables) // 2
        for k in range(depth):
            h = tf.matmul(h, self.variables[2 * k]) + self.variables[2 * k + 1]
            if k == depth - 1:
                break
            if k not in settings.linear:
                h = tf.nn.relu(h)
            if seeds is not None and settings.dropout:
                shape = tf.stack([size, h.shape[2]])
                draw = tf.random.stateless_uniform(shape, seeds[:2] + 7919 * seeds[2] + 104729 * k)
                h *= tf.cast(draw >= settings.dropout, tf.float32) / (1 - settings.dropout)
        return h

    def _losses(self, rows: Any, weight: Any, seeds: Any = None) -> Any:
        """Return the weighted sum of losses and the number right of each network, (tasks,)."""
        tf = self.tf
        answer = self._forward(rows, seeds)
        there = tf.cast(weight > 0, tf.float32)
        if not self.softmax:
            target = (tf.gather(self.y, rows) - self.shift) * self.unscale
            loss = tf.reduce_mean(tf.square(answer - target), axis=2)
            return tf.reduce_sum(weight * loss, axis=1), tf.fill([len(self.tasks)], np.nan)
        answer += self.barred
        truth = tf.gather(self.y, rows)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, answer)
        right = tf.cast(tf.argmax(answer, axis=2, output_type=tf.int32) == truth, tf.float32)
        return tf.reduce_sum(weight * loss, axis=1), tf.reduce_sum(there * right, axis=1)

    def _train_epoch(self, order: Any, weight: Any, active: Any, seeds: Any) -> Any:
        tf = self.tf

        def one(step: Any, loss: Any, right: Any) -> Any:
            with tf.GradientTape() as tape:
                drawn = tf.concat([seeds, [step]], 0)
                some, hits = self._losses(order[step], weight[step], drawn)
                count = tf.reduce_sum(tf.cast(weight[step] > 0, tf.float32), axis=1)
                mean = tf.reduce_sum(some / tf.maximum(count, 1.0))
            moving = active[step][:, None, None]
            gradients = tape.gradient(mean, self.variables)
            for variable, square, gradient in zip(
                self.variables, self.squares, gradients, strict=True
            ):
                mixed = RHO * square + (1 - RHO) * tf.square(gradient)
                square.assign(tf.where(moving > 0, mixed, square))
                change = self.settings.learning_rate * gradient * tf.math.rsqrt(square + EPSILON)
                variable.assign_sub(moving * change)
            return step + 1, loss + some, right + hits

        nothing = tf.zeros(len(self.tasks))
        _, loss, right = tf.while_loop(
            lambda step, *_: step < order.shape[0], one, (tf.constant(0), nothing, nothing)
        )
        return loss, right


def _moments(
    x: npt.NDArray[Any], tasks: Sequence[Task]
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


def _start(sizes: Sequence[int], tasks: int, seed: int) -> Iterator[Array]:
    """Yield kernels by Glorot's rule and biases of 0, the same for all tasks."""
    rng = np.random.default_rng(seed)
    for a, b in itertools.pairwise(sizes):
        limit = np.sqrt(6 / (a + b))
        kernel = rng.uniform(-limit, limit, (a, b)).astype(np.float32)
        yield np.repeat(kernel[None], tasks, axis=0)
        yield np.zeros((tasks, 1, b), np.float32)


def _class_weights(y: npt.NDArray[Any], task: Task, settings: DenseSettings) -> Array:
    """Return the weight of each training row; their mean is 1."""
    if y.dtype.kind == "f" or not settings.class_weights:
        return np.ones(len(task.train), np.float32)
    from sklearn.utils.class_weight import compute_sample_weight

    return compute_sample_weight("balanced", of_group(y, task)[task.train]).astype(np.float32)
