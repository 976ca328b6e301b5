"""Pretrained networks that turn a piece of sound into a vector, by name or from a file.

Used by `claims.benchmark`. None of them was trained on infants' cries or is trained here. `speech`
comes with the extra `embeddings`. The others run if the user has their file: a LiteRT file, an ONNX
file (with the extra `openvino`), or the folder of a TensorFlow SavedModel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io import extras
from cryutils._io.paths import resolve
from cryutils._io.progress import counting
from cryutils.audio.spectral import normalise_amplitude, resample
from cryutils.errors import InputError, near_miss
from cryutils.models.backend import quiet_stderr
from cryutils.models.export import Lite, OpenVino

__all__ = ["NETWORKS", "SoundNetwork", "embeddings", "opened"]

Array = npt.NDArray[np.float32]
Run = Callable[[Array], Array]  # from samples (samples,) to vectors (windows, width)


@dataclass(frozen=True, kw_only=True)
class SoundNetwork:
    """What a network expects and returns.

    sr: sampling rate in Hz. window_s, hop_s: length of a piece of sound, and from one to the next,
    in s; 0 if the network takes whole recordings. width: numbers for each piece.
    """

    sr: int
    window_s: float
    hop_s: float
    width: int
    licence: str
    citation: str


NETWORKS = {
    "speech": SoundNetwork(
        sr=16_000, window_s=0.782, hop_s=0.16, width=96, licence="Apache-2.0",
        citation="Lin et al. (2020), arXiv 2002.01322",
    ),
    "yamnet": SoundNetwork(
        sr=16_000, window_s=0.975, hop_s=0.4875, width=1024, licence="Apache-2.0",
        citation="https://www.kaggle.com/models/google/yamnet",
    ),
    "perch": SoundNetwork(
        sr=32_000, window_s=5.0, hop_s=2.5, width=1536, licence="Apache-2.0",
        citation="van Merriënboer et al. (2025), arXiv 2508.04665",
    ),
    "hubert": SoundNetwork(
        sr=16_000, window_s=0, hop_s=0, width=768, licence="Apache-2.0",
        citation="Hsu et al. (2021), arXiv 2106.07447",
    ),
}  # fmt: skip
_MEL_HOP, _MEL_FRAMES = 160, 76  # of `speech`: samples to the next frame, frames of a piece


def embeddings(network: str, sounds: Sequence[Array], *, sr: int) -> Array:
    """Return mean and deviation over time of each sound's vectors, float32 (clips, 2 * width).

    Each sound is scaled to a peak of 1 and resampled. Recordings at 8 kHz contain nothing above
    4 kHz, which a network for 16 kHz may expect.

    network: a name in `NETWORKS`, or `name=path` with the path of its file. sounds: float32
    (samples,) at `sr` Hz. Raises InputError if the network is unknown or does not run.
    """
    run, about = opened(network)
    rows = np.empty((len(sounds), 2 * about.width), np.float32)
    with counting(f"embeddings by {network.partition('=')[0]}", "clips") as report_progress:
        for k, x in enumerate(sounds):
            vectors = run(resample(normalise_amplitude(x), sr=sr, to=about.sr))
            rows[k] = np.concatenate([vectors.mean(axis=0), vectors.std(axis=0)])
            report_progress(k + 1, len(sounds))
    return rows


def opened(network: str) -> tuple[Run, SoundNetwork]:
    """Return a function from samples to vectors, and what the network expects.

    Arguments and errors are those of `embeddings`.
    """
    name, _, path = network.partition("=")
    if name not in NETWORKS:
        raise InputError(f"no network {name!r} for sounds.{near_miss(name, NETWORKS)}")
    about = NETWORKS[name]
    if name == "speech" and not path:
        return _speech(), about
    if not path:
        raise InputError(f"{name}: name its file, such as {name}={name}.tflite.")
    answer = _answers(resolve(path))

    def run(x: Array) -> Array:
        parts = [answer(piece) for piece in _pieces(x, about)]
        vectors = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
        if vectors.shape[1] != about.width:
            raise InputError(
                f"{path}: {vectors.shape[1]} numbers, but {name} returns {about.width}."
            )
        return vectors

    return run, about


def _pieces(x: Array, about: SoundNetwork) -> list[Array]:
    """Return the pieces of a sound; a short sound is padded with zeros."""
    if not about.window_s:
        return [x]
    window, hop = round(about.window_s * about.sr), round(about.hop_s * about.sr)
    padded = np.pad(x, (0, max(0, window - len(x))))
    return list(np.lib.stride_tricks.sliding_window_view(padded, window)[::hop])


def _answers(path: Path) -> Run:
    """Return a function that runs the network at `path` on one piece of sound."""
    if not path.exists():
        raise InputError(f"{path}: no such file.")
    if path.is_dir():
        return _saved_model(path)
    network = OpenVino(path) if path.suffix == ".onnx" else Lite(path)
    return lambda x: network.answers(x[None] if network.shape else x)


def _saved_model(path: Path) -> Run:
    import tensorflow as tf

    try:
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: no SavedModel with a serving signature.") from error
    ((name, entry),) = signature.structured_input_signature[1].items()

    def run(x: Array) -> Array:
        samples = tf.constant(x[None] if len(entry.shape) > 1 else x)
        try:
            outputs: dict[str, Any] = signature(**{name: samples})
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise InputError(f"{path}: takes {entry.shape}, not {samples.shape}.") from error
        largest = max(outputs.values(), key=lambda output: output.shape[-1] or 0)
        return np.asarray(outputs.get("embedding", largest), np.float32)

    return run


def _speech() -> Run:
    """Return Google's speech embedding, from the files in `pyopen-wakeword`."""
    extras.require("pyopen_wakeword", "embeddings", "the network `speech`")
    from ai_edge_litert.interpreter import Interpreter

    package = find_spec("pyopen_wakeword")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "models"
    mel = Interpreter(str(folder / "melspectrogram.tflite"))  # any length: none is allocated yet
    network = Lite(folder / "embedding_model.tflite")
    about = NETWORKS["speech"]
    shortest, step = round(about.window_s * about.sr), round(about.hop_s * about.sr) // _MEL_HOP

    def run(x: Array) -> Array:
        samples = np.pad(x, (0, max(0, shortest - len(x))))
        with quiet_stderr():  # resizing prints a line each time
            mel.resize_tensor_input(0, (1, len(samples)))
            mel.allocate_tensors()
        mel.set_tensor(0, np.float32(32_767) * samples[None])  # in the range of int16
        mel.invoke()
        levels = mel.get_tensor(mel.get_output_details()[0]["index"])[0, 0] / 10 + 2
        pieces = np.lib.stride_tricks.sliding_window_view(levels, _MEL_FRAMES, axis=0)[::step]
        return network.predict(pieces.transpose(0, 2, 1)[..., None])[:, 0, 0]

    return run
