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


def test_the_proposed_model_is_drawn_with_its_sizes(axes: np.ndarray) -> None:
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


def test_what_is_concatenated_is_where_the_arrows_start(axes: np.ndarray) -> None:
    starts = {}
    for ax, what in zip(axes, ("features", "probabilities"), strict=False):
        drawn(ax, ensemble_input=what)
        into = [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
        starts[what] = sorted(a.get_position()[0] for a in into if a.xy[0] == pytest.approx(5.03))
    assert len(starts["features"]) == len(starts["probabilities"]) == 3
    dense_right, softmax_right = 3.74, 4.79
    assert starts["features"] == pytest.approx([dense_right] * 3)
    assert starts["probabilities"] == pytest.approx([softmax_right] * 3)


def test_table_3_shows_every_split_and_the_papers_figure(ax: Axes) -> None:
    rows = [
        ("total", "svm", "frame", 0.9, 0.88, 0.92), ("total", "svm", "clip", 0.6, 0.5, 0.7),
        ("total", "svm", "infant", 0.4, np.nan, np.nan),
        ("sleepy_hungry", "svm", "infant", 0.5, 0.4, 0.6),
        ("total", "proposed", "clip", 0.7, 0.6, 0.8),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["pair", "model", "split", "value", "low", "high"])
    published = {("total", "svm"): 0.6551, ("total", "proposed"): 0.9741, ("total", "ae_dnn"): 0.9}
    assert plots.table3(table, ax, published=published, majority={"total": 0.35}) is ax
    assert ticks(ax, "y") == ["SVM", "ensemble"] * 2
    assert {(0.88, 0.92), (0.5, 0.7), (0.4, 0.6)} <= set(spans(ax))
    order = [(pair, model) for pair in ("sleepy_hungry", "total") for model in ("svm", "proposed")]
    rows_at = dict(zip(order, ax.get_yticks(), strict=True))
    assert points(ax, "split by window")[0] == [0.9]
    x, y = points(ax, "split by clip")
    assert dict(zip(x, y, strict=True)) == {
        0.6: rows_at["total", "svm"], 0.7: rows_at["total", "proposed"],
    }  # fmt: skip
    assert points(ax, "leak-free")[0] == [0.4, 0.5]
    x, y = points(ax, "published")
    assert dict(zip(x, y, strict=True)) == {
        0.6551: rows_at["total", "svm"], 0.9741: rows_at["total", "proposed"],
    }  # fmt: skip
    assert words(ax) == ["sleepy & hungry", "all three states"]
    (tick,) = [
        lines for lines in ax.collections if lines.get_linestyle()[0][1] is not None
    ]  # the dashed one
    (segment,) = tick.get_segments()
    assert segment[:, 0].tolist() == [0.35, 0.35]
    low, high = sorted(segment[:, 1])
    assert low < rows_at["total", "proposed"] < rows_at["total", "svm"] < high
    assert high < rows_at["sleepy_hungry", "proposed"]


def test_ablation_goes_from_one_input_to_all(ax: Axes) -> None:
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


def history(fold: str, epochs: int) -> pd.DataFrame:
    steps = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            fold: 0, "epoch": steps, "loss": 1 / steps, "val_loss": 2 / steps,
            "accuracy": 1 - 1 / (1 + steps), "val_accuracy": 1 - 1 / steps,
        }
    )  # fmt: skip


def test_figure_3_is_a_panel_a_submodel(axes: np.ndarray) -> None:
    histories = {name: history("task", n) for name, n in (("mfcc", 5), ("stft", 6), ("image", 3))}
    assert plots.submodel_curves(histories, axes, what="loss", published={"image": 10}) is axes
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in axes]
    assert titles == ["MFCC submodel", "STFT submodel", "image submodel"]
    assert [len(points(ax, "training")[0]) for ax in axes] == [5, 6, 3]
    assert points(axes[2], "validation") == ([1, 2, 3], pytest.approx([2, 2 / 2, 2 / 3]))
    assert points(axes[2], "paper stops (10)")[0] == [10, 10]
    labels = [line.get_label() for line in axes[0].lines]
    assert not any(str(label).startswith("paper stops") for label in labels)


def test_figure_4_is_loss_and_accuracy_of_the_final_model(axes: np.ndarray) -> None:
    panels = axes[:2]
    assert plots.ensemble_curves(history("fold", 4), panels, published=100) is panels
    assert points(panels[0], "training")[1] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert panels[1].get_ylabel() == "accuracy"
    assert points(panels[1], "validation")[1] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4])
    assert [points(ax, "paper stops (100)")[0] for ax in panels] == [[100, 100]] * 2
