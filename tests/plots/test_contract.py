"""What every public figure promises: it draws, its axes have units or names, and it takes a source."""

import inspect
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from cryutils import claims, plots
from cryutils.audio import spectral

SR, HOP = 8000, 128
TONE = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR).astype(np.float32)
LEVEL = spectral.stft_db(TONE, n_fft=512, hop_length=HOP)
MEL = spectral.mel_db(TONE, sr=SR, n_fft=512, hop_length=HOP, n_mels=40)
SHARES = np.array([[0.9, 0.1], [0.6, 0.4]], np.float32)
SCORES = pd.DataFrame(
    {"model": "svm", "split": list(plots.NAMES), "value": 0.5, "low": 0.4, "high": None, "condition": "total"}
)
HISTORY = pd.DataFrame({"fold": 0, "epoch": [1, 2], "loss": [1.0, 0.5], "val_loss": [1.2, 0.9]})

# By name, what is given before an `ax`, whether there is an `ax`, and options.
FIGURES: dict[str, tuple[tuple[Any, ...], bool, dict[str, Any]]] = {
    "cepstrogram": ((spectral.cepstrum(MEL, n_mfcc=20),), True, {"sr": SR, "hop_length": HOP}),
    "confusion": ((np.eye(2, dtype=int), ["hungry", "belly_pain"]), True, {}),
    "decisions": (({"sound": SHARES}, ["hungry", "pain"]), True, {"step_s": 0.5}),
    "learning_curves": ((HISTORY,), True, {"best": [2]}),
    "model_scores": ((SCORES.set_index(["model", "split"]),), True, {"chance": 0.25}),
    "spectrogram": ((LEVEL,), True, {"sr": SR, "hop_length": HOP}),
    "waveform": ((TONE,), True, {"sr": SR}),
}
# Pictures have titles alone; the others are no figures, but the parts of all.
OTHERS = {"pictures", "save", "source", "style"}


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Draw in matplotlib's own style, and close all figures after the test."""
    with plt.style.context("default"):
        yield
    plt.close("all")


def test_every_public_figure_is_tested() -> None:
    functions = {name for name, value in vars(plots).items() if inspect.isfunction(value)}
    assert functions == {*FIGURES, *OTHERS}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_with_named_axes_and_a_source_below(name: str) -> None:
    given, has_ax, options = FIGURES[name]
    figure, ax = plt.subplots()
    drawn = getattr(plots, name)(*given, *[ax] * has_ax, **options)
    assert drawn is ax or not has_ax
    figure = figure if has_ax else drawn
    shown = [ax for ax in figure.axes if ax.axison]
    for ax in shown:
        assert ax.lines or ax.images or ax.collections or ax.patches
    assert any(ax.get_xlabel() for ax in shown)
    assert all(ax.get_ylabel() or words(ax) for ax in shown), "an axis without a name has named rows"
    plots.source(figure, "synthetic infants")
    (note,) = [text for text in figure.texts if text.get_gid() == "source"]
    assert note.get_text() == "Data: synthetic infants"


def words(ax: Axes) -> bool:
    return any(text.get_text().strip("−0123456789. ") for text in ax.get_yticklabels())


def test_decisions_have_the_colour_of_the_likeliest_state_and_pale_doubt() -> None:
    sure, unsure, none = [0, 1, 0, 0], [0.24, 0.28, 0.24, 0.24], [np.nan] * 4
    timelines = {"sound": np.array([sure, unsure, none], np.float32)}
    ax = plots.decisions(timelines, ["discomfort", "hungry", "pain", "tired"], plt.gca(), step_s=0.5)
    box = ax.get_legend()
    colours = [np.array(patch.get_facecolor()[:3]) for patch in box.get_patches()]
    hungry = dict(zip([text.get_text() for text in box.get_texts()], colours, strict=True))["hungry"]
    expected = [hungry, 1 - 0.15 * (1 - hungry), [1, 1, 1]]  # no answer, no colour
    np.testing.assert_allclose(ax.images[0].get_array()[0], expected, atol=1e-6)
    assert ax.images[0].get_extent()[:2] == [0, 1.5]


def test_save_writes_the_picture_under_its_key_with_what_it_shows(apart) -> None:
    claims.begin("01_test")
    rng = np.random.default_rng(0)
    figure, (ax, below) = plt.subplots(2, figsize=(11, 5.6))
    plots.waveform(rng.normal(0, 0.1, SR), ax, sr=SR)
    plots.spectrogram(rng.normal(-40, 10, (250, 129)), below, sr=SR, hop_length=64)
    plots.style()
    plots.save(figure, "mine", "2 × 2 naïve clips", caption="How “loud” each clip is.")
    path = claims.run_dir() / "figures" / "mine.png"
    with Image.open(path) as picture:
        assert picture.info["Description"] == "How “loud” each clip is."
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
