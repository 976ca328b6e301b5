"""Axes to draw on, without a screen."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Draw in matplotlib's own style, and close all figures after the test."""
    with plt.style.context("default"):
        yield
    plt.close("all")


@pytest.fixture
def axes() -> np.ndarray:
    """Three panels."""
    return plt.subplots(1, 3)[1]


@pytest.fixture
def ax() -> Axes:
    return plt.subplots()[1]
