"""A trained network for machines without TensorFlow: `litert`, and `Lite`, which runs the file.

Walked by notebook 06_full. Paper B §3, deployment strategy: on-device inference. The file has
the network's own float32 weights, so its answers are Keras' but for rounding; importing the
LiteRT runtime takes a fraction of TensorFlow's time and memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import writing
from cryutils.errors import InputError
from cryutils.models.backend import quiet_stderr

__all__ = ["Lite", "litert"]

_BATCH = 256  # examples at once, so that memory doesn't grow with a recording's length


def litert(model: Any, path: str | os.PathLike[str]) -> Path:
    """Write a Keras `model` as a float32 LiteRT file and return its path.

    The number of examples stays open: the file takes (n, ...) as the model does. Raises
    InputError where `path` doesn't end in .tflite.
    """
    target = Path(path)
    if target.suffix != ".tflite":
        raise InputError(f"{target}: a LiteRT file ends in .tflite.")
    content = _converted(model)
    with writing(target) as part:
        part.write_bytes(content)
    return target


def _converted(model: Any) -> bytes:
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        # From the traced function: by way of a saved model, as `from_keras_model` goes, it takes
        # some four times as long, and comes to the same network.
        (source,) = model.inputs
        spec = tf.TensorSpec(source.shape, source.dtype)
        call = tf.function(lambda x: model(x, training=False), autograph=False)
        with quiet_stderr():
            traced = call.get_concrete_function(spec)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
            converter.experimental_lower_to_saved_model = False
            content: bytes = converter.convert()
    finally:
        logger.setLevel(level)
    return content


class Lite:
    """A LiteRT network: `predict` as Keras' model has it, without TensorFlow."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file at `path`. Raises InputError where it is none."""
        from ai_edge_litert.interpreter import Interpreter

        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; `cryutils run` trains and writes it.")
        with self._running(), quiet_stderr():
            self._interpreter = Interpreter(model_path=str(self.path), num_threads=1)
            self._interpreter.allocate_tensors()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()

    @property
    def shape(self) -> tuple[int, ...]:
        """What one example looks like, without the number of examples."""
        return self.input_shape[1:]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """What all of the input looks like, in the file."""
        return tuple(int(n) for n in self._input["shape"])

    @property
    def classes(self) -> int:
        """How many classes it tells apart."""
        return int(self._output["shape"][-1])

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return probabilities float32 (n, classes) of `x` (n, *shape)."""
        rows = np.asarray(x, dtype=self._input["dtype"])
        if rows.shape[1:] != self.shape:
            raise InputError(f"an example is {self.shape}, not {rows.shape[1:]}.")
        if not len(rows):
            return np.zeros((0, self.classes), np.float32)
        parts = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
        return np.concatenate([self.answers(part) for part in parts])

    def answers(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the output for the input `x` as it is, for a network that takes no batches."""
        with self._running():
            if tuple(self._interpreter.get_input_details()[0]["shape"]) != x.shape:
                with quiet_stderr():  # it announces its delegate each time
                    self._interpreter.resize_tensor_input(self._input["index"], x.shape)
                    self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(self._input["index"], x)
            self._interpreter.invoke()
            return np.asarray(self._interpreter.get_tensor(self._output["index"]), np.float32)

    @contextmanager
    def _running(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, RuntimeError, TypeError) as error:
            words = " ".join(str(error).split())
            raise InputError(f"{self.path}: no LiteRT network that runs ({words}).") from error
