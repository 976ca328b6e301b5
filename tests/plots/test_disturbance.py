"""Figures of models under stress show the numbers that they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import points, ticks

from cryutils import plots


def test_a_reliability_diagram_has_a_point_a_bin(ax) -> None:
    table = pd.DataFrame(
        {
            "confidence": [0.4, 0.9],
            "accuracy": [0.5, 0.8],
            "accuracy_low": [0.2, np.nan],
            "accuracy_high": [0.7, np.nan],
            "clips": [3, 10],
        }
    )
    plots.reliability({"before": table, "after": table}, ax)
    bins = [c for c in ax.collections if len(c.get_offsets()) == 2]
    np.testing.assert_allclose(bins[0].get_offsets(), [[0.4, 0.5], [0.9, 0.8]])
    assert bins[0].get_sizes().tolist() == [18, 32]


def test_a_disturbance_has_a_panel_from_none_to_hardest() -> None:
    values = {"cry2": (0.8, 0.6, 0.3, 0.7), "full": (0.9, 0.7, 0.4, 0.8)}
    rows = [
        {
            "condition": condition,
            "model": model,
            "split": "leak_free",
            "value": value,
            "low": None if model == "full" else 0.1,
            "high": value + 0.1,
        }
        for model, row in values.items()
        for condition, value in zip(("none.0", "noise.20", "noise.0", "dim.2"), row, strict=True)
    ]
    scores = pd.DataFrame(rows).set_index(["condition", "model", "split"])
    figure = plots.stress_figure(scores, {"noise": "dB", "no_sound": "share"}, chance=0.25)
    first = figure.axes[0]
    assert first.get_title() == "noise" and first.get_xlabel() == "dB"
    assert ticks(first, "x") == ["none", "20", "0"]
    assert points(first, "chance")[1] == [0.25, 0.25]
    sound, fused = (bars.lines[0].get_ydata().tolist() for bars in first.containers)
    assert (sound, fused) == ([0.8, 0.6, 0.3], [0.9, 0.7, 0.4])
    assert first.collections[0].get_segments()[1][:, 1] == pytest.approx([0.1, 0.7])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["chance", "cry2", "full"]


def test_confidence_is_drawn_at_a_temperature_and_a_threshold() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], np.float32)
    truth, infants = np.array([0, 0, 0, 1]), ["a", "b", "c", "d"]
    figure = plots.confidence_at(p, truth, infants, temperature=1.0, threshold=0.8, bins=10)
    left, right = figure.axes
    assert right.lines[-1].get_xydata().tolist() == [[0.5, 0.0]]  # half answered, none wrong
    assert "50% answered, 0% wrong" in right.get_title()
    assert "ECE 0.10" in left.get_title()
