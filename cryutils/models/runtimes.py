"""Engines for a frozen network: Keras in float32, or OpenVINO in bfloat16.

Paper A's 360,000 frames pass ResNet-50 once (§3.5), which takes hours in Keras on two cores.
OpenVINO, an optional extra, is faster but less precise (`benchmarks/backbone.py`).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cryutils._io import extras
from cryutils._io.progress import quiet_stderr
from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras

__all__ = ["ENGINES", "Run", "identity", "ready"]

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]
Run: TypeAlias = Callable[[Frames], Array]  # from uint8 (n, height, width, 3) to float32 (n, ...)

ENGINES = ("keras", "openvino-bf16")
_STREAMS = 4
_BATCH = 32  # frames


def identity(engine: str) -> tuple[str, ...]:
    """Return name, versions and precision of `engine`, which with a network determine its outputs.

    Raises InputError for an unknown name, or if the extra that it needs is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}.{near_miss(engine, ENGINES)}")
    if engine == "openvino-bf16":
        return engine, _openvino().__version__, _precision()
    version = keras().__version__  # first, since it imports TensorFlow quietly
    import tensorflow as tf

    return engine, version, tf.__version__


def ready(model: Any, *, engine: str = "keras") -> Run:
    """Return a function that runs the Keras `model`, from RGB pixels to float32, on `engine`.

    Raises InputError as `identity` does.
    """
    identity(engine)
    return _keras_run(model) if engine == "keras" else _openvino_run(model)


def _keras_run(model: Any) -> Run:
    from joblib import cpu_count

    streams = min(cpu_count(), _STREAMS)  # a batch uses a single thread

    def part(frames: Frames) -> Array:
        return np.asarray(model.predict_on_batch(frames), np.float32)

    def run(frames: Frames) -> Array:
        batches = (frames[at : at + _BATCH] for at in range(0, len(frames), _BATCH))
        with ThreadPoolExecutor(streams) as pool:
            parts = list(pool.map(part, batches))
        return np.concatenate(parts or [np.empty((0, *model.output_shape[1:]), np.float32)])

    return run


def _openvino() -> Any:
    # Importing OpenVINO sends usage statistics unless this module is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    extras.require("openvino", "openvino", "engine=openvino-bf16")
    return importlib.import_module("openvino")


def _precision() -> str:
    # OpenVINO's capabilities ignore this variable, but bfloat16 crashes if the variable forbids it.
    allowed = "ONEDNN_MAX_CPU_ISA" not in os.environ
    able = "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if allowed and able else "f32"


def _openvino_run(model: Any) -> Run:
    import tensorflow as tf

    vino = _openvino()
    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    call = tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec])
    with quiet_stderr():
        pixels = vino.preprocess.PrePostProcessor(vino.convert_model(call))
    pixels.input().tensor().set_element_type(vino.Type.u8)
    # Several streams with their own cores are faster than one on all cores.
    options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _precision()}
    queue = vino.AsyncInferQueue(vino.Core().compile_model(pixels.build(), "CPU", options))
    share = max(1, _BATCH // len(queue))

    def run(frames: Frames) -> Array:
        parts: dict[int, Array] = {}

        def done(request: Any, at: int) -> None:
            parts[at] = request.get_output_tensor(0).data.astype(np.float32)  # a copy

        queue.set_callback(done)
        for at in range(0, len(frames), share):
            queue.start_async({0: frames[at : at + share]}, at)
        queue.wait_all()
        none = np.empty((0, *model.output_shape[1:]), np.float32)
        return np.concatenate([none, *(parts[at] for at in sorted(parts))])

    return run
