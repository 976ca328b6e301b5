"""What every public figure promises: it draws, its axes have units or names, and it takes a source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from cryutils import plots
from cryutils.audio import spectral

SR, HOP = 8000, 128
TONE = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR).astype(np.float32)
LEVEL = spectral.stft_db(TONE, n_fft=512, hop_length=HOP)
MEL = spectral.mel_db(TONE, sr=SR, n_fft=512, hop_length=HOP, n_mels=40)
SHARES = np.array([[0.9, 0.1], [0.6, 0.4]], np.float32)
SPLITS = pd.DataFrame(
    {f"{split}{end}": [0.5] for split in plots.NAMES for end in ("", "_low", "_high")}, index=["SVM"]
)
STRESS = pd.DataFrame(
    {"condition": ["none.0", "noise.20"], "model": "cry2", "value": 0.5, "low": 0.4, "high": 0.6}
)
BINS = pd.DataFrame(
    {"confidence": [0.4], "accuracy": [0.5], "accuracy_low": [0.2], "accuracy_high": [0.7], "clips": [3]}
)
BOARD = {"table": "Paper A, Table 2", "group": "STFT", "model": "SVM", "name": "svm", "metric": "accuracy"}
BOARD |= {"published": 0.5, "commonest": 0.3}
READINGS = [
    SimpleNamespace(time=0.5, verdict="gap", probabilities={}, cry=None),
    SimpleNamespace(time=1.0, verdict="hungry", probabilities={"hungry": 0.9}, cry=0.8),
]

# By name, what is given before an `ax`, the `ax` or axes (their number), and options.
FIGURES: dict[str, tuple[tuple[Any, ...], int, dict[str, Any]]] = {
    "cepstrogram": ((spectral.cepstrum(MEL, n_mfcc=20),), 1, {"sr": SR, "hop_length": HOP}),
    "confidence_at": ((SHARES, np.array([0, 1]), ["a", "b"]), 0, {"temperature": 1.0, "threshold": 0.5}),
    "confusion": ((np.eye(2, dtype=int), ["hungry", "belly_pain"]), 1, {}),
    "decisions": (({"sound": SHARES}, ["hungry", "pain"]), 1, {"step_s": 0.5}),
    "framing": ((TONE,), 1, {"sr": SR, "frame_length": 512, "hop_length": HOP}),
    "gains": (
        (pd.DataFrame({"value": [0.1], "low": [0.0], "high": [None]}, index=["a"]),),
        1,
        {"xlabel": "gain"},
    ),
    "learning_curves": (
        (pd.DataFrame({"fold": 0, "epoch": [1, 2], "loss": [1.0, 0.5], "val_loss": [1.2, 0.9]}),),
        1,
        {},
    ),
    "mel_filter_bank": ((spectral.mel_filters(sr=SR, n_fft=512, n_mels=20),), 1, {"sr": SR, "every": 4}),
    "mel_lines": (({"a": MEL[0]},), 1, {"sr": SR, "ylabel": "level in dB"}),
    "mel_spectrogram": ((MEL,), 1, {"sr": SR, "hop_length": HOP}),
    "model_scores": ((SPLITS,), 1, {"chance": 0.25}),
    "readings": ((READINGS, ["hungry", "tired"]), 3, {"threshold": 0.5, "cry": (0.5, 1.0)}),
    "reconstructions": (({"mfcc": (MEL, MEL[:8], MEL)},), 0, {"seconds": 1.0}),
    "reliability": (({"before": BINS},), 1, {}),
    "scoreboard": ((SPLITS.assign(**BOARD),), 0, {}),
    "spectra": (({"a": LEVEL[0]},), 1, {"sr": SR}),
    "spectrogram": ((LEVEL,), 1, {"sr": SR, "hop_length": HOP}),
    "split_accuracies": (({split: SHARES[:, 0] for split in plots.NAMES},), 1, {"chance": 0.5}),
    "stress_figure": ((STRESS,), 0, {"panels": {"noise": "SNR in dB"}, "chance": 0.25}),
    "table3": (
        (STRESS.assign(condition="total", model="svm", split="random"),),
        0,
        {"majority": {"total": 0.5}},
    ),
    "waveform": ((TONE,), 1, {"sr": SR}),
}
# Pictures have titles alone; the others are no figures, but the parts of all.
OTHERS = {"pictures", "png", "save", "source", "style"}


def test_every_public_figure_is_tested() -> None:
    functions = {name for name, value in vars(plots).items() if inspect.isfunction(value)}
    assert functions == {*FIGURES, *OTHERS}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_with_named_axes_and_a_source_below(name: str) -> None:
    given, panels, options = FIGURES[name]
    draw: Callable[..., Any] = getattr(plots, name)
    if panels:
        axes = plt.subplots(panels, squeeze=False)[1].ravel()
        drawn = draw(*given, axes[0] if panels == 1 else axes, **options)
        assert drawn is (axes[0] if panels == 1 else axes)
        figure = axes[0].figure
    else:
        figure = draw(*given, **options)
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
