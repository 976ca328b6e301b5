"""Figures of Paper A's ensemble: each shows the numbers that it was given, on any Axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import points, spans, ticks, words
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from cryutils import plots

STATES = ["hug", "hungry", "sleepy"]


def blocks(ax: Axes) -> list[str]:
    """What stands in the blocks, breaks taken as spaces."""
    boxes = [patch.get_bbox() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    centres = {(round(b.x0 + b.width / 2, 6), round(b.y0 + b.height / 2, 6)) for b in boxes}
    labels = [t for t in ax.texts if tuple(round(v, 6) for v in t.get_position()) in centres]
    assert len(labels) == len(boxes)
    return [" ".join(text.get_text().split()) for text in labels]


def drawn(ax: Axes, **changed: object) -> list[str]:
    sizes = {"encoder": (256, 48, 16), "dnn": (64, 32), "image": 40, "hidden": 24}
    assert plots.proposed_model(ax, **sizes, classes=STATES, **changed) is ax
    return blocks(ax)


def test_the_proposed_model_is_drawn_with_its_sizes(axes) -> None:
    assert "rolling average of all frames" in drawn(axes[0])
    ax = axes[1]
    labels = drawn(ax, backbone="EfficientNetB0", weights="random", rolling=12)
    assert labels.count("encoder 256 → 48") == labels.count("bottleneck 16") == 2
    assert labels.count("dense, ReLU 64 → 32") == 2
    assert labels.count("softmax, 3") == 4
    for text in (
        "MFCC of a window", "STFT of a window", "face frames", "EfficientNetB0 (random, frozen)",
        "pooling, flatten", "dense, ReLU 40", "rolling average of 12 frames", "concatenate",
        "flatten", "dense, ReLU, 24",
    ):  # fmt: skip
        assert labels.count(text) == 1, text
    assert "hug\nhungry\nsleepy" in words(ax)


def test_what_is_concatenated_is_where_the_arrows_start(axes) -> None:
    starts = {}
    for ax, what in zip(axes, ("features", "probabilities"), strict=False):
        drawn(ax, ensemble_input=what)
        into = [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
        starts[what] = sorted(a.get_position()[0] for a in into if a.xy[0] == pytest.approx(5.03))
    assert len(starts["features"]) == len(starts["probabilities"]) == 3
    dense_right, softmax_right = 3.74, 4.79
    assert starts["features"] == pytest.approx([dense_right] * 3)
    assert starts["probabilities"] == pytest.approx([softmax_right] * 3)


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


def test_an_ensembles_answers_are_shown_for_the_chosen_inputs() -> None:
    rows = [
        ("mfcc+stft", "clip", "hug", "hug"), ("mfcc+stft", "clip", "hungry", "hungry"),
        ("mfcc+stft", "infant", "hug", "hug"), ("mfcc+stft", "infant", "hungry", "hug"),
        ("mfcc", "clip", "hug", "hungry"),
    ]  # fmt: skip
    answers = pd.DataFrame(rows, columns=["feature", "split", "truth", "predicted"])
    figure = plots.inputs_used(answers, ["mfcc", "stft"])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["paper's protocol: 100% right", "leak-free: 50% right"]
    assert words(figure.axes[1]) == ["1.00", "0.00", "1.00", "0.00"]
    none = plots.inputs_used(answers, [])
    assert words(none.axes[0]) == ["choose at least one input"]


def test_ablation_goes_from_one_input_to_all(ax) -> None:
    table = pd.DataFrame(
        [
            ("mfcc+stft+image", "clip", 0.9, 0.8, 1.0), ("mfcc+image", "clip", 0.8, 0.7, 0.9),
            ("stft", "clip", 0.6, 0.5, 0.7), ("stft", "infant", 0.4, 0.3, 0.5),
            ("mfcc+image", "infant", 0.45, 0.4, 0.5),
            ("mfcc+stft+image", "infant", 0.5, 0.4, 0.6),
        ],
        columns=["subset", "split", "value", "low", "high"],
    )  # fmt: skip
    assert plots.ablation(table, ax, chance=1 / 3, xlabel="accuracy") is ax
    assert ticks(ax, "y") == ["STFT", "MFCC + image", "MFCC + STFT + image"]
    assert points(ax, "paper's protocol")[0] == [0.6, 0.8, 0.9]
    assert points(ax, "leak-free")[0] == [0.4, 0.45, 0.5]
    assert {(0.5, 0.7), (0.3, 0.5)} <= set(spans(ax))


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
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["MFCC", "ensemble"]
    assert [ax.get_title() for ax in axes[0]] == [
        "paper's protocol: loss, nats", "paper's protocol: accuracy",
        "leak-free: loss, nats", "leak-free: accuracy",
    ]  # fmt: skip
    assert points(axes[1, 0], "validation") == ([1, 2, 3], pytest.approx([2, 2 / 2, 2 / 3]))
    assert len(points(axes[1, 3], "training")[0]) == 4
    assert [points(ax, "paper stops")[0] for ax in axes[:, 2]] == [[40, 40], [100, 100]]
