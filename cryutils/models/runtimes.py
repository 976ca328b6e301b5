"""What runs a frozen network: Keras in float32, or OpenVINO in bfloat16 or int8: `ready`.

Walked by notebook 07_frames_resnet50 through `backbones.embeddings`. Paper A's 360,000 frames
pass ResNet-50 once (§3.5), which takes hours in Keras on two cores. OpenVINO, an optional
extra, does the same with fewer bits a number; `agreement` says what those bits cost.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io import cache, extras
from cryutils._io.paths import explain_write_errors, writing
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


@dataclass(frozen=True, slots=True)
class Runtime:
    """What an engine is on this machine: with a network's digest, the key of what it computes."""

    engine: str
    precision: str
    version: str
    words: str


@dataclass(frozen=True, slots=True)
class Engine:
    """A network made ready: `run` takes uint8 (n, height, width, 3), gives float32 (n, ...)."""

    runtime: Runtime
    run: Callable[[Frames], Array]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near embeddings are to the reference: 1 is the same.

    `cosine` is the mean and `lowest` the least over frames, after the reference's mean
    embedding is taken away; `equal` is the share of frames with the same predicted class, NaN
    where no head was given.
    """

    cosine: float
    lowest: float
    equal: float


def runtime_of(engine: str) -> Runtime:
    """Return what `engine` is on this machine.

    Raises InputError for an unknown name, or where the extra it needs is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}.{near_miss(engine, ENGINES)}")
    if engine == "keras":
        return _keras_runtime()
    version = openvino().__version__
    if engine == "openvino-int8":
        return Runtime(engine, "int8", f"{version} nncf {_nncf().__version__}", "OpenVINO int8")
    # OpenVINO asks the processor alone, and dies of bfloat16 where this variable forbids it.
    allowed = "ONEDNN_MAX_CPU_ISA" not in os.environ
    if allowed and "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return Runtime(engine, "bfloat16", version, "OpenVINO bfloat16")
    words = "OpenVINO float32 (this processor has no bfloat16)"
    return Runtime(engine, "float32", version, words)


def ready(
    model: Any,
    *,
    engine: str = "keras",
    batch_size: int = 32,
    calibration: Frames | None = None,
) -> Engine:
    """Return the Keras `model`, pixels in and float32 out, made ready to run on `engine`.

    Parameters
    ----------
    model : keras.Model
        RGB pixels in, float32 out.
    engine : str
        One of those that `runtime_of` knows.
    batch_size : int
        Frames that are worked on at a time.
    calibration : ndarray of uint8, optional
        For "openvino-int8", (n, height, width, 3): frames of training clips, a hundred or so, from
        which the range of each layer's values is taken (post-training quantisation, NNCF); the
        quantised network is kept in the cache.

    Raises
    ------
    InputError
        As `runtime_of` does, and where calibration is lacking.
    """
    runtime = runtime_of(engine)
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}: give at least 1.")
    if engine == "keras":
        return Engine(runtime, _keras_run(model, batch_size))
    if engine == "openvino-int8":
        if calibration is None or not len(calibration):
            raise InputError(
                "engine='openvino-int8' needs calibration=, some frames of training clips, "
                "uint8 (n, height, width, 3)."
            )
        network = _cached(model, calibration, runtime)
    else:
        network = converted(model)
    return Engine(runtime, _openvino_run(network, runtime, model.output_shape[1:], batch_size))


def agreement(
    reference: Array, other: Array, *, head: Callable[[Array], npt.NDArray[Any]] | None = None
) -> Agreement:
    """Return how near `other` is to `reference`.

    Embeddings share a large mean, beside which any two look alike, so the reference's is taken away
    first.

    Parameters
    ----------
    reference, other : ndarray of float32
        (frames, ...), of the same frames.
    head : function, optional
        Gives (frames, classes) for embeddings; the largest class counts.

    Raises
    ------
    InputError
        The shapes differ, or there are no frames.
    """
    if reference.shape != other.shape or not len(reference):
        raise InputError(f"{reference.shape} and {other.shape}: give embeddings of equal frames.")
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (reference, other))
    mean = a.mean(axis=0)
    a, b = a - mean, b - mean
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = np.all(a == b, axis=1)  # also where both are the mean itself, which has no direction
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
        # TensorFlow's default: NVIDIA's tensor cores keep 10 of 23 bits of what they multiply.
        return Runtime("keras", "tf32", version, "Keras float32 (TF32 where the GPU has it)")
    return Runtime("keras", "float32 gpu", version, "Keras float32 on a GPU")


def _keras_run(model: Any, batch_size: int) -> Callable[[Frames], Array]:
    from joblib import cpu_count
    from tensorflow import config

    # A batch has a single thread, so batches go side by side; each needs its memory.
    streams = 1 if config.list_physical_devices("GPU") else min(cpu_count(), _STREAMS)

    def part(frames: Frames) -> Array:
        return np.asarray(model.predict_on_batch(frames), np.float32)

    def run(frames: Frames) -> Array:
        batches = (frames[at : at + batch_size] for at in range(0, len(frames), batch_size))
        with ThreadPoolExecutor(streams) as pool:
            parts = list(pool.map(part, batches))
        return np.concatenate(parts) if parts else _none(model.output_shape[1:])

    return run


def _none(shape: Sequence[int | None]) -> Array:
    return np.empty((0, *(side or 0 for side in shape)), np.float32)


def openvino() -> Any:
    """Return OpenVINO with its usage statistics off. Raises InputError if it is not installed."""
    if "openvino" not in sys.modules:
        # Importing OpenVINO sends usage statistics to its makers, unless this is not there.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    extras.require("openvino", "openvino", "OpenVINO")
    return importlib.import_module("openvino")


def _nncf() -> Any:
    extras.require("nncf", "openvino", "an OpenVINO network in int8")
    return importlib.import_module("nncf")


def converted(model: Any, dtype: str = "float32") -> Any:
    """Return the Keras model as an OpenVINO one: `dtype` in, float32 out, any number of examples.

    Raises InputError without the extra.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((None, *model.input_shape[1:]), dtype)
    call = tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec])
    with quiet_stderr():
        return openvino().convert_model(call)


def quantised(network: Any, calibration: npt.NDArray[Any], *, whole_range: bool = False) -> Any:
    """Return an OpenVINO network of `converted` in int8 (post-training quantisation, NNCF).

    `calibration` is (n, ...), examples of training infants: the range of each layer's values is
    taken from them. It is the mean of the examples' extremes, NNCF's default for backbones, or
    with `whole_range` the extremes of all. (`image` divides by the contrast of a face, one number
    an example, of which the mean cuts off the larger half: half of the answers to one fold's
    synthetic faces changed so, with the extremes one in 25.) Raises InputError without the extra.
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
    with _no_bars():
        return nncf.quantize(
            network, examples, subset_size=len(calibration), advanced_parameters=advanced
        )


def save(network: Any, path: Path, *, float16: bool = False) -> None:
    """Write an OpenVINO network as `path` (.xml) and its weights as .bin beside it, each whole.

    float16: weights in 16 bits; what is computed with them stays float32.
    """
    with writing(path.with_suffix(".bin")) as part:
        openvino().save_model(network, part.with_suffix(".xml"), compress_to_fp16=float16)
        described = part.with_suffix(".xml").read_bytes()
    with writing(path) as part:  # last: weights without it don't count
        part.write_bytes(described)


def _cached(model: Any, calibration: Frames, runtime: Runtime) -> Any:
    """Return the network in int8, from the cache where the same was quantised before."""
    # The answer to one frame tells models apart that have the same weights in other layers.
    answer = model.predict_on_batch(calibration[:1])
    shapes = [str(runtime), model.input_shape, model.output_shape]
    stem = cache.at("engines", shapes, *model.get_weights(), calibration, answer)
    described, values = stem.with_suffix(".xml"), stem.with_suffix(".bin")
    core = openvino().Core()
    if described.is_file() and values.is_file():
        try:
            return core.read_model(described, values)
        except RuntimeError:  # OpenVINO's word for a damaged file: quantise again
            described.unlink()
    network = quantised(converted(model), calibration)
    with explain_write_errors(stem.parent):
        save(network, described)
    return core.read_model(described, values)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep NNCF's progress bars out of notebooks: they are rich's, which looks where it runs."""
    from rich import console

    in_notebook = console._is_jupyter
    console._is_jupyter = lambda: False
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        console._is_jupyter = in_notebook


def _openvino_run(
    network: Any, runtime: Runtime, shape: Sequence[int | None], batch_size: int
) -> Callable[[Frames], Array]:
    vino = openvino()
    pixels = vino.preprocess.PrePostProcessor(network)
    pixels.input().tensor().set_element_type(vino.Type.u8)
    hint = "bf16" if runtime.precision == "bfloat16" else "f32"
    compiled = vino.Core().compile_model(
        pixels.build(),
        "CPU",
        # Several streams, each with cores of its own, lose less than one that shares them all.
        {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": hint},
    )
    queue = vino.AsyncInferQueue(compiled)
    share = max(1, batch_size // len(queue))

    def run(frames: Frames) -> Array:
        parts: dict[int, Array] = {}

        def done(request: Any, at: int) -> None:
            parts[at] = request.get_output_tensor(0).data.astype(np.float32)  # a copy

        queue.set_callback(done)
        for at in range(0, len(frames), share):
            queue.start_async({0: frames[at : at + share]}, at)
        queue.wait_all()
        return np.concatenate([parts[at] for at in sorted(parts)]) if parts else _none(shape)

    return run
