"""LiteRT files: they answer as Keras does, for any number of examples, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.models import cry2, image
from cryutils.models.export import Lite, litert


def examples(name: str, n: int, seed: int = 0) -> np.ndarray:
    """Windows or crops of the shapes of notebooks 04 and 05."""
    rng = np.random.default_rng(seed)
    if name == "cry2":
        return rng.normal(-40, 15, (n, 63, 60)).astype(np.float32)
    return rng.integers(0, 256, (n, 48, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["cry2", "image"])
def fitted(request: pytest.FixtureRequest, tmp_path_factory) -> tuple[str, Any, list[Lite]]:
    """A network as the notebooks build it, and its files in float32 and int8."""
    name = request.param
    rows = examples(name, 64, seed=1)
    model = {"cry2": cry2, "image": image}[name].build(rows.shape[1:], 4)
    if name == "cry2":
        cry2.adapt(model, rows)
    model.run_eagerly = True  # a graph for two steps would take longer than they do
    model.fit(rows, np.arange(64) % 4, batch_size=32, epochs=1, verbose=0)
    model.run_eagerly = False
    folder = tmp_path_factory.mktemp("files")
    paths = [
        litert(model, folder / "float32.tflite"),
        litert(model, folder / "int8.tflite", calibration=rows),
    ]
    return name, model, [Lite(path) for path in paths]


def test_both_files_answer_as_keras_and_int8_is_smaller(fitted) -> None:
    name, model, (float32, int8) = fitted
    x = examples(name, 64, seed=3)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(float32.predict(x), expected, atol=1e-5)
    np.testing.assert_allclose(int8.predict(x), expected, atol=0.1)
    assert np.abs(int8.predict(x) - expected).max() > 1e-5, "not the other file"
    assert int8.path.stat().st_size < 0.5 * float32.path.stat().st_size


def test_a_file_takes_any_number_of_examples_in_the_models_own_type(fitted) -> None:
    name, _, (network, _) = fitted
    x = examples(name, 300)
    assert (network.dtype, network.shape, network.classes) == (x.dtype, x.shape[1:], 4)
    together = network.predict(x)
    for n in (0, 1, 3, 1):
        np.testing.assert_allclose(network.predict(x[:n]), together[:n], atol=1e-6)
    with pytest.raises(InputError, match=r"not \(5, 5\)"):
        network.predict(np.zeros((2, 5, 5)))


def test_missing_and_damaged_files_are_refused_in_one_line(fitted, tmp_path) -> None:
    _, _, (network, _) = fitted
    whole, path = network.path.read_bytes(), tmp_path / "damaged.tflite"
    for content in (None, b"", b"no network\n" * 99, whole[: len(whole) // 2]):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"damaged\.tflite: no ") as caught:
            Lite(path)
        assert "\n" not in str(caught.value)


def test_answers_need_no_tensorflow(fitted) -> None:
    _, _, (network, _) = fitted
    script = f"""
import sys, numpy as np
from cryutils.models.export import Lite
light = Lite({str(network.path)!r})
x = np.zeros((2, *light.shape), light.dtype)
print(light.predict(x).shape, "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("(2, 4) False\n", "")
