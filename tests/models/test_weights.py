"""ImageNet weights: from the user's folder, from Keras' cache, or not available."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_weights import write_notop

from cryutils.errors import InputError
from cryutils.models import backend, weights
from cryutils.models.weights import APPLICATIONS, Unavailable, pretrained

NAME = "MobileNetV2"  # Keras publishes no hash of its weights
FILE = APPLICATIONS[NAME].file
SHAPE = (32, 32, 3)


@pytest.fixture
def folder(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder named by CRYUTILS_WEIGHTS_DIR, on a machine without other weights or network."""
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "own")  # relative to where the command started

    def unreachable(*_: object, **__: object) -> Any:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    (apart / "own").mkdir()
    return apart / "own"


def test_the_file_in_the_users_folder_is_used(folder: Path) -> None:
    model = backend.keras().applications.MobileNetV2(
        include_top=False, weights=None, input_shape=SHAPE
    )
    write_notop(folder / FILE, model)
    network, words = pretrained(NAME, SHAPE)
    assert words == "ImageNet"
    for ours, theirs in zip(network.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_with_another_hash_is_not_called_imagenet(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / APPLICATIONS["VGG16"].file).write_bytes(b"the user's own")
    keras = backend.keras()
    monkeypatch.setattr(keras.applications, "VGG16", lambda **options: options["weights"])
    path, words = pretrained("VGG16", SHAPE)
    assert path == str(folder / APPLICATIONS["VGG16"].file) and words != "ImageNet"


@pytest.mark.parametrize("offline", ["", "1"])
def test_without_network_they_are_unavailable(
    folder: Path, offline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_OFFLINE", offline)
    with pytest.raises(Unavailable):
        pretrained("VGG16", SHAPE)
    assert socket.getdefaulttimeout() is None


def test_a_named_folder_that_is_none_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "nowhere")
    with pytest.raises(InputError, match="nowhere"):
        weights.pretrained(NAME, SHAPE)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_files_and_hashes_are_those_that_keras_publishes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Exception):
        """Instead of a download."""

    def get_file(file: str, *_: Any, file_hash: str = "", **__: Any) -> str:
        raise Asked(file, file_hash)

    keras = backend.keras()
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(Asked) as error:
        getattr(keras.applications, name)(include_top=False, input_shape=(224, 224, 3))
    module, file, md5 = APPLICATIONS[name]
    assert error.value.args == (file, md5)
    assert hasattr(getattr(keras.applications, module), "preprocess_input")
