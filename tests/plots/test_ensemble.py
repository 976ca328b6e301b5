"""Figures of Paper A's ensemble: each shows the numbers that it was given, on any Axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import points, spans, ticks

from cryutils import plots


def test_table_3_shows_every_split_in_a_panel_for_each_pair() -> None:
    rows = [
        ("total", "svm", "frame", 0.9, 0.88, 0.92), ("total", "svm", "clip", 0.6, 0.5, 0.7),
        ("total", "svm", "infant", 0.4, np.nan, np.nan),
        ("sleepy_hungry", "svm", "infant", 0.5, 0.4, 0.6),
        ("total", "proposed", "clip", 0.7, 0.6, 0.8),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["pair", "model", "split", "value", "low", "high"])
    figure = plots.table3(table, majority={"total": 0.35})
    pair, total = figure.axes
    assert [ax.get_title() for ax in (pair, total)] == [
        "sleepy & hungry", "all three states",
    ]  # fmt: skip
    assert ticks(pair, "y") == ["SVM", "ensemble"]
    svm, ensemble = pair.get_yticks()
    assert points(pair, "leak-free")[0] == [0.5]
    assert points(total, "windows split")[0] == [0.9]
    assert points(total, "paper's protocol") == ([0.6, 0.7], [svm, ensemble])
    assert points(total, "leak-free")[0] == [0.4]
    assert {(0.88, 0.92), (0.5, 0.7), (0.6, 0.8)} <= set(spans(total))
    assert points(total, "commonest class")[0] == [0.35, 0.35]
    assert not [line for line in pair.lines if line.get_label() == "commonest class"]


def history(epochs: int) -> pd.DataFrame:
    steps = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "fold": 0, "epoch": steps, "loss": 1 / steps, "val_loss": 2 / steps,
            "accuracy": 1 - 1 / (1 + steps), "val_accuracy": 1 - 1 / steps,
        }
    )  # fmt: skip


def test_figures_3_and_4_are_a_row_a_model_with_both_protocols() -> None:
    histories = {
        name: {"clip": history(n), "infant": history(n + 1)}
        for name, n in (("mfcc", 5), ("ensemble", 3))
    }
    figure = plots.training_curves(histories, published={"mfcc": 40, "ensemble": 100})
    axes = np.reshape(figure.axes, (2, 4))
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["mfcc", "ensemble"]
    assert [ax.get_title() for ax in axes[0]] == [
        "paper's protocol: loss, nats", "paper's protocol: accuracy",
        "leak-free: loss, nats", "leak-free: accuracy",
    ]  # fmt: skip
    assert points(axes[1, 0], "validation") == ([1, 2, 3], pytest.approx([2, 2 / 2, 2 / 3]))
    assert len(points(axes[1, 3], "training")[0]) == 4
    assert [points(ax, "paper stops")[0] for ax in axes[:, 2]] == [[40, 40], [100, 100]]
