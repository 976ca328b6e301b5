"""Frozen backbones by name: their pixels, their weights files, what is said of them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils.errors import InputError
from cryutils.models import backbones, backend
from cryutils.models.backbones import RESNET50

pytestmark = pytest.mark.usefixtures("bare")

SIZE = 32
SHAPE = (SIZE, SIZE, 3)


def write_notop(path: Path, model: Any) -> Path:
    """Write the weights as the published files hold them: a group a layer, names as attributes."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=np.asarray(weight))
    return path


@pytest.fixture(scope="module")
def keras() -> Any:
    return backend.keras()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(keras: Any) -> Any:
    """ResNet-50 with weights that no initialiser gives."""
    model = keras.applications.ResNet50(include_top=False, weights=None, input_shape=SHAPE)
    rng = np.random.default_rng(7)
    model.set_weights([rng.uniform(0.01, 0.02, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that CRYUTILS_WEIGHTS_DIR names."""
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(bare / "own"))
    (bare / "own").mkdir()
    return bare / "own"


def test_a_published_file_in_the_users_folder_gives_its_own_weights(keras, trained, named, pixels) -> None:
    write_notop(named / RESNET50, trained)
    base = backbones.choose("ResNet50", size=SIZE)
    centred = pixels[..., ::-1] - np.float32([103.939, 116.779, 123.68])  # ImageNet's means, BGR
    wanted = np.asarray(trained(centred, training=False))
    np.testing.assert_allclose(np.asarray(base.model(pixels)), wanted, rtol=1e-4)
    assert RESNET50 in base.weights and not base.imagenet  # Keras publishes another file


def test_a_named_folder_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "nowhere")
    with pytest.raises(InputError, match="nowhere"):
        backbones.choose("ResNet50", size=SIZE)


def test_without_weights_random_ones_come_from_the_seed_alone(keras, monkeypatch, pixels) -> None:
    def unreachable(*_: object, **__: object) -> Any:
        raise socket.gaierror("Name or service not known")

    first = backbones.choose("ResNet50", size=SIZE, seed=3)
    assert first.words == "ResNet50, random weights (seed 3; ImageNet weights not available)"
    assert not first.imagenet and not first.trained
    frozen, training = (np.asarray(first.model(pixels, training=is_on)) for is_on in (False, True))
    np.testing.assert_array_equal(frozen, training)
    assert first.model.trainable_weights == []
    keras.utils.set_random_seed(99)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)  # the download fails
    monkeypatch.setenv("CRYUTILS_OFFLINE", "")
    assert backbones.choose("ResNet50", size=SIZE, seed=3).digest == first.digest
    assert socket.getdefaulttimeout() is None


@pytest.fixture
def own(keras, named: Path) -> Path:
    """A user's network for pixels of any size, which scales them itself."""
    pixels = keras.Input((None, None, 3))
    maps = keras.layers.Conv2D(4, 3, strides=2)(keras.layers.Rescaling(1 / 255)(pixels))
    keras.Model(pixels, maps, name="own").save(named / "own.keras")
    return named / "own.keras"


def test_a_users_keras_file_is_a_backbone_by_path_and_by_name(keras, own, pixels) -> None:
    wanted = np.asarray(keras.models.load_model(own)(pixels))
    for name in (str(own), own.name):
        base = backbones.choose(name, size=SIZE)
        assert base.words == "own, weights of own.keras"
        assert base.model.input_shape == (None, *SHAPE)
        np.testing.assert_allclose(np.asarray(base.model(pixels)), wanted, rtol=1e-5)
        assert base.model.trainable_weights == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("missing", "other.keras: no such file, nor in the folder CRYUTILS_WEIGHTS_DIR"),
        ("text", "own.keras: damaged"),
        ("classifier", "own.keras does not return feature maps; save it without its classifier"),
    ],
)
def test_a_file_that_is_no_backbone_is_one_line(keras, own, wrong, message) -> None:
    if wrong == "text":
        own.write_text("no model")
    elif wrong == "classifier":
        pixels = keras.Input((None, None, 3))
        keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels)).save(own)
    name = "other.keras" if wrong == "missing" else own.name
    with pytest.raises(InputError, match=message) as error:
        backbones.choose(name, size=SIZE)
    assert "\n" not in str(error.value)


def test_an_untrained_copy_has_the_same_layers_and_other_weights(keras, own) -> None:
    base = backbones.choose(str(own), size=SIZE)
    one, again, two = (backbones.untrained(base, seed=seed) for seed in (1, 1, 2))
    assert one.digest == again.digest
    assert len({base.digest, one.digest, two.digest}) == 3
    assert one.words == "own, random weights (seed 1)" and not one.imagenet
    assert one.model.output_shape == base.model.output_shape
    assert one.model.trainable_weights == []


def test_an_unknown_name_a_small_picture_and_a_damaged_file_are_one_line(named) -> None:
    for name, size, message in (
        ("ResNet", SIZE, "there is no backbone 'ResNet'. Did you mean ResNet50"),
        ("ResNet50", 16, "size=16: too small"),
        ("ResNet50", SIZE, "_notop.h5 is damaged"),
    ):
        if "damaged" in message:
            (named / RESNET50).write_text("no weights")
        with pytest.raises(InputError, match=message) as error:
            backbones.choose(name, size=size)
        assert "\n" not in str(error.value)
