"""Export of trained networks to LiteRT files, for machines without TensorFlow: `litert`, `Lite`.

Used in notebook 13_live_and_deployment (Paper B §3, deployment strategy: on-device inference,
quantised). A float32 file gives the same probabilities as Keras up to rounding.
"""

from __future__ import annotations

import os
import warnings
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

Array = npt.NDArray[np.float32]
Examples = npt.NDArray[Any]

_BATCH = 256  # examples per call, to limit memory


def litert(
    model: Any, path: str | os.PathLike[str], *, calibration: Examples | None = None
) -> Path:
    """Write a Keras `model` with one input and output as a LiteRT file and return its path.

    Input and output have the model's dtypes, and any number of examples. calibration: (n, ...),
    about a hundred examples of training infants, from which the range of each layer's values is
    estimated. The network then computes in 8-bit integers wherever LiteRT can. Probabilities are
    multiples of 1/256, so their sum is only about 1. None: 32-bit floats.
    """
    content = _converted(model, calibration)
    with writing(Path(path)) as part:
        part.write_bytes(content)
    return Path(path)


def _converted(model: Any, calibration: Examples | None) -> bytes:
    import tensorflow as tf

    # Not `from_keras_model`, which goes through a saved model and prints its endpoints.
    (source,) = model.inputs
    spec = tf.TensorSpec(source.shape, source.dtype)
    call = tf.function(lambda x: model(x, training=False), autograph=False)
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about input types, which are intended
        traced = call.get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
        converter.experimental_lower_to_saved_model = False
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([x[None]] for x in calibration)
            sets = tf.lite.OpsSet
            # The second set is for operators that have no integer version.
            converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS_INT8, sets.TFLITE_BUILTINS]
        return bytes(converter.convert())


class Lite:
    """A LiteRT network with a `predict` like that of Keras.

    path: its file. dtype: type of its input. shape: shape of one example. classes: number of
    states.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        """Open the file at `path`, to run on `threads` threads. Raises InputError on failure."""
        from ai_edge_litert.interpreter import Interpreter

        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; `cryutils run` trains and writes it.")
        with self._running(), quiet_stderr():
            self._interpreter = Interpreter(model_path=str(self.path), num_threads=threads)
            self._interpreter.allocate_tensors()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()
        self.dtype = np.dtype(self._input["dtype"])
        self.input_shape = tuple(int(n) for n in self._input["shape"])
        self.shape = self.input_shape[1:]
        self.classes = int(self._output["shape"][-1])

    def predict(self, x: npt.ArrayLike) -> Array:
        """Return the probabilities of `x` (n, *shape), float32 (n, classes)."""
        rows = np.asarray(x, dtype=self.dtype)
        if rows.shape[1:] != self.shape:
            raise InputError(f"an example is {self.shape}, not {rows.shape[1:]}.")
        if not len(rows):
            return np.zeros((0, self.classes), np.float32)
        parts = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
        return np.concatenate([self.answers(part) for part in parts])

    def answers(self, x: Examples) -> Array:
        """Return the output for `x` as a single batch."""
        with self._running():
            if tuple(self._interpreter.get_input_details()[0]["shape"]) != x.shape:
                with quiet_stderr():  # resizing prints a line each time
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
