"""Export of trained networks to LiteRT and OpenVINO files, for machines without TensorFlow.

Used in notebook 13_live_and_deployment (Paper B §3, deployment strategy: on-device inference,
quantised). `litert` and `openvino` write a Keras network in one of three precisions.
`Lite` and `OpenVino` run these files. `FORMATS` lists both pairs. A float file gives the same
probabilities as Keras up to rounding.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import writing
from cryutils.errors import InputError, near_miss
from cryutils.models import runtimes
from cryutils.models.backend import quiet_stderr

__all__ = ["FORMATS", "PRECISIONS", "Format", "Lite", "Network", "OpenVino", "litert", "openvino"]

Array = npt.NDArray[np.float32]
Examples = npt.NDArray[Any]

PRECISIONS = ("float", "float16", "int8")
_BATCH = 256  # examples per call, to limit memory


def litert(
    model: Any,
    path: str | os.PathLike[str],
    *,
    precision: str = "float",
    calibration: Examples | None = None,
) -> Path:
    """Write a Keras `model` with one input and output as a LiteRT file and return its path.

    Input and output have the model's dtypes in every precision, and any number of examples.

    path: ends in .tflite. precision: "float" keeps the weights. "float16" rounds them but computes
    in float32. "int8" computes in 8-bit integers wherever LiteRT can; probabilities are then
    multiples of 1/256, so their sum is only about 1. calibration: for "int8", (n, ...), about a
    hundred examples of training infants, from which the range of each layer's values is estimated.
    Raises InputError if the precision is wrong, or "int8" has no calibration.
    """
    _check(precision, calibration)
    content = _converted(model, precision, calibration)
    with writing(Path(path)) as part:
        part.write_bytes(content)
    return Path(path)


def openvino(
    model: Any,
    path: str | os.PathLike[str],
    *,
    precision: str = "float",
    calibration: Examples | None = None,
) -> Path:
    """Write a Keras `model` as an OpenVINO file, .xml with weights in .bin, and return its path.

    Arguments and errors as in `litert`, except the suffix. Needs the extra `openvino`.
    """
    _check(precision, calibration)
    network = runtimes.converted(model, model.inputs[0].dtype)
    if calibration is not None and precision == "int8":
        network = runtimes.quantised(network, calibration, whole_range=True)
    runtimes.save(network, Path(path), float16=precision == "float16")
    return Path(path)


def _check(precision: str, calibration: Examples | None) -> None:
    if precision not in PRECISIONS:
        raise InputError(f"no precision {precision!r}.{near_miss(precision, PRECISIONS)}")
    if precision == "int8" and (calibration is None or not len(calibration)):
        raise InputError("precision='int8' needs calibration=, examples of training infants.")


def _converted(model: Any, precision: str, calibration: Examples | None) -> bytes:
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
        if precision != "float":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        elif calibration is not None and precision == "int8":
            examples = calibration
            converter.representative_dataset = lambda: ([x[None]] for x in examples)
            sets = tf.lite.OpsSet
            # The second set is for operators that have no integer version.
            converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS_INT8, sets.TFLITE_BUILTINS]
        return bytes(converter.convert())


class Network:
    """An exported network that runs without TensorFlow, with a `predict` like that of Keras.

    path: its file. dtype: type of its input. shape: shape of one example. classes: number of
    states. listener: a function that is called with the examples of each `predict`.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    classes: int
    listener: Callable[[Examples], object] | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raise InputError if there is no file at `path`."""
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; `cryutils run` trains and writes it.")

    def predict(self, x: npt.ArrayLike) -> Array:
        """Return the probabilities of `x` (n, *shape), float32 (n, classes)."""
        rows = np.asarray(x, dtype=self.dtype)
        if rows.shape[1:] != self.shape:
            raise InputError(f"an example is {self.shape}, not {rows.shape[1:]}.")
        if self.listener is not None:
            self.listener(rows)
        if not len(rows):
            return np.zeros((0, self.classes), np.float32)
        parts = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
        return np.concatenate([self.answers(part) for part in parts])

    def answers(self, x: Examples) -> Array:
        """Return the output for `x` as a single batch."""
        with self._running():
            return self._answers(x)

    def _answers(self, x: Examples) -> Array:
        raise NotImplementedError

    @contextmanager
    def _running(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, RuntimeError, TypeError) as error:
            words = " ".join(str(error).split())
            kind = "OpenVINO" if self.path.suffix == ".xml" else "LiteRT"
            raise InputError(f"{self.path}: no {kind} network that runs ({words}).") from error


class Lite(Network):
    """A LiteRT network, of any precision."""

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        """Open the file at `path`, to run on `threads` threads. Raises InputError on failure."""
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(path)
        with self._running(), quiet_stderr():
            self._interpreter = Interpreter(model_path=str(self.path), num_threads=threads)
            self._interpreter.allocate_tensors()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()
        self.dtype = np.dtype(self._input["dtype"])
        self.input_shape = tuple(int(n) for n in self._input["shape"])
        self.shape = self.input_shape[1:]
        self.classes = int(self._output["shape"][-1])

    def _answers(self, x: Examples) -> Array:
        if tuple(self._interpreter.get_input_details()[0]["shape"]) != x.shape:
            with quiet_stderr():  # resizing prints a line each time
                self._interpreter.resize_tensor_input(self._input["index"], x.shape)
                self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input["index"], x)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"]), np.float32)


class OpenVino(Network):
    """An OpenVINO network, of any precision; layers that are not int8 compute in float32."""

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        """Open the file at `path`, to run on `threads` threads.

        Raises InputError on failure, or if the extra `openvino` is not installed.
        """
        super().__init__(path)
        core = runtimes.openvino().Core()
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        with self._running():
            self._compiled = core.compile_model(core.read_model(self.path), "CPU", options)
            entry, answer = self._compiled.input(0), self._compiled.output(0)
        self.dtype = entry.element_type.to_dtype()
        sides = list(entry.partial_shape)[1:]
        self.shape = tuple(side.get_length() if side.is_static else -1 for side in sides)
        self.classes = answer.partial_shape[-1].get_length()

    def _answers(self, x: Examples) -> Array:
        return np.array(self._compiled(x)[0], np.float32)


@dataclass(frozen=True)
class Format:
    """A file format of networks: its suffix, and the functions that write and open a file.

    companions: suffixes of a network's other files.
    """

    suffix: str
    write: Callable[..., Path]
    open: Callable[..., Network]
    companions: tuple[str, ...] = ()

    def files(self, path: Path) -> list[Path]:
        """Return all files of the network at `path`."""
        return [path, *(path.with_suffix(suffix) for suffix in self.companions)]


FORMATS = {
    "litert": Format(".tflite", litert, Lite),
    "openvino": Format(".xml", openvino, OpenVino, (".bin",)),
}
