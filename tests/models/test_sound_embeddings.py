"""Pretrained networks for sound: files that the tests make, and the one that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines import need
from onnx_file import onnx_file

from cryutils._io import extras
from cryutils.errors import InputError
from cryutils.models import sound_embeddings
from cryutils.models.sound_embeddings import NETWORKS

YAMNET = NETWORKS["yamnet"]
WINDOW = round(YAMNET.window_s * YAMNET.sr)


def sound(seconds: float, sr: int = 16_000) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * sr)).astype(np.float32)


def traced(width: int) -> Any:
    """Return a network that answers `width` times the mean square of the samples."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, WINDOW), tf.float32, name="waveform")])
    def call(waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        power = tf.reduce_mean(waveform**2, axis=1, keepdims=True)
        return {"embedding": tf.repeat(power, width, axis=1)}

    return call


@pytest.fixture(params=["LiteRT", "SavedModel"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.call = traced(YAMNET.width)
    if request.param == "SavedModel":
        tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.call)
        return tmp_path / "saved"
    function = module.call.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    path = tmp_path / "network.tflite"
    path.write_bytes(converter.convert())
    return path


def test_a_network_from_a_file_answers_each_piece_of_a_sound(network: Path) -> None:
    run, about = sound_embeddings.opened(f"yamnet={network}")
    assert about is YAMNET
    x = sound(2.0)
    hop = round(YAMNET.hop_s * YAMNET.sr)
    pieces = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::hop]
    expected = np.square(pieces).mean(axis=1)
    vectors = run(x)
    assert vectors.shape == (len(pieces), YAMNET.width)
    np.testing.assert_allclose(vectors[:, 0], expected, rtol=1e-5)
    assert run(sound(0.1)).shape == (1, YAMNET.width), "a short sound is padded"


@pytest.mark.parametrize(
    ("name", "takes", "answers", "pieces"),
    [
        ("yamnet", (1, WINDOW), (1, 1024), 3),
        ("hubert", (1, "samples"), (1, 5, 768), 5),  # whole recordings, of any length
    ],
)
def test_an_onnx_file_runs_on_pieces_or_on_whole_recordings(
    name: str, takes: Any, answers: Any, pieces: int, tmp_path: Path
) -> None:
    need("openvino")
    path = onnx_file(tmp_path / "network.onnx", takes, answers)
    run, about = sound_embeddings.opened(f"{name}={path}")
    x = sound(2.0)
    vectors = run(x)
    assert vectors.shape == (pieces, about.width)
    first = x[:WINDOW] if name == "yamnet" else x
    np.testing.assert_allclose(vectors[0], first.mean(), atol=1e-6)


def test_a_row_is_mean_and_deviation_over_time_of_a_sound_with_peak_1(network: Path) -> None:
    x = sound(2.0)
    rows = sound_embeddings.embeddings(f"yamnet={network}", [x, 7 * x], sr=16_000)
    assert rows.shape == (2, 2 * YAMNET.width) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-4)
    vectors = sound_embeddings.opened(f"yamnet={network}")[0](x / np.abs(x).max())
    np.testing.assert_allclose(rows[0, 0], vectors[:, 0].mean(), rtol=1e-4)
    np.testing.assert_allclose(rows[0, YAMNET.width], vectors[:, 0].std(), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("yamnett", r"no network 'yamnett' for sounds\. Did you mean yamnet\?"),
        ("yamnet", r"yamnet: name its file, such as yamnet=yamnet\.tflite\."),
        ("yamnet=nowhere.tflite", r"nowhere\.tflite: no such file\."),
    ],
)
def test_an_unknown_network_or_a_missing_file_is_refused(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sound_embeddings.opened(name)


def test_a_file_of_another_network_is_refused(network: Path) -> None:
    run, _ = sound_embeddings.opened(f"perch={network}")
    with pytest.raises(InputError):
        run(sound(5.0, 32_000))


@pytest.mark.skipif(
    not extras.is_installed("pyopen_wakeword"), reason="the extra embeddings is not installed"
)
def test_the_speech_embedding_has_a_vector_every_160_ms() -> None:
    run, about = sound_embeddings.opened("speech")
    shortest = round(about.window_s * about.sr)
    assert run(sound(0.1)).shape == (1, about.width)
    assert len(run(np.zeros(shortest, np.float32))) == 1
    longer = np.zeros(shortest + round(10 * about.hop_s * about.sr), np.float32)
    assert len(run(longer)) == 11
    tone = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    noise = sound(2.0)
    rows = sound_embeddings.embeddings("speech", [tone, noise, noise], sr=16_000)
    assert rows.shape == (3, 2 * about.width)
    np.testing.assert_array_equal(rows[1], rows[2])
    assert np.abs(rows[0] - rows[1]).max() > 1
