"""Figures of autoencoders: each shows the numbers that it was given."""

from __future__ import annotations

import numpy as np
import pandas as pd
from drawn import points, spans, ticks

from cryutils import plots


def test_original_and_what_comes_back_share_their_colours(axes: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    original, code = rng.normal(size=(20, 6)), rng.normal(size=(4, 3))
    plots.reconstruction(original, code, 2 * original, axes, seconds=2.0)
    left, middle, right = (ax.images[0] for ax in axes)
    for image, values in ((left, original), (middle, code), (right, 2 * original)):
        assert np.array_equal(image.get_array(), values.T)
    assert left.get_clim() == right.get_clim()
    low, high = middle.get_clim()
    assert -low == high == np.abs(code).max()
    assert {ax.get_xlim() for ax in axes} == {(0.0, 2.0)}


def test_errors_are_drawn_by_method_and_size(axes: np.ndarray) -> None:
    methods = ["autoencoder", "principal components"] * 2
    table = pd.DataFrame({"method": methods, "size": [8, 8, 2, 2], "error": [1.0, 2.0, 3.0, 4.0]})
    plots.bottleneck_errors(table, axes[0], unit="dB")
    assert points(axes[0], "autoencoder") == ([2, 8], [3, 1])
    assert points(axes[0], "principal components") == ([2, 8], [4, 2])
    assert axes[0].get_ylabel() == "error in dB"
    assert ticks(axes[0], "x") == ["2", "8"]


def test_gains_stand_in_their_intervals_side_by_side(axes: np.ndarray) -> None:
    rows = [
        {"method": m, "level": level, "value": v, "low": v - 1, "high": v + 2}
        for m, level, v in [("autoencoder", 0, 5), ("spectral gate", 0, 6), ("autoencoder", 10, 1)]
    ]
    rows.append({"method": "spectral gate", "level": 10, "value": 2, "low": None, "high": None})
    plots.noise_gains(pd.DataFrame(rows), axes[0])
    assert points(axes[0], "autoencoder") == ([-0.25, 9.75], [5, 1])
    assert points(axes[0], "spectral gate") == ([0.25, 10.25], [6, 2])
    assert spans(axes[0], 1)[:2] == [(4, 7), (0, 3)]


def test_points_are_coloured_by_name_and_rare_names_stay_grey(axes: np.ndarray) -> None:
    at = np.arange(12, dtype=float).reshape(6, 2)
    plots.code_map(at, ["b", "a", "a", "c", "b", "a"], axes[0], most=2)
    assert points(axes[0], "a") == ([2, 4, 10], [3, 5, 11])
    assert points(axes[0], "b") == ([0, 8], [1, 9])
    assert points(axes[0], "others") == ([6], [7])
    plots.code_map(at, list("aaabbb"), axes[1], legend=False)
    assert axes[1].get_legend() is None
    assert "others" not in [artist.get_label() for artist in axes[1].lines]
