"""Axes to draw on, without a screen."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes


@pytest.fixture
def axes() -> Iterator[np.ndarray]:
    """Three panels."""
    figure, panels = plt.subplots(1, 3)
    yield panels
    plt.close(figure)


@pytest.fixture
def ax() -> Iterator[Axes]:
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)
