"""Frozen backbones by name: their pixels, their weights files, what is said of them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_weights import write_notop

from cryutils.errors import InputError
from cryutils.models import backbones, backend
from cryutils.models.backbones import APPLICATIONS

SMALL = "MobileNetV3Small"
SHAPE = (32, 32, 3)
FEATURES = 16


@pytest.fixture(autouse=True)
def bare(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights and without a network."""
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)
    return apart


@pytest.fixture(scope="module")
def keras() -> Any:
    return backend.keras()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(keras: Any) -> Any:
    """A small application with weights that no initialiser gives."""
    model = getattr(keras.applications, SMALL)(include_top=False, weights=None, input_shape=SHAPE)
    rng = np.random.default_rng(7)
    model.set_weights([rng.uniform(0.01, 0.1, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that CRYUTILS_WEIGHTS_DIR names."""
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(bare / "own"))
    (bare / "own").mkdir()
    return bare / "own"


def test_a_published_file_in_the_users_folder_gives_its_own_weights(
    keras, trained, named, pixels
) -> None:
    path = write_notop(named / APPLICATIONS[SMALL].file, trained)
    base = backbones.base(SMALL, input_shape=SHAPE)
    wanted = np.asarray(trained(pixels.astype(np.float32), training=False))
    np.testing.assert_allclose(np.asarray(base.model(pixels)), wanted, rtol=1e-5)
    assert path.name in base.weights and not base.imagenet


def test_auto_falls_back_to_random_weights_and_says_so() -> None:
    base = backbones.base("VGG16", input_shape=SHAPE)
    assert base.words == "VGG16, random weights (seed 0; ImageNet weights not available)"
    assert not base.imagenet and not base.trained


@pytest.mark.parametrize("offline", ["", "1"])
def test_imagenet_raises_and_names_both_ways(offline: str, monkeypatch: Any) -> None:
    def unreachable(*_: object, **__: object) -> Any:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("CRYUTILS_OFFLINE", offline)
    wanted = f"{APPLICATIONS[SMALL].file} into the folder that CRYUTILS_WEIGHTS_DIR names, or run"
    with pytest.raises(InputError, match=wanted):
        backbones.base(SMALL, input_shape=SHAPE, weights="imagenet")
    assert socket.getdefaulttimeout() is None


def test_a_named_folder_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "nowhere")
    with pytest.raises(InputError, match="nowhere"):
        backbones.base(SMALL, input_shape=SHAPE)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_files_and_hashes_are_those_that_keras_publishes(
    name: str, keras: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Exception):
        """Instead of a download."""

    def get_file(file: str, *_: Any, file_hash: str = "", **__: Any) -> str:
        raise Asked(file, file_hash)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(Asked) as error:
        getattr(keras.applications, name)(include_top=False, input_shape=(224, 224, 3))
    module, file, md5 = APPLICATIONS[name]
    assert error.value.args == (file, md5)
    assert hasattr(getattr(keras.applications, module), "preprocess_input")


def test_random_weights_come_from_the_seed_alone(keras) -> None:
    first = backbones.base("VGG16", input_shape=SHAPE, weights="random", seed=3)
    keras.utils.set_random_seed(99)
    again = backbones.base("VGG16", input_shape=SHAPE, weights="random", seed=3)
    other = backbones.base("VGG16", input_shape=SHAPE, weights="random", seed=4)
    assert first.digest == again.digest != other.digest
    assert first.weights == "random weights (seed 3)"


def test_a_backbone_is_frozen_even_in_training_mode(pixels) -> None:
    base = backbones.base("MobileNetV2", input_shape=SHAPE, weights="random")
    assert base.model.trainable_weights == []
    before = base.digest
    training = np.asarray(base.model(pixels, training=True))
    np.testing.assert_array_equal(training, np.asarray(base.model(pixels, training=False)))
    fresh = backbones.Backbone(base.model, base.name, "", base.preprocessing)
    assert fresh.digest == before  # no moving average moved


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
        base = backbones.base(name, input_shape=SHAPE)
        assert base.words == "own, weights of own.keras"
        assert base.model.input_shape == (None, *SHAPE)
        np.testing.assert_allclose(np.asarray(base.model(pixels)), wanted, rtol=1e-5)
        assert base.model.trainable_weights == []
    pixels_of = keras.Input((None, None, 3))
    same = keras.models.load_model(own).layers[-1]
    keras.Model(pixels_of, same(keras.layers.Rescaling(1 / 127)(pixels_of)), name="own").save(own)
    assert backbones.base(str(own), input_shape=SHAPE).digest != base.digest, "other preprocessing"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("missing", "other.keras: no such file, nor in the folder CRYUTILS_WEIGHTS_DIR"),
        ("text", "own.keras: damaged"),
        ("size", r"own.keras: .*not for pixels of \(32, 32, 3\)"),
        ("classifier", "own.keras does not return feature maps; save it without its classifier"),
    ],
)
def test_a_file_that_is_no_backbone_is_one_line(keras, own, wrong, message) -> None:
    if wrong == "text":
        own.write_text("no model")
    elif wrong == "size":
        pixels = keras.Input((64, 64, 3))
        keras.Model(pixels, keras.layers.Conv2D(4, 3)(pixels)).save(own)
    elif wrong == "classifier":
        pixels = keras.Input((None, None, 3))
        keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels)).save(own)
    name = "other.keras" if wrong == "missing" else own.name
    with pytest.raises(InputError, match=message) as error:
        backbones.base(name, input_shape=SHAPE)
    assert "\n" not in str(error.value)


def test_an_untrained_copy_has_the_same_layers_and_other_weights(keras, own) -> None:
    base = backbones.base(str(own), input_shape=SHAPE)
    one, again, two = (backbones.untrained(base, seed=seed) for seed in (1, 1, 2))
    assert one.digest == again.digest
    assert len({base.digest, one.digest, two.digest}) == 3
    assert one.words == "own, random weights (seed 1)" and not one.imagenet
    assert one.model.output_shape == base.model.output_shape
    assert one.model.trainable_weights == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "ResNet"}, "there is no backbone 'ResNet'. Did you mean ResNet50?"),
        ({"name": "Lenet"}, "there is no backbone 'Lenet'. Known: EfficientNetV2B0"),
        ({"weights": "imagnet"}, "weights='imagnet'. Did you mean imagenet?"),
        ({"input_shape": (32, 32, 1)}, "give (height, width, 3)"),
        ({"input_shape": (16, 16, 3)}, "Input size must be at least 32x32"),
    ],
)
def test_what_is_wrong_is_named(wrong, message) -> None:
    with pytest.raises(InputError) as error:
        backbones.base(**{"name": SMALL, "input_shape": SHAPE, **wrong})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def drawn(keras: Any, seed: int) -> backbones.Backbone:
    pixels = keras.Input(SHAPE)
    maps = keras.layers.Rescaling(1 / 255)(pixels)
    for width, side in ((8, 4), (FEATURES, 2)):
        initial = keras.initializers.GlorotUniform(seed)
        maps = keras.layers.Conv2D(width, side, side, kernel_initializer=initial)(maps)
    model = keras.Model(pixels, maps)
    return backbones.Backbone(model, "two layers", f"random weights (seed {seed})", "none")


@pytest.fixture(scope="module")
def small(keras: Any) -> backbones.Backbone:
    return drawn(keras, 0)


def test_embeddings_are_the_pooled_maps_of_each_backbone(keras, small, pixels) -> None:
    for backbone in (small, drawn(keras, 1)):
        maps = np.asarray(backbone.model(pixels))
        (average,) = backbones.embeddings([("pixels", lambda: pixels)], backbone)
        assert average.dtype == np.float32
        np.testing.assert_allclose(average, maps.mean(axis=(1, 2)), atol=1e-5)


def test_a_stopped_run_goes_on_where_it_was(small, pixels) -> None:
    def pulled_plug() -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backbones.embeddings([("one", lambda: pixels), ("two", pulled_plug)], small)
    both = backbones.embeddings([("one", pulled_plug), ("two", lambda: pixels[:1])], small)
    assert [len(clip) for clip in both] == [4, 1]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 32, 31, 3), np.uint8), "this backbone takes uint8 (n, 32, 32, 3)"),
        (np.zeros((2, *SHAPE), np.float32), "frames are float32 (2, 32, 32, 3)"),
    ],
)
def test_frames_that_do_not_fit_are_named(small, frames, message) -> None:
    with pytest.raises(InputError) as error:
        backbones.embeddings([("wrong", lambda: [frames])], small)
    assert message in str(error.value)
