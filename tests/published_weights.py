"""Weights files in the form in which Keras publishes them, written by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


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
