"""Engines: each agrees with Keras as its precision allows."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from cryutils._io import extras
from cryutils.errors import InputError
from cryutils.models import backend, runtimes

needs_openvino = pytest.mark.skipif(
    not extras.is_installed("openvino"), reason="the extra [openvino] is not installed"
)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Smooth pictures, more than one batch of them and no whole number of batches."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (37, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="module")
def model() -> Any:
    """A small network of the kinds of layers that backbones have, pixels in and features out."""
    keras = backend.keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(keras.ops.flip(pixels, axis=-1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2)(x)))
    x = layers.ReLU()(layers.Conv2D(32, 3, strides=2)(x))
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    # bfloat16 keeps 8 bits of a number.
    ("engine", "steps"),
    [("keras", 1e5), pytest.param("openvino-bf16", 2**8, marks=needs_openvino)],
)
def test_frames_keep_their_order_and_are_as_exact_as_the_engine(
    model: Any, frames: np.ndarray, engine: str, steps: float
) -> None:
    run = runtimes.ready(model, engine=engine)
    wanted = np.asarray(model(frames.astype(np.float32), training=False))
    answers = run(frames)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, wanted, atol=np.abs(wanted).max() / steps)
    np.testing.assert_allclose(run(frames[::-1])[::-1], answers, atol=1e-5)
    assert run(frames[:0]).shape == (0, 32)


def test_an_unknown_engine_and_a_missing_extra_are_named(model, monkeypatch) -> None:
    with pytest.raises(InputError, match="Did you mean openvino-bf16"):
        runtimes.ready(model, engine="openvino-bf")
    monkeypatch.setitem(sys.modules, "openvino", None)  # what a missing package looks like
    with pytest.raises(InputError, match=r"pip install 'cryutils\[openvino\]'"):
        runtimes.identity("openvino-bf16")


@needs_openvino
def test_a_processor_without_bfloat16_computes_in_float32(monkeypatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # with bfloat16, OpenVINO would crash
    assert runtimes.identity("openvino-bf16")[-1] == "f32"
