"""Exported files: they answer as Keras does, for any number of examples, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from engines import need
from sizes import LARGE

from cryutils.errors import InputError
from cryutils.models import cry2, image
from cryutils.models.export import FORMATS, PRECISIONS, Network, litert, openvino


def examples(name: str, n: int, seed: int = 0) -> np.ndarray:
    """Windows or crops of the shapes of notebooks 04 and 05."""
    rng = np.random.default_rng(seed)
    if name == "cry2":
        return rng.normal(-40, 15, (n, 63, 60)).astype(np.float32)
    return rng.integers(0, 256, (n, 48, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["cry2", "image"])
def fitted(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """A network as the notebooks build it, with averages that training has moved."""
    name = request.param
    rows = examples(name, 64, seed=1)
    model = {"cry2": cry2, "image": image}[name].build(rows.shape[1:], 4)
    if name == "cry2":
        cry2.adapt(model, rows)
    model.run_eagerly = True  # a graph for two steps would take longer than they do
    model.fit(rows, np.arange(64) % 4, batch_size=32, epochs=1, verbose=0)
    model.run_eagerly = False
    return name, model


@pytest.fixture(scope="module")
def networks(fitted: tuple[str, Any], tmp_path_factory) -> dict[tuple[str, str], Network]:
    """That network's files in every format and precision, opened."""
    name, model = fitted
    folder = tmp_path_factory.mktemp("files")
    opened: dict[tuple[str, str], Network] = {}
    for form, kind in FORMATS.items():
        try:
            for precision in PRECISIONS:
                path = kind.write(
                    model, folder / f"{name}_{precision}{kind.suffix}", precision=precision,
                    calibration=examples(name, 64, seed=1),
                )  # fmt: skip
                opened[form, precision] = kind.open(path)
        except InputError:  # `need` says so
            continue
    return opened


FORMATS_AND_PRECISIONS = [(form, precision) for form in FORMATS for precision in PRECISIONS]
# Of a probability: rounding of float32; 11 bits of a weight; 256 steps of each layer's values.
BOUNDS = {"float": 1e-5, "float16": 5e-3, "int8": 0.1}


@pytest.mark.parametrize(("form", "precision"), FORMATS_AND_PRECISIONS)
def test_each_file_is_as_near_to_keras_as_its_precision(form, precision, fitted, networks) -> None:
    need(form)
    name, model = fitted
    x = examples(name, 64, seed=3)
    expected = model.predict(x, verbose=0)
    answers = networks[form, precision].predict(x)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, expected, atol=BOUNDS[precision])
    if precision != "float":  # so it is not the float file under another name
        assert np.abs(answers - expected).max() > BOUNDS["float"]


@pytest.mark.parametrize(("form", "precision"), FORMATS_AND_PRECISIONS)
def test_each_file_takes_any_number_of_examples_in_the_models_own_type(
    form, precision, fitted, networks
) -> None:
    need(form)
    name, _ = fitted
    network, x = networks[form, precision], examples(name, 300)
    assert (network.dtype, network.shape, network.classes) == (x.dtype, x.shape[1:], 4)
    together = network.predict(x)
    for n in (0, 1, 3, 1):
        np.testing.assert_allclose(network.predict(x[:n]), together[:n], atol=1e-6)
    with pytest.raises(InputError, match=r"an example is \(.*\), not \(5, 5\)"):
        network.predict(np.zeros((2, 5, 5)))


@pytest.mark.parametrize("form", FORMATS)
def test_fewer_bits_make_smaller_weights(form, networks) -> None:
    need(form)
    # OpenVINO's description of small networks outweighs them, and grows where values are rounded.
    sizes = [
        FORMATS[form].files(networks[form, precision].path)[-1].stat().st_size
        for precision in PRECISIONS
    ]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3


def test_between_input_and_output_an_int8_file_computes_in_whole_numbers(fitted, networks) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(networks["litert", "int8"].path))
    interpreter.allocate_tensors()
    kinds = [np.dtype(t["dtype"]).name for t in interpreter.get_tensor_details()]
    # LiteRT negates in floats alone, once in `image`; else the ends are.
    assert kinds.count("float32") == {"cry2": 2, "image": 4}[fitted[0]]
    assert kinds.count("int8") > 15


@pytest.mark.parametrize("write", [litert, openvino])
def test_what_cannot_be_written_is_refused_before_any_work(write, tmp_path) -> None:
    for precision, words in (
        ("int9", r"no precision 'int9'\. Did you mean int8"),
        ("int8", "needs calibration=, examples of training infants"),
    ):
        with pytest.raises(InputError, match=words):
            write(None, tmp_path / "model", precision=precision)


@pytest.mark.parametrize("form", FORMATS)
def test_missing_and_damaged_files_are_refused_in_one_line(form, trained, tmp_path) -> None:
    need(form)
    kind, name = FORMATS[form], {"litert": "LiteRT", "openvino": "OpenVINO"}[form]
    with pytest.raises(InputError, match="no such file; `cryutils run` trains and writes it"):
        kind.open(tmp_path)
    path = kind.write(trained.models["cry2"], tmp_path / f"cry2{kind.suffix}")
    whole = path.read_bytes()
    for content in (b"", b"no network\n" * 99, whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"cry2\{kind.suffix}: no {name} network") as caught:
            kind.open(path)
        assert "\n" not in str(caught.value)
    if form == "openvino":
        path.write_bytes(whole)
        path.with_suffix(".bin").unlink()
        with pytest.raises(InputError, match="no OpenVINO network"):
            kind.open(path)


def test_writing_and_asking_say_nothing(trained, tmp_path, capfd) -> None:
    some = np.zeros((2, *trained.hearing.shape), np.float32)
    for form, kind in FORMATS.items():
        try:
            for precision in PRECISIONS:
                path = tmp_path / f"cry2{kind.suffix}"
                kind.write(trained.models["cry2"], path, precision=precision, calibration=some)
                kind.open(path).predict(some)
        except InputError as error:
            assert form == "openvino" and "not installed" in str(error)
    assert capfd.readouterr() == ("", "")


def test_asking_needs_no_tensorflow(trained) -> None:
    path = trained.run / "models" / "cry2.tflite"
    script = f"""
import sys, numpy as np
from cryutils.models.export import Lite
light = Lite({str(path)!r})
print(light.predict(np.zeros((2, *light.shape))).shape, "tensorflow" in sys.modules)
"""
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert process.stdout == "(2, 4) False\n"


def test_a_damaged_network_that_opens_is_refused_when_it_runs(trained, tmp_path) -> None:
    # In a process of its own, should LiteRT ever take it down.
    script = f"""
from pathlib import Path
import numpy as np
from cryutils.errors import InputError
from cryutils.models.export import Lite

good = Path({str(trained.run / "models" / "cry2.tflite")!r}).read_bytes()
path = Path({str(tmp_path / "flipped.tflite")!r})
refused = [0, 0]
for place in range(0, len(good), {31 if LARGE else 61}):
    flipped = bytearray(good)
    flipped[place] ^= 1 << place % 8
    path.write_bytes(flipped)
    opened = False
    try:
        light = Lite(path)
        opened = True
        light.predict(np.zeros((2, *light.shape), np.float32))
    except InputError as error:
        assert str(error).startswith(f"{{path}}: ") and "\\n" not in str(error)
        refused[opened] += 1
print(*refused)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    opening, running = map(int, done.stdout.split())
    assert opening > 0 and running > 0
