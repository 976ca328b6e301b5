"""Figures of trained networks: each shows the numbers that it was given, on any Axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import points, spans, ticks, words
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from cryutils import plots
from cryutils.plots.palette import MODELS
from cryutils.video.tracks import FaceTrack

STATES = ["discomfort", "hungry", "pain", "tired"]


# The network


def test_windows_are_drawn_with_time_to_the_right(axes) -> None:
    inputs = np.arange(3 * 4 * 2, dtype=float).reshape(3, 4, 2)  # windows of four frames
    plots.windows(inputs, ["hungry", "belly_pain", "tired"], axes, window_s=2.0)
    for ax, window in zip(axes, inputs, strict=True):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), window.T)
        assert image.get_extent() == [0, 2.0, 0, 2] and image.get_clim() == (-2, 2)
    assert axes[1].get_title() == "belly pain"


def test_a_filter_is_shown_where_it_answers_most_with_its_numbers() -> None:
    picture = np.zeros((5, 6))
    picture[2, 1:4] = 1.0
    kernel = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]])
    answers = np.array([[(picture[r : r + 3, c : c + 3] * kernel).sum() for c in range(4)]
                        for r in range(3)])  # fmt: skip
    figure = plots.convolution(picture, kernel, {"answers": answers, "pooled": answers[:2, :2]})
    patch, filter_, product, first, second, third = figure.axes
    assert words(patch) == ["0", "0", "0", "1", "1", "1", "0", "0", "0"]
    assert words(filter_)[:4] == ["-1", "-1", "-1", "2"]
    assert product.get_title() == "product; sum 6.0"
    assert [ax.get_title() for ax in (first, second, third)] == ["the picture", "answers", "pooled"]
    (box,) = first.patches
    assert box.get_xy() == (0.5, 0.5)


def test_architecture_is_a_block_a_layer_with_its_output_and_parameters(ax) -> None:
    table = pd.DataFrame(
        {
            "kind": ["InputLayer", "Conv2D", "ReLU", "BatchNormalization"],
            "output": ["63 x 60", "32 x 30 x 16", "32 x 30 x 16", "4"],
            "parameters": [0, 14400, 0, 64],
        }
    )
    assert plots.architecture(table, ax) is ax
    assert len(ax.patches) == 4
    blocks = ["Input\nLayer", "Conv2D", "ReLU", "Batch\nNormalization"]
    assert [text for text in words(ax) if text in blocks] == blocks
    assert [text for text in words(ax) if text in set(table.output)] == table.output.tolist()
    # A layer without parameters says nothing; the conv block stands where its parameters do.
    counts = {t.get_text(): t.get_position()[0] for t in ax.texts if t.get_text()[:1].isdigit()}
    assert counts["14,400"] == 1 and counts["64"] == 3 and "0" not in counts


def test_an_architectures_words_stay_within_their_blocks() -> None:
    figure, ax = plt.subplots(figsize=(10, 3.4))
    kinds = ["BatchNormalization", "AveragePooling2D", "MaxPooling2D"] * 6
    table = pd.DataFrame({"kind": kinds, "output": "4", "parameters": 0})
    plots.architecture(table, ax)
    figure.canvas.draw()
    inside = [text for text in ax.texts if text.get_rotation() == 90]
    assert len(inside) == len(kinds)
    for text, block in zip(inside, ax.patches, strict=True):
        drawn, box = text.get_window_extent(), block.get_window_extent()
        assert box.x0 <= drawn.x0 and drawn.x1 <= box.x1
        assert box.y0 <= drawn.y0 and drawn.y1 <= box.y1


# Curves


def history(folds: dict[tuple[int, int], list[float]]) -> pd.DataFrame:
    """A row an epoch; validation is a half more."""
    return pd.DataFrame(
        [
            {"repeat": r, "fold": k, "epoch": e, "loss": v, "val_loss": v + 0.5}
            for (r, k), values in folds.items()
            for e, v in enumerate(values, start=1)
        ]
    )


def thin(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if line.get_alpha() == 0.35]


def test_learning_curves_are_each_fold_and_their_mean(ax) -> None:
    curves = history({(0, 0): [1.0, 0.5], (0, 1): [2.0, 1.5]}).drop(columns="repeat")
    assert plots.learning_curves(curves, ax, best=[2, 1]) is ax
    assert points(ax, "training") == ([1, 2], [1.5, 1.0])
    assert points(ax, "validation") == ([1, 2], [2.0, 1.5])
    assert [list(line.get_ydata()) for line in thin(ax)[:2]] == [[1.0, 0.5], [2.0, 1.5]]
    best_epochs = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert best_epochs == [2, 1]
    assert ax.get_ylabel() == "loss, nats"


def test_repeats_are_curves_of_their_own_and_the_mean_ends_with_the_first_fold(ax) -> None:
    folds = {(0, 0): [1.0, 0.7], (0, 1): [1.0, 0.8, 0.9], (1, 0): [1.0, 0.6, 0.3, 0.2]}
    plots.learning_curves(history(folds), ax)
    assert [len(line.get_xdata()) for line in thin(ax)] == [2, 3, 4] * 2
    assert points(ax, "training") == ([1, 2], [1.0, pytest.approx(0.7)])


# Scores


@pytest.mark.parametrize("draw", [plots.protocol_scores, plots.model_scores, plots.split_scores])
def test_scores_of_each_split_are_drawn_with_their_intervals(ax, draw) -> None:
    splits = {"frame": (0.95, 0.8), "clip": (0.9, 0.7), "infant": (0.5, 0.3)}
    numbers = {
        f"{split}{end}": np.add(values, step)
        for split, values in splits.items()
        for end, step in (("", 0), ("_low", -0.125), ("_high", 0.0625))
    }
    table = pd.DataFrame({**numbers, "published": [0.46, np.nan]}, index=["cry2", "SVM"])
    assert draw(table, ax, chance=0.25) is ax
    names = {"frame": "split by frame", "clip": "paper's protocol", "infant": "leak-free"}
    if draw is plots.split_scores:
        names["clip"] = "split by clip"
    else:
        del names["frame"]
    for split, label in names.items():
        assert points(ax, label)[0] == list(splits[split])
    assert spans(ax) == [(v - 0.125, v + 0.0625) for split in names for v in splits[split]]
    chance = "commonest class" if draw is plots.protocol_scores else "chance"
    assert points(ax, chance)[0] == [0.25, 0.25]
    if draw is plots.protocol_scores:
        assert points(ax, "published")[0][0] == 0.46
    assert ticks(ax, "y") == ["cry2", "SVM"]


def test_gains_are_open_where_the_interval_holds_0_or_there_is_none(ax) -> None:
    table = pd.DataFrame(
        {
            "value": [0.1, 0.02, -0.2, 0.3],
            "low": [0.05, -0.05, -0.3, None],
            "high": [0.15, 0.09, -0.1, None],
        },
        index=["a", "b", "c", "d"],
    )
    assert plots.gains(table, ax, xlabel="gain") is ax
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in marks] == [0.1, 0.02, -0.2, 0.3]
    assert [float(line.get_ydata()[0]) for line in marks] == [3, 2, 1, 0]
    is_open = [to_hex(line.get_markerfacecolor()) == "#ffffff" for line in marks]
    assert is_open == [False, True, False, True]
    assert spans(ax)[:3] == [(0.05, 0.15), (-0.05, 0.09), (-0.3, -0.1)]
    assert ticks(ax, "y") == ["a", "b", "c", "d"]
    plots.gains(table.loc[["d"]], ax, xlabel="without a single interval")
    assert ticks(ax, "y") == ["d"]


def test_stress_runs_from_mild_to_hard_with_a_line_a_modality(ax) -> None:
    scores = {"audio": [0.8, 0.6, 0.3], "image": [0.5, 0.5, 0.5], "fused": [0.9, 0.7, 0.4]}
    table = pd.DataFrame(
        [
            {"level": level, "modality": name, "macro_f1": row[k]}
            for name, row in scores.items()
            for k, level in enumerate((np.inf, 10, -10))
        ]
    ).sample(frac=1, random_state=0)
    assert plots.stress(table, ax, xlabel="SNR", chance=0.25, falling=True) is ax
    for name, row in scores.items():
        assert points(ax, MODELS[name]) == ([0, 1, 2], row)
    assert ticks(ax, "x") == ["no noise", "10", "-10"]
    assert points(ax, "chance")[1] == [0.25, 0.25]
    assert ax.get_ylabel() == "macro F1"
    plt.cla()
    table = pd.DataFrame({"level": [1.0, 0.0, 0.5], "modality": "audio", "macro_f1": [0.1, 0.8, 0]})
    plots.stress(table, ax, xlabel="lost", chance=0.25)
    assert ticks(ax, "x") == ["0", "0.5", "1"]
    assert points(ax, "cry2") == ([0, 0.5, 1], [0.8, 0, 0.1])


def test_the_score_over_the_weight_is_marked_on_the_chosen_line(ax) -> None:
    table = pd.DataFrame(
        {"level": [np.inf] * 2 + [0] * 2, "weight": [0, 1] * 2, "macro_f1": [0.5, 0.7, 0.5, 0.3]}
    )
    assert plots.fusion_weights(table, ax, chance=0.25, weight=0.5, noise=0) is ax
    assert points(ax, "no noise") == ([0, 1], [0.5, 0.7])
    assert points(ax, "0 dB") == ([0, 1], [0.5, 0.3])
    (mark,) = (line for line in ax.lines if line.get_marker() == "o")
    assert mark.get_ydata()[0] == pytest.approx(0.4)
    assert "0 dB: macro F1 0.40" in ax.get_title()


# One recording


def test_decisions_have_the_colour_of_the_likeliest_state_and_pale_doubt(ax) -> None:
    sure, unsure, none = [0, 1, 0, 0], [0.24, 0.28, 0.24, 0.24], [np.nan] * 4
    timelines = {
        "sound": np.array([sure, unsure, none], np.float32),
        "face": np.array([[0, 0, 0, 1]], np.float32),
        "neither": np.zeros((0, 4), np.float32),
    }
    with np.errstate(all="raise"):
        assert plots.decisions(timelines, STATES, ax, step_s=0.5) is ax
    sound, face = (np.asarray(image.get_array(), float)[0] for image in ax.images)
    box = ax.get_legend()
    colours = [patch.get_facecolor()[:3] for patch in box.get_patches()]
    legend = dict(zip([text.get_text() for text in box.get_texts()], colours, strict=True))
    np.testing.assert_allclose(sound[0], legend["hungry"], atol=1e-6)
    np.testing.assert_allclose(face[0], legend["tired"], atol=1e-6)
    np.testing.assert_allclose(sound[1], 1 - 0.15 * (1 - np.array(legend["hungry"])), atol=1e-6)
    np.testing.assert_array_equal(sound[2], 1)  # no answer, no colour
    assert ax.images[0].get_extent() == [0, 1.5, 1.6, 2.4]  # the first strip lies on top
    assert ax.get_xlim() == (0, 1.5)
    assert ticks(ax, "y") == ["sound", "face", "neither"]
    plt.cla()
    plots.decisions(timelines, STATES, ax, step_s=0.5, window_s=1.5)  # windows overlap
    assert ax.images[0].get_extent()[:2] == [0.5, 2.0] and ax.get_xlim() == (0, 2.5)


def test_probabilities_are_bars_by_state_and_model_with_the_label_in_bold(ax) -> None:
    answers = {"audio": [0.7, 0.1, 0.1, 0.1], "image": [0.1, 0.2, 0.3, 0.4]}
    shares = {name: np.array(p, np.float32) for name, p in answers.items()}
    assert plots.probabilities(shares, STATES, ax, truth=2) is ax
    for bars, (name, p) in zip(ax.containers, answers.items(), strict=True):
        assert bars.get_label() == MODELS[name]
        assert [bar.get_height() for bar in bars] == pytest.approx(p)
    left, right = (bars[1].get_x() + bars[1].get_width() / 2 for bars in ax.containers)
    assert (left + right) / 2 == pytest.approx(1) and left < right
    bold = [text.get_text() for text in ax.get_xticklabels() if text.get_fontweight() == "bold"]
    assert bold == ["pain"]
    assert ax.get_ylim() == (0, 1)
    plots.probabilities({"audio": np.full(4, np.nan, np.float32)}, STATES, ax, truth=0)
    ax.figure.canvas.draw()
    assert np.isnan([bar.get_height() for bar in ax.containers[-1]]).all(), "no answer"


# Pictures


def test_pictures_are_shown_as_they_are_with_their_titles(axes) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    assert plots.pictures(images, ["one", "two"], axes) is axes
    for ax, image, title in zip(axes, images, ["one", "two"], strict=False):
        np.testing.assert_array_equal(np.asarray(ax.images[0].get_array()), image)
        assert ax.get_title() == title
    assert not axes[2].images and not axes[2].axison


@pytest.fixture
def face_track() -> np.ndarray:
    """The axes of a drawn track of six frames, 100 px square, on a figure of notebook 05's size."""
    crops = np.full((6, 48, 48, 3), 90, np.uint8)
    boxes = np.arange(24, dtype=np.float32).reshape(6, 4) + 1
    yes = np.ones(6, bool)
    track = FaceTrack(crops, boxes, yes, ~yes, np.arange(6) / 2, "haar")
    figure, axes = plt.subplots(2, 6, figsize=(10.2, 3.9))
    assert plots.face_track([np.full((100, 100, 3), 200, np.uint8)] * 6, track, axes) is axes
    figure.suptitle("The face followed")
    figure.draw_without_rendering()
    return axes


def test_a_face_track_has_a_box_on_each_frame_and_the_crop_below(face_track) -> None:
    boxes = [ax.patches[0] for ax in face_track[0]]
    assert [(b.get_x(), b.get_y(), b.get_width(), b.get_height()) for b in boxes[:2]] == [
        (1, 2, 3, 4), (5, 6, 7, 8),
    ]  # fmt: skip
    assert not any(box.get_fill() for box in boxes)
    assert [ax.get_title() for ax in face_track[0]][:2] == ["0.0 s", "0.5 s"]
    assert face_track[1, 0].images[0].get_array().shape == (48, 48, 3)


def test_titles_of_a_face_track_keep_clear_of_the_pictures_above(face_track) -> None:
    for above, below in face_track.T:
        gap = above.get_window_extent().y0 - below.title.get_window_extent().y1
        assert gap >= 2  # pixels; titles that touched overlapped by 4
