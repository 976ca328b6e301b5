"""Engines for a frozen network: Keras in float32, or OpenVINO in bfloat16 or int8.

Notebook 07_frames_resnet50 uses this module through `backbones.embeddings`. Paper A's 360,000
frames pass ResNet-50 once (§3.5), which takes hours in Keras on two cores. OpenVINO, an optional
extra, is faster but less precise; `agreement` measures the loss of precision.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io import extras
from cryutils._io.paths import writing
from cryutils.errors import InputError, near_miss
from cryutils.models.backend import keras, quiet_stderr

__all__ = [
    "ENGINES", "Agreement", "Engine", "agreement", "converted", "openvino", "quantised", "ready",
    "runtime_of", "save",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]

ENGINES = ("keras", "openvino-bf16", "openvino-int8")
_STREAMS = 4
_BATCH = 32  # frames


@dataclass(frozen=True, slots=True)
class Runtime:
    """An engine on this machine; together with a network's digest it identifies the outputs."""

    engine: str
    precision: str
    version: str
    words: str


@dataclass(frozen=True, slots=True)
class Engine:
    """A network ready to run: `run` takes uint8 (n, height, width, 3), returns float32 (n, ...)."""

    runtime: Runtime
    run: Callable[[Frames], Array]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Similarity of embeddings to a reference; 1 means identical.

    cosine, lowest: mean and minimum over frames of the cosine, after subtracting the reference's
    mean embedding. equal: the share of frames with the same predicted class, NaN without a head.
    """

    cosine: float
    lowest: float
    equal: float


def runtime_of(engine: str) -> Runtime:
    """Return name, precision and version of `engine` on this machine.

    Raises InputError for an unknown name, or if the extra that it needs is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}.{near_miss(engine, ENGINES)}")
    if engine == "keras":
        return _keras_runtime()
    version = openvino().__version__
    if engine == "openvino-int8":
        return Runtime(engine, "int8", f"{version} nncf {_nncf().__version__}", "OpenVINO int8")
    # OpenVINO's capabilities ignore this variable, but bfloat16 crashes if the variable forbids it.
    allowed = "ONEDNN_MAX_CPU_ISA" not in os.environ
    if allowed and "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return Runtime(engine, "bfloat16", version, "OpenVINO bfloat16")
    words = "OpenVINO float32 (this processor has no bfloat16)"
    return Runtime(engine, "float32", version, words)


def ready(model: Any, *, engine: str = "keras", calibration: Frames | None = None) -> Engine:
    """Return the Keras `model`, from RGB pixels to float32, ready to run on `engine`.

    calibration: for "openvino-int8", uint8 (n, height, width, 3), about a hundred frames of
    training clips, from which the range of each layer's values is estimated (post-training
    quantisation, NNCF). Raises InputError if it is missing, or if `runtime_of` fails.
    """
    runtime = runtime_of(engine)
    if engine == "keras":
        return Engine(runtime, _keras_run(model))
    network = converted(model)
    if engine == "openvino-int8":
        if calibration is None or not len(calibration):
            raise InputError(
                "engine='openvino-int8' needs calibration=, some frames of training clips, "
                "uint8 (n, height, width, 3)."
            )
        network = quantised(network, calibration)
    return Engine(runtime, _openvino_run(network, runtime, model.output_shape[1:]))


def agreement(
    reference: Array, other: Array, *, head: Callable[[Array], npt.NDArray[Any]] | None = None
) -> Agreement:
    """Return the similarity of embeddings `other` to `reference`, of the same frames.

    Both are float32 (frames, ...). The reference's mean is subtracted from both first. It is large
    and would make any two embeddings look alike. head: a function from embeddings to scores
    (frames, classes); the largest is the predicted class.
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (reference, other))
    mean = a.mean(axis=0)
    a, b = a - mean, b - mean
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = np.all(a == b, axis=1)  # a row equal to the mean has no direction
    cosines = np.where(same, 1.0, (a * b).sum(axis=1) / np.where(lengths > 0, lengths, 1.0))
    equal = float("nan")
    if head is not None:
        first, second = (np.asarray(head(x)).argmax(axis=1) for x in (reference, other))
        equal = float(np.mean(first == second))
    return Agreement(float(cosines.mean()), float(cosines.min()), equal)


def _keras_runtime() -> Runtime:
    name = keras().__version__  # first, since it imports TensorFlow quietly
    import tensorflow as tf

    version = f"{name} tensorflow {tf.__version__}"
    if not tf.config.list_physical_devices("GPU"):
        return Runtime("keras", "float32", version, "Keras float32")
    if tf.config.experimental.tensor_float_32_execution_enabled():
        # TensorFlow's default: NVIDIA's tensor cores multiply with 10 of 23 mantissa bits.
        return Runtime("keras", "tf32", version, "Keras float32 (TF32 where the GPU has it)")
    return Runtime("keras", "float32 gpu", version, "Keras float32 on a GPU")


def _keras_run(model: Any) -> Callable[[Frames], Array]:
    from joblib import cpu_count
    from tensorflow import config

    # A batch uses a single thread, so batches run in parallel.
    streams = 1 if config.list_physical_devices("GPU") else min(cpu_count(), _STREAMS)

    def part(frames: Frames) -> Array:
        return np.asarray(model.predict_on_batch(frames), np.float32)

    def run(frames: Frames) -> Array:
        batches = (frames[at : at + _BATCH] for at in range(0, len(frames), _BATCH))
        with ThreadPoolExecutor(streams) as pool:
            parts = list(pool.map(part, batches))
        return np.concatenate(parts or [np.empty((0, *model.output_shape[1:]), np.float32)])

    return run


def openvino() -> Any:
    """Return OpenVINO without usage statistics. Raises InputError if it is not installed."""
    if "openvino" not in sys.modules:
        # Importing OpenVINO sends usage statistics unless this module is missing.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    extras.require("openvino", "openvino", "OpenVINO")
    return importlib.import_module("openvino")


def _nncf() -> Any:
    extras.require("nncf", "openvino", "an OpenVINO network in int8")
    return importlib.import_module("nncf")


def converted(model: Any, dtype: str = "float32") -> Any:
    """Return the Keras model as an OpenVINO network with `dtype` input and any batch size."""
    import tensorflow as tf

    spec = tf.TensorSpec((None, *model.input_shape[1:]), dtype)
    call = tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec])
    with quiet_stderr():
        return openvino().convert_model(call)


def quantised(network: Any, calibration: npt.NDArray[Any], *, whole_range: bool = False) -> Any:
    """Return an OpenVINO network from `converted` in int8 (post-training quantisation, NNCF).

    calibration: examples of training infants (n, ...), to estimate the range of each layer's
    values. whole_range: use the extremes of all examples instead of NNCF's default, the mean of
    each example's extremes. The network `image` needs this: it divides by the contrast of a face,
    one number per example, and the mean would clip the larger half. (On one fold of synthetic faces
    half of the predictions changed with the mean, one in 25 with the extremes.)
    """
    import logging

    nncf = _nncf()
    nncf.set_log_level(logging.ERROR)
    dtype = network.input(0).element_type.to_dtype()
    examples = nncf.Dataset(list(calibration), lambda example: example[None].astype(dtype))
    advanced = nncf.AdvancedQuantizationParameters()
    if whole_range:
        kinds = importlib.import_module("nncf.quantization.range_estimator")
        advanced.activations_range_estimator_params = kinds.RangeEstimatorParametersSet.MINMAX
    with redirect_stdout(io.StringIO()):  # hides progress bars
        return nncf.quantize(
            network, examples, subset_size=len(calibration), advanced_parameters=advanced
        )


def save(network: Any, path: Path, *, float16: bool = False) -> None:
    """Write an OpenVINO network to `path` (.xml) and its weights to a .bin next to it.

    float16: store the weights in 16 bits; computations remain in float32.
    """
    with writing(path.with_suffix(".bin")) as part:
        openvino().save_model(network, part.with_suffix(".xml"), compress_to_fp16=float16)
        described = part.with_suffix(".xml").read_bytes()
    with writing(path) as part:  # last, because a .bin without .xml is ignored
        part.write_bytes(described)


def _openvino_run(
    network: Any, runtime: Runtime, shape: tuple[int, ...]
) -> Callable[[Frames], Array]:
    vino = openvino()
    pixels = vino.preprocess.PrePostProcessor(network)
    pixels.input().tensor().set_element_type(vino.Type.u8)
    hint = "bf16" if runtime.precision == "bfloat16" else "f32"
    compiled = vino.Core().compile_model(
        pixels.build(),
        "CPU",
        # Several streams with their own cores are faster than one on all cores.
        {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": hint},
    )
    queue = vino.AsyncInferQueue(compiled)
    share = max(1, _BATCH // len(queue))

    def run(frames: Frames) -> Array:
        parts: dict[int, Array] = {}

        def done(request: Any, at: int) -> None:
            parts[at] = request.get_output_tensor(0).data.astype(np.float32)  # a copy

        queue.set_callback(done)
        for at in range(0, len(frames), share):
            queue.start_async({0: frames[at : at + share]}, at)
        queue.wait_all()
        none = np.empty((0, *shape), np.float32)
        return np.concatenate([none, *(parts[at] for at in sorted(parts))])

    return run
