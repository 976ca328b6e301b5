"""One traced copy of each network's architecture, which all fits of it share: `traced`.

Walked by no notebook. Keras writes a graph for every new model before its first step, which
takes longer than training it on a hundred clips: a course that fits five folds of a network
would wait for five equal graphs. So one copy trains and answers for all of them: weights,
optimiser and random states are put in, and nothing of the last fit stays.
"""

from __future__ import annotations

import json
import os
import platform
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.models.backend import keras as _keras

__all__ = ["Traced", "architecture", "machine", "seeded", "traced"]

Weights = list[npt.NDArray[Any]]

_KEPT = 8  # architectures, the last ones used; each holds its weights and graphs
_BATCH = 256  # rows answered at once
_copies: OrderedDict[str, Traced] = OrderedDict()


def traced(model: Any, build: Callable[[], Any], told: str | None = None) -> Traced:
    """Return the copy of `model`'s architecture; where there is none yet, one of `build()`.

    `told` is what `architecture(model)` returned, for whoever has it already.
    """
    key = _without_rate(told or architecture(model))
    if key not in _copies:
        _copies[key] = Traced(build())
    _copies.move_to_end(key)
    while len(_copies) > _KEPT:
        _copies.popitem(last=False)
    return _copies[key]


class Traced:
    """A compiled Keras model whose state is put in before each use."""

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self.model = model
        model.optimizer.build(model.trainable_variables)
        self._optimizer_start = self.optimizer_state()
        self._seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
        spec = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)
        answer = tf.function(lambda x: model(x, training=False))
        self._answer = answer.get_concrete_function(spec)

    def reset(self, like: Any) -> None:
        """Take the weights and the learning rate of the model `like`; forget the last fit."""
        self.restore(like.get_weights(), self._optimizer_start)
        if "learning_rate" in (self.model.optimizer.get_config() or {}):
            rate = like.optimizer.get_config()["learning_rate"]
            if isinstance(rate, float):
                self.model.optimizer.learning_rate = rate

    def restore(self, weights: Weights, optimizer_state: Weights) -> None:
        """Take weights and optimiser state as they were at the end of an epoch."""
        self.model.set_weights(weights)
        for variable, value in zip(self.model.optimizer.variables, optimizer_state, strict=True):
            variable.assign(value)

    def optimizer_state(self) -> Weights:
        """Return the optimiser's variables: steps done, learning rate, moments."""
        return [variable.numpy() for variable in self.model.optimizer.variables]

    def seed(self, seed: int, epoch: int) -> None:
        """Set what dropout and augmentation draw from: for this epoch, whatever came before."""
        drawn = np.random.SeedSequence([seed, epoch]).generate_state(2 * len(self._seeds))
        for variable, pair in zip(self._seeds, (drawn >> 1).reshape(-1, 2), strict=True):
            variable.assign(pair)

    def predict(self, model: Any, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return what `model` answers to `x`, float32 (rows, classes)."""
        import tensorflow as tf

        self.model.set_weights(model.get_weights())
        x = np.asarray(x, self.model.inputs[0].dtype)
        batches = (tf.constant(x[i : i + _BATCH]) for i in range(0, len(x), _BATCH))
        parts = [self._answer(batch).numpy() for batch in batches]
        return np.concatenate(parts or [np.zeros((0, model.output_shape[-1]), np.float32)])


def architecture(model: Any) -> str:
    """Return what makes a compiled model train as it does, but for weights and seeds, as JSON.

    Layers' names are left out, since Keras numbers them through a session.
    """
    told = json.loads(model.to_json())
    if not told.get("compile_config"):
        raise InputError(f"the network {model.name!r} is not compiled; call its compile() first.")
    names: dict[str, str] = {}
    _name(told, names)
    optimizer = told["compile_config"]["optimizer"]
    if isinstance(optimizer, dict):
        optimizer["config"].pop("name", None)
    return json.dumps(_renamed(told, names), sort_keys=True)


def machine() -> dict[str, Any]:
    """Return what of this machine decides the last bits of a training.

    The number of cores does: sums are divided among the threads. With that number kept, oneDNN
    gave the same bits at each of dozens of runs, busy cores or idle, so it stays on: without
    it a training takes 1.3 times as long.
    """
    _keras()  # imports TensorFlow quietly
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": platform.machine(),
        "cores": cores,
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
    }


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """Return `build()` with initial weights drawn from `seed`, and random states left as found."""
    # Keras draws the seed of every layer from Python's `random`; its first import draws, too.
    _keras()
    kept = random.getstate()
    random.seed(seed)
    try:
        return build()
    finally:
        random.setstate(kept)


def _without_rate(told: str) -> str:
    """Return an architecture without its learning rate, which a traced copy can take anew."""
    about = json.loads(told)
    optimizer = about["compile_config"]["optimizer"]
    if isinstance(optimizer, dict) and isinstance(optimizer["config"].get("learning_rate"), float):
        optimizer["config"].pop("learning_rate")
    return json.dumps(about, sort_keys=True)


def _name(node: Any, names: dict[str, str]) -> None:
    """Number the layers of all models within `node` in order."""
    if isinstance(node, dict):
        for layer in node.get("layers") or ():
            names.setdefault(layer["config"]["name"], f"layer {len(names)}")
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            _name(inner, names)


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _renamed(value, names) for key, value in node.items() if key != "seed"}
    if isinstance(node, list):
        return [_renamed(value, names) for value in node]
    return names.get(node, node) if isinstance(node, str) else node
