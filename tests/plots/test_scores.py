"""Every figure shows the numbers that it was given, with units, and hands its ax back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import labels, points, ticks
from matplotlib import pyplot as plt
from PIL import Image

from cryutils import claims, plots
from cryutils.audio import spectral

SR = 8000
RNG = np.random.default_rng(0)
TONE = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR).astype(np.float32)  # 1 s of 1 kHz


# What every figure shares


def test_save_writes_the_picture_under_its_key_with_what_it_shows(apart) -> None:
    claims.begin("01_test")
    figure, (ax, below) = plt.subplots(2, figsize=(11, 5.6))
    plots.waveform(RNG.normal(0, 0.1, SR), ax, sr=SR)
    plots.spectrogram(RNG.normal(-40, 10, (250, 129)), below, sr=SR, hop_length=64)
    figure.text(0, 0, "not about the data")
    plots.style()
    plots.save(figure, "mine", "2 × 2 naïve clips", caption="How “loud” each clip is.")
    path = claims.run_dir() / "figures" / "mine.png"
    assert path.stat().st_size < 130_000, "a report has dozens of them"
    with Image.open(path) as picture:
        assert picture.info["Description"] == "How “loud” each clip is."
        assert picture.mode == "P", "256 colours, a third of the size"
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)


# Sound


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


# Scores


def test_a_scoreboard_has_a_row_for_each_printed_accuracy_under_headings() -> None:
    numbers = {
        f"{split}{end}": [value] * 3
        for split, value in (("random", 0.6), ("leak_free", 0.4))
        for end in ("", "_low", "_high")
    }
    about = {"table": "Paper A, Table 3", "data": "donateacry", "metric": "accuracy"}
    board = pd.DataFrame(
        {
            "group": ["one pair", "all", "all"],
            "model": ["ensemble", "ensemble", "other"],
            "published": [0.9, 0.8, np.nan],
            "commonest": [0.5, 0.3, 0.3],
            **numbers,
        }
    ).assign(**about)
    board["name"] = board.model
    without_sound = [board.assign(name=name) for name in ("majority", "phone")]
    more = [*without_sound, board.assign(metric="balanced_accuracy")]
    figure = plots.scoreboard(pd.concat([board, *more]))
    (ax,) = figure.axes
    headings = ["Paper A, Table 3: one pair", "Paper A, Table 3: all"]
    assert ticks(ax, "y") == [headings[0], "ensemble", headings[1], "ensemble"]
    bold = [label.get_text() for label in ax.get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == headings
    drawn = {name: points(ax, name)[0] for name in ("published", "most common class", "leak-free")}
    drawn = {name: [x for x in xs if not np.isnan(x)] for name, xs in drawn.items()}
    assert drawn == {"published": [0.9, 0.8], "most common class": [0.5, 0.3], "leak-free": [0.4, 0.4]}
    unpublished = plots.scoreboard(board.assign(published=np.nan))
    assert ticks(unpublished.axes[0], "y")[-1] == "other", "all models if nothing was printed"
    plots.scoreboard(board.iloc[:0])


LABELS = ["pain $low$ to $$", "_other", "NA", "<b>hug</b>", "جوع"]
