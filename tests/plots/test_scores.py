"""Every figure shows the numbers that it was given, with units, and hands its ax back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn import labels, legend, points, spans, ticks, words
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from cryutils import claims, plots
from cryutils.audio import spectral
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.models.classical import CLASSIFIERS

SR = 8000
RNG = np.random.default_rng(0)
TONE = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR).astype(np.float32)  # 1 s of 1 kHz


def widths(ax: Axes) -> list[float]:
    return [patch.get_width() for patch in ax.patches]


# What every figure shares


def test_save_writes_the_picture_under_its_key_with_what_it_shows(apart) -> None:
    claims.begin("01_test")
    figure, (ax, below) = plt.subplots(2, figsize=(11, 5.6))
    plots.waveform(RNG.normal(0, 0.1, SR), ax, sr=SR)
    plots.spectrogram(RNG.normal(-40, 10, (250, 129)), below, sr=SR, hop_length=64)
    figure.text(0, 0, "not about the data")
    plots.style()
    plots.save(figure, "mine", "2 × 2 naïve clips", caption="How “loud” each clip is.")
    path = claims.figure_path("mine")
    assert path.stat().st_size < 130_000, "a report has dozens of them"
    with Image.open(path) as picture:
        assert picture.info["Description"] == "How “loud” each clip is."
        assert picture.info["Comment"] == "Data: 2 × 2 naïve clips"
        assert picture.info["Source"] == "01_test"
        assert picture.mode == "P", "256 colours, a third of the size"
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)


@pytest.mark.parametrize("layout", [None, "constrained", "tight", "compressed"])
def test_source_stands_clear_of_the_axis_labels_in_every_layout(layout) -> None:
    """As in notebook 02's Figure 1: two rows, the lower with a label on the x axis."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 5.6), layout=layout)
    for ax in axes[1]:
        ax.set_xlabel("time in s")
    assert plots.source(figure, "synthetic voices, 2 clips") is figure
    figure.draw_without_rendering()
    top = figure.texts[0].get_window_extent().y1
    assert all(ax.xaxis.label.get_window_extent().y0 > top for ax in axes[1])


# Sound


def test_waveform_draws_each_sample_at_its_time(ax) -> None:
    assert plots.waveform(TONE, ax, sr=SR) is ax
    time, drawn = ax.lines[0].get_data()
    np.testing.assert_array_equal(drawn, TONE)
    assert time[800] == pytest.approx(0.1)
    assert labels(ax) == ("time in s", "amplitude")
    assert ax.get_xlim() == (0, 1)


def test_spectrogram_shows_a_tone_at_its_frequency_and_0_db(ax) -> None:
    level = spectral.stft_db(TONE, n_fft=512, hop_length=128)
    assert plots.spectrogram(level, ax, sr=SR, hop_length=128) is ax
    image = ax.images[0]
    _, right, bottom, top = image.get_extent()
    loudest = np.asarray(image.get_array())[:, len(level) // 2].argmax()
    shown_khz = bottom + (top - bottom) * loudest / (level.shape[1] - 1)
    assert shown_khz == pytest.approx(1.0, abs=0.01)
    assert right == pytest.approx(len(level) * 128 / SR)
    assert np.asarray(image.get_array()).max() == 0
    assert image.get_clim() == (-70, 0)
    assert image.origin == "lower"
    assert labels(ax) == ("time in s", "frequency in kHz")
    assert [other.get_ylabel() for other in ax.figure.axes[1:]] == ["level in dB"]


def test_mel_spectrogram_is_marked_in_hz_up_to_half_the_rate(ax) -> None:
    level = spectral.mel_db(TONE, sr=SR, n_fft=512, hop_length=128, n_mels=40)
    assert plots.mel_spectrogram(level, ax, sr=SR, hop_length=128) is ax
    assert ticks(ax, "y") == ["0", "250", "500", "1000", "2000", "4000"]
    assert ax.get_yticks()[3] == pytest.approx(15)  # 1 kHz is 15 mel
    assert ax.get_ylim()[1] == pytest.approx(float(spectral.hz_to_mel(4000)))
    assert labels(ax) == ("time in s", "frequency in Hz, mel scale")


def test_cepstrogram_leaves_the_level_out_and_centres_colours_on_zero(ax) -> None:
    coefficients = RNG.normal(size=(50, 13)).astype(np.float32)
    coefficients[:, 0] = -500
    assert plots.cepstrogram(coefficients, ax, sr=SR, hop_length=80) is ax
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), coefficients[:, 1:].T)
    assert tuple(image.get_extent()) == pytest.approx((0, 0.5, 0.5, 12.5))
    low, high = image.get_clim()
    assert -low == high < 10
    assert labels(ax) == ("time in s", "MFCC number")


def test_spectra_reach_from_0_to_half_the_rate(ax) -> None:
    level = RNG.normal(size=257)
    assert plots.spectra({"before": level, "after": level + 3}, ax, sr=SR) is ax
    khz, drawn = ax.lines[1].get_data()
    np.testing.assert_allclose(drawn, level + 3)
    assert (khz[0], khz[-1]) == (0, 4)
    assert legend(ax) == ["before", "after"]
    assert labels(ax) == ("frequency in kHz", "level in dB")


def test_framing_draws_one_window_a_frame_a_hop_apart(ax) -> None:
    assert plots.framing(TONE, ax, sr=SR, frame_length=400, hop_length=80) is ax
    signal, *windows = ax.lines
    assert len(signal.get_ydata()) == 3 * 80 + 400
    assert [line.get_xdata()[0] for line in windows] == pytest.approx([0, 10, 20, 30])
    np.testing.assert_allclose(windows[0].get_ydata(), spectral.window(400))
    plots.framing(np.zeros(1000, np.float32), ax, sr=SR, frame_length=400, hop_length=200)
    assert np.isfinite(ax.lines[5].get_ydata()).all(), "a silence"


def test_mel_filter_bank_draws_every_second_triangle(ax) -> None:
    filters = spectral.mel_filters(sr=SR, n_fft=512, n_mels=40)
    assert plots.mel_filter_bank(filters, ax, sr=SR, every=2) is ax
    assert len(ax.lines) == 20
    khz, weight = ax.lines[10].get_data()
    np.testing.assert_allclose(weight, filters[21] / filters[21].max())
    assert (khz[0], khz[-1]) == (0, 4)


def test_mel_lines_name_the_bands_centres(ax) -> None:
    line = np.arange(40.0)
    assert plots.mel_lines({"up": line}, ax, sr=SR, ylabel="level in dB") is ax
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), line)
    centres = spectral.mel_to_hz(np.linspace(0, float(spectral.hz_to_mel(4000)), 42)[1:-1])
    assert ticks(ax, "x")[0] == f"0\n{centres[0]:.0f} Hz"
    assert ticks(ax, "x")[-1] == f"39\n{centres[-1]:.0f} Hz"
    assert ax.get_ylabel() == "level in dB"


# A corpus

CLIPS = pd.DataFrame(
    {
        "infant": ["a", "a", "a", "b", "c"],
        "label": ["hungry", "hungry", "tired", "tired", "hungry"],
        "age": ["0-4 weeks", "0-4 weeks", None, "over 2 years", "0-4 weeks"],
        "sex": ["f", "m", None, "f", "f"],
    }
)


def test_clips_per_infant_counts_infants_by_their_clips(ax) -> None:
    assert plots.clips_per_infant(CLIPS, ax) is ax
    one, several = ([bar.get_height() for bar in group] for group in ax.containers)
    assert (one, several) == ([2, 0, 0], [0, 0, 1]), "b and c have one clip, a has three"
    assert words(ax) == ["2", "1"]


def test_ages_counts_each_band_by_sex_and_keeps_the_unknown(ax) -> None:
    assert plots.ages(CLIPS, ax, order=["0-4 weeks", "4-8 weeks", "over 2 years"]) is ax
    assert ticks(ax, "x") == ["0-4 weeks", "over 2 years", "not stated"]
    assert legend(ax) == ["girls", "boys", "sex not stated"]
    girls, boys, unknown = ([bar.get_height() for bar in group] for group in ax.containers[:3])
    assert (girls, boys, unknown) == ([2, 1, 0], [1, 0, 0], [0, 0, 1])


def test_neighbours_draws_measured_beside_chance(ax) -> None:
    table = pd.DataFrame({"measured": [0.61, 0.38], "chance": [0.03, 0.23]}, index=["i", "l"])
    assert plots.neighbours(table, ax) is ax
    assert widths(ax) == [0.61, 0.38, 0.03, 0.23]
    assert words(ax) == ["61%", "38%", "3%", "23%"]
    assert legend(ax) == ["measured", "chance"]


# Scores


def test_split_accuracies_draws_each_split_and_the_mean(ax) -> None:
    accuracies = {"clip": np.array([0.7, 0.8, 0.9]), "infant": np.array([0.2, 0.3])}
    assert plots.split_accuracies(accuracies, ax, chance=0.25) is ax
    leak_free, leak_free_mean, paper, paper_mean, chance = ax.lines
    assert list(leak_free.get_xdata()) == [0.2, 0.3]
    assert list(paper.get_xdata()) == [0.7, 0.8, 0.9]
    assert leak_free_mean.get_xdata()[0] == pytest.approx(0.25)
    assert paper_mean.get_xdata()[0] == pytest.approx(0.8)
    assert chance.get_xdata()[0] == 0.25
    assert max(leak_free.get_ydata()) < min(paper.get_ydata())


def test_a_scoreboard_has_a_row_for_each_printed_accuracy_under_headings() -> None:
    numbers = {
        f"{split}{end}": [value] * 3
        for split, value in (("clip", 0.6), ("infant", 0.4))
        for end in ("", "_low", "_high")
    }
    about = {"table": "Paper A, Table 3", "data": "donateacry", "metric": "accuracy"}
    board = pd.DataFrame(
        {
            "group": ["one pair", "all", "all"], "model": ["ensemble", "ensemble", "other"],
            "published": [0.9, 0.8, np.nan], "commonest": [0.5, 0.3, 0.3], **numbers,
        }
    ).assign(**about)  # fmt: skip
    more = [board.assign(model="commonest class"), board.assign(metric="balanced_accuracy")]
    figure = plots.scoreboard(pd.concat([board, *more]))
    (ax,) = figure.axes
    headings = ["Paper A, Table 3: one pair", "Paper A, Table 3: all"]
    assert ticks(ax, "y") == [headings[0], "ensemble", headings[1], "ensemble"]
    bold = [label.get_text() for label in ax.get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == headings
    drawn = {name: points(ax, name)[0] for name in ("published", "commonest class", "leak-free")}
    drawn = {name: [x for x in xs if not np.isnan(x)] for name, xs in drawn.items()}
    assert drawn == {
        "published": [0.9, 0.8], "commonest class": [0.5, 0.3], "leak-free": [0.4, 0.4],
    }  # fmt: skip
    unpublished = plots.scoreboard(board.assign(published=np.nan))
    assert ticks(unpublished.axes[0], "y")[-1] == "other", "all models if nothing was printed"
    plots.scoreboard(board.iloc[:0])


def test_gaps_between_splits_are_drawn_under_headings() -> None:
    gaps = pd.DataFrame(
        {
            "table": "Paper B", "group": ["sound", "sound", "face"],
            "model": ["cry2", "SVM", "image"], "value": [0.1, 0.2, 0.0],
            "low": [-0.1, 0.1, -0.2], "high": [0.3, 0.3, 0.2],
        }
    )  # fmt: skip
    figure = plots.split_gaps(gaps)
    assert ticks(figure.axes[0], "y") == ["Paper B: sound", "cry2", "SVM", "Paper B: face", "image"]
    plots.split_gaps(gaps.iloc[:0])


def test_rungs_are_drawn_from_honest_down_and_what_inflates_in_the_papers_colour() -> None:
    rows = pd.DataFrame(
        {
            "rung": ["all", "scaler", "majority", "honest"], "value": [0.8, 0.32, 0.25, 0.3],
            "low": [0.7, 0.2, 0.25, 0.2], "high": [0.9, 0.45, 0.25, 0.4],
            "added_low": [0.2, -0.1, -0.2, -0.01],
        }
    )  # fmt: skip
    table = pd.concat([rows.assign(metric=m) for m in ("balanced_accuracy", "accuracy")])
    figure = plots.rungs(table)
    for ax, metric in zip(figure.axes, ("balanced accuracy", "accuracy"), strict=True):
        marks = [line for line in ax.lines if line.get_marker() == "o"]
        assert [float(line.get_xdata()[0]) for line in marks] == [0.3, 0.32, 0.25, 0.8]
        heights = [float(line.get_ydata()[0]) for line in marks]
        assert heights == sorted(heights, reverse=True), "honest is on top"
        colours = [line.get_color() for line in marks]
        assert colours[1] == colours[2] and len(set(colours)) == 3
        assert ax.get_xlabel() == metric
    assert ticks(figure.axes[0], "y")[:2] == ["no mistake", "scaler fitted on everything"]


def test_single_holdouts_are_a_panel_a_feature_with_the_published_figures() -> None:
    printed = pd.Series({("stft", "svm"): 0.4, ("stft", "knn"): 0.5, ("mfcc", "knn"): 0.6})
    rows = [
        {"feature": feature, "classifier": name, "split": split, "accuracy": 0.4 + 0.01 * i}
        for feature in ("stft", "mfcc")
        for name in ("svm", "knn")
        for split in ("clip", "infant")
        for i in range(10)
    ]
    figure = plots.holdout_panels(pd.DataFrame(rows), printed, chance=0.28)
    stft, mfcc = figure.axes
    assert [ax.get_title() for ax in (stft, mfcc)] == ["STFT", "MFCC"]
    assert points(stft, "published") == ([0.4, 0.5], [0, 1])
    np.testing.assert_array_equal(points(mfcc, "published")[0], [np.nan, 0.6])
    assert ticks(stft, "y") == ["SVM", CLASSIFIERS["knn"]]
    (box,) = figure.legends
    assert {"leak-free", "paper's protocol"} < {text.get_text() for text in box.get_texts()}


def test_donors_draws_one_block_an_infant_largest_first(ax) -> None:
    clips = [
        Clip(f"{i}", Path(f"{i}.wav"), row.label, row.infant, "", None, 1.0, True, False)
        for i, row in enumerate(CLIPS.itertuples())
    ]
    assert plots.donors(Corpus(clips, name="test", note="test"), ax) is ax
    assert ticks(ax, "y") == ["tired", "hungry"]
    assert widths(ax) == [1, 1, 2, 1]
    assert [bar.get_x() for bar in ax.patches] == [0, 1, 0, 2]
    assert ax.get_xlabel() == "clips"


def test_with_and_without_joins_both_scores_of_a_cell(ax) -> None:
    table = pd.DataFrame(
        {"cell": ["SVM"] * 2, "split": ["clip", "infant"],
         "with": [0.6, 0.4], "without": [0.5, 0.3]}
    )  # fmt: skip
    assert plots.with_and_without(table, ax, chance=0.25) is ax
    drawn = [line.get_xdata()[0] for line in ax.lines]
    assert drawn == [0.6, 0.5, 0.4, 0.3, 0.25]
    assert spans(ax) == [(0.6, 0.5), (0.4, 0.3)]


def test_confusion_writes_shares_of_each_true_class(ax) -> None:
    matrix = np.array([[3, 1], [0, 0]])
    assert plots.confusion(matrix, ["hungry", "belly_pain"], ax) is ax
    assert words(ax) == ["0.75", "0.25", "0.00", "0.00"]
    assert ticks(ax, "y") == ["hungry", "belly pain"]
    assert labels(ax) == ("predicted", "true")


def test_dial_panels_have_a_line_a_protocol_over_signal() -> None:
    table = pd.DataFrame(
        {"signal": [0.0, 1.0] * 2, "split": ["clip"] * 2 + ["infant"] * 2,
         "score": [0.7, 0.9, 0.2, 0.9], "low": 0.1, "high": 1.0}
    )  # fmt: skip
    figure = plots.dial_panels(dict.fromkeys("abcd", table), chance=0.25)
    for ax, title in zip(figure.axes, "abcd", strict=True):
        assert ax.get_title() == title
        assert points(ax, "paper's protocol")[1] == [0.7, 0.9]
        assert points(ax, "leak-free")[1] == [0.2, 0.9]
        assert points(ax, "chance")[1][0] == 0.25


def test_a_specification_curve_puts_recipes_in_the_order_of_their_medians(ax) -> None:
    rows = [
        {"scaling": scaling, "split": split, "accuracy": value - (split != "clip") / 10,
         "majority": 0.25 if split == "clip" else 0.2}
        for scaling, values in (("features", (0.5, 0.6, 0.7)), ("none", (0.3, 0.4, 0.5)))
        for split in ("clip", "infant")
        for value in values
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    assert plots.specification_curve(table, ax, choices=["scaling"], published=0.9) is ax
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_allclose(lines["paper's protocol"], [0.4, 0.6])
    np.testing.assert_allclose(lines["leak-free"], [0.3, 0.5])
    np.testing.assert_allclose(lines["published"], [0.9])
    np.testing.assert_allclose(lines["commonest class, paper's protocol"], 0.25)
    np.testing.assert_allclose(lines["commonest class, leak-free"], 0.2)
    assert labels(ax) == ("2 recipes", "")
