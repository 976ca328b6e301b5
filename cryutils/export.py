"""A trained network for machines without TensorFlow: `litert`, and `Lite`, which runs the file.

Walked by notebook 06_full. Paper B §3, deployment strategy: on-device inference. The file has
the network's own float32 weights, so its answers are Keras' but for rounding; importing the
LiteRT runtime takes a fraction of TensorFlow's time and memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.locations import writing

__all__ = ["Lite", "litert"]


def litert(model: Any, path: str | os.PathLike[str]) -> Path:
    """Write a Keras `model` as a float32 LiteRT file and return its path.

    The number of examples stays open: the file takes (n, ...) as the model does. Raises
    InputError where `path` doesn't end in .tflite.
    """
    from cryutils.backend import quiet_stderr

    target = Path(path)
    if target.suffix != ".tflite":
        raise InputError(f"{target}: a LiteRT file ends in .tflite.")
    with quiet_stderr():
        import tensorflow as tf

        # From a function, not from Keras: the layers that only train are left behind.
        spec = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)
        call = tf.function(lambda x: model(x, training=False), input_signature=[spec])
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [call.get_concrete_function()], model
        )
        content = converter.convert()
    with writing(target) as part:
        part.write_bytes(content)
    return target


class Lite:
    """A LiteRT network: `predict` as Keras' model has it, without TensorFlow."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file at `path`. Raises InputError where it is none."""
        from ai_edge_litert.interpreter import Interpreter

        source = Path(path)
        if not source.is_file():
            raise InputError(f"{source}: no such file; `cryutils run` trains and writes it.")
        try:
            self._interpreter = Interpreter(model_path=str(source), num_threads=1)
        except ValueError as error:
            raise InputError(f"{source}: no LiteRT network ({error}).") from error
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    @property
    def shape(self) -> tuple[int, ...]:
        """What one example looks like, without the number of examples."""
        return tuple(int(n) for n in self._input["shape"][1:])

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return probabilities float32 (n, classes) of `x` (n, *shape)."""
        given = np.asarray(x, dtype=self._input["dtype"])
        if given.shape[1:] != self.shape:
            raise InputError(f"an example is {self.shape}, not {given.shape[1:]}.")
        if not len(given):
            return np.zeros((0, int(self._output["shape"][-1])), np.float32)
        self._interpreter.resize_tensor_input(self._input["index"], given.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input["index"], given)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"]), np.float32)
