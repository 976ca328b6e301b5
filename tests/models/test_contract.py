"""Every Keras network keeps the same promises, from its layers to the file for a phone."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.models import blocks, cry2, export, image
from cryutils.models.backend import keras
from cryutils.models.inputs import Examples
from cryutils.models.training import Fitted, Settings, fit

SMALL = {"filters": (8, 8), "dropout": 0.1, "learning_rate": 1e-2}
# From training rows to the compiled network of two classes, and the shape of an example.
NETWORKS = {
    "cry2": (lambda rows: cry2.adapt(cry2.build(rows.shape[1:], 2, **SMALL), rows), (24, 16)),
    "image": (lambda rows: image.build(rows.shape[1:], 2, **SMALL), (32, 32, 3)),
}
TRAIN, VALIDATION, NEW = np.arange(28), np.arange(28, 36), np.arange(36, 48)
SETTINGS = Settings(epochs=6, batch_size=8, patience=6, class_weights=False)


class Network(NamedTuple):
    """A trained network, its examples (48, ...) and their classes."""

    build: Any
    x: np.ndarray
    y: np.ndarray
    fitted: Fitted


def examples(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright band; the class is its place. Sound in dB, or RGB pixels."""
    rng, y = np.random.default_rng(0), np.arange(48) % 2
    x = rng.normal(60, 3, (48, *shape))
    places = np.moveaxis(x, 2 if len(shape) == 2 else 1, 1)  # coefficients, or rows of pixels
    size = places.shape[1]
    for k, place in enumerate((slice(1, size // 2 - 1), slice(size // 2 + 1, size - 1))):
        places[y == k, place] += 60
    return (x.astype(np.float32) - 120, y) if len(shape) == 2 else (x.astype(np.uint8), y)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Network:
    build, shape = NETWORKS[request.param]
    x, y = examples(shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        fitted = fit(
            build, Examples(x, np.arange(48)), y, train=TRAIN, validation=VALIDATION, settings=SETTINGS
        )
    return Network(build, x, y, fitted)


# Training


def test_answers_are_probabilities_of_any_number_and_what_is_separable_is_learned(network: Network) -> None:
    p = network.fitted.predict(network.x)
    assert p.dtype == np.float32 and p.shape == (48, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert network.fitted.predict(network.x[:0]).shape == (0, 2)
    assert (p[NEW].argmax(axis=1) == network.y[NEW]).mean() == 1


# Files


@pytest.fixture(scope="module")
def files(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the network's files, also in 8-bit integers."""
    folder = tmp_path_factory.mktemp("files")
    export.litert(network.fitted.model, folder / "float32.tflite")
    export.litert(network.fitted.model, folder / "int8.tflite", calibration=network.x[TRAIN])
    network.fitted.model.save(folder / "network.keras")
    return folder


def test_every_file_answers_as_the_network(network: Network, files: Path) -> None:
    expected = network.fitted.predict(network.x)
    loaded = keras().models.load_model(files / "network.keras", compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(network.x), expected, atol=1e-6)
    floats, integers = (export.Lite(files / f"{name}.tflite") for name in ("float32", "int8"))
    np.testing.assert_allclose(floats.predict(network.x), expected, atol=1e-5)
    np.testing.assert_allclose(integers.predict(network.x), expected, atol=0.1)
    assert np.abs(integers.predict(network.x) - expected).max() > 1e-5, "not the other file"


def test_a_file_takes_any_number_of_examples_in_the_networks_own_type(network: Network, files: Path) -> None:
    light = export.Lite(files / "float32.tflite")
    assert (light.dtype, light.shape, light.classes) == (network.x.dtype, network.x.shape[1:], 2)
    together = light.predict(np.concatenate([network.x] * 6))  # more than one batch
    for n in (0, 3, 1):
        np.testing.assert_allclose(light.predict(network.x[:n]), together[:n], atol=1e-6)
    with pytest.raises(InputError, match=r"not \(5, 5\)"):
        light.predict(np.zeros((2, 5, 5)))


def test_a_network_whose_training_diverged_is_not_saved(tmp_path: Path) -> None:
    model = cry2.build((24, 16), 2, filters=(4,))
    model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])
    with pytest.raises(InputError, match="not a finite number; train it again"):
        export.save(model, tmp_path, "cry2", {})
    assert not list(tmp_path.iterdir())


# What each network scales inside


def test_cry2_normalises_each_coefficient_by_the_rows_that_it_gets() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(3, [0, 10, 100, *[1] * 13], (20, 24, 16)).astype(np.float32)
    model = cry2.adapt(cry2.build((24, 16), 2, filters=(4,)), rows)
    model.fit(rows, np.arange(20) % 2, epochs=1, verbose=0)  # which leaves it as it is
    inside = keras().Model(model.inputs[0], model.get_layer("normalise").output)
    out = np.asarray(inside(rows)).reshape(-1, 16)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), [0] + [1] * 15, atol=1e-4)  # the first is constant


# The papers' layers


@pytest.mark.parametrize("name", ["cry2", "image"])
def test_the_layers_are_the_papers(name: str) -> None:
    build, shape = NETWORKS[name]
    table = blocks.describe(build(examples(shape)[0]))
    kinds = table["kind"].tolist()
    start = kinds.index("ReLU") - 2
    assert kinds[start : start + 8] == ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"] * 2
    assert ("Sequential" in kinds[:start]) == (name == "image")  # augmentation
    assert table.set_index("layer").loc["norm1", ["parameters", "trained"]].tolist() == [32, 16]


@pytest.mark.parametrize(
    ("changes", "words"), [({"dropout": 1.0}, "dropout=1.0"), ({"filters": (4,) * 6}, "128 x 128 at least")]
)
def test_what_cannot_be_built_is_refused(changes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        cry2.build((24, 16), 2, **changes)
