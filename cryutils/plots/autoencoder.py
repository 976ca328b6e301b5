"""Reconstructions and spectrograms of several sounds, for notebook 08_autoencoder_dnn."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cryutils.audio.spectral import stft_db
from cryutils.plots.audio import heat_map

Array = npt.NDArray[np.float32]


def reconstructions(
    examples: Mapping[str, tuple[Array, Array, Array]], *, seconds: float
) -> Figure:
    """Draw windows, their codes and their reconstructions, one row per feature.

    examples: by feature, as returned by `autoencoding.Study.example`. MFCC number 0, the level, is
    left out. A window and its reconstruction share a colour scale. seconds: duration of a window.
    """
    fig, rows = plt.subplots(len(examples), 3, figsize=(11, 2.6 * len(examples)), squeeze=False)
    for axes, (kind, (window, code, back)) in zip(rows, examples.items(), strict=True):
        first, ylabel = (1, "MFCC number") if kind == "mfcc" else (0, "frequency bin")
        low, high = np.percentile(window[:, first:], [1, 99])
        for ax, values in ((axes[0], window), (axes[2], back)):
            heat_map(
                values[:, first:], ax, seconds=seconds, span=(first, values.shape[1]),
                limits=(low, high), ylabel=ylabel, unit="dB",
            )  # fmt: skip
        largest = np.abs(code).max()
        heat_map(
            code, axes[1], seconds=seconds, span=(0, code.shape[1]), limits=(-largest, largest),
            cmap="RdBu_r", ylabel="number in the code", unit="value",
        )  # fmt: skip
        axes[0].set_title(f"{kind.upper()}: {window.size // len(code)} numbers a patch")
        axes[1].set_title(f"code: {code.shape[1]} numbers a patch")
        axes[2].set_title("reconstruction")
    fig.tight_layout()
    return fig


def spectrograms(sounds: Mapping[str, Array], *, sr: int) -> Figure:
    """Draw the spectrogram of each sound under its name, each relative to its own loudest cell.

    sounds: float32 (samples,) at `sr` Hz, by name.
    """
    rows = -(-len(sounds) // 4)
    fig, axes = plt.subplots(
        rows, 4, figsize=(11.6, 2.3 * rows), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for ax, (name, x) in zip(axes.flat, sounds.items(), strict=False):
        level = stft_db(x, n_fft=256, hop_length=64)
        image = ax.imshow(
            (level - level.max()).T, origin="lower", aspect="auto", cmap="magma", vmin=-50, vmax=0,
            extent=(0, len(x) / sr, 0, sr / 2000),
        )  # fmt: skip
        ax.set_title(name, fontsize=9.5)
        ax.grid(visible=False)
        ax.label_outer()
    for ax in axes.flat[len(sounds) :]:
        ax.axis("off")
    fig.supxlabel("time in s", fontsize=10)
    fig.supylabel("frequency in kHz", fontsize=10)
    fig.colorbar(image, ax=axes, label="level in dB", pad=0.01)
    return fig
