"""Trained networks on disk: Keras files with their cards, and LiteRT files.

`save` writes a trained model in notebooks 04_cry2 and 05_image (Paper B §3: checkpointing) and the
parts of the ensemble in 09_ensemble (Paper A §3.5). Its
card is plain JSON: the classes in output order, the settings of the input, the training data, the
seed, the scores on new infants, the temperature for calibration, what `novelty` needs, and the
SHA-256 of the LiteRT file. `Lite` runs a network without TensorFlow, in 13_live_and_deployment (§3:
on-device inference, quantised). A float32 file gives Keras' probabilities up to rounding.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import explain_write_errors, file_digest, writing
from cryutils._io.progress import quiet_stderr
from cryutils.errors import InputError
from cryutils.models import novelty
from cryutils.models.inputs import JoinedInput, PictureInput, SoundInput
from cryutils.words import ANY, CALM, UNSURE

NOTEBOOKS = {"cry2": "04_cry2", "image": "05_image"}
NOTEBOOKS |= dict.fromkeys(("mfcc", "stft", "frames", "ensemble"), "09_ensemble")
INPUTS: dict[str, Callable[..., SoundInput | PictureInput | JoinedInput]] = {
    "cry2": SoundInput,
    "image": PictureInput,
    "mfcc": SoundInput,
    "stft": SoundInput,
    "frames": PictureInput,
    "ensemble": JoinedInput,
}
_RESERVED = {UNSURE, *CALM, ANY}  # what the application says instead of a class

Array = npt.NDArray[np.float32]
Examples = npt.NDArray[Any]

_BATCH = 256  # examples per call, to limit memory


def save(model: Any, folder: str | os.PathLike[str], name: str, card: Mapping[str, Any]) -> list[Path]:
    """Write a trained model as `<name>.keras`, `.json` (its card) and `.tflite`; return the paths.

    name: one of `INPUTS`. card: JSON types. Raises InputError if the folder cannot be written, an
    entry of the card is wrong, or a weight is not finite.
    """
    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        raise InputError(f"{name}: a weight is not a finite number; train it again.")
    path = Path(folder, f"{name}.keras")
    with explain_write_errors(path.parent, "choose another folder"):
        with writing(path) as part:
            model.save(part)
        light = litert(model, path.with_suffix(".tflite"))
        about = write_card(path.with_suffix(".json"), card)
    read_card(path.parent, name)
    return [path, about, light]


def write_card(path: Path, card: Mapping[str, Any]) -> Path:
    """Write the card of the LiteRT file next to it as JSON, with its digest; return its path."""
    content = {**card, "sha256": file_digest(path.with_suffix(".tflite"))}
    with writing(path) as part:
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_card(folder: Path, name: str) -> dict[str, Any]:
    """Return the card of the network `name` in `folder`, such as "cry2" or "cry2_int8".

    Raises InputError if it cannot be read, if an entry is missing or wrong, or if the network's
    file is not the one that the card was written for.
    """
    path, kind = folder / f"{name}.json", name.partition("_")[0]
    again = f"run {NOTEBOOKS[kind]} again."
    try:
        card = dict(json.loads(path.read_text(encoding="utf-8")))
        digest = file_digest(path.with_suffix(".tflite"))
        is_right = _is_right(card, kind)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; {again}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        is_right = False
    if not is_right:
        raise InputError(f"{path}: damaged, or an entry is missing or wrong; {again}")
    if digest != card["sha256"]:
        raise InputError(f"{path.with_suffix('.tflite')}: damaged, or not the network of its card; {again}")
    return card


def _is_right(card: Mapping[str, Any], kind: str) -> bool:
    """Return whether the entries that an answer depends on are usable."""
    classes, reference = card["classes"], card.get("reference")
    width = INPUTS[kind](**card["input"]).shape[-1]
    return bool(
        len(classes) > 1
        and classes == sorted({str(name).strip() for name in classes} - {""})
        and not {name.casefold() for name in classes} & _RESERVED
        and all(isinstance(card[name], str) for name in ("data", "note", "sha256"))
        and card["data"]
        and 0.05 <= card["temperature"] <= 20  # as `studies.recognition.temperature`
        and (reference is None or novelty.share(reference, np.zeros((1, 1, width), np.float32)) <= 1)
    )


def at_temperature(probabilities: npt.ArrayLike, value: float) -> Array:
    """Return `softmax(log(p) / value)`, float32 (clips, classes). Answers stay the same."""
    from scipy.special import softmax

    p = np.asarray(probabilities, dtype=np.float64)
    logits = np.log(np.maximum(p, np.finfo(np.float32).tiny))  # 0 has no logarithm
    return softmax(logits / value, axis=1).astype(np.float32)


def litert(model: Any, path: str | os.PathLike[str], *, calibration: Examples | None = None) -> Path:
    """Write a Keras `model` with one input and output as a LiteRT file and return its path.

    Input and output have the model's dtypes, and any number of examples. calibration: (n, ...),
    about a hundred examples of training infants, from which the range of each layer's values is
    estimated. The network then computes in 8-bit integers wherever LiteRT can. Probabilities are
    multiples of 1/256, so their sum is only about 1. None: 32-bit floats.
    """
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
        content = converter.convert()
    with writing(Path(path)) as part:
        part.write_bytes(content)
    return Path(path)


class Lite:
    """A LiteRT network with a `predict` like that of Keras.

    dtype, shape: of one example. classes: number of states.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file at `path`, to run on one thread. Raises InputError on failure."""
        from ai_edge_litert.interpreter import Interpreter

        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; `cryutils run` trains and writes it.")
        with self._running(), quiet_stderr():
            self._interpreter = Interpreter(model_path=str(self.path), num_threads=1)
            self._check_weights()
            self._interpreter.allocate_tensors()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()
        self.dtype = np.dtype(self._input["dtype"])
        self.shape = tuple(int(n) for n in self._input["shape"][1:])
        self.classes = int(self._output["shape"][-1])

    def _check_weights(self) -> None:
        """Raise ValueError for a weight that is not finite. Before tensors are allocated."""
        for tensor in self._interpreter.get_tensor_details():
            numbers = [tensor["quantization_parameters"]["scales"]]
            with suppress(ValueError):  # it is computed, so it has no values yet
                numbers.append(self._interpreter.get_tensor(tensor["index"]))
            if not all(np.isfinite(each).all() for each in numbers):
                raise ValueError("a weight is not a finite number; train it again")

    def predict(self, x: npt.ArrayLike) -> Array:
        """Return the probabilities of `x` (n, *shape), float32 (n, classes)."""
        rows = np.asarray(x, dtype=self.dtype)
        if rows.shape[1:] != self.shape:
            raise InputError(f"an example is {self.shape}, not {rows.shape[1:]}.")
        if not len(rows):
            return np.zeros((0, self.classes), np.float32)
        parts = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
        return np.concatenate([self._answers(part) for part in parts])

    def _answers(self, x: Examples) -> Array:
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
