"""Weights files as they are published: their names, and small ones written by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils.models import weights


def name_of_file(keras: Any, name: str) -> str:
    """Return the name of the file that Keras itself would download."""
    asked: list[weights.Published] = []

    def choose(published: weights.Published) -> Path:
        asked.append(published)
        raise weights.NotHad

    with pytest.raises(weights.NotHad), weights.supplying(choose):
        getattr(keras.applications, name)(include_top=False, weights="imagenet")
    return asked[0].file


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
