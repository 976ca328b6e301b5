"""Engines: each agrees with Keras as its precision allows."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from engines import engine_or_skip
from sizes import large

from cryutils.errors import InputError
from cryutils.models import backend, runtimes

SIDE = 32


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
    pixels = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(keras.ops.flip(pixels, axis=-1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2)(x)))
    x = layers.ReLU()(layers.Conv2D(32, 3, strides=2)(x))
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(x))


@pytest.fixture(scope="module")
def wanted(model: Any, frames: np.ndarray) -> np.ndarray:
    return np.asarray(model(frames.astype(np.float32), training=False))


def test_keras_gives_the_models_own_output(model, frames, wanted) -> None:
    got = runtimes.ready(model).run(frames)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize(
    # bfloat16 keeps 8 bits of a number; int8 has 256 steps over a layer's whole range.
    ("name", "steps"),
    [("openvino-bf16", 2**8), ("openvino-int8", 2**5)],
)
def test_openvino_is_as_near_as_its_precision(apart, model, frames, wanted, name, steps) -> None:
    engine = runtimes.ready(model, engine=engine_or_skip(name), calibration=frames[:16])
    got = engine.run(frames)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=np.abs(wanted).max() / steps)
    if engine.runtime.precision != "float32":
        assert not np.allclose(got, wanted, atol=1e-7)  # so it is not Keras under another name


@pytest.mark.parametrize("name", runtimes.ENGINES)
def test_the_order_of_frames_is_kept(apart, model, frames, name) -> None:
    engine = runtimes.ready(model, engine=engine_or_skip(name), calibration=frames[:4])
    together, backwards = engine.run(frames), engine.run(frames[::-1])
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)
    assert engine.run(frames[:0]).shape == (0, 32)


def test_arguments_that_cannot_be_used_are_named(model) -> None:
    with pytest.raises(InputError, match="Did you mean openvino-int8"):
        runtimes.ready(model, engine="openvino-int")
    with pytest.raises(InputError, match="needs calibration=, some frames of training clips"):
        runtimes.ready(model, engine=engine_or_skip("openvino-int8"))


@pytest.mark.parametrize(
    ("absent", "name"),
    [("openvino", "openvino-bf16"), ("openvino", "openvino-int8"), ("nncf", "openvino-int8")],
)
def test_an_absent_extra_is_named(monkeypatch, absent, name) -> None:
    if absent == "nncf":
        engine_or_skip("openvino-bf16")
    monkeypatch.setitem(sys.modules, absent, None)  # what a missing package looks like
    with pytest.raises(InputError, match=r"install it with: pip install 'cryutils\[openvino\]'$"):
        runtimes.runtime_of(name)


def test_a_processor_without_bfloat16_is_told(monkeypatch) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra [openvino] is not installed")

    class Plain:
        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Plain)
    assert runtimes.runtime_of("openvino-bf16").precision == "float32"
    assert "no bfloat16" in runtimes.runtime_of("openvino-bf16").words


@large
def test_a_lower_limit_for_onednn_is_survived(apart) -> None:
    engine_or_skip("openvino-bf16")
    script = (
        "import numpy as np; from cryutils.models import backbones, runtimes;"
        "base = backbones.base('MobileNetV2', input_shape=(32, 32, 3), weights='random');"
        "engine = runtimes.ready(backbones.head_input(base), engine='openvino-bf16');"
        "print(engine.run(np.zeros((2, 32, 32, 3), np.uint8)).shape)"
    )
    limited = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=limited
    )
    assert (done.returncode, done.stdout) == (0, "(2, 1280)\n")


def test_importing_the_engine_sends_nothing_to_its_makers() -> None:
    engine_or_skip("openvino-bf16")
    script = (
        "import sys; from cryutils.models import runtimes; runtimes.runtime_of('openvino-bf16');"
        "from openvino.tools.ovc import telemetry_utils as t; print(t.tm.__name__)"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.stdout.strip() == "openvino.tools.ovc.telemetry_stub"


def test_agreement_by_hand() -> None:
    # Mean (10, 10); around it, the second frame is turned by 90 degrees and the others kept.
    mean = np.array([10, 10], np.float32)
    reference = mean + np.array([[1, 0], [0, 1], [-1, -1], [0, 0]], np.float32)
    other = mean + np.array([[2, 0], [1, 0], [-1, -1], [0, 0]], np.float32)
    agreement = runtimes.agreement(reference, other, head=lambda x: x - mean)
    assert agreement.cosine == pytest.approx(3 / 4)
    assert agreement.lowest == pytest.approx(0)
    assert agreement.equal == pytest.approx(3 / 4)
    same = runtimes.agreement(reference, reference, head=lambda x: x - mean)
    assert (same.cosine, same.lowest, same.equal) == (pytest.approx(1), pytest.approx(1), 1.0)
