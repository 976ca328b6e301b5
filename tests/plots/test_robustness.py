"""Figures of models under stress show the numbers that they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import ticks
from matplotlib.axes import Axes

from cryutils import plots


def test_a_panel_a_stress_from_none_to_hardest(axes: np.ndarray) -> None:
    rows = [
        {"name": name, "unit": "dB", "level": level, "modality": modality, "macro_f1": score,
         "low": low, "high": score + 0.1}
        for name in ("noise", "room")
        for modality, low in (("audio", 0.1), ("fused", np.nan))
        for level, score in ((np.nan, 0.8), (20, 0.6), (0, 0.3))
    ]  # fmt: skip
    plots.stress_panels(pd.DataFrame(rows), axes, chance=0.25)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in axes]
    assert titles == ["noise", "room", ""]
    assert ticks(axes[0], "x") == ["none", "20", "0"]
    lines = [ax.lines[0].get_ydata().tolist() for ax in axes[:2]]
    assert lines == [[0.8, 0.6, 0.3]] * 2
    assert not axes[2].axison
    ends = axes[0].collections[0].get_segments()
    assert ends[1][:, 1] == pytest.approx([0.1, 0.7])


def test_a_reliability_diagram_has_a_point_a_bin(ax: Axes) -> None:
    table = pd.DataFrame(
        {"confidence": [0.4, 0.9], "accuracy": [0.5, 0.8], "accuracy_low": [0.2, np.nan],
         "accuracy_high": [0.7, np.nan], "clips": [3, 10]}
    )  # fmt: skip
    plots.reliability({"before": table, "after": table}, ax)
    bins = [c for c in ax.collections if len(c.get_offsets()) == 2]
    np.testing.assert_allclose(bins[0].get_offsets(), [[0.4, 0.5], [0.9, 0.8]])
    assert bins[0].get_sizes().tolist() == [13, 34]


def test_risk_is_drawn_with_the_chosen_coverage(ax: Axes) -> None:
    table = pd.DataFrame({"threshold": [0.9, 0.5], "coverage": [0.5, 1.0], "risk": [0.0, 0.3]})
    plots.risk_coverage({"audio": table, "image": table}, ax, chosen={"audio": (0.8, 0.2)})
    assert [line.get_ydata()[-1] for line in ax.lines] == [0.3, 0.2, 0.3]


def test_evidence_lies_over_its_picture(axes: np.ndarray) -> None:
    pictures = [np.zeros((4, 4, 3), np.uint8)] * 2
    maps = np.stack([np.full((4, 4), 3.0), np.zeros((4, 4))]).astype(np.float32)
    plots.evidence(pictures, maps, ["a", "b"], axes)
    assert [len(ax.images) for ax in axes] == [2, 2, 0]
    assert [ax.images[1].get_array().max() for ax in axes[:2]] == [1, 0]
