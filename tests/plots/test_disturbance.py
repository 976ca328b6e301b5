"""Figures of models under stress show the numbers that they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import points, ticks

from cryutils import plots


def test_a_reliability_diagram_has_a_point_a_bin(ax) -> None:
    table = pd.DataFrame(
        {"confidence": [0.4, 0.9], "accuracy": [0.5, 0.8], "accuracy_low": [0.2, np.nan],
         "accuracy_high": [0.7, np.nan], "clips": [3, 10]}
    )  # fmt: skip
    plots.reliability({"before": table, "after": table}, ax)
    bins = [c for c in ax.collections if len(c.get_offsets()) == 2]
    np.testing.assert_allclose(bins[0].get_offsets(), [[0.4, 0.5], [0.9, 0.8]])
    assert bins[0].get_sizes().tolist() == [18, 32]


def test_a_panel_a_disturbance_from_none_to_hardest_and_a_legend() -> None:
    scores = {"audio": (0.8, 0.6, 0.3), "fused": (0.9, 0.7, 0.4)}
    levels = [("none", "", "", 0), ("noise", "pink noise", "audio", 20),
              ("noise", "pink noise", "audio", 0), ("dim", "dim", "image", 2)]  # fmt: skip
    rows = [
        {"key": key, "name": name, "unit": "dB", "hit": hit, "level": level, "modality": modality,
         "macro_f1": score, "low": low, "high": score + 0.1}
        for (modality, f1), low in zip(scores.items(), (0.1, np.nan), strict=True)
        for (key, name, hit, level), score in zip(levels, (*f1, 0.2), strict=True)
    ]  # fmt: skip
    figure = plots.stress_figure(pd.DataFrame(rows), "audio", chance=0.25)
    first, *_, last = figure.axes
    assert first.get_title() == "pink noise"
    assert ticks(first, "x") == ["none", "20", "0"]
    assert points(first, "chance")[1] == [0.25, 0.25]
    audio, fused = (bars.lines[0].get_ydata().tolist() for bars in first.containers)
    assert (audio, fused) == ([0.8, 0.6, 0.3], [0.9, 0.7, 0.4])
    assert first.collections[0].get_segments()[1][:, 1] == pytest.approx([0.1, 0.7])
    assert [ax.axison for ax in figure.axes] == [True, False, False, False]
    assert [text.get_text() for text in last.get_legend().get_texts()] == ["chance", "cry2", "full"]


def test_confidence_is_drawn_at_a_temperature_and_a_threshold() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], np.float32)
    truth, infants = np.array([0, 0, 0, 1]), ["a", "b", "c", "d"]
    figure = plots.confidence_at(p, truth, infants, temperature=1.0, threshold=0.8, bins=10)
    left, right = figure.axes
    assert right.lines[-1].get_xydata().tolist() == [[0.5, 0.0]]  # half answered, none wrong
    assert "50% answered, 0% wrong" in right.get_title()
    assert "ECE 0.10" in left.get_title()
